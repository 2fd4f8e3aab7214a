//! The long forms of what the tests show in seconds: each area a table of expected and measured.

mod costs;
mod network;
mod openapi;
mod packages;
mod parsers;
mod pool;
mod quota;
mod runs;
mod server;
mod table;
mod toolbox;
mod truths;

use crate::Failure;
use crate::bench::machine;
use table::Table;

pub const USAGE: &str = "\
cargo xtask acceptance AREA [ROW ...]

  network   new connections between two hosts and on loopback: ports, closing, a shared pool,
            the known answers about latency, latency beside oha's; about 30 minutes, as root
  openapi   the stats server's API: 200 requests per operation made of its document, 300 random runs;
            some minutes
  packages  the .deb and the archive on clean Debian systems that debootstrap makes: installed,
            run, removed; about 5 minutes, as root
  parsers   what a byte of a hostile reply of 8 MB costs its reader, against one of 100 KB;
            some minutes
  quota     200 runs of 2 s under CPU quotas of 3, 4 and 10 of 20 ms and beside four programs that
            compute; about 15 minutes, as root
  server    the stats server under 10 000 held connections, 3 000 slow heads, 6 000 broken batches
            and guessed passwords; some minutes
  toolbox   what the functions of the toolbox cost a script, beside the crates that do the work;
            a minute

Each row is expected beside measured. ROW: only rows whose name begins so. Ends with an error when
a row does not hold.";

/// An area: its name, and what measures its rows.
type Area = (&'static str, fn(&mut Table) -> Result<(), Failure>);

const AREAS: [Area; 7] = [
    ("network", network::measure),
    ("openapi", openapi::measure),
    ("packages", packages::measure),
    ("parsers", parsers::measure),
    ("quota", quota::measure),
    ("server", server::measure),
    ("toolbox", toolbox::measure),
];

/// Carries an area out; false when a row does not hold.
pub fn acceptance(options: &[&str]) -> Result<bool, Failure> {
    let Some((name, rows)) = options.split_first() else {
        println!("{USAGE}");
        return Ok(true);
    };
    if matches!(*name, "--help" | "-h") {
        println!("{USAGE}");
        return Ok(true);
    }
    let area = AREAS.iter().find(|(known, _)| known == name);
    let (_, measure) = area.ok_or_else(|| format!("unknown: {name}\n\n{USAGE}"))?;
    crate::truth::build()?;
    println!("{}", machine());
    let mut table = Table::only(rows);
    measure(&mut table)?;
    Ok(table.close())
}
