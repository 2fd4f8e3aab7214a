//! Connects a run to a stats server: chooses or starts the server, and sends the end of the run.

use super::join::RunClock;
use super::run_start;
use crate::cli::RunArguments;
use crate::command::exit::Failure;
use crate::command::prepare::{Cpus, Loaded};
use crate::command::store;
use crate::render::format;
use crate::reporter::Observer;
use crate::reporter::upload::{
    BatchSource, Limits, NICE, ServerCheck, StatsClient, Upload, UploadJob, UploadOutcome,
};
use anyhow::anyhow;
use config::{Plan, StatsSink};
use rustix::process::setpriority_process;
use server::Running;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use wire::RunEnd;

/// The connection of a run to a stats server.
pub struct StatsSession {
    upload: Upload,
    page: String,
    /// The server, if it runs in this process.
    own: Option<Running>,
}

/// Where statistics go: the command line, then the environment, then the profile decides.
///
/// # Errors
/// The environment variable is invalid.
pub fn sink(arguments: &RunArguments, plan: &Plan) -> Result<StatsSink, Failure> {
    if let Some(rendezvous) = &arguments.join {
        return Ok(StatsSink::Url(rendezvous.clone()));
    }
    if let Some(sink) = &arguments.stats {
        return Ok(sink.clone());
    }
    match std::env::var("MISTRESS_STATS") {
        Ok(text) if !text.is_empty() => crate::cli::parse_stats(&text)
            .map_err(|e| Failure::usage(anyhow!("MISTRESS_STATS: {e}"))),
        _ => Ok(plan.stats.clone()),
    }
}

/// What is known about a run before it starts.
pub struct RunContext<'a> {
    pub plan: &'a Plan,
    pub cpus: &'a Cpus,
    pub loaded: &'a Loaded,
    /// The run's id.
    pub id: &'a str,
    /// The segment this node runs, as given: `2/3`, or empty.
    pub segment: &'a str,
    /// The clock of the run.
    pub clock: RunClock,
}

impl RunContext<'_> {
    /// The node's index in the run, from 0.
    fn node(&self) -> u32 {
        let index = self.segment.split('/').next().unwrap_or_default();
        index.trim().parse().unwrap_or(1_u32).saturating_sub(1)
    }
}

impl StatsSession {
    /// Finds or starts the server and starts the upload. Returns notices about problems; a run
    /// works without a server, too.
    pub fn start(
        sink: &StatsSink,
        context: &RunContext<'_>,
    ) -> (Option<StatsSession>, Vec<String>) {
        let mut notes = Vec::new();
        let data = match (sink, store::data_dir(None)) {
            (StatsSink::Off, _) => return (None, notes),
            (_, Ok(data)) => data,
            (_, Err(failure)) => return (None, vec![format!("stats: {failure}")]),
        };
        let found = match sink {
            StatsSink::Url(url) => Ok((configured_server(url, &mut notes), None)),
            _ => local_server(&data, &mut notes),
        };
        let (client, own) = match found {
            Ok(found) => found,
            Err(error) => {
                notes.push(format!("stats: this run is not stored: {error}"));
                return (None, notes);
            }
        };
        let epoch = match getrandom::u64() {
            // below 2^63, as the wire has it
            Ok(random) => random >> 1,
            Err(error) => return (None, vec![format!("stats: no random numbers: {error}")]),
        };
        let id = context.id;
        let node = context.node();
        let address = own
            .as_ref()
            .map_or(client.server().to_owned(), Running::url);
        let page = format!("{}/r/{id}", address.replace("//127.0.0.1:", "//localhost:"));
        let job = UploadJob {
            client,
            spool: data.join("spool").join(format!("{id}.{node}")),
            limits: Limits::default(),
            start: run_start::build(
                context.plan,
                &context.loaded.label,
                &context.cpus.load,
                context.segment,
            ),
            source: BatchSource {
                run_id: id.to_owned(),
                node,
                node_name: node_name(),
                epoch,
            },
            clock: context.clock.pair(),
        };
        match Upload::start(job) {
            Ok(upload) => {
                let session = StatsSession { upload, page, own };
                (Some(session), notes)
            }
            Err(error) => {
                notes.push(format!("stats: this run is not stored: {error}"));
                (None, notes)
            }
        }
    }

    /// The observer for the reporter.
    pub fn observer(&self) -> Box<dyn Observer> {
        Box::new(self.upload.observer())
    }

    /// The address of the run's live page.
    pub fn page(&self) -> &str {
        &self.page
    }

    /// The line of the report that names the page of the run.
    pub fn reference(&self) -> String {
        match self.own {
            Some(_) => format!("page         {}  (later with: mistress serve)\n", self.page),
            None => format!("page         {}\n", self.page),
        }
    }

    /// Sends the end and uploads the rest; returns a message about what could not be delivered.
    /// `None`: there is no result.
    pub fn end(self, end: Option<RunEnd>) -> Option<String> {
        let done = self.upload.end(end);
        if let Some(own) = self.own {
            own.stop();
        }
        leftover_message(&done)
    }
}

/// What could not be uploaded, and what to do about it.
fn leftover_message(done: &UploadOutcome) -> Option<String> {
    let error = done.error.as_deref().unwrap_or("no answer");
    let error = format::escape(error);
    let dir = done.dir.display();
    let mut text = String::new();
    if done.gone {
        text += "stats: the run was deleted on the server; no more of it was sent\n";
    }
    if done.left > 0 {
        text += &format!(
            "stats: {} batches did not reach the server ({error}); upload them later: \
             mistress push {dir}\n",
            done.left
        );
    }
    if done.rejected > 0 {
        text += &format!(
            "stats: the server rejected {} batches ({error}); they are in {dir}\n",
            done.rejected
        );
    }
    if done.lost > 0 {
        text += &format!(
            "stats: {} batches were lost: they could be sent neither to the server nor written to {dir} ({error})\n",
            done.lost
        );
    }
    (!text.is_empty()).then_some(text)
}

/// The configured server, whether it answers or not.
fn configured_server(url: &str, notes: &mut Vec<String>) -> StatsClient {
    let client = StatsClient::new(url, store::token());
    let trouble = match client.check() {
        ServerCheck::Accepts => return client,
        ServerCheck::Rejects(why) => why,
        ServerCheck::NotAStatsServer => "not a stats server".to_owned(),
        ServerCheck::Unreachable(error) => error,
    };
    notes.push(format!(
        "stats: {url}: {}; the run is kept in the spool until it can be uploaded",
        format::escape(&trouble)
    ));
    client
}

/// The server on this machine, or one in this process.
fn local_server(
    data: &Path,
    notes: &mut Vec<String>,
) -> Result<(StatsClient, Option<Running>), String> {
    let port = store::port();
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let client = StatsClient::new(&format!("http://{local}"), store::token());
    let found = match port {
        0 => ServerCheck::Unreachable(String::new()),
        _ => client.check(),
    };
    let bind = match found {
        ServerCheck::Accepts => return Ok((client, None)),
        ServerCheck::Unreachable(_) => local,
        ServerCheck::Rejects(why) => {
            notes.push(format!(
                "stats: the server at {local} rejected this run: {why}"
            ));
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        }
        ServerCheck::NotAStatsServer => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    let own = start_own(bind, data).or_else(|error| match error {
        server::Error::Bind { .. } => start_own(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), data),
        error => Err(error),
    });
    let own = match own {
        Ok(own) => own,
        Err(error @ server::Error::InUse(_)) => {
            notes.push(format!(
                "stats: {error}; the run is kept in the spool until it can be uploaded"
            ));
            return Ok((client, None));
        }
        Err(error) => return Err(error.to_string()),
    };
    notes.extend(
        own.notices()
            .iter()
            .map(|notice| format!("stats: {notice}")),
    );
    let token = Some(own.token().to_owned());
    let client = StatsClient::new(&format!("http://{}", own.addr()), token);
    Ok((client, Some(own)))
}

/// Starts a server in this process. Its threads inherit the cpus of this thread, and the low
/// priority of the one that starts them.
fn start_own(bind: SocketAddr, data: &Path) -> Result<Running, server::Error> {
    let options = server::Options::new(bind, data);
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            // if it is not permitted, they have normal priority
            let _ = setpriority_process(None, NICE);
            server::start(options)
        });
        let gone = || server::Error::Refused("the stats server panicked".to_owned());
        started.join().unwrap_or_else(|_| Err(gone()))
    })
}

/// The host name of this machine.
pub fn node_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
