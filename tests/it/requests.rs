//! Requests to a stats server on this machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The header of a JSON body.
pub const JSON: &str = "content-type: application/json\r\n";

/// The answer to a request, its head and its body. `line` is method and path; each of `headers` ends
/// with a line break.
pub fn ask(port: u16, line: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let length = body.len();
    // HTTP/1.0: the body is not chunked and ends with the connection
    let request = format!(
        "{line} HTTP/1.0\r\nhost: localhost:{port}\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// The body of an answer.
pub fn body_of(answer: &str) -> &str {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    body
}
