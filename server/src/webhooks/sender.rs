//! The threads: the dispatcher makes messages of jobs, a few others post them.

use super::address::AllowedAddresses;
use super::message::{self, RunFacts};
use super::queue::{Message, Queue};
use super::records::{Progress, Webhook};
use super::signature::SigningSecret;
use super::{Context, WebhookEvent, WebhookJob};
use crate::access::now_us;
use crate::store::State;
use crate::{Error, http_client};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use ureq::Agent;

/// Number of threads that post: with fewer slow receivers than this, no other has to wait.
const DELIVERY_THREADS: usize = 4;
/// Maximum number of missed thresholds that are remembered per run.
const MISSED_MAX: usize = 1_000;
/// Maximum number of runs that missed thresholds are remembered of.
const RUNS_MAX: usize = 1_000;
/// Status of receivers that want no more.
const GONE: u16 = 410;

/// The running threads.
pub(super) struct Threads {
    queue: Arc<Queue>,
    dispatcher: JoinHandle<()>,
}

impl Threads {
    pub(super) fn start(inbox: Receiver<WebhookJob>, context: Context) -> Result<Threads, Error> {
        context.accounts.fail_waiting_deliveries()?;
        let queue = Arc::new(Queue::default());
        let context = Arc::new(context);
        let worker = Arc::new(DeliveryWorker {
            context: Arc::clone(&context),
            agent: OnceLock::new(),
        });
        for number in 0..DELIVERY_THREADS {
            let (queue, worker) = (Arc::clone(&queue), Arc::clone(&worker));
            spawn(format!("webhook-{number}"), move || worker.work(&queue))?;
        }
        let mut dispatcher = Dispatcher {
            context,
            queue: Arc::clone(&queue),
            missed: HashMap::new(),
        };
        let dispatcher = spawn("webhooks".to_owned(), move || dispatcher.work(&inbox))?;
        Ok(Threads { queue, dispatcher })
    }

    /// Ends them; an attempt that takes longer than `patience` ends with the process.
    pub(super) fn stop(self, patience: Duration) {
        let _ = self.dispatcher.join();
        self.queue.stop(patience);
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let thread = std::thread::Builder::new().name(name).spawn(work);
    thread.map_err(|error| Error::Access(format!("no thread for webhooks: {error}")))
}

/// Makes messages of jobs.
struct Dispatcher {
    context: Arc<Context>,
    queue: Arc<Queue>,
    /// The missed thresholds that messages were sent for, by live run.
    missed: HashMap<String, HashSet<String>>,
}

impl Dispatcher {
    fn work(&mut self, inbox: &Receiver<WebhookJob>) {
        while let Ok(job) = inbox.recv() {
            if matches!(job, WebhookJob::Stop) {
                return;
            }
            // a run that cannot be read, or a store that cannot be written, loses this message only
            let _ = self.execute(job);
        }
    }

    fn execute(&mut self, job: WebhookJob) -> Result<(), Error> {
        match job {
            WebhookJob::Started { run } => self.publish(&run, WebhookEvent::Started, None),
            WebhookJob::Missed {
                run,
                threshold,
                time_us,
            } => {
                // every node of a run judges for itself
                if !self.is_first(&run, &threshold) {
                    return Ok(());
                }
                let first_missed_s = time_us.max(0) / 1_000_000;
                let threshold = json!({ "text": threshold, "first_missed_s": first_missed_s });
                self.publish(&run, WebhookEvent::Missed, Some(&[threshold]))
            }
            WebhookJob::Ended { run, state } => self.end(&run, state),
            WebhookJob::Test { webhook, by } => self.test(webhook, &by),
            WebhookJob::Stop => Ok(()),
        }
    }

    fn is_first(&mut self, run: &str, threshold: &str) -> bool {
        if self.missed.len() >= RUNS_MAX && !self.missed.contains_key(run) {
            self.missed.clear();
        }
        let missed = self.missed.entry(run.to_owned()).or_default();
        missed.len() < MISSED_MAX && missed.insert(threshold.to_owned())
    }

    /// Thresholds that are only judged at the end come before the end itself.
    fn end(&mut self, run: &str, state: State) -> Result<(), Error> {
        let Some(record) = self.context.store.run(run)? else {
            return Ok(());
        };
        let webhooks = &self.context.accounts;
        let is_wanted = !webhooks
            .webhooks_for(&record.project, WebhookEvent::Missed)?
            .is_empty();
        let facts = if is_wanted { self.facts(run)? } else { None };
        let missed = facts.iter().flat_map(RunFacts::missed);
        let missed: Vec<Value> = missed
            .filter(|one| self.is_first(run, one["text"].as_str().unwrap_or("")))
            .cloned()
            .collect();
        if !missed.is_empty() {
            self.publish(run, WebhookEvent::Missed, Some(&missed))?;
        }
        if state == State::Done {
            self.missed.remove(run);
        }
        self.publish(run, WebhookEvent::Ended, None)
    }

    /// What is known of a run; `None` when it was deleted.
    fn facts(&self, run: &str) -> Result<Option<RunFacts>, Error> {
        let store = &self.context.store;
        // the record before the data, so that the message of a finished run has all its data
        let (Some(record), Some(view)) = (store.run(run)?, store.view(run)?) else {
            return Ok(None);
        };
        RunFacts::of(&record, view.as_ref(), &self.context.url).map(Some)
    }

    /// Queues a message for each webhook that wants it; one for each of the thresholds.
    fn publish(
        &self,
        run: &str,
        event: WebhookEvent,
        thresholds: Option<&[Value]>,
    ) -> Result<(), Error> {
        let store = &self.context.store;
        let Some(record) = store.run(run)? else {
            return Ok(());
        };
        let webhooks = self.context.accounts.webhooks_for(&record.project, event)?;
        if webhooks.is_empty() {
            return Ok(());
        }
        let Some(facts) = self.facts(run)? else {
            return Ok(());
        };
        let bodies: Vec<Arc<str>> = match thresholds {
            None => vec![facts.message(event, None).into()],
            Some(thresholds) => {
                let bodies = thresholds.iter();
                let bodies = bodies.map(|one| facts.message(event, Some(one)).into());
                bodies.collect()
            }
        };
        for webhook in &webhooks {
            for body in &bodies {
                self.queue(webhook, event, run, Arc::clone(body))?;
            }
        }
        Ok(())
    }

    fn test(&self, webhook: i64, by: &str) -> Result<(), Error> {
        let Some((webhook, _)) = self.context.accounts.webhook(webhook)? else {
            return Ok(());
        };
        let body = message::test(&webhook.project, by, &self.context.url);
        self.queue(&webhook, WebhookEvent::Test, "", body.into())
    }

    fn queue(
        &self,
        webhook: &Webhook,
        event: WebhookEvent,
        run: &str,
        body: Arc<str>,
    ) -> Result<(), Error> {
        let id = message_id()?;
        let accounts = &self.context.accounts;
        let delivery = accounts.add_delivery(webhook.id, &id, event, run)?;
        let is_queued = self.queue.add(Message {
            webhook: webhook.id,
            delivery,
            id,
            body,
            attempts: 0,
            due: Instant::now(),
        });
        match is_queued {
            true => Ok(()),
            false => {
                let outcome = "too many messages were waiting for this receiver";
                accounts.record_attempt(delivery, 0, Progress::Failed, outcome, 0)
            }
        }
    }
}

/// An id that no other message has.
fn message_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Access(format!("no random numbers: {error}")))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("msg_{digits}"))
}

/// Posts messages.
struct DeliveryWorker {
    context: Arc<Context>,
    /// Made with the first message: reading the certificates of the system takes a moment.
    agent: OnceLock<Result<Agent, String>>,
}

impl DeliveryWorker {
    fn work(&self, queue: &Queue) {
        while let Some(message) = queue.take() {
            let webhook = message.webhook;
            // when the store fails, the delivery is not tried again; the thread goes on
            let again = self.attempt(message).unwrap_or_default();
            queue.done(webhook, again);
        }
    }

    /// Tries a message once and records the outcome; returns it if it is to be tried again.
    fn attempt(&self, mut message: Message) -> Result<Option<Message>, Error> {
        let accounts = &self.context.accounts;
        let Some((webhook, secret)) = accounts.webhook(message.webhook)? else {
            return Ok(None);
        };
        let began = Instant::now();
        let posted = self.post(&webhook.url, &secret, &message);
        let took_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        message.attempts += 1;
        let (is_delivered, outcome) = match &posted {
            Ok(status @ 200..=299) => (true, format!("status {status}")),
            Ok(GONE) => (
                false,
                format!("status {GONE}: the receiver accepts no further messages"),
            ),
            Ok(status @ 300..=399) => (
                false,
                format!("status {status}: redirects are not followed"),
            ),
            Ok(status) => (false, format!("status {status}")),
            Err(reason) => (false, reason.clone()),
        };
        let is_final = is_delivered || posted == Ok(GONE);
        let retries = &self.context.options.retries;
        let wait = retries
            .get(message.attempts as usize - 1)
            .filter(|_| !is_final);
        let progress = match wait {
            _ if is_delivered => Progress::Delivered,
            Some(wait) => {
                let wait_us = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                Progress::Waiting(now_us().saturating_add(wait_us))
            }
            None => Progress::Failed,
        };
        let (delivery, attempts) = (message.delivery, message.attempts);
        accounts.record_attempt(delivery, attempts, progress, &outcome, took_ms)?;
        Ok(wait.map(|wait| Message {
            due: Instant::now() + *wait,
            ..message
        }))
    }

    /// Posts a message; the status of the answer, or what went wrong.
    fn post(&self, url: &str, secret: &SigningSecret, message: &Message) -> Result<u16, String> {
        let agent = self.agent.get_or_init(|| self.new_agent()).as_ref();
        let agent = agent.map_err(String::clone)?;
        let timestamp_s = now_us() / 1_000_000;
        let signature = secret.sign(&message.id, timestamp_s, &message.body);
        let answer = agent
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp_s.to_string())
            .header("webhook-signature", signature)
            .send(message.body.as_bytes());
        match answer {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) => Err(http_client::reason(error, self.context.options.timeout)),
        }
    }

    fn new_agent(&self) -> Result<Agent, String> {
        let options = &self.context.options;
        let accounts = Arc::clone(&self.context.accounts);
        let allowed = AllowedAddresses::new(&options.allow).with_accounts(accounts);
        let agent = http_client::agent(options.timeout, Some(allowed));
        agent.map_err(|error| error.to_string())
    }
}
