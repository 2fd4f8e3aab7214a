//! Rows handed out of a file of a gigabyte: how many per second, in how much memory, and that two
//! processes with a half of the run each share the rows without giving one out twice.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::release_binary;
use crate::run::Background;

/// Rows of the file, 100 bytes each.
const ROWS: u64 = 10_000_000;
const ROW_BYTES: usize = 100;
/// Rows per second that are asked for, and what must be handed out of them.
const RATE: u64 = 100_000;
const RATE_MIN: f64 = 0.99 * RATE as f64;
const USERS: u64 = 200;
const PASSES_PER_S: u64 = 10;
const SECONDS: u64 = 20;
/// Rows of a pass where nothing but the rows is waited for.
const DRAWS: u64 = 500;
/// Resident memory beyond the pages of files, wanted.
const MEMORY_MAX_MIB: f64 = 64.0;
/// A multiplier and a modulus for a sum in which two wrong rows do not make up for each other.
const FACTOR: u64 = 48_271;
const MODULUS: u64 = 1_000_003;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Draws `draws` rows in a pass and counts each, its number, and a remainder of it. The last pass
/// of a user ends within.
fn script(draws: u64) -> String {
    format!(
        "return {{ main = function(user)\n\
           for i = 1, {draws} do\n\
             local id = tonumber(user:row('rows').id)\n\
             user:count('rows', 1)\n\
             user:count('sum', id)\n\
             user:count('mixed', id * {FACTOR} % {MODULUS})\n\
           end\n\
         end }}\n"
    )
}

/// Runs both parts; an error when a figure is missed.
pub fn run() -> Result<(), Failure> {
    println!("{}", super::machine());
    let scratch = Scratch::new("feeder")?;
    let bytes = write_rows(&scratch.file("rows.csv"))?;
    println!("a file of {:.2} GB, {ROWS} rows", bytes as f64 / 1e9);
    let steady = hand_out(&scratch)?;
    let shared = share(&scratch)?;
    if steady && shared {
        Ok(())
    } else {
        Err("a figure is missed".into())
    }
}

fn write_rows(path: &Path) -> Result<u64, Failure> {
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    writeln!(file, "id,word")?;
    let mut line = String::new();
    for id in 0..ROWS {
        line.clear();
        write!(line, "{id},")?;
        let width = ROW_BYTES - 1 - line.len();
        writeln!(file, "{line}{id:x<width$}")?;
    }
    file.flush()?;
    Ok(std::fs::metadata(path)?.len())
}

/// Two cores, at a fixed pace: rows per second, and memory meanwhile.
fn hand_out(scratch: &Scratch) -> Result<bool, Failure> {
    let draws = RATE / USERS / PASSES_PER_S;
    let pace = 1_000 / PASSES_PER_S;
    let load = format!(
        "model = \"closed\"\nscenarios = \"main\"\npacing = \"{pace}ms\"\n\
         phases = [{{ users = {USERS}, for = \"{SECONDS}s\" }}]\n"
    );
    let began = Instant::now();
    let mut process = start(scratch, "steady", &script(draws), &load, &["--cores", "2"])?;
    let most = memory_while(&mut process)?;
    process.finish(Duration::from_secs(60))?;
    let result = result(scratch, "steady")?;
    let rows = sum_of(&result, "rows")?;
    let per_s = rows as f64 / SECONDS as f64;
    println!(
        "\ntwo cores, {} s with reading the file: verdict {}",
        began.elapsed().as_secs(),
        result["verdict"]["state"]
    );
    let fast = per_s >= RATE_MIN;
    println!(
        "rows per second: {per_s:.0} (at least {RATE_MIN}) {}",
        word(fast)
    );
    let small = most <= MEMORY_MAX_MIB;
    println!(
        "memory beyond files: {most:.1} MiB (at most {MEMORY_MAX_MIB}) {}",
        word(small)
    );
    Ok(fast && small)
}

fn word(holds: bool) -> &'static str {
    if holds { "ok" } else { "MISSED" }
}

/// Two processes, a half of the run each, until no row is left.
fn share(scratch: &Scratch) -> Result<bool, Failure> {
    let load = "model = \"closed\"\nscenarios = \"main\"\n\
                phases = [{ users = 64, for = \"75s\" }]\n";
    let halves = ["1/2", "2/2"];
    let mut running = Vec::new();
    for (place, half) in halves.iter().enumerate() {
        let cpu = place.to_string();
        let arguments = ["--segment", half, "--cores", "1"];
        let name = format!("half-{cpu}");
        running.push((
            name.clone(),
            start(scratch, &name, &script(DRAWS), load, &arguments)?,
        ));
    }
    let mut totals = [0; 3];
    let mut parts = Vec::new();
    for (name, process) in running {
        process.finish(Duration::from_secs(180))?;
        let result = result(scratch, &name)?;
        parts.push(sum_of(&result, "rows")?);
        for (total, metric) in totals.iter_mut().zip(["rows", "sum", "mixed"]) {
            *total += sum_of(&result, metric)?;
        }
    }
    let mixed = (0..ROWS).map(|id| id * FACTOR % MODULUS).sum();
    let wanted = [ROWS, ROWS * (ROWS - 1) / 2, mixed];
    let holds = totals == wanted;
    println!(
        "\ntwo processes, segments 1/2 and 2/2: {} and {} rows of {ROWS}; number, sum and mixed sum \
         {totals:?}, wanted {wanted:?}: {}",
        parts[0],
        parts[1],
        if holds { "each row once" } else { "MISSED" }
    );
    Ok(holds)
}

/// Starts a run of `script` with the rows, each at most once; users leave when none is left.
fn start(
    scratch: &Scratch,
    name: &str,
    script: &str,
    load: &str,
    arguments: &[&str],
) -> Result<Background, Failure> {
    std::fs::write(scratch.file(&format!("{name}.lua")), script)?;
    let profile = format!(
        "[run]\nscript = \"{name}.lua\"\ntarget = \"builtin\"\ndrain = \"5s\"\nstats = false\n\
         [[load]]\n{load}[data.rows]\nfile = \"rows.csv\"\norder = \"unique\"\nat_end = \"stop\"\n"
    );
    let path = scratch.file(&format!("{name}.toml"));
    std::fs::write(&path, profile)?;
    let mut command = Command::new(release_binary("mistress"));
    command.arg("run").arg(path).args(arguments).arg("--quiet");
    command
        .arg("--json")
        .arg(scratch.file(&format!("{name}.json")));
    Background::start(command)
}

fn result(scratch: &Scratch, name: &str) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(scratch.file(&format!("{name}.json")))?;
    Ok(serde_json::from_str(&text)?)
}

/// What a counter of the script adds up to.
fn sum_of(result: &Value, metric: &str) -> Result<u64, Failure> {
    let metrics = result["metrics"].as_array().ok_or("no metrics")?;
    let found = metrics.iter().find(|one| one["name"] == metric);
    let sum = found.and_then(|one| one["sum"].as_f64());
    Ok(sum.ok_or_else(|| format!("no sum of {metric} in {metrics:?}"))? as u64)
}

/// The most memory of its own, in MiB, that the process has until it ends.
fn memory_while(process: &mut Background) -> Result<f64, Failure> {
    let status = format!("/proc/{}/status", process.id());
    let mut most = 0;
    while process.is_running() {
        let Ok(text) = std::fs::read_to_string(&status) else {
            break;
        };
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|rest| rest.split_whitespace().next());
            kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0)
        };
        most = most.max(field("RssAnon:") + field("RssShmem:"));
        std::thread::sleep(LOOK_EVERY);
    }
    if most == 0 {
        return Err("no sample of memory".into());
    }
    Ok(most as f64 / 1024.0)
}
