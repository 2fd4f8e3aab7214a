//! A run's way to a stats server: which one, and what it is told at the end.

use super::{identity, opening};
use crate::cli::RunArguments;
use crate::command::exit::Failure;
use crate::command::prepare::{Cpus, Loaded};
use crate::command::store;
use crate::render::facts::RunFacts;
use crate::render::{format, json, thresholds};
use crate::reporter::Observer;
use crate::reporter::send::{Delivery, Errand, Hello, Limits, NICE, Origin, Poster, Sending};
use anyhow::anyhow;
use config::{Plan, StatsSink};
use rustix::process::setpriority_process;
use server::Running;
use stats::Summary;
use stats::verdict::Reason;
use stats::wire::{ReasonRow, RunEnd, Span, ThresholdRow};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// Where a stats server is looked for and, if there is none, started; `MISTRESS_PORT` says
/// otherwise, and 0 looks for none.
const PORT: u16 = 7777;

/// A run that is told to a stats server.
pub struct Publication {
    sending: Sending,
    page: String,
    /// The server, when it is this process's own.
    own: Option<Running>,
}

/// Where the statistics go: what the command line says, then the environment, then the profile.
///
/// # Errors
/// The environment says something else than is allowed.
pub fn sink(arguments: &RunArguments, plan: &Plan) -> Result<StatsSink, Failure> {
    if let Some(sink) = &arguments.stats {
        return Ok(sink.clone());
    }
    match std::env::var("MISTRESS_STATS") {
        Ok(text) if !text.is_empty() => crate::cli::parse_stats(&text)
            .map_err(|e| Failure::usage(anyhow!("MISTRESS_STATS: {e}"))),
        _ => Ok(plan.stats.clone()),
    }
}

/// What is known of a run before it begins.
pub struct Occasion<'a> {
    pub plan: &'a Plan,
    pub cpus: &'a Cpus,
    pub loaded: &'a Loaded,
    /// The run's id.
    pub id: &'a str,
    /// The part of it that this node carries, as it was asked for: `2/3`, or nothing.
    pub segment: &'a str,
}

impl Occasion<'_> {
    /// The node's place in the run, from 0.
    fn node(&self) -> u32 {
        let place = self.segment.split('/').next().unwrap_or_default();
        place.trim().parse().unwrap_or(1_u32).saturating_sub(1)
    }
}

impl Publication {
    /// Finds or starts the server and begins to send. What does not go well is in the texts: a
    /// run is carried out without a server, too.
    pub fn start(sink: &StatsSink, occasion: &Occasion<'_>) -> (Option<Publication>, Vec<String>) {
        let mut notes = Vec::new();
        let data = match (sink, store::data_dir(None)) {
            (StatsSink::Off, _) => return (None, notes),
            (_, Ok(data)) => data,
            (_, Err(failure)) => return (None, vec![format!("stats: {failure}")]),
        };
        let found = match sink {
            StatsSink::Url(url) => Ok((named(url, &mut notes), None)),
            _ => auto(&data, &mut notes),
        };
        let (poster, own) = match found {
            Ok(found) => found,
            Err(error) => {
                notes.push(format!("stats: this run is not kept: {error}"));
                return (None, notes);
            }
        };
        let id = occasion.id;
        let node = occasion.node();
        let address = own
            .as_ref()
            .map_or(poster.server().to_owned(), Running::url);
        let page = format!("{}/r/{id}", address.replace("//127.0.0.1:", "//localhost:"));
        let errand = Errand {
            poster,
            spool: data.join("spool").join(format!("{id}.{node}")),
            limits: Limits::default(),
            start: opening::of(
                occasion.plan,
                &occasion.loaded.label,
                &occasion.cpus.load,
                occasion.segment,
            ),
            origin: Origin {
                run_id: id.to_owned(),
                node,
                node_name: node_name(),
                epoch: identity::random() >> 1,
            },
        };
        match Sending::start(errand) {
            Ok(sending) => {
                let publication = Publication { sending, page, own };
                (Some(publication), notes)
            }
            Err(error) => {
                notes.push(format!("stats: this run is not kept: {error}"));
                (None, notes)
            }
        }
    }

    /// What the reporter tells.
    pub fn observer(&self) -> Box<dyn Observer> {
        Box::new(self.sending.observer())
    }

    /// Where the run can be watched.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// Where the run can be found afterwards.
    pub fn reference(&self) -> String {
        match self.own {
            Some(_) => format!("page         {}  (later by: mistress serve)\n", self.page),
            None => format!("page         {}\n", self.page),
        }
    }

    /// Tells the end and delivers what is left; the text says what could not be. `None`: there is
    /// no result.
    pub fn end(self, end: Option<RunEnd>) -> Option<String> {
        let done = self.sending.end(end);
        if let Some(own) = self.own {
            own.stop();
        }
        remainder(&done)
    }
}

/// What is left of a delivery, and what to do about it.
fn remainder(done: &Delivery) -> Option<String> {
    let error = done.error.as_deref().unwrap_or("it does not answer");
    let error = format::escape(error);
    let dir = done.dir.display();
    let mut text = String::new();
    if done.gone {
        text += "stats: the run was deleted on the server; no more of it was sent\n";
    }
    if done.left > 0 {
        text += &format!(
            "stats: {} batches did not reach the server ({error}); deliver them later: \
             mistress push {dir}\n",
            done.left
        );
    }
    if done.refused > 0 {
        text += &format!(
            "stats: the server refused {} batches ({error}); they are in {dir}\n",
            done.refused
        );
    }
    if done.lost > 0 {
        text += &format!(
            "stats: {} batches are lost: neither the server nor {dir} took them ({error})\n",
            done.lost
        );
    }
    (!text.is_empty()).then_some(text)
}

/// The server that the user named, whether it answers or not.
fn named(url: &str, notes: &mut Vec<String>) -> Poster {
    let poster = Poster::new(url, store::token());
    let trouble = match poster.hello() {
        Hello::Welcome => return poster,
        Hello::Refused(why) => why,
        Hello::Stranger => "that is no stats server".to_owned(),
        Hello::Nobody(error) => error,
    };
    notes.push(format!(
        "stats: {url}: {}; the run is kept until it can be sent",
        format::escape(&trouble)
    ));
    poster
}

/// The server of this machine, or one of this process.
fn auto(data: &Path, notes: &mut Vec<String>) -> Result<(Poster, Option<Running>), String> {
    let port = std::env::var("MISTRESS_PORT").ok();
    let port = port.and_then(|port| port.parse().ok()).unwrap_or(PORT);
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let poster = Poster::new(&format!("http://{local}"), store::token());
    let found = match port {
        0 => Hello::Nobody(String::new()),
        _ => poster.hello(),
    };
    let bind = match found {
        Hello::Welcome => return Ok((poster, None)),
        Hello::Nobody(_) => local,
        Hello::Refused(why) => {
            notes.push(format!(
                "stats: the server at {local} does not take this run: {why}"
            ));
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        }
        Hello::Stranger => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    let own = start_own(bind, data)
        .or_else(|error| match error {
            server::Error::Bind { .. } => {
                start_own(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), data)
            }
            error => Err(error),
        })
        .map_err(|error| error.to_string())?;
    let token = Some(own.token().to_owned());
    let poster = Poster::new(&format!("http://{}", own.addr()), token);
    Ok((poster, Some(own)))
}

/// A server in this process. Its threads inherit the processors of this thread, and the low
/// priority of the one that starts them.
fn start_own(bind: SocketAddr, data: &Path) -> Result<Running, server::Error> {
    let options = server::Options::new(bind, data);
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            // where it is not permitted they are as any other thread
            let _ = setpriority_process(None, NICE);
            server::start(options)
        });
        let gone = || server::Error::Refused("the stats server ended by a panic".to_owned());
        started.join().unwrap_or_else(|_| Err(gone()))
    })
}

fn node_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// The end of a run for the wire.
pub fn end(run: &RunFacts, summary: &Summary) -> RunEnd {
    let verdict = &summary.verdict;
    RunEnd {
        ended: word(&run.ended),
        duration_s: run.duration_s,
        verdict: verdict.state.as_str().to_owned(),
        reasons: verdict.reasons.iter().map(reason).collect(),
        notes: verdict.notes.iter().map(reason).collect(),
        thresholds: (summary.thresholds.iter())
            .map(|outcome| ThresholdRow {
                text: outcome.text.clone(),
                met: outcome.met,
                value: outcome.value,
                limit: outcome.limit,
                first_missed_s: outcome.first_missed_s,
                finding: thresholds::finding(outcome),
            })
            .collect(),
        summary_json: json::without_series(run, summary).unwrap_or_default(),
    }
}

fn reason(reason: &Reason) -> ReasonRow {
    ReasonRow {
        kind: word(&reason.kind),
        text: reason.text.clone(),
        windows: (reason.windows.0.iter())
            .map(|(first_s, last_s)| Span {
                first_s: *first_s,
                last_s: *last_s,
            })
            .collect(),
        cores: reason.cores.clone(),
    }
}

/// The word that results use for a member of a closed set.
fn word(member: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(member).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
