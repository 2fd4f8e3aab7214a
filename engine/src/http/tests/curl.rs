//! 95 responses with curl's verdict on each, written by curl's authors (`curl-http1/core.json`).
//!
//! Read from `MISTRESS_CASES` or from `../shared/cases` beside the workspace. Where this tool
//! judges otherwise or delivers other bytes, a row below gives the reason; a row that no longer
//! differs fails the test as much as a difference without a row.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use super::super::response::BodyRule;
use super::{Outcome, read_all_ways};

/// Cases whose verdict (ok or failed) differs: (id, our verdict is ok, reason).
const VERDICTS_THAT_DIFFER: &[(u64, bool, &str)] = &[
    (
        29,
        true,
        "the server is mute for longer than curl's -m 2; no time passes here",
    ),
    (
        66,
        false,
        "curl is told --http0.9; a response without a head is refused here",
    ),
    (
        129,
        true,
        "HTTP/1.2 is understood (RFC 9110 section 2.5), as browsers do; counted as odd",
    ),
    (
        152,
        true,
        "--fail judges the status, which is the business of whoever reads the response",
    ),
    (
        221,
        true,
        "--compressed; the body is whole, its decoding is another layer's",
    ),
    (
        269,
        false,
        "--ignore-content-length; a body short of its length is incomplete here",
    ),
    (
        293,
        true,
        "--max-filesize; bodies are dropped, so their size harms nobody",
    ),
    (
        395,
        false,
        "a length over 2^64 is refused; curl ignores it and reads to the end",
    ),
    (
        398,
        true,
        "a line without a colon is ignored, as browsers do; counted as odd",
    ),
    (457, true, "--max-filesize, as 293"),
    (
        772,
        true,
        "two Locations that differ matter to who follows them, not to framing",
    ),
    (
        1124,
        false,
        "chunk lines end in a bare line feed; CRLF is demanded",
    ),
    (1164, false, "curl is told --http0.9, as 66"),
    (
        1425,
        true,
        "curl refuses to print a zero byte to a terminal; there is none here",
    ),
];

/// Cases that both call ok, with another body: (id, reason).
const BODIES_THAT_DIFFER: &[(u64, &str)] = &[
    (
        220,
        "--compressed: curl prints it decoded; here it is delivered as sent",
    ),
    (224, "--compressed, as 220"),
    (316, "--compressed, as 220"),
    (
        319,
        "the recorded output lacks the last byte, which Content-Length 44 counts",
    ),
    (
        326,
        "--raw: curl prints the chunk framing too; here it is removed",
    ),
    (397, "--compressed, as 220"),
    (
        1122,
        "--tr-encoding: curl undoes the transfer coding gzip, which is never asked for here",
    ),
];

struct Case {
    id: u64,
    name: String,
    command: String,
    response: Vec<u8>,
    curl_exit: i64,
    /// All that curl printed, heads included.
    expected: Vec<u8>,
}

fn cases() -> Option<Vec<Case>> {
    let folder = std::env::var_os("MISTRESS_CASES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/cases")),
        PathBuf::from,
    );
    let path = folder.join("curl-http1/core.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Straight to the descriptor: the test harness would swallow `eprintln!`.
        let message = format!(
            "\nSKIPPED: no {}; curl's cases were NOT run\n\n",
            path.display()
        );
        let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
        return None;
    };
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    Some(list.iter().map(case).collect())
}

fn case(value: &Value) -> Case {
    let bytes = |key: &str| {
        value[key]
            .as_str()
            .map(|text| BASE64_STANDARD.decode(text).unwrap())
    };
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    let response = bytes("response_b64").unwrap();
    let expected = bytes("datacheck_b64").or_else(|| bytes("stdout_b64"));
    Case {
        id: value["id"].as_u64().unwrap(),
        name: text("name"),
        command: text("command"),
        curl_exit: value["curl_exit"].as_i64().unwrap(),
        expected: expected.unwrap_or_else(|| response.clone()),
        response,
    }
}

fn is_head(case: &Case) -> bool {
    case.command
        .split(' ')
        .any(|word| matches!(word, "-I" | "--head"))
}

/// What follows the heads in curl's output.
fn without_heads(mut output: &[u8]) -> &[u8] {
    while output.starts_with(b"HTTP/1.") {
        let ends = [&b"\r\n\r\n"[..], b"\n\n"].map(|end| {
            output
                .windows(end.len())
                .position(|window| window == end)
                .map(|at| at + end.len())
        });
        let Some(end) = ends.into_iter().flatten().min() else {
            return b"";
        };
        output = &output[end..];
    }
    output
}

/// Whether the body is what curl printed; with `-w` curl prints something of its own after it.
fn same_body(case: &Case, outcome: &Outcome) -> bool {
    let expected = without_heads(&case.expected);
    match case.command.contains(" -w ") {
        true => expected.starts_with(&outcome.heard.body),
        false => is_head(case) || expected == outcome.heard.body,
    }
}

#[test]
fn verdicts_and_bodies_are_curls_or_explained() {
    let Some(cases) = cases() else { return };
    assert_eq!(cases.len(), 95);
    let mut verdicts: BTreeMap<u64, _> = VERDICTS_THAT_DIFFER
        .iter()
        .map(|(id, is_ok, _)| (*id, *is_ok))
        .collect();
    let mut bodies: Vec<u64> = BODIES_THAT_DIFFER.iter().map(|(id, _)| *id).collect();
    let mut wrong = Vec::new();
    for case in &cases {
        let rule = if is_head(case) {
            BodyRule::Head
        } else {
            BodyRule::Normal
        };
        let outcome = read_all_ways(&case.response, rule);
        let is_ok = outcome.verdict.is_ok();
        let explained = verdicts.remove(&case.id);
        let differs = is_ok != (case.curl_exit == 0);
        if differs != explained.is_some() || explained.is_some_and(|explained| explained != is_ok) {
            wrong.push(format!(
                "case {} ({}): curl exits {}, here {:?}, explained: {explained:?}",
                case.id, case.name, case.curl_exit, outcome.verdict
            ));
        }
        let explained = bodies
            .iter()
            .position(|id| *id == case.id)
            .map(|at| bodies.remove(at));
        let differs = is_ok && case.curl_exit == 0 && !same_body(case, &outcome);
        if differs != explained.is_some() {
            wrong.push(format!(
                "case {} ({}, {}): body {:?}, curl's {:?}, explained: {explained:?}",
                case.id,
                case.name,
                case.command,
                String::from_utf8_lossy(&outcome.heard.body),
                String::from_utf8_lossy(without_heads(&case.expected)),
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        verdicts.is_empty() && bodies.is_empty(),
        "rows without a case: {verdicts:?} {bodies:?}"
    );
}
