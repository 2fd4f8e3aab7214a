//! The table of bodies that are too large, in either direction.

use super::row::{Outcome, Row};
use super::script::{Script, Step, ok};

/// Bytes of an upload that the server does not read: far more than the kernel buffers on both
/// sides of a loopback connection (4 MiB to send, 6 MiB to receive, with Linux' defaults).
const UPLOAD: usize = 64 << 20;

/// Bodies of this many bytes streamed at the client, and large uploads. 10 GB is the size that
/// matters; a smaller one serves a quick test.
pub fn bodies(bytes: u64) -> Vec<Row> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
    let until_close = "HTTP/1.1 200 OK\r\n\r\n";
    let streamed = [
        Step::ReadHead,
        Step::send(head.clone()),
        Step::SendBig(bytes),
    ];
    let followed = [Step::ReadHead, Step::Send(ok("next")), Step::AwaitClose];
    vec![
        Row::new(
            "a big body",
            Script::each([&streamed[..], &followed[..]].concat()),
        )
        .expects([Outcome::Ok(200), Outcome::Ok(200)]),
        Row::new(
            "a big body up to the end of the connection",
            Script::each([
                Step::ReadHead,
                Step::send(until_close),
                Step::SendBig(bytes),
                Step::Close,
            ])
            .then_good(),
        )
        .expects([Outcome::Ok(200), Outcome::Ok(200)])
        .connections(2),
        Row {
            keep_body: true,
            ..Row::fails(
                "a big body the script wants",
                "body_too_large",
                [Step::send(head), Step::SendBig(bytes)],
            )
        },
        Row {
            received_max: Some(UPLOAD as u64 / 2),
            ..Row::new(
                "an answer before the upload is done",
                Script::each([
                    Step::ReadHead,
                    Step::Send(ok("early")),
                    Step::Pause(std::time::Duration::from_millis(300)),
                    Step::AwaitClose,
                ])
                .then([
                    Step::ReadHead,
                    Step::ReadDeclaredBody,
                    Step::Send(ok("all of it")),
                ]),
            )
            .method("POST")
            .body_bytes(UPLOAD)
            .expects([Outcome::Ok(200)])
        },
        Row::new(
            "reset during the upload",
            Script::each([Step::ReadHead, Step::ReadBody(100_000), Step::Reset]).then_good(),
        )
        .method("POST")
        .body_bytes(UPLOAD)
        .expects([Outcome::Failed("reset_send"), Outcome::Ok(200)])
        .connections(2),
        Row::new("an upload", Script::each(Script::good()))
            .method("POST")
            .body_bytes(UPLOAD)
            .expects([Outcome::Ok(200), Outcome::Ok(200)]),
    ]
}
