//! Service times as the tool tells them against the times of the packets on the loopback.
//!
//! Some requests are named one by one, so that the result holds the service time of each; the rest
//! of the load keeps the core half busy. A request is paired with its packets by its path and the
//! port it came from.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use serde_json::Value;
use testkit::sample::{quantile, sorted};

use super::rows;
use crate::Failure;
use crate::bench::client::Scratch;
use crate::bench::server::Server;
use crate::project::find_program;
use crate::run::Background;

/// Names of a run are bounded at 2000; some are left for the rest.
const SAMPLES: u32 = 1_900;
/// Requests of the blocking client.
const CONTROLS: u32 = 1_000;
/// The body of a sampled reply; the others have some tens of bytes.
const SAMPLE_BYTES: usize = 600;
const SCRIPT: &str = "local s = {}
function s.base(user) for i = 1, 100 do user:get('/') end end
function s.sample(user)
  user:get('/bytes/600?' .. user.id, { name = 'sample ' .. user.id })
end
return s
";
const LENGTH: Duration = Duration::from_secs(19);
/// The most that median and 99th percentile of the differences may be, in microseconds.
const MEDIAN_MAX_US: f64 = 50.0;
const P99_MAX_US: f64 = 500.0;

/// Runs it and prints the differences; false when they are too large.
pub fn run() -> Result<bool, Failure> {
    crate::setup::install(&[("tcpdump", "tcpdump")])?;
    let server = Server::mistress(0)?;
    let addr: SocketAddr = server.authority.parse()?;
    let rate = half_load(&server.url())?;
    let scratch = Scratch::new("packets")?;
    let capture = scratch.file("lo.pcap");
    // Beside the servers, not beside the core that is measured.
    let mut tcpdump = Command::new("taskset");
    tcpdump.args(["-c", "0"]);
    tcpdump.arg(find_program("tcpdump").ok_or("tcpdump: not installed")?);
    tcpdump.args([
        "-i",
        "lo",
        "-n",
        "-s",
        "160",
        "-B",
        "65536",
        "--time-stamp-precision=nano",
        "-w",
    ]);
    tcpdump.arg(&capture).arg(filter(addr.port()));
    let tcpdump = Background::start(tcpdump)?;
    tcpdump.line_with("listening on", Duration::from_secs(10))?;
    let blocking = blocking_client(addr)?;
    let (result, _) = rows::with_script(&profile(&server.url(), rate), SCRIPT, LENGTH)?;
    // What is still in the buffer of the capture is written within a second.
    std::thread::sleep(Duration::from_millis(1_500));
    drop(tcpdump);
    let packets = exchanges(&std::fs::read(&capture)?, addr.port())?;
    let control: Vec<f64> = (0..)
        .zip(blocking)
        .filter_map(|(k, told)| Some(told - packets.get(&format!("/bytes/{SAMPLE_BYTES}?c{k}"))?))
        .collect();
    print_differences("a blocking client alone on that core", &sorted(control));
    judge(&result, &packets, rate)
}

/// What the machine itself makes of such a measurement: the service times that a thread sees which
/// does nothing but write and read, alone on the core, in microseconds.
fn blocking_client(addr: SocketAddr) -> Result<Vec<f64>, Failure> {
    let work = move || -> std::io::Result<Vec<f64>> {
        let last = std::thread::available_parallelism()?.get() - 1;
        let mut cpus = CpuSet::new();
        cpus.set(last);
        sched_setaffinity(None, &cpus)?;
        let mut times = Vec::new();
        let mut reply = [0; 4096];
        for k in 0..CONTROLS {
            let mut stream = TcpStream::connect(addr)?;
            std::thread::sleep(Duration::from_millis(5));
            let request =
                format!("GET /bytes/{SAMPLE_BYTES}?c{k} HTTP/1.1\r\nHost: control\r\n\r\n");
            let sent = Instant::now();
            stream.write_all(request.as_bytes())?;
            let mut read = 0;
            while read < SAMPLE_BYTES {
                match stream.read(&mut reply)? {
                    0 => break,
                    more => read += more,
                }
            }
            times.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        Ok(times)
    };
    let thread = std::thread::spawn(work);
    Ok(thread
        .join()
        .map_err(|_| "the blocking client panicked")??)
}

/// The rate at which one core is busy half of the time. It takes less processor time per request
/// the busier it is, so that it is looked for in two steps.
fn half_load(url: &str) -> Result<u64, Failure> {
    let mut rate = 20_000.0;
    for _ in 0..2 {
        let profile = format!(
            "[run]\nscript = \"p.lua\"\ntarget = \"{url}\"\nstats = false\n[[load]]\n\
             model = \"open\"\nscenarios = \"base\"\narrivals = \"even\"\n\
             phases = [{{ rate = \"{}/s\", for = \"3s\" }}]\n",
            (rate / 100.0_f64).round()
        );
        let (result, _) = rows::with_script(&profile, SCRIPT, Duration::from_secs(3))?;
        rate *= 0.5 / busy_share(&result).max(0.01);
    }
    Ok(rate as u64)
}

fn busy_share(result: &Value) -> f64 {
    let share = &result["generator"]["cores"][0]["busy_share"];
    share.as_f64().unwrap_or(f64::NAN)
}

fn profile(url: &str, rate: u64) -> String {
    // A user of the base load makes 100 requests on its connection, a sample one of its own.
    let (users, seconds) = (rate / 100, LENGTH.as_secs());
    format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"{url}\"\nstats = false\n\
         [[load]]\nmodel = \"open\"\nscenarios = \"base\"\narrivals = \"even\"\n\
         phases = [{{ rate = \"{users}/s\", for = \"{seconds}s\" }}]\n\
         [[load]]\nmodel = \"open\"\nscenarios = \"sample\"\narrivals = \"even\"\nstart = \"200ms\"\n\
         phases = [{{ rate = \"{}/s\", for = \"{seconds}s\" }}]\n",
        u64::from(SAMPLES) / seconds
    )
}

/// Only the samples: requests for `/bytes/`, and replies that are larger than those of the rest.
fn filter(port: u16) -> String {
    let path = u32::from_be_bytes(*b"byte");
    format!(
        "tcp port {port} and (tcp[((tcp[12:1] & 0xf0) >> 2) + 5:4] = {path} or ip[2:2] > {SAMPLE_BYTES})"
    )
}

/// From the first packet with the request to the last with its reply, in microseconds, by path.
fn exchanges(pcap: &[u8], port: u16) -> Result<HashMap<String, f64>, Failure> {
    if pcap.get(..4) != Some(&0xa1b2_3c4d_u32.to_le_bytes()) {
        return Err("the capture has no times in nanoseconds".into());
    }
    let mut asked: HashMap<u16, (String, u64)> = HashMap::new();
    let mut took = HashMap::new();
    for packet in Packets(&pcap[24..]) {
        let Some(data) = tcp(packet.bytes) else {
            continue;
        };
        if data.payload.is_empty() {
            continue;
        }
        if data.to == port {
            let head = String::from_utf8_lossy(data.payload).into_owned();
            if let Some(path) = head.split(' ').nth(1) {
                asked.insert(data.from, (path.to_owned(), packet.at_ns));
            }
        } else if let Some((path, at_ns)) = asked.get(&data.to) {
            // The last packet of a reply counts.
            took.insert(path.clone(), (packet.at_ns - at_ns) as f64 / 1e3);
        }
    }
    Ok(took)
}

/// The records of a capture, after its head (pcap-savefile(5)).
struct Packets<'a>(&'a [u8]);

struct Packet<'a> {
    at_ns: u64,
    bytes: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let word = |place: usize| {
            let bytes = self.0.get(place..place + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let (seconds, nanos, kept) = (word(0)?, word(4)?, word(8)? as usize);
        let bytes = self.0.get(16..16 + kept)?;
        self.0 = &self.0[16 + kept..];
        Some(Packet {
            at_ns: u64::from(seconds) * 1_000_000_000 + u64::from(nanos),
            bytes,
        })
    }
}

struct Segment<'a> {
    from: u16,
    to: u16,
    payload: &'a [u8],
}

/// The TCP segment of an Ethernet frame with an IPv4 packet.
fn tcp(frame: &[u8]) -> Option<Segment<'_>> {
    let ip = frame.get(14..)?;
    let head = usize::from(ip.first()? & 15) * 4;
    let length = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    let tcp = ip.get(head..length.min(ip.len()))?;
    let port = |place: usize| Some(u16::from_be_bytes([*tcp.get(place)?, *tcp.get(place + 1)?]));
    let data = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Segment {
        from: port(0)?,
        to: port(2)?,
        payload: tcp.get(data..)?,
    })
}

fn judge(result: &Value, packets: &HashMap<String, f64>, rate: u64) -> Result<bool, Failure> {
    let names = result["names"].as_array().ok_or("no names in the result")?;
    let mut differences = Vec::new();
    for name in names {
        let Some(id) = name["name"]
            .as_str()
            .and_then(|text| text.strip_prefix("sample "))
        else {
            continue;
        };
        let told = name["service_time"]["max_us"].as_f64();
        if let (Some(told), Some(seen)) =
            (told, packets.get(&format!("/bytes/{SAMPLE_BYTES}?{id}")))
        {
            differences.push(told - seen);
        }
    }
    let found = differences.len();
    if found < SAMPLES as usize * 95 / 100 {
        return Err(format!("only {found} of {SAMPLES} requests could be paired").into());
    }
    let busy = busy_share(result);
    let differences = sorted(differences);
    let (median, p99) = (quantile(&differences, 0.5), quantile(&differences, 0.99));
    println!(
        "{found} requests beside {rate}/s, the core {:.0} % busy",
        busy * 100.0
    );
    let turns = &result["generator"]["cores"][0]["turns"];
    println!(
        "turns of the core: p50 {} us, p99 {} us, max {} us; lag p99 {} us",
        turns["p50_us"], turns["p99_us"], turns["max_us"], result["lag"]["p99_us"]
    );
    print_differences("the tool", &differences);
    let holds = median.abs() < MEDIAN_MAX_US && p99 < P99_MAX_US;
    println!(
        "median below {MEDIAN_MAX_US} and p99 below {P99_MAX_US}: {}",
        if holds { "ok" } else { "WRONG" }
    );
    Ok(holds)
}

fn print_differences(who: &str, differences: &[f64]) {
    let at = |q| quantile(differences, q);
    println!(
        "{who}: service time less that of the packets, in us: min {:.1}  p50 {:.1}  p90 {:.1}  p99 {:.1}  max {:.1}",
        at(0.0),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}
