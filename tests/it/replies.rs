//! Replies that ask much of their reader, from a server: numbers of many digits, and pages that
//! are made to hold up whoever reads them.

use crate::binary::{Scratch, can_run, conserved, count};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What was asked: method, URL and body.
type RequestLog = Arc<Mutex<Vec<String>>>;

/// A server on a port of the system's choice, until the program ends.
fn serve(reply: fn(&str) -> String) -> (SocketAddr, RequestLog) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = RequestLog::default();
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = Arc::clone(&heard);
            // an error is the end of the connection
            std::thread::spawn(move || answer(&stream, &heard, reply));
        }
    });
    (address, asked)
}

fn answer(
    mut stream: &TcpStream,
    asked: &RequestLog,
    reply: fn(&str) -> String,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = first.split(' ');
        let (method, url) = (words.next().unwrap(), words.next().unwrap());
        let body = String::from_utf8(body).unwrap();
        let text = format!("{method} {url} {body}").trim_end().to_owned();
        asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
        let reply = reply(url);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(reply.as_bytes())?;
    }
}

fn profile(address: SocketAddr, run: &str, load: &str) -> String {
    format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"http://{address}\"\nstats = false\n{run}\n{load}\n"
    )
}

#[test]
fn numbers_of_a_reply_are_sent_back_with_all_their_digits() {
    if !can_run() {
        return;
    }
    let (address, asked) = serve(|_| {
        r#"{"order": 123456789012345, "time_us": 1700000000123456, "big": 2733382000000000049}"#
            .to_owned()
    });
    let load = "[[load]]\nscenarios = \"main\"\nmodel = \"closed\"\n\
                phases = [{ users = 1, for = \"10s\" }]";
    let script = r#"return { main = function(user)
        local reply = user:get("/order.json")
        local order = reply:json()
        user:check(reply, { json_at = {
          order = 123456789012345,
          big = integer("2733382000000000049") } })
        user:check("other", order.big ~= integer("2733382000000000048"))
        user:get("/order/" .. order.order)
        user:get("/since/" .. tostring(order.time_us), { query = { n = order.big } })
        user:post("/cancel", { json = { id = order.big, at = order.time_us } })
        user:post("/form", { form = { id = order.big, at = order.time_us } })
    end }"#;
    let scratch = Scratch::of(
        &profile(address, "iterations_max = 1\ncores = 1", load),
        script,
    );
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/iterations/finished"), 1);
    let checks = &result["checks"];
    let passed: Vec<u64> = (0..3)
        .map(|n| count(checks, &format!("/{n}/passed")))
        .collect();
    assert_eq!(passed, [1, 1, 1], "{checks}");
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(
        asked[1..],
        [
            "GET /order/123456789012345",
            "GET /since/1700000000123456?n=2733382000000000049",
            r#"POST /cancel {"at":1700000000123456,"id":2733382000000000049}"#,
            "POST /form at=1700000000123456&id=2733382000000000049",
        ]
    );
}

/// A scenario: its name, what it does, and the limit that its error names; none where the page is
/// read.
type Hostile = (&'static str, &'static str, Option<&'static str>);

const HOSTILE: [Hostile; 8] = [
    ("div", "reply:css('a')", Some("512 levels of nesting")),
    ("ul_li", "reply:css('a')", Some("512 levels of nesting")),
    (
        "attributes",
        "reply:css('a')",
        Some("1000 attributes in one tag"),
    ),
    ("source", "user:page('/source')", None),
    ("p", "reply:css_all('p')", Some("200000 nodes")),
    ("a", "reply:match('<a.-x=(.-);')", Some("50000000 steps")),
    ("arrays", "assert(reply:json() == nil)", None),
    ("script", "reply:css('script')", None),
];

fn hostile(url: &str) -> String {
    match url {
        "/div" => "<div>".repeat(50_000),
        "/ul_li" => "<ul><li>".repeat(20_000),
        "/attributes" => {
            let attributes: String = (0..60_000).map(|n| format!("a{n}=1 ")).collect();
            format!("<p {attributes}>")
        }
        "/source" => "<source srcset=http://127.0.0.2/>".repeat(40_000),
        "/p" => "<p>".repeat(300_000),
        "/a" => "<a ".repeat(100_000),
        "/arrays" => "[".repeat(500_000),
        "/script" => "<script>if (a<b) </scr".repeat(20_000),
        _ => "ok".to_owned(),
    }
}

#[test]
fn a_page_ends_one_iteration_and_not_the_run() {
    if !can_run() {
        return;
    }
    let (address, _) = serve(hostile);
    let mut script = String::from("local s = {}\nfunction s.good(user) user:get('/') end\n");
    let mut loads = String::from(
        "[[load]]\nmodel = \"open\"\nscenarios = \"good\"\narrivals = \"even\"\n\
         phases = [{ rate = \"50/s\", for = \"2s\" }]\n",
    );
    for (name, code, _) in HOSTILE {
        script +=
            &format!("function s.{name}(user) local reply = user:get('/{name}') {code} end\n");
        loads += &format!(
            "[[load]]\nmodel = \"open\"\nscenarios = \"{name}\"\narrivals = \"even\"\n\
             phases = [{{ rate = \"10/s\", for = \"100ms\" }}]\n"
        );
    }
    let profile = profile(address, "cores = 1\ndrain = \"30s\"", &loads);
    let scratch = Scratch::of(&profile, &(script + "return s\n"));
    let done = scratch.run(&["--quiet"]).expect(1);
    let result = scratch.result();
    conserved(&result);
    let refused = HOSTILE.iter().filter(|(.., limit)| limit.is_some()).count() as u64;
    let totals = &result["totals"];
    assert_eq!(count(totals, "/iterations/failed"), refused, "{}", done.out);
    let read = HOSTILE.len() as u64 - refused;
    assert_eq!(
        count(totals, "/iterations/finished"),
        100 + read,
        "{totals}"
    );
    let told = format!("{}{}{}", done.out, done.err, result["errors"]);
    for (name, _, limit) in HOSTILE {
        let limit = limit.unwrap_or_default();
        assert!(told.contains(limit), "{name}: {limit} in {told}");
    }
}
