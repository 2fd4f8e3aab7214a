//! The ends of requests: recorded, followed up, and told to the scripts that wait for them.

use super::table::Doing;
use crate::clock::Moment;
use crate::core::Core;
use crate::core::follow_up::FollowUp;
use crate::core::request::{Pending, Prepared};
use crate::core::state::HeldSample;
use crate::event::{self, Event, Traced};
use crate::http::head_flags::HeadFlags;
use crate::transport::{Completed, Keep, KeptReply, Request, Stream};
use scripting::{Reply, Step};
use stats::{Counter, FailureKind, Recorder, Sample};
use std::time::Duration;

/// How soon a refused request is told to its script, when the one before was refused as well.
const REFUSAL_PAUSE: Duration = Duration::from_millis(100);

/// The end of a request, as its script is told of it.
struct Answer {
    status: u16,
    failure: Option<FailureKind>,
    latency_ns: u64,
    /// The script asked for the body.
    asked: bool,
    kept: Option<Box<KeptReply>>,
}

impl Core {
    /// Submits a request of a user or branch, which waits for its end.
    #[inline]
    pub(super) fn issue(&mut self, slot: u32, request: Request, pending: Pending) {
        let telemetry = &self.state.telemetry;
        if telemetry.recording.get() && !self.budget.take_request() {
            return self.hold(slot);
        }
        telemetry.record(|recorder| recorder.sent(request.name));
        let user = self.users.get_mut(slot);
        user.doing = Doing::Request;
        user.request = Some(pending);
        self.transport.submit(user.root, request);
    }

    /// A request has ended.
    #[inline]
    pub(in crate::core) fn on_completed(&mut self, done: Completed) {
        let slot = done.ticket;
        if !done.was_written {
            return self.on_refused(done);
        }
        let stream = self.transport.stream(done.stream);
        let is_whole = done.failure.is_none();
        let follow_up = if is_whole && stream.reply.seen.has(HeadFlags::FOLLOWED) {
            self.follow_up(&done)
        } else {
            FollowUp::Answer
        };
        let reply = &stream.reply;
        let pending = self.users.get(slot).pending();
        let failure = match &follow_up {
            _ if !is_whole => done.failure,
            FollowUp::Request(_) => None,
            FollowUp::Failure(kind) => Some(*kind),
            FollowUp::Answer if !pending.expects(reply.status) => Some(FailureKind::Status),
            FollowUp::Answer => reply.whole_body_failure(),
        };
        let mut answer = Answer {
            status: reply.status,
            failure,
            latency_ns: done.done.since(pending.begun),
            asked: reply.keep == Keep::Asked,
            kept: None,
        };
        // What was kept for the sake of the head alone is of no use any more.
        let is_kept = reply.kept.is_some() && reply.keep != Keep::Nothing;
        let is_last = !matches!(follow_up, FollowUp::Request(_));
        if is_last && self.is_watched() {
            self.record_watched(stream, pending.intended, done.done, failure);
        } else {
            self.record(stream, pending.intended, done.done, failure);
        }
        if failure.is_some() || self.traced != Traced::Nothing {
            self.note_end(&done, failure);
        }
        if is_kept {
            answer.kept = self.transport.take_kept(done.stream);
        }
        self.transport.give_back(done.stream);
        let root = self.users.get(slot).root;
        self.users.get_mut(root).refusals = 0;
        match follow_up {
            FollowUp::Request(next) => {
                let Prepared { request, pending } = *next;
                self.issue(slot, request, pending);
            }
            FollowUp::Answer | FollowUp::Failure(_) => self.hand_over(slot, answer),
        }
    }

    /// A request could not even be written: the reply reaches the script a little later, so that
    /// a dead target costs no busy loop.
    #[cold]
    fn on_refused(&mut self, done: Completed) {
        let Some(kind) = done.failure else { return };
        self.state.telemetry.count(Counter::NotWritten, 1);
        let stream = self.transport.stream(done.stream);
        let pending = self.users.get(done.ticket).pending();
        let latency_ns = done.done.since(pending.begun);
        self.record(stream, pending.intended, done.done, Some(kind));
        self.note_end(&done, Some(kind));
        self.transport.give_back(done.stream);
        self.postpone_refusal(done.ticket, kind, latency_ns);
    }

    /// Records the end of a request that was due at `intended`.
    #[inline]
    fn record(
        &self,
        stream: &Stream,
        intended: Moment,
        done: Moment,
        failure: Option<FailureKind>,
    ) {
        let sample = sample(stream, intended, done, failure);
        self.state.telemetry.record(|recorder| {
            count_reply(recorder, stream);
            recorder.request(stream.name, &sample);
        });
    }

    /// The script looks at how requests end.
    #[inline]
    fn is_watched(&self) -> bool {
        self.script.judges_replies() || self.script.reads_timings()
    }

    /// Records the end of a request, unless the script may still reject the reply: then the sample
    /// is held until the script has seen it.
    #[cold]
    fn record_watched(
        &self,
        stream: &Stream,
        intended: Moment,
        done: Moment,
        failure: Option<FailureKind>,
    ) {
        self.state.timings.set(Some(stream.timings(done)));
        if !self.script.judges_replies() {
            return self.record(stream, intended, done, failure);
        }
        let (name, sample) = (stream.name, sample(stream, intended, done, failure));
        let telemetry = &self.state.telemetry;
        telemetry.record(|recorder| count_reply(recorder, stream));
        self.state.held.replace(Some(HeldSample {
            name,
            sample,
            exchange: None,
        }));
    }

    /// What follows from the end of a request that failed, or in a run that is traced.
    #[cold]
    fn note_end(&mut self, done: &Completed, failure: Option<FailureKind>) {
        if failure.is_some() {
            self.state.fail_transactions(done.ticket);
        }
        let is_told = match self.traced {
            Traced::Nothing => false,
            Traced::Failed => failure.is_some(),
            Traced::All => true,
        };
        if is_told {
            let exchange = self.exchange(done, failure);
            self.state.telemetry.send(Event::Exchange(exchange));
        } else if self.traced == Traced::Failed && self.state.held.borrow().is_some() {
            let exchange = self.exchange(done, failure);
            if let Some(held) = &mut *self.state.held.borrow_mut() {
                held.exchange = Some(exchange);
            }
        }
    }

    /// A request and its reply, for an event.
    fn exchange(&mut self, done: &Completed, failure: Option<FailureKind>) -> Box<event::Exchange> {
        let wire = self.transport.take_unreadable(done.stream, failure);
        let intended = self.users.get(done.ticket).pending().intended;
        let user = self.state.script_users.borrow()[done.ticket as usize].number;
        let stream = self.transport.stream(done.stream);
        let sample = sample(stream, intended, done.done, failure);
        let server = {
            let origins = self.state.origins.borrow();
            let origin = &origins.get(stream.origin).origin;
            format!("{}://{}", origin.scheme.as_str(), origin.authority())
        };
        let kept = stream.reply.kept.as_ref();
        let telemetry = &self.state.telemetry;
        let (name, tags) = {
            let recorder = telemetry.recorder.borrow();
            let tags = recorder.tags_of(stream.name.tags()).to_vec();
            (recorder.text(stream.name).to_owned(), tags)
        };
        let body = kept.and_then(|kept| kept.plain());
        Box::new(event::Exchange {
            name,
            tags,
            user,
            server,
            at: Duration::from_nanos(intended.since(self.state.start.get())),
            request: self.transport.request_bytes(done.stream),
            head: kept.map_or_else(Vec::new, |kept| kept.head.clone()),
            body: body.map_or_else(Vec::new, <[u8]>::to_vec),
            wire,
            status: stream.reply.status,
            failure: failure.map(FailureKind::as_str),
            latency: Duration::from_nanos(sample.latency_ns),
            service: Duration::from_nanos(sample.service_ns),
            first_byte: Duration::from_nanos(sample.first_byte_ns),
        })
    }

    /// A request failed before it was written.
    fn postpone_refusal(&mut self, slot: u32, kind: FailureKind, latency_ns: u64) {
        let root = self.users.get(slot).root;
        let refusals = &mut self.users.get_mut(root).refusals;
        *refusals = refusals.saturating_add(1);
        let doing = Doing::Refused { kind, latency_ns };
        if *refusals > 1 {
            return self.wait_until(slot, self.now.after(REFUSAL_PAUSE), doing);
        }
        let user = self.users.get_mut(slot);
        user.doing = doing;
        user.wakes = self.now;
        let generation = user.generation;
        self.ready.push_back((slot, generation));
    }

    /// Hands a reply to its script and follows it.
    fn hand_over(&mut self, slot: u32, answer: Answer) {
        let user = self.users.get_mut(slot);
        user.doing = Doing::Nothing;
        self.heartbeat.enter(user.scenario, user.number);
        self.state.script_users.borrow_mut()[slot as usize].due = self.now;
        let mut reply = Reply {
            status: answer.status,
            ok: answer.failure.is_none(),
            failure: answer.failure.map(FailureKind::as_str),
            latency_ms: answer.latency_ns as f64 / 1e6,
            stopping: self.state.stopping(slot),
            head: None,
            body: None,
        };
        if answer.kept.is_none() {
            let step = self.script.reply(slot, &reply);
            self.release_held();
            return self.follow(slot, step);
        }
        self.state.latest.replace(answer.kept);
        let step = {
            let latest = self.state.latest.borrow();
            if let Some(kept) = &*latest {
                reply.head = self.script.reads_heads().then_some(&kept.head[..]);
                reply.body = (answer.asked && !kept.overflowed).then_some(&kept.body[..]);
            }
            self.script.reply(slot, &reply)
        };
        self.state.latest.replace(None);
        self.release_held();
        self.follow(slot, step);
    }

    /// The script has seen the reply: what it did not reject is recorded as it was.
    #[inline]
    fn release_held(&mut self) {
        if !self.is_watched() {
            return;
        }
        self.state.timings.set(None);
        if let Some(held) = self.state.held.take() {
            let telemetry = &self.state.telemetry;
            telemetry.record(|recorder| recorder.request(held.name, &held.sample));
            if let (Some(mut exchange), Some(failure)) = (held.exchange, held.sample.failure) {
                exchange.failure = Some(failure.as_str());
                telemetry.send(Event::Exchange(exchange));
            }
        }
    }

    /// Tells a script that its request was refused.
    pub(super) fn tell_refusal(&mut self, slot: u32, kind: FailureKind, latency_ns: u64) -> Step {
        self.state.script_users.borrow_mut()[slot as usize].due = self.now;
        let reply = Reply {
            status: 0,
            ok: false,
            failure: Some(kind.as_str()),
            latency_ms: latency_ns as f64 / 1e6,
            stopping: self.state.stopping(slot),
            head: None,
            body: None,
        };
        self.script.reply(slot, &reply)
    }
}

/// Counts what a reply was besides its request.
#[inline]
fn count_reply(recorder: &mut Recorder, stream: &Stream) {
    let reply = &stream.reply;
    if reply.seen.has(HeadFlags::ODD) {
        recorder.count(Counter::OddHead, 1);
    }
    if let Some((encoded, plain)) = reply.decoded_bytes() {
        recorder.count(Counter::EncodedBytes, encoded);
        recorder.count(Counter::DecodedBytes, plain);
    }
}

/// What is recorded of a request that ended at `done`.
fn sample(stream: &Stream, intended: Moment, done: Moment, failure: Option<FailureKind>) -> Sample {
    let known = |moment: Moment| {
        if moment == Moment::NEVER {
            done
        } else {
            moment
        }
    };
    let (sent, first_byte) = (known(stream.sent), known(stream.first_byte));
    Sample {
        latency_ns: done.since(intended),
        service_ns: done.since(sent),
        lag_ns: stream.lag_ns,
        first_byte_ns: first_byte.since(sent),
        receive_ns: done.since(first_byte),
        status: stream.reply.status,
        failure,
        bytes_in: stream.reply.bytes_in,
        bytes_out: stream.bytes_out,
    }
}
