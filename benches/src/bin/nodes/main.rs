//! Simulated load nodes against a stats server: `nodes ingest|zoom|export PATH-OF-MISTRESS`.

mod export;
mod ingest;
mod model;
mod server;
mod zoom;

use std::path::Path;
use std::process::ExitCode;

/// Why a measurement could not be made, or missed its figure.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.as_slice() {
        [what, mistress] if what == "ingest" => ingest::run(Path::new(mistress)),
        [what, mistress] if what == "zoom" => zoom::run(Path::new(mistress)),
        [what, mistress] if what == "export" => export::run(Path::new(mistress)),
        _ => Err("usage: nodes ingest|zoom|export PATH-OF-MISTRESS".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a figure beside its limit; whether it is within.
fn figure(what: &str, value: f64, limit: f64, unit: &str) -> bool {
    let within = value <= limit;
    let word = if within { "ok" } else { "MISSED" };
    println!("{what}: {value:.1} {unit} (at most {limit} {unit}) {word}");
    within
}
