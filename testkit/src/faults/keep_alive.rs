//! The table of what happens to a connection between two requests.

use std::time::Duration;

use super::row::{Outcome, Row};
use super::script::{Script, Step, ok};

/// Long enough for a FIN, a reset or a few bytes on loopback to have been noticed by a client that
/// sleeps meanwhile.
const IDLE: Duration = Duration::from_millis(200);

/// The last of the idle time is left for the client to notice what was sent in the middle of it.
const MIDDLE: Duration = Duration::from_millis(50);

/// The first request is answered well; then this happens to its connection; the next is good.
fn after_first(name: &str, steps: impl IntoIterator<Item = Step>) -> Row {
    let first = [
        Step::ReadHead,
        Step::ReadDeclaredBody,
        Step::Send(ok("first")),
    ];
    let steps: Vec<Step> = first.into_iter().chain(steps).collect();
    Row::new(name, Script::each(steps).then_good())
        .expects([Outcome::Ok(200), Outcome::Ok(200)])
        .connections(2)
}

/// Connections that die between two requests or under the second.
pub fn keep_alive() -> Vec<Row> {
    let mut rows = vec![Row {
        connections: 1,
        ..after_first("nothing", [Step::Repeat])
            .counter("stale_retry", 0)
            .counter("idle_closed", 0)
    }];
    rows.extend(raced());
    rows.extend(not_replayed());
    rows.extend(idle());
    rows
}

/// The server reads the second request and does not answer it.
fn raced() -> Vec<Row> {
    let twice = Script::each([
        Step::ReadHead,
        Step::Send(ok("first")),
        Step::ReadHead,
        Step::Close,
    ])
    .then([Step::ReadHead, Step::Close])
    .then_good();
    vec![
        after_first("closed under a GET", [Step::ReadHead, Step::Close]).counter("stale_retry", 1),
        after_first("reset under a GET", [Step::ReadHead, Step::Reset]).counter("stale_retry", 1),
        after_first("closed under a HEAD", [Step::ReadHead, Step::Close])
            .for_head()
            .counter("stale_retry", 1),
        after_first(
            "closed under a PUT",
            [Step::ReadHead, Step::ReadDeclaredBody, Step::Close],
        )
        .method("PUT")
        .body_bytes(10)
        .counter("stale_retry", 1),
        after_first("closed under a DELETE", [Step::ReadHead, Step::Close])
            .method("DELETE")
            .counter("stale_retry", 1),
        Row::new("retried once, not twice", twice)
            .expects([
                Outcome::Ok(200),
                Outcome::Failed("closed_no_response"),
                Outcome::Ok(200),
            ])
            .connections(3)
            .counter("stale_retry", 1),
    ]
}

/// The same, where a second try could do something twice or the answer had begun.
fn not_replayed() -> Vec<Row> {
    let third = |kind| [Outcome::Ok(200), Outcome::Failed(kind), Outcome::Ok(200)];
    vec![
        after_first(
            "closed under a POST",
            [Step::ReadHead, Step::ReadDeclaredBody, Step::Close],
        )
        .method("POST")
        .body_bytes(10)
        .expects(third("closed_no_response"))
        .counter("stale_retry", 0),
        after_first(
            "reset under a POST",
            [Step::ReadHead, Step::ReadDeclaredBody, Step::Reset],
        )
        .method("POST")
        .body_bytes(10)
        .expects(third("reset_first_byte"))
        .counter("stale_retry", 0),
        after_first(
            "closed after the answer began",
            [
                Step::ReadHead,
                Step::send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
                Step::Close,
            ],
        )
        .expects(third("incomplete_body"))
        .counter("stale_retry", 0),
    ]
}

/// Something happens while the user sleeps.
fn idle() -> Vec<Row> {
    let timed_out = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\
                     content-length: 0\r\n\r\n";
    let stray = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
    let middle = || Step::Pause(MIDDLE);
    let row = |name, steps: Vec<Step>| after_first(name, steps).gap(IDLE).counter("stale_retry", 0);
    vec![
        row("FIN while idle", vec![middle(), Step::Close]).counter("idle_closed", 1),
        row(
            "half a FIN while idle",
            vec![middle(), Step::ShutdownWrite, Step::AwaitClose],
        )
        .counter("idle_closed", 1),
        row("reset while idle", vec![middle(), Step::Reset]).counter("idle_closed", 1),
        row(
            "408 while idle",
            vec![middle(), Step::send(timed_out), Step::Close],
        )
        .counter("idle_closed", 1),
        row(
            "a response while idle",
            vec![middle(), Step::send(stray), Step::AwaitClose],
        )
        .counter("unsolicited_data", 1),
    ]
}
