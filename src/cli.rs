//! Command-line arguments and their help.

mod backup;
mod compare;
mod init;
mod input;
mod report;
mod runs;
mod segment;
mod serve;

pub use init::{Example, InitArguments};
pub use input::{InputArguments, RequestArguments, Seed};

use crate::render::columns::Columns;
use clap::{Args, Parser, Subcommand};
use config::{Cores, FailOnRules, Origin, StatsSink};
use engine::Traced;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use backup::{BackupArguments, RestoreArguments};
pub use compare::CompareArguments;
pub use report::ReportArguments;
pub use runs::{DeleteArguments, RunsAction, RunsArguments};
pub use segment::{AutoSegment, SegmentArgument, SegmentChoice};
pub use serve::ServeArguments;

/// Load-test server-side applications with latency figures you can trust
#[derive(Parser, Debug)]
#[command(name = "mistress", version, about, max_term_width = 100)]
#[command(arg_required_else_help = true)]
#[command(after_help = "Start here:  mistress init && mistress run shop.toml")]
pub struct Arguments {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a load test, with a live view and a final report
    #[command(after_long_help = RUN_HELP)]
    Run(Box<RunArguments>),
    /// Check a profile and its script: run one user once and show every request and reply
    #[command(after_long_help = CHECK_HELP)]
    Check(Box<CheckArguments>),
    /// Write an example to start from: a profile and its script
    #[command(after_long_help = init::HELP)]
    Init(InitArguments),
    /// Control a running test: pause, resume, scale 1.5, next, drain, stop, status
    #[command(after_long_help = CONTROL_HELP)]
    Control(ControlArguments),
    /// Run the stats server, which stores runs and shows them
    #[command(after_long_help = serve::HELP)]
    Serve(Box<ServeArguments>),
    /// Show a run from the local store
    #[command(after_long_help = REPORT_HELP)]
    Report(ReportArguments),
    /// Compare runs from the local store, and tell differences from noise
    #[command(after_long_help = compare::HELP)]
    Compare(CompareArguments),
    /// List the runs of the local store, or delete some
    #[command(after_long_help = runs::HELP)]
    Runs(RunsArguments),
    /// Back up the runs and accounts of a stats server, which may go on meanwhile
    #[command(after_long_help = backup::BACKUP_HELP)]
    Backup(BackupArguments),
    /// Restore a backup of a stats server
    #[command(after_long_help = backup::RESTORE_HELP)]
    Restore(RestoreArguments),
    /// Upload results that could not be delivered during the run
    #[command(after_long_help = PUSH_HELP)]
    Push(PushArguments),
    /// Run a small, fast HTTP server to try things on
    #[command(after_long_help = TARGET_HELP)]
    Target(TargetArguments),
    /// Check whether this machine is fit to generate load, and what to change
    #[command(after_long_help = DOCTOR_HELP)]
    Doctor(DoctorArguments),
    /// Print the completion script of a shell
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions(CompletionsArguments),
    /// Print the manual page, or write all of them into a folder
    #[command(after_long_help = MAN_HELP)]
    Man(ManArguments),
}

const COMPLETIONS_HELP: &str = "\
Examples:
  mistress completions bash >~/.local/share/bash-completion/completions/mistress
  mistress completions zsh >~/.zfunc/_mistress
  mistress completions fish >~/.config/fish/completions/mistress.fish";

const MAN_HELP: &str = "\
Examples:
  mistress man | man -l -
  mistress man --dir ~/.local/share/man/man1";

const RUN_HELP: &str = "\
Examples:
  mistress run http://127.0.0.1:8080/ -u 64 -d 30s
  mistress run http://127.0.0.1:8080/cart -r 500/s --json-body '{\"item\": 17}'
  mistress run http://127.0.0.1:8080/ -n 10000 --print-profile >first.toml
  mistress run shop.toml --target http://10.0.0.5:8080 --json shop.json
  mistress run shop.toml --rate 2k/s --duration 5m --set run.timeout=5s -e TENANT=blue
  mistress run shop.toml --cores 2,3 --strict --csv - >seconds.csv
  mistress run https://shop.example/ -x http://proxy.example:3128
  mistress run shop.toml --segment 1/3 --join http://stats.example:7777 \
    --run-id 017f22e2-79b0-7cc3-98c4-dc0c0c07398f

With a URL, the load is closed (-u, 10 users by default) or open (-r), lasts 10 s, and connections
are shared between users. With a profile, these options scale its loads.

Without a terminal, or with CI set, there is a line per second; in runs of more than a minute there
is one every ten seconds.

On a terminal, keys control the run: p pauses and resumes, + and - scale the load by a tenth of
the planned load, n ends the current phase, q drains.

The first Ctrl-C (or SIGTERM) ends the load and lets users finish within the profile's drain
limit; the second stops at once. Both end with the full report. A third exits without a report.

Exit codes:
  0    success
  1    a threshold was missed, or what fail_on lists happened (docs/profile.md)
  2    invalid usage, profile or script, found before any traffic
  3    the run failed, lost nodes (--join), or its result could not be written
  4    with --strict: the verdict is not clean, the generator was the bottleneck
  130  interrupted (143: by SIGTERM); the report is complete";

const CHECK_HELP: &str = "\
Runs each scenario of the profile once with one user, including setup and teardown, without
shortening any sleeps. Shows everything: names, request and status lines, headers, the first KiB of
each body, latency, checks, logs, and script errors with their traceback.

The user is none of the run's: its number is 1000000 or more, and from data that is handed out once
it gets the last rows. So what must be unique, such as accounts to sign up, is left to the run.

With --user, repeats one user of a run: its number in the run's logs and errors is its number here.
It gets the data rows it would get if every iteration before it had taken one row of each source.
A user of a closed load runs one iteration.

Examples:
  mistress check scenarios/quickstart.toml
  mistress check shop.toml --seed 7 --user 4711
  mistress check shop.toml --scenario buy --target http://localhost:8080

Exit codes:
  0    every iteration ended, every request was ok, every check passed
  2    invalid usage, profile or script, found before any traffic
  3    a script error, a failed request or check, or the check could not be run";

const CONTROL_HELP: &str = "\
The test must have been started with `mistress run P.toml --control SOCKET`; or it is a run of
several nodes (`--join`), which is named by its id. Commands:
  status         show the progress as one line of JSON
  pause          stop the load: rates and numbers of users become 0; time continues
  resume         restore the load
  scale FACTOR   multiply the rates and numbers of users of the profile by FACTOR
  next           end the current phase of each load
  drain          end the load and finish running work, like Ctrl-C
  stop           stop at once

Every change is recorded in the report and the result. All nodes of a run follow at one moment,
300 ms after the command or a little more. If the stats server requires a token, set MISTRESS_TOKEN.

Examples:
  mistress control /tmp/shop.control scale 1.5
  mistress control /tmp/shop.control status
  mistress control 017f22e2-79b0-7cc3-98c4-dc0c0c07398f pause --stats http://stats.example:7777

Exit codes:
  0    success
  2    unknown command
  3    no test listens on the socket, or the server has no nodes of the run";

const REPORT_HELP: &str = "\
RUN is the id of a run, a prefix of it, a run name (the newest run of that name), or `latest`.

Examples:
  mistress report latest
  mistress report shop --format hlog >shop.hlog

Exit codes:
  0    success
  2    no such run
  3    the store cannot be read";

const PUSH_HELP: &str = "\
A run whose stats server did not accept everything names the folder with the rest. Results that the
server already has are not stored twice. If the server requires a token, set MISTRESS_TOKEN.

Exit codes:
  0    everything was uploaded
  2    not a folder with results
  3    some results are left";

const TARGET_HELP: &str = "\
The first line of output is `listening on http://ADDRESS:PORT`. Serves HTTP/1.1 with keep-alive
until Ctrl-C.

Endpoints (any method):
  /            a small constant text
  /bytes/N     a body of N bytes
  /chunked/N   a chunked body of N bytes
  /delay/MS    a small text after MS milliseconds
  /status/N    status N, 200 to 599
  /echo        the body of the request
  /headers     the head of the request as text
  /close       a small text, then closes the connection

A small shop, for examples; it keeps nothing between requests:
  /news, /news/N       pages with a style sheet and a picture, N from 1 to 5
  /login               GET: a form with a csrf token; POST: a session cookie, then /account; the
                       password \"wrong\" gets 403
  /account, /logout    a page for those with a session, others go to /login; the session's end
  /items?page=N&size=M JSON: 100 items, with the number of the next page; POST makes one
  /items/N             JSON: an item, or 404; PUT, PATCH, DELETE
  /search?q=TEXT       JSON: items whose name has the text
  /cart, /pay          JSON with the id of a basket; a redirect to /news
  /token, /private     JSON with an access_token; 401 unless it is sent as a bearer token
  /jobs, /jobs/ID      202 with the id of a job; its state: running for 300 ms, then done
  /graphql             JSON with items, as many as the variable `first` says

Examples:
  mistress target
  mistress target --listen 0.0.0.0:8080 --threads 2
  mistress target --listen 127.0.0.1:0 --cpu 1";

const DOCTOR_HELP: &str = "\
Checks the kernel, io_uring, limits, ports, and the current load of the cores, and says what to
change. Changes nothing itself. Takes half a second.

Containers often forbid io_uring; --seccomp prints a profile that allows it (docs/containers.md).

Examples:
  mistress doctor
  mistress doctor --seccomp >seccomp.json

Exit codes:
  0    ready (there may be warnings)
  3    a run would fail on this machine";

/// Arguments of `mistress completions`.
#[derive(Args, Debug)]
pub struct CompletionsArguments {
    /// The shell that reads the script.
    pub shell: clap_complete::Shell,
}

/// Arguments of `mistress man`.
#[derive(Args, Debug)]
pub struct ManArguments {
    /// Write mistress.1 and a page for each subcommand here; the folder is made.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// Print a seccomp profile for containers instead: like Docker's default, but with io_uring
    #[arg(long)]
    pub seccomp: bool,
}

/// Arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    #[command(flatten)]
    pub input: InputArguments,
    /// Print the profile that a URL and its options stand for, and exit
    #[arg(long)]
    pub print_profile: bool,
    /// Cores that generate load: "auto", a number, or a list of cpu ids (2,3; or 2, for one)
    #[arg(long, value_name = "SPEC", value_parser = parse_cores)]
    pub cores: Option<Cores>,
    /// Run only this part of the test: 2/3 is the second of three equal parts, 2/3:1,1,4 gives them
    /// weights; auto or auto/N takes it from the variables of a launcher (docs/nodes.md). All parts
    /// together make the same run, with the same rows and random choices
    #[arg(long, value_name = "I/N|auto", value_parser = segment::parse)]
    pub segment: Option<SegmentChoice>,
    /// Write the result as JSON (docs/result.md); - is stdout and moves the report to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write one CSV row per second; - is stdout and moves the report to stderr
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write thresholds and checks as JUnit XML, for CI; - is stdout and moves the report to stderr
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Listen for `mistress control` on a Unix socket at this path during the run
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Stats server that stores and shows the run: "auto", http://host:port or "off"; overrides the
    /// profile's `stats` and the variable MISTRESS_STATS
    #[arg(long, value_name = "WHERE", value_parser = parse_stats)]
    pub stats: Option<StatsSink>,
    /// Meet the other nodes of the run at this stats server: all start at one moment, hear the same
    /// commands and end together (docs/nodes.md). Implies --stats; MISTRESS_JOIN_TOKEN holds the
    /// run's own secret
    #[arg(
        long,
        value_name = "URL",
        value_parser = parse_join,
        requires = "run_id",
        conflicts_with = "stats"
    )]
    pub join: Option<String>,
    /// How long to wait until all nodes have joined and are ready
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = config::parse_duration)]
    pub join_timeout: Duration,
    /// The id of the run, a UUID; processes that run segments of one test share it
    #[arg(long, value_name = "UUID", value_parser = parse_run_id)]
    pub run_id: Option<String>,
    /// Log requests with their replies: requests=failed or requests=all (docs/result.md)
    #[arg(long, value_name = "WHAT", value_parser = parse_log)]
    pub log: Option<Traced>,
    /// Log to this file, which is replaced: as HAR if its name ends in .har, as one JSON object per
    /// line otherwise
    #[arg(
        long,
        value_name = "FILE",
        default_value = "requests.jsonl",
        requires = "log"
    )]
    pub log_file: PathBuf,
    /// Log this many bytes of each body at most
    #[arg(long, value_name = "BYTES", default_value_t = 4096, requires = "log")]
    pub log_bodies: usize,
    /// What fails the run besides thresholds, instead of the profile's `fail_on`: words separated by
    /// commas (script_errors, no_success, failed_requests, failed_checks, dropped_arrivals) or none
    #[arg(long, value_name = "LIST")]
    pub fail_on: Option<FailOnRules>,
    /// Exit with code 4 when the verdict on the generator is not clean
    #[arg(long)]
    pub strict: bool,
    /// Columns of the summary's tables of names: some of ok, failed, unfinished, failures, rate,
    /// mean, min, p50, p75, p90, p95, p99, p99.9, max, sent
    #[arg(long, value_name = "LIST")]
    pub columns: Option<Columns>,
    /// Show only messages and the summary: no live view, no lines while it runs
    #[arg(short, long)]
    pub quiet: bool,
    /// Disable colours (like the variable NO_COLOR)
    #[arg(long)]
    pub no_color: bool,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArguments {
    #[command(flatten)]
    pub input: InputArguments,
    /// Run only this scenario, which the profile need not use
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Repeat this user of a run, counted from 0: its scenarios, data rows and random choices under
    /// the same seed
    #[arg(long, value_name = "N", conflicts_with = "scenario")]
    pub user: Option<u64>,
    /// The load of the profile that the user belongs to, counted from 1
    #[arg(long, value_name = "N", default_value_t = 1, requires = "user")]
    pub load: u16,
    /// Disable colours (like the variable NO_COLOR)
    #[arg(long)]
    pub no_color: bool,
}

/// Arguments of `control`.
#[derive(Args, Debug)]
pub struct ControlArguments {
    /// The socket given to the run with --control, or the id of a run of several nodes
    #[arg(value_name = "SOCKET|RUN")]
    pub run: PathBuf,
    /// Stats server where the nodes of the run meet; by default that of MISTRESS_STATS, or the one
    /// on this machine
    #[arg(long, value_name = "URL", value_parser = parse_join)]
    pub stats: Option<String>,
    /// Command to send
    #[arg(required = true, num_args = 1..=3, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Arguments of `push`.
#[derive(Args, Debug)]
pub struct PushArguments {
    /// The folder named by the run
    pub spool: PathBuf,
    /// Upload to this server, http://host:port, instead of the original one
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
}

/// Arguments of `target`.
#[derive(Args, Debug)]
pub struct TargetArguments {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Cpu to pin to; may be repeated, once per thread
    #[arg(long, value_name = "N")]
    pub cpu: Vec<usize>,
    /// Number of threads, each with its own ring and listening socket
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
}

/// Parses `auto`, `off` or an address.
pub fn parse_stats(text: &str) -> Result<StatsSink, String> {
    match text {
        "auto" => Ok(StatsSink::Auto),
        "off" | "false" => Ok(StatsSink::Off),
        url => match Origin::parse(url) {
            Ok(_) => Ok(StatsSink::Url(url.to_owned())),
            Err(error) => Err(format!("{error}, or \"auto\", or \"off\"")),
        },
    }
}

/// Parses the address of a rendezvous.
fn parse_join(text: &str) -> Result<String, String> {
    Origin::parse(text).map(|_| text.trim_end_matches('/').to_owned())
}

/// Parses what `--log` asks for.
fn parse_log(text: &str) -> Result<Traced, String> {
    match text {
        "requests=failed" => Ok(Traced::Failed),
        "requests=all" => Ok(Traced::All),
        _ => Err("allowed are requests=failed and requests=all".to_owned()),
    }
}

/// Parses the id of a run.
pub fn parse_run_id(text: &str) -> Result<String, String> {
    let id = text.to_ascii_lowercase();
    let is_uuid = id.len() == 36
        && id.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
    is_uuid
        .then_some(id)
        .ok_or_else(|| "expected a UUID such as 017f22e2-79b0-7cc3-98c4-dc0c0c07398f".to_owned())
}

/// Parses `auto`, `4` or `0,2,4`; a single id is followed by a comma.
fn parse_cores(text: &str) -> Result<Cores, String> {
    let expected = "expected \"auto\", a number from 1 to 1024, or cpu ids such as 0,2,4";
    if text == "auto" {
        return Ok(Cores::Auto);
    }
    if !text.contains(',') {
        return match text.parse() {
            Ok(count @ 1..=1024) => Ok(Cores::Count(count)),
            _ => Err(expected.to_owned()),
        };
    }
    let list = text.strip_suffix(',').unwrap_or(text);
    let mut ids = Vec::new();
    for id in list.split(',') {
        let id: usize = id.trim().parse().map_err(|_| expected.to_owned())?;
        if ids.contains(&id) {
            return Err(format!("cpu {id} is listed twice"));
        }
        ids.push(id);
    }
    Ok(Cores::List(ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn cores_are_a_word_a_number_or_a_list() {
        let rows = [
            ("auto", Some(Cores::Auto)),
            ("1", Some(Cores::Count(1))),
            ("1024", Some(Cores::Count(1024))),
            ("0", None),
            ("1025", None),
            ("-1", None),
            ("many", None),
            ("", None),
            ("3,", Some(Cores::List(vec![3]))),
            ("0,2,4", Some(Cores::List(vec![0, 2, 4]))),
            ("4, 2", Some(Cores::List(vec![4, 2]))),
            ("2,2", None),
            ("2,,3", None),
            (",", None),
            ("1,b", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_cores(text).ok(), expected, "{text:?}");
        }
    }
}
