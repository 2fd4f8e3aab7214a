//! Arguments and their help.

use clap::{Args, Parser, Subcommand};
use config::{Cores, Origin, StatsSink};
use engine::Segment;
use server::export::Format;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Loads server-side applications and tells the truth about them.
#[derive(Parser, Debug)]
#[command(name = "mistress", version, about, max_term_width = 100)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "Start here:  mistress run scenarios/quickstart.toml")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// More segments than a run can have: enough to be refused.
const SEGMENTS_READ_MAX: usize = 10_000;

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a profile: live view, then a summary
    #[command(after_long_help = RUN_HELP)]
    Run(RunArguments),
    /// Read a profile and its script, run one user once, show each request and reply
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArguments),
    /// Change a run that goes on: pause, resume, scale 1.5, next, drain, stop, status
    #[command(after_long_help = CONTROL_HELP)]
    Control(ControlArguments),
    /// The stats server: takes runs of load nodes, keeps and shows them
    #[command(after_long_help = SERVE_HELP)]
    Serve(ServeArguments),
    /// Show a run of the local store
    #[command(after_long_help = REPORT_HELP)]
    Report(ReportArguments),
    /// Show what differs between runs of the local store, and whether it is beyond noise
    #[command(after_long_help = COMPARE_HELP)]
    Compare(CompareArguments),
    /// Deliver to a stats server what a run could not
    #[command(after_long_help = PUSH_HELP)]
    Push(PushArguments),
    /// A small, fast HTTP server to try things on
    #[command(after_long_help = TARGET_HELP)]
    Target(TargetArguments),
    /// Is this machine fit to generate load? Says what to change
    #[command(after_long_help = DOCTOR_HELP)]
    Doctor,
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
  mistress run scenarios/quickstart.toml
  mistress run shop.toml --target http://10.0.0.5:8080 --json shop.json
  mistress run shop.toml --cores 2,3 --strict --csv - >seconds.csv

On a terminal keys steer the run: p pauses and resumes, + and - scale the load by a tenth of the
plan's, n ends the present phase, q drains.

The first Ctrl-C (or SIGTERM) ends the load and lets users finish within the profile's drain
limit; the second stops at once. Both end with the full report. A third leaves without one.

Exit codes:
  0    done
  1    a threshold of the profile was missed
  2    bad usage, profile or script, found before any traffic
  3    the run could not be carried out, or its result could not be written
  4    with --strict: the verdict is not clean, the generator was the limit
  130  interrupted (143: by SIGTERM); the report is complete";

const CHECK_HELP: &str = "\
Each scenario of the profile is run once by one user, with setup and teardown around it, as slow
as it is written. Nothing is left out: names, request and status lines, headers, the first KiB of
each body, latency, checks, logs, and script errors with their traceback.

With --user one user of a run is repeated: who it is in logs and errors of the run is who it is
here. Its rows are those it has where each pass before it took one row of each source. A user of a
closed load makes one pass.

Examples:
  mistress check scenarios/quickstart.toml
  mistress check shop.toml --seed 7 --user 4711
  mistress check shop.toml --scenario buy --target http://localhost:8080

Exit codes:
  0    every iteration ended, every request was ok, every check passed
  2    bad usage, profile or script, found before any traffic
  3    a script error, a failed request or a failed check, or the run could not be carried out";

const CONTROL_HELP: &str = "\
The run was started with `mistress run P.toml --control SOCKET`. Commands:
  status         how far it is, as one line of JSON
  pause          no load: rates and numbers of users become 0; time goes on
  resume         the load as it was
  scale FACTOR   rates and numbers of users this many times those of the profile
  next           end the present phase of each load
  drain          end the load, finish what is under way, as Ctrl-C does
  stop           end at once

Every change is part of the report and the result.

Examples:
  mistress control /tmp/shop.control scale 1.5
  mistress control /tmp/shop.control status

Exit codes:
  0    done
  2    the command is not one of these
  3    nobody listens there";

const SERVE_HELP: &str = "\
All runs are at http://localhost:7777/report/list. `mistress run` reports to a server on this
machine by itself, and to another one by `stats = \"http://host:7777\"` in the profile.

Without accounts it serves this machine only, and whoever uses the machine is admin. To serve
others, add an admin first (docs/server.md).

Examples:
  mistress serve
  mistress serve --bind 127.0.0.1:8000 --data /var/lib/mistress
  mistress serve --add-admin ann
  mistress serve --bind 0.0.0.0:7777 --host load.example.com

Exit codes:
  0    ended by a signal
  3    it cannot listen, or the store cannot be used";

const REPORT_HELP: &str = "\
A run is named by its id, the beginning of it, its name (the newest run of that name), or `latest`.

Examples:
  mistress report latest
  mistress report shop --format hlog >shop.hlog

Exit codes:
  0    done
  2    there is no such run
  3    the store cannot be read";

const COMPARE_HELP: &str = "\
Two to six runs, named as for `mistress report`; all are measured against the first. The
intervals come from drawing blocks of seconds within each run anew, so what differs from one start
of the target to the next is not in them.

Example:
  mistress compare shop latest

Exit codes:
  0    done
  2    there is no such run
  3    the store cannot be read";

const PUSH_HELP: &str = "\
A run whose stats server did not take everything says in which folder the rest is. Whatever the
server has already is not stored twice. A server that asks for a token gets MISTRESS_TOKEN.

Exit codes:
  0    all is delivered
  2    that is no such folder
  3    something is left";

const TARGET_HELP: &str = "\
The first line printed is `listening on http://ADDRESS:PORT`. It serves HTTP/1.1 with keep-alive
until Ctrl-C.

Endpoints (any method):
  /            a small constant text
  /bytes/N     a body of N bytes
  /chunked/N   a chunked body of N bytes
  /delay/MS    a small text after MS milliseconds
  /status/N    status N, 200 to 599
  /echo        the body of the request
  /headers     the head of the request as text
  /close       a small text, then the connection closes

Examples:
  mistress target
  mistress target --listen 0.0.0.0:8080 --threads 2
  mistress target --listen 127.0.0.1:0 --cpu 1";

const DOCTOR_HELP: &str = "\
Looks at the kernel, io_uring, limits, ports, and the cores with their present load, and says what
to change. Changes nothing itself. Takes half a second.

Exit codes:
  0    nothing stands in the way (warnings are possible)
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

/// Arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The profile, a TOML file (docs/profile.md)
    pub profile: PathBuf,
    #[command(flatten)]
    pub changes: Changes,
    /// Processors to generate load on: "auto", how many, or a list of ids (2,3; or 2, for one)
    #[arg(long, value_name = "SPEC", value_parser = parse_cores)]
    pub cores: Option<Cores>,
    /// Carry only this part of the run: 2/3 is the second of three equal ones, 2/3:1,1,4 gives
    /// them weights. All parts together are the same run, with the same rows and random choices
    #[arg(long, value_name = "I/N", value_parser = parse_segment)]
    pub segment: Option<SegmentArgument>,
    /// Write the result as JSON (docs/result.md); - is stdout, the report then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write one CSV row per second; - is stdout, the report then goes to stderr
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write thresholds and checks as JUnit XML, for CI; - is stdout
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Listen for `mistress control` at this path, a Unix socket, while the run goes on
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Where the run is kept and shown live: "auto", http://host:port or "off"; instead of the
    /// profile's `stats`, and of the variable MISTRESS_STATS
    #[arg(long, value_name = "WHERE", value_parser = parse_stats)]
    pub stats: Option<StatsSink>,
    /// The id of the run, a UUID: processes that carry segments of one run share it
    #[arg(long, value_name = "UUID", value_parser = parse_run_id)]
    pub run_id: Option<String>,
    /// Exit with 4 when the verdict about the generator is not clean
    #[arg(long)]
    pub strict: bool,
    /// No live view and no line per second: messages and the summary only
    #[arg(short, long)]
    pub quiet: bool,
    /// No colours (as the variable NO_COLOR does)
    #[arg(long)]
    pub no_color: bool,
}

/// What the command line may change of a profile.
#[derive(Args, Debug)]
pub struct Changes {
    /// Load this instead of the profile's target: http://host[:port][/base] or "builtin"
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// The seed of every random choice, instead of the profile's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// The profile, a TOML file (docs/profile.md)
    pub profile: PathBuf,
    #[command(flatten)]
    pub changes: Changes,
    /// Only this scenario; it may also be one that the profile does not use
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Run this user of a run instead, counted from 0: its scenarios, its data rows and its random
    /// choices under the same seed
    #[arg(long, value_name = "N", conflicts_with = "scenario")]
    pub user: Option<u64>,
    /// Of which load of the profile the user is, counted from 1
    #[arg(long, value_name = "N", default_value_t = 1, requires = "user")]
    pub load: u16,
    /// No colours (as the variable NO_COLOR does)
    #[arg(long)]
    pub no_color: bool,
}

/// Arguments of `control`.
#[derive(Args, Debug)]
pub struct ControlArguments {
    /// The socket that the run was given with --control
    pub socket: PathBuf,
    /// What to say to it
    #[arg(required = true, num_args = 1..=3, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7777")]
    pub bind: SocketAddr,
    /// Where runs are kept, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A name under which browsers may reach the server; may be given several times
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Add an admin of all projects and end; the password is asked for, or is the first line of
    /// the standard input
    #[arg(long, value_name = "NAME")]
    pub add_admin: Option<String>,
}

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct ReportArguments {
    /// Id, beginning of an id, name, or `latest`
    pub run: String,
    /// As a file of this format instead: json, csv, hlog, junit or html
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub format: Option<Format>,
    /// Where runs are kept, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// Runs, the one to measure against first
    #[arg(required = true, num_args = 2..=6, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Where runs are kept, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Arguments of `push`.
#[derive(Args, Debug)]
pub struct PushArguments {
    /// The folder that the run named
    pub spool: PathBuf,
    /// To this server, http://host:port, instead of the one it was meant for
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
}

/// Arguments of `target`.
#[derive(Args, Debug)]
pub struct TargetArguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Processor to pin to; may be given once per thread
    #[arg(long, value_name = "N")]
    pub cpu: Vec<usize>,
    /// Threads, each with a ring and a listening socket of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
}

/// A part of a run, as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentArgument {
    /// As it was written.
    pub text: String,
    pub part: Segment,
}

/// Reads `auto`, `off` or an address.
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

/// Reads the name of a format.
fn parse_format(text: &str) -> Result<Format, String> {
    Format::of(text).ok_or_else(|| "allowed is json, csv, hlog, junit or html".to_owned())
}

/// Reads the id of a run.
fn parse_run_id(text: &str) -> Result<String, String> {
    let id = text.to_ascii_lowercase();
    let is_uuid = id.len() == 36
        && id.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
    is_uuid
        .then_some(id)
        .ok_or_else(|| "allowed is a UUID such as 017f22e2-79b0-7cc3-98c4-dc0c0c07398f".to_owned())
}

/// Reads `2/3` or `2/3:1,1,4`.
fn parse_segment(text: &str) -> Result<SegmentArgument, String> {
    const WANTED: &str = "allowed is I/N such as 2/3, or with weights 2/3:1,1,4";
    let (place, weights) = match text.split_once(':') {
        Some((place, weights)) => (place, Some(weights)),
        None => (text, None),
    };
    let (index, count) = place.split_once('/').ok_or(WANTED)?;
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| WANTED.to_owned());
    let (index, count) = (number(index)?, number(count)?);
    let weights = match weights {
        None => vec![1.0; count.min(SEGMENTS_READ_MAX)],
        Some(list) => {
            let weight = |one: &str| one.trim().parse().map_err(|_| WANTED.to_owned());
            list.split(',')
                .map(weight)
                .collect::<Result<Vec<f64>, _>>()?
        }
    };
    if weights.len() != count.min(SEGMENTS_READ_MAX) {
        let found = weights.len();
        return Err(format!("found {found} weights for {count} segments"));
    }
    let part = Segment::of(index, &weights)?;
    let text = text.to_owned();
    Ok(SegmentArgument { text, part })
}

/// Reads `auto`, `4` or `0,2,4`; a single id has a comma behind it.
fn parse_cores(text: &str) -> Result<Cores, String> {
    let wanted = "allowed is \"auto\", a number from 1 to 1024, or cpu ids such as 0,2,4";
    if text == "auto" {
        return Ok(Cores::Auto);
    }
    if !text.contains(',') {
        return match text.parse() {
            Ok(count @ 1..=1024) => Ok(Cores::Count(count)),
            _ => Err(wanted.to_owned()),
        };
    }
    let list = text.strip_suffix(',').unwrap_or(text);
    let mut ids = Vec::new();
    for id in list.split(',') {
        let id: usize = id.trim().parse().map_err(|_| wanted.to_owned())?;
        if ids.contains(&id) {
            return Err(format!("cpu {id} is there twice"));
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
    fn segments_are_a_place_among_some() {
        let good: [(&str, usize, &[f64]); 4] = [
            ("1/1", 1, &[1.0]),
            ("2/3", 2, &[1.0; 3]),
            ("3/3:1,1,4", 3, &[1.0, 1.0, 4.0]),
            ("1/2: 0.5, 1.5", 1, &[0.5, 1.5]),
        ];
        for (text, index, weights) in good {
            let part = Segment::of(index, weights);
            assert_eq!(
                parse_segment(text).map(|segment| segment.part),
                part,
                "{text}"
            );
        }
        for text in [
            "",
            "1",
            "/",
            "0/2",
            "3/2",
            "1/0",
            "a/2",
            "1/2:1",
            "1/2:1,x",
            "1/2:0,1",
            "-1/2",
            "1/99999999999",
            "1/1025",
        ] {
            assert!(parse_segment(text).is_err(), "{text}");
        }
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
