//! A server without sockets, reached directly or through SOCKS 5: requests in, answers out. The path of a request says how it is
//! answered, and the body of the answer is the path, so that each reply can be told from any other.

/// What a server sends, and what it does to the connection then.
#[derive(Debug)]
pub struct Answer {
    /// The bytes, possibly none.
    pub bytes: Vec<u8>,
    /// What follows them.
    pub ending: Ending,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It stays open.
    Open,
    /// It is closed.
    Close,
    /// It is reset, and what was not yet received is lost.
    Reset,
}

/// One connection of the server.
#[derive(Debug, Default)]
pub struct ScriptedServer {
    bytes: Vec<u8>,
    /// The head of the request under way was answered with `100 Continue`.
    has_continued: bool,
    /// It has answered before a request was whole, and reads no further.
    is_deaf: bool,
    /// What it waits for as a SOCKS proxy, if it is spoken to as one.
    socks: Socks,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Socks {
    /// The first byte, which tells whether it is.
    #[default]
    Unknown,
    /// The ways to sign in that the client offers.
    Greeting,
    SignIn,
    Request,
    /// It is not, or no more.
    Done,
}

/// How requests to `/KIND/ID` are answered.
pub const KINDS: [&str; 12] = [
    "ok",
    "chunked",
    "until-close",
    "close",
    "closed-after",
    "none",
    "reset",
    "half",
    "silent",
    "surplus",
    "garbage",
    "early",
];

/// Whether a whole reply of a kind comes back when nothing goes wrong.
pub fn is_answered(kind: &str) -> bool {
    let answered = ["ok", "chunked", "until-close", "close", "closed-after"];
    answered.contains(&kind) || kind == "surplus" || kind == "early"
}

impl ScriptedServer {
    /// Takes bytes of requests; the answers to those that are whole, in their order.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Answer> {
        self.bytes.extend_from_slice(bytes);
        let mut answers = Vec::new();
        while let Some(bytes) = self.next_of_socks() {
            answers.push(open(bytes));
        }
        while self.socks == Socks::Done
            && let Some(answer) = self.next()
        {
            answers.push(answer);
        }
        answers
    }

    /// The answer to the first message of SOCKS, if it is whole.
    fn next_of_socks(&mut self) -> Option<Vec<u8>> {
        if self.socks == Socks::Unknown {
            self.socks = match self.bytes.first()? {
                5 => Socks::Greeting,
                _ => Socks::Done,
            };
        }
        let at = |index: usize| self.bytes.get(index).map(|byte| usize::from(*byte));
        let (length, answer, next) = match self.socks {
            Socks::Greeting => {
                let length = 2 + at(1)?;
                match self.bytes.get(2..length)?.contains(&2) {
                    true => (length, vec![5, 2], Socks::SignIn),
                    false => (length, vec![5, 0], Socks::Request),
                }
            }
            Socks::SignIn => {
                let user = at(1)?;
                (3 + user + at(2 + user)?, vec![1, 0], Socks::Request)
            }
            Socks::Request => {
                let address = match at(3)? {
                    1 => 4,
                    4 => 16,
                    _ => 1 + at(4)?,
                };
                let reply = vec![5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
                (4 + address + 2, reply, Socks::Done)
            }
            Socks::Unknown | Socks::Done => return None,
        };
        if self.bytes.len() < length {
            return None;
        }
        self.bytes.drain(..length);
        self.socks = next;
        Some(answer)
    }

    /// The answer to the first request, if it is whole, or has to be told to go on.
    fn next(&mut self) -> Option<Answer> {
        if self.is_deaf {
            self.bytes.clear();
        }
        let head_end = find(&self.bytes, b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.bytes[..head_end]).to_ascii_lowercase();
        let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
        if head.contains("expect: 100-continue") && !self.has_continued {
            self.has_continued = true;
            let bytes = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            return Some(open(bytes));
        }
        let rest = &self.bytes[head_end..];
        let body = if head.contains("transfer-encoding: chunked") {
            find(rest, b"0\r\n\r\n").map(|at| at + 5)
        } else {
            let length = field(&head, "content-length: ").unwrap_or(0);
            (rest.len() >= length).then_some(length)
        };
        if body.is_none() && path.starts_with("/early/") {
            self.is_deaf = true;
            return Some(open(closing(&path).into_bytes()));
        }
        self.bytes.drain(..head_end + body?);
        self.has_continued = false;
        Some(answer(&path))
    }
}

/// The number of a field in a head of small letters.
fn field(head: &str, name: &str) -> Option<usize> {
    let at = head.find(name)? + name.len();
    head[at..].lines().next()?.trim().parse().ok()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

fn open(bytes: Vec<u8>) -> Answer {
    Answer {
        bytes,
        ending: Ending::Open,
    }
}

/// A reply that says that the connection ends.
fn closing(path: &str) -> String {
    let length = path.len();
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{path}")
}

/// The answer to a whole request.
fn answer(path: &str) -> Answer {
    let length = path.len();
    let ok = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{path}");
    let kind = path.split('/').nth(1).unwrap_or_default();
    let (text, ending) = match kind {
        "chunked" => {
            let (first, second) = path.split_at(length / 2);
            let text = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                first.len(),
                second.len()
            );
            (text, Ending::Open)
        }
        "until-close" => (format!("HTTP/1.1 200 OK\r\n\r\n{path}"), Ending::Close),
        "close" => (closing(path), Ending::Close),
        // The client is not told, and may send another request into the closed connection.
        "closed-after" => (ok, Ending::Close),
        "none" => (String::new(), Ending::Close),
        "reset" => (String::new(), Ending::Reset),
        "half" => (ok[..ok.len() - 2].to_owned(), Ending::Close),
        "silent" => (String::new(), Ending::Open),
        "surplus" => (ok + "surplus", Ending::Open),
        "garbage" => ("garbage\r\n\r\n".to_owned(), Ending::Open),
        _ => (ok, Ending::Open),
    };
    Answer {
        bytes: text.into_bytes(),
        ending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_socks_proxy_as_well() {
        let asked: [&[u8]; 3] = [
            b"\x05\x02\x00\x02",
            b"\x01\x03ann\x04pass",
            b"\x05\x01\x00\x03\x04name\x00\x50GET /ok/1 HTTP/1.1\r\n\r\n",
        ];
        let bytes = asked.concat();
        for cut in 0..=bytes.len() {
            let mut server = ScriptedServer::default();
            let mut answers = server.take(&bytes[..cut]);
            answers.extend(server.take(&bytes[cut..]));
            let heads: Vec<&[u8]> = answers.iter().map(|one| &one.bytes[..2]).collect();
            assert_eq!(heads, [&[5, 2][..], &[1, 0], &[5, 0], b"HT"], "{cut}");
        }
    }

    #[test]
    fn requests_are_answered_however_they_are_cut() {
        let requests =
            b"GET /ok/1 HTTP/1.1\r\n\r\nPUT /close/2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..=requests.len() {
            let mut server = ScriptedServer::default();
            let mut answers = server.take(&requests[..cut]);
            answers.extend(server.take(&requests[cut..]));
            let ends: Vec<Ending> = answers.iter().map(|answer| answer.ending).collect();
            assert_eq!(ends, [Ending::Open, Ending::Close], "{cut}");
            assert!(answers[0].bytes.ends_with(b"/ok/1"), "{cut}");
            assert!(answers[1].bytes.ends_with(b"/close/2"), "{cut}");
        }
    }
}
