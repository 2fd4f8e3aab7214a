//! What a new user types first, on a release build: the quickstart, `check` and `target`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::bench::client::Scratch;
use crate::bench::server::Server;
use crate::project::{cargo, release_binary, root};
use crate::run::{self, Limit};

const QUICKSTART: &str = "scenarios/quickstart.toml";
/// The promise of the README: the summary is there within this time.
const SUMMARY_LIMIT: Duration = Duration::from_secs(60);

/// Runs all of it; the first thing that goes wrong ends it.
pub fn smoke() -> Result<(), Failure> {
    let build = run::lines(cargo(&["build", "--release"]), Limit::None, |_, line| {
        println!("{line}");
    })?;
    if !build.is_success() {
        return Err("the release build failed".into());
    }
    mistress(&["check", QUICKSTART])?;
    mistress(&["run", QUICKSTART])?;
    let server = Server::mistress(0)?;
    let reply = fetch(&server.authority)?;
    if !reply.starts_with("HTTP/1.1 200") {
        return Err(format!("mistress target answered: {reply}").into());
    }
    println!("smoke: all well");
    Ok(())
}

/// Runs the product, echoing what it prints.
fn mistress(args: &[&str]) -> Result<(), Failure> {
    println!("== mistress {}", args.join(" "));
    let mut command = Command::new(release_binary("mistress"));
    command.current_dir(root()).args(args);
    // as on a machine where nothing was run before, and without a trace on this one
    let data = Scratch::new("smoke")?;
    command.env("MISTRESS_DATA", data.file("data"));
    let limit = Limit::At(Instant::now() + SUMMARY_LIMIT);
    let end = run::lines(command, limit, |_, line| println!("{line}"))?;
    match end {
        run::End::Exited(status) if status.success() => Ok(()),
        run::End::Exited(status) => Err(format!("mistress {}: {status}", args.join(" ")).into()),
        run::End::TimedOut => Err(format!(
            "mistress {}: no end within {SUMMARY_LIMIT:?}",
            args.join(" ")
        )
        .into()),
    }
}

/// The whole response to one request, as text.
fn fetch(authority: &str) -> Result<String, Failure> {
    let mut socket = TcpStream::connect(authority)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        socket,
        "GET / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )?;
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}
