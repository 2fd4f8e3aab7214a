//! Arguments of `run` and `check` that say what to run: a profile or a URL, and what changes it.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Most users of a load.
const USERS_MAX: u64 = 10_000_000;
/// Most requests or iterations of a run.
const COUNT_MAX: u64 = 1_000_000_000_000_000;
/// Headings of the options in the help.
const LOAD: &str = "Load";
const REQUEST: &str = "Request, with a URL";
const PROFILE: &str = "Profile and variables";

/// What to run.
#[derive(Args, Debug)]
pub struct InputArguments {
    /// The profile, a TOML file (docs/profile.md); or - for standard input; or a URL to load
    #[arg(value_name = "PROFILE|URL")]
    pub source: PathBuf,
    #[command(flatten)]
    pub load: LoadArguments,
    #[command(flatten)]
    pub request: RequestArguments,
    #[command(flatten)]
    pub changes: Changes,
}

/// How much load. With a profile, its phases are scaled.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = LOAD)]
pub struct LoadArguments {
    /// Concurrent users, a closed load; 10 unless there is a rate. Scales a profile's closed loads
    /// to this peak
    #[arg(short, long, value_name = "N", value_parser = parse_users)]
    pub users: Option<u64>,
    /// Arrivals per second, an open load: 500/s, 2k/s, 30/m. Scales a profile's open loads to this
    /// peak
    #[arg(short, long, value_name = "RATE", value_parser = parse_rate)]
    pub rate: Option<WithUnit>,
    /// Length of the load: 30s, 1m30s; 10s by default, or at most 1h with --requests. Scales a
    /// profile's loads to this length
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<WithUnit>,
    /// End the load after this many requests (run.requests_max)
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_count)]
    pub requests: Option<u64>,
    /// End the load after this many iterations (run.iterations_max)
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub iterations: Option<u64>,
}

/// The request to a URL.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = REQUEST)]
pub struct RequestArguments {
    /// Method; GET by default, POST with a body
    #[arg(short, long, value_name = "METHOD", value_parser = parse_method)]
    pub method: Option<String>,
    /// Header of every request; may be repeated
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub header: Vec<(String, String)>,
    /// Body: a text, or @FILE for the content of a file
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with_all = ["form", "json_body"])]
    pub body: Option<String>,
    /// Field of a form that is sent as the body; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_field, conflicts_with = "json_body")]
    pub form: Vec<(String, String)>,
    /// JSON body, with its content type: a text, or @FILE
    #[arg(long, value_name = "JSON|@FILE")]
    pub json_body: Option<String>,
    /// User name and password for basic authentication
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = parse_credentials)]
    pub basic_auth: Option<(String, String)>,
    /// HTTP version: 1.1
    #[arg(long, value_name = "VERSION", value_parser = parse_http)]
    pub http: Option<String>,
    /// Who may reuse an idle connection: the user that opened it, or any (the default with a URL)
    #[arg(long, value_name = "WHO")]
    pub pool: Option<PoolArgument>,
    /// How arrivals are spread around the rate; poisson by default
    #[arg(long, value_name = "HOW", requires = "rate")]
    pub arrivals: Option<ArrivalsArgument>,
}

/// Options that override the profile, and variables for it.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = PROFILE)]
pub struct Changes {
    /// Target to load instead of the profile's: http://host[:port][/base] or "builtin"
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Proxy for all servers, instead of those of HTTP_PROXY and its like:
    /// [http|https|socks5|socks5h]://[name:password@]host[:port], or none (connections.proxy)
    #[arg(short = 'x', long, value_name = "URL|none")]
    pub proxy: Option<String>,
    /// Seed of all random choices, instead of the profile's; `random` chooses one, which the report
    /// shows
    #[arg(long, value_name = "N|random", value_parser = parse_seed)]
    pub seed: Option<Seed>,
    /// Name of the run, instead of the profile's
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Set any key of the profile: run.timeout=5s, load.2.pacing=1s; may be repeated
    #[arg(long, value_name = "KEY.PATH=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
    /// Variable for ${KEY} in the profile and env.KEY in the script; may be repeated
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE", value_parser = parse_variable)]
    pub variables: Vec<(String, String)>,
    /// File of variables, one KEY=VALUE per line; may be repeated. -e comes before it, and it comes
    /// before the environment
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
}

/// A value with a unit, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct WithUnit {
    /// As written.
    pub text: String,
    /// Per second, or in seconds.
    pub value: f64,
}

/// The `--seed` argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    Number(u64),
    Random,
}

/// The `--pool` argument, in the profile's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolArgument {
    User,
    Shared,
}

/// The `--arrivals` argument, in the profile's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalsArgument {
    Poisson,
    Even,
    Jittered,
}

impl PoolArgument {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            PoolArgument::User => "user",
            PoolArgument::Shared => "shared",
        }
    }
}

impl ArrivalsArgument {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            ArrivalsArgument::Poisson => "poisson",
            ArrivalsArgument::Even => "even",
            ArrivalsArgument::Jittered => "jittered",
        }
    }
}

impl ValueEnum for PoolArgument {
    fn value_variants<'a>() -> &'a [Self] {
        &[PoolArgument::Shared, PoolArgument::User]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

impl ValueEnum for ArrivalsArgument {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            ArrivalsArgument::Poisson,
            ArrivalsArgument::Even,
            ArrivalsArgument::Jittered,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

fn parse_users(text: &str) -> Result<u64, String> {
    whole(text, USERS_MAX)
}

fn parse_count(text: &str) -> Result<u64, String> {
    whole(text, COUNT_MAX)
}

fn whole(text: &str, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or_else(|| format!("expected a whole number from 1 to {most}"))
}

fn parse_rate(text: &str) -> Result<WithUnit, String> {
    let value = config::parse_rate(text)?;
    let text = text.to_owned();
    Ok(WithUnit { text, value })
}

fn parse_duration(text: &str) -> Result<WithUnit, String> {
    let value = config::parse_duration(text)?.as_secs_f64();
    let text = text.to_owned();
    Ok(WithUnit { text, value })
}

fn parse_method(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_token) {
        true => Ok(text.to_owned()),
        false => Err("expected a method such as GET or PURGE".to_owned()),
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("expected a name, a colon and a value: 'Accept: text/html'")?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn parse_field(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("expected NAME=VALUE, such as item=17")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_credentials(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').filter(|(name, _)| !name.is_empty());
    let (name, password) = pair.ok_or("expected NAME:PASSWORD")?;
    Ok((name.to_owned(), password.to_owned()))
}

fn parse_http(text: &str) -> Result<String, String> {
    match text {
        "1.1" => Ok(text.to_owned()),
        _ => Err("expected 1.1, the only version that is supported".to_owned()),
    }
}

fn parse_seed(text: &str) -> Result<Seed, String> {
    match text {
        "random" => Ok(Seed::Random),
        _ => text
            .parse()
            .map(Seed::Number)
            .map_err(|_| "expected a whole number from 0 to 2^64 - 1, or random".to_owned()),
    }
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let (path, value) = pair.ok_or("expected KEY.PATH=VALUE, such as run.timeout=5s")?;
    Ok((path.trim().to_owned(), value.trim().to_owned()))
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if config::Variables::is_name(name) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected KEY=VALUE, with letters, digits and underscores in KEY".to_owned()),
    }
}
