//! The clients that are compared: how each is run and how its result is read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Failure;
use crate::bench::server::Server;
use crate::project::{find_program, release_binary, root};
use crate::run;

/// What a run may take beyond its seconds: starting, connecting, draining, reporting.
const SLACK: Duration = Duration::from_secs(60);

/// A client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// This tool, with a scenario in Lua.
    Mistress,
    /// Another build of this tool, with the same scenario.
    Before,
    /// wrk without a script.
    Wrk,
    /// wrk with a `response()` in Lua.
    WrkScript,
    /// The bare io_uring loop.
    Bare,
    /// `openssl s_time`: one full TLS 1.3 handshake and one request after another.
    Openssl,
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Of this tool: the script, below the root of the workspace.
    pub script: &'static str,
    /// Of this tool: the scenario in it, which asks for `path`.
    pub scenario: &'static str,
    /// Of this tool: further lines of `[tls]`.
    pub tls: &'static str,
    /// What the others ask for.
    pub path: &'static str,
    /// Whether each request has a connection of its own.
    pub is_closing: bool,
}

impl Work {
    /// A small page again and again on connections that are kept.
    pub const KEPT: Work = Work {
        script: "benches/scenarios/versus.lua",
        scenario: "get",
        tls: "",
        path: "/",
        is_closing: false,
    };
}

impl Client {
    pub const ALL: [Client; 4] = [
        Client::Mistress,
        Client::Wrk,
        Client::WrkScript,
        Client::Bare,
    ];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Client::Mistress => "mistress",
            Client::Before => "before",
            Client::Wrk => "wrk",
            Client::WrkScript => "wrk+script",
            Client::Bare => "bare",
            Client::Openssl => "openssl s_time",
        }
    }

    pub fn from_name(name: &str) -> Result<Client, Failure> {
        let found = Client::ALL.into_iter().find(|client| client.name() == name);
        found.ok_or_else(|| {
            let names = Client::ALL.map(Client::name).join(", ");
            format!("--clients: {name:?} is none of {names}").into()
        })
    }
}

/// One run of a client.
pub struct Job<'a> {
    pub server: &'a Server,
    pub work: Work,
    pub connections: usize,
    pub seconds: u64,
    /// The core that the whole client is pinned to.
    pub cpu: usize,
    /// A folder for what the run needs on disk.
    pub scratch: &'a Scratch,
    /// The program of [`Client::Before`].
    pub before: Option<&'a Path>,
}

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measured {
    /// Requests that were answered with a 200.
    pub requests: u64,
    /// Requests and connections that failed.
    pub errors: u64,
    /// How long it sent requests.
    pub seconds: f64,
    /// User and system time of the client, from its start to its end.
    pub client_cpu_s: f64,
    /// The same of the server, meanwhile.
    pub server_cpu_s: f64,
}

impl Measured {
    pub fn per_cpu_s(&self) -> f64 {
        self.requests as f64 / self.client_cpu_s
    }

    pub fn per_s(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// CPU time of the server per request, in microseconds.
    pub fn server_us(&self) -> f64 {
        self.server_cpu_s / self.requests as f64 * 1e6
    }

    /// CPU time of the client per request, in microseconds.
    pub fn client_us(&self) -> f64 {
        self.client_cpu_s / self.requests as f64 * 1e6
    }
}

/// A folder that ends with this value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Result<Scratch, Failure> {
        let path = std::env::temp_dir().join(format!("mistress-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It lies in the system's temporary folder: what stays is swept there.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Job<'_> {
    /// Runs `client` to its end.
    pub fn run(&self, client: Client) -> Result<Measured, Failure> {
        let command = self.command(client)?;
        let limit = Duration::from_secs(self.seconds) + SLACK;
        let server_before_s = self.server.cpu_s()?;
        let captured = run::capture(command, limit)?;
        let server_cpu_s = self.server.cpu_s()? - server_before_s;
        let (requests, errors, seconds) = match client {
            Client::Mistress | Client::Before => {
                read_json(&std::fs::read_to_string(self.scratch.file("result.json"))?)
            }
            Client::Wrk | Client::WrkScript => read_wrk(&captured.stdout),
            Client::Bare => read_bare(&captured.stdout),
            Client::Openssl => read_openssl(&captured.stdout),
        }
        .ok_or_else(|| format!("{}: no result in\n{}", client.name(), captured.stdout))?;
        if requests == 0 {
            return Err(format!("{}: no request was answered", client.name()).into());
        }
        Ok(Measured {
            requests,
            errors,
            seconds,
            client_cpu_s: captured.cpu_s,
            server_cpu_s,
        })
    }

    /// The command line; every client as a whole pinned by the same means.
    fn command(&self, client: Client) -> Result<Command, Failure> {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.cpu.to_string()]);
        let connections = self.connections.to_string();
        match client {
            Client::Mistress | Client::Before => {
                let program = match self.before {
                    Some(path) if client == Client::Before => path.to_owned(),
                    _ => release_binary("mistress"),
                };
                let profile = self.scratch.file("versus.toml");
                std::fs::write(&profile, self.profile())?;
                let result = self.scratch.file("result.json");
                command.arg(program).arg("run").arg(profile);
                command.arg("--json").arg(result);
            }
            Client::Wrk | Client::WrkScript => {
                command.arg(find_program("wrk").ok_or("wrk: not installed")?);
                command.args(["-t", "1", "-c", &connections]);
                command.args(["-d", &format!("{}s", self.seconds)]);
                if client == Client::WrkScript {
                    command
                        .arg("-s")
                        .arg(root().join("benches/lua/wrk_response.lua"));
                }
                if self.work.is_closing {
                    command.args(["-H", "Connection: close"]);
                }
                command.arg(self.server.url() + self.work.path);
            }
            Client::Openssl => {
                command.args(["openssl", "s_time", "-new", "-tls1_3"]);
                command.args(["-connect", &self.server.authority, "-www", self.work.path]);
                command.args(["-time", &self.seconds.to_string()]);
            }
            Client::Bare => {
                command
                    .arg(release_binary("bare"))
                    .args(["--addr", &self.server.authority]);
                command.args(["--connections", &connections]);
                command.args(["--seconds", &self.seconds.to_string()]);
                command.args(["--cpu", &self.cpu.to_string()]);
            }
        }
        Ok(command)
    }

    /// `benches/scenarios/versus.toml` with the numbers of this run.
    fn profile(&self) -> String {
        let script = root().join(self.work.script);
        let trusted = self.server.authority_file.as_ref();
        let tls = trusted.map(|file| format!("[tls]\nca = {file:?}\n{}", self.work.tls));
        format!(
            "[run]\nname = \"versus\"\nscript = {script:?}\ntarget = \"{}\"\ncores = [{}]\n\
             stats = false\ndrain = \"1s\"\n{}\n[[load]]\nmodel = \"closed\"\n\
             scenarios = {{ {} = 1 }}\nphases = [{{ users = {}, for = \"{}s\" }}]\n",
            self.server.url(),
            self.cpu,
            tls.unwrap_or_default(),
            self.work.scenario,
            self.connections,
            self.seconds,
        )
    }
}

/// Requests, errors and seconds of our own JSON result.
fn read_json(text: &str) -> Option<(u64, u64, f64)> {
    let result: serde_json::Value = serde_json::from_str(text).ok()?;
    let totals = &result["totals"];
    let seconds = result["run"]["duration_s"].as_f64()?;
    Some((totals["ok"].as_u64()?, totals["failed"].as_u64()?, seconds))
}

/// The same of what wrk prints.
fn read_wrk(text: &str) -> Option<(u64, u64, f64)> {
    let sum = text.lines().find(|line| line.contains(" requests in "))?;
    let (requests, rest) = sum.trim().split_once(" requests in ")?;
    let seconds = read_wrk_time(rest.split(',').next()?)?;
    let numbers = |prefix: &str| -> u64 {
        let lines = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix(prefix));
        let words = lines.flat_map(|line| line.split([' ', ',']));
        words.filter_map(|word| word.parse::<u64>().ok()).sum()
    };
    let bad_status = numbers("Non-2xx or 3xx responses:");
    let requests = requests.parse::<u64>().ok()?.checked_sub(bad_status)?;
    Some((requests, bad_status + numbers("Socket errors:"), seconds))
}

/// wrk's lengths of time: `5.00s`, `1.00m`.
fn read_wrk_time(text: &str) -> Option<f64> {
    let units = [
        ("ms", 1e-3),
        ("us", 1e-6),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let (number, unit) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))?;
    Some(number.parse::<f64>().ok()? * unit)
}

/// The same of what the bare loop prints: `requests=1 seconds=1.0 cpu_s=1.0 errors=0`.
fn read_bare(text: &str) -> Option<(u64, u64, f64)> {
    let field = |name: &str| {
        text.split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let requests = field("requests")?.parse().ok()?;
    Some((
        requests,
        field("errors")?.parse().ok()?,
        field("seconds")?.parse().ok()?,
    ))
}

/// The same of what `openssl s_time` prints, which counts whole seconds of real time.
fn read_openssl(text: &str) -> Option<(u64, u64, f64)> {
    let line = text.lines().find(|line| line.contains("real seconds"))?;
    let (connections, rest) = line.split_once(" connections in ")?;
    let seconds = rest.split(' ').next()?.parse().ok()?;
    Some((connections.trim().parse().ok()?, 0, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "Running 2s test @ http://127.0.0.1:18080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   346.63us  104.66us   4.64ms   94.61%
  356368 requests in 2.10s, 54.38MB read
Requests/sec: 177843.01
Transfer/sec:     27.14MB
";

    #[test]
    fn wrk_is_read() {
        assert_eq!(read_wrk(WRK), Some((356_368, 0, 2.1)));
        let bad = format!(
            "{WRK}  Socket errors: connect 1, read 2, write 3, timeout 4\n  \
             Non-2xx or 3xx responses: 368\n"
        );
        assert_eq!(read_wrk(&bad), Some((356_000, 378, 2.1)));
        assert_eq!(read_wrk("unable to connect"), None);
    }

    #[test]
    fn wrk_times_have_units() {
        let times = [
            ("5.00s", 5.0),
            ("1.50m", 90.0),
            ("500.00ms", 0.5),
            ("1.00h", 3600.0),
        ];
        for (text, seconds) in times {
            assert_eq!(read_wrk_time(text), Some(seconds), "{text}");
        }
        assert_eq!(read_wrk_time("5"), None);
    }

    #[test]
    fn bare_is_read() {
        let text = "requests=10 seconds=2.5 cpu_s=1.5 errors=3\n";
        assert_eq!(read_bare(text), Some((10, 3, 2.5)));
        assert_eq!(read_bare("requests=10"), None);
    }

    #[test]
    fn openssl_is_read() {
        let text = "1034 connections in 0.56s; 1846.43 connections/user sec, bytes read 242990\n\
                    1034 connections in 2 real seconds, 235 bytes read per connection\n";
        assert_eq!(read_openssl(text), Some((1034, 0, 2.0)));
        assert_eq!(read_openssl("0 connections"), None);
    }

    #[test]
    fn our_json_is_read() {
        let text = r#"{"run":{"duration_s":5.25},"totals":{"ok":7,"failed":1,"sent":8}}"#;
        assert_eq!(read_json(text), Some((7, 1, 5.25)));
        assert_eq!(read_json("{}"), None);
    }
}
