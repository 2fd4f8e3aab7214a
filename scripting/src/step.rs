//! The data exchanged with a user's coroutine: entries, steps, requests and replies.

use std::time::Duration;

use crate::{CookieJar, ScriptError, Tag};

/// What a user runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `setup(user)`; [`Script::setup_result`](crate::Script::setup_result) returns its result
    /// after `Step::Done`.
    Setup,
    /// `teardown(user, data)`.
    Teardown,
    /// `on_start(user, data)`.
    OnStart,
    /// `on_stop(user, data)`.
    OnStop,
    /// A scenario, by its index in [`Script::scenarios`](crate::Script::scenarios).
    Scenario(u32),
}

/// Which hooks the script has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `setup(user)` exists.
    pub setup: bool,
    /// `teardown(user, data)` exists.
    pub teardown: bool,
    /// `on_start(user, data)` exists.
    pub on_start: bool,
    /// `on_stop(user, data)` exists.
    pub on_stop: bool,
}

/// What a user wants next.
#[derive(Debug)]
pub enum Step {
    /// Send the request the host prepared under this number; resume with
    /// [`Script::reply`](crate::Script::reply).
    Template(u32),
    /// Send this request; resume with [`Script::reply`](crate::Script::reply).
    Request(Box<RequestSpec>),
    /// Wait a time drawn uniformly from `min..=max` (`min <= max <= 1 day`); resume with
    /// [`Script::wake`](crate::Script::wake).
    Sleep {
        /// The shortest time.
        min: Duration,
        /// The longest time.
        max: Duration,
    },
    /// Run this many branches of the user at the same time: each is started with
    /// [`Script::fork`](crate::Script::fork) on a slot of its own; when all have ended and are
    /// detached, [`Script::join`](crate::Script::join) resumes the user.
    Parallel(u32),
    /// The entry (or the branch) ended; the user can run another.
    Done,
    /// The entry ended well, and the user must start no other one: it asked for a row of a data
    /// source that has no more.
    Leave,
    /// The entry ended well, and the user must start no other one: it said so.
    Stop,
    /// The entry ended with a Lua error; the user can run another.
    Failed(Box<ScriptError>),
}

/// A request with options, checked: no part of it can corrupt the head it is written into.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestSpec {
    /// An HTTP token, as the script wrote it.
    pub method: String,
    /// The URL as the script wrote it (absolute or a path), with `query` appended and
    /// percent-encoded; printable ASCII and bytes above 0x7f only.
    pub url: String,
    /// The name it is reported under; `None` means method and path without the query.
    pub name: Option<String>,
    /// Its tags, in the order of their keys, no key twice; at most 8.
    pub tags: Vec<Tag>,
    /// The script's headers in the order to send them: names are tokens, values have no CR, LF or
    /// NUL. Sorted by name unless the script gave a list.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Headers to omit that would otherwise be sent; tokens.
    pub without: Vec<String>,
    /// The body, `None` when the script gave none (an empty string is a body).
    pub body: Option<Vec<u8>>,
    /// A body in several parts, which are sent one after another; empty unless it has files.
    pub parts: Vec<BodyPart>,
    /// The content type of the body, unless the headers set one.
    pub content_type: Option<String>,
    /// The body is sent in chunks, without a length.
    pub chunked: bool,
    /// The head asks whether to send the body (`Expect: 100-continue`), and the body waits for the
    /// answer.
    pub expect_continue: bool,
    /// The body of the reply is kept for the script.
    pub keep_body: bool,
    /// The statuses that count as ok; `None` means all below 400.
    pub expect: Option<Vec<u16>>,
    /// The script judges the reply itself: no status makes it a failure.
    pub judged: bool,
    /// The timeout of this request, above 0 and at most a day.
    pub timeout: Option<Duration>,
    /// False asks for `Connection: close`.
    pub keepalive: Option<bool>,
    /// The value of the Authorization header, from `basic_auth` or `bearer`.
    pub authorization: Option<String>,
    /// User and password for digest authentication.
    pub digest: Option<(String, String)>,
    /// The value of the Referer header.
    pub referer: Option<String>,
    /// How many redirects to follow; `None` means the profile's number.
    pub redirects: Option<u8>,
    /// Which cookies are sent.
    pub cookies: Cookies,
    /// Where cookies are taken from and kept; `None` means the user's own jar.
    pub jar: Option<CookieJar>,
}

/// A part of a request's body.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyPart {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of a file; a relative path starts at the script's folder.
    File(String),
}

/// Which cookies a request carries, and whether its reply may set any.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cookies {
    /// The user's own, unless the profile turns cookies off.
    #[default]
    Jar,
    /// None, and those the reply sets are ignored.
    Off,
    /// These in addition to the user's own, which they replace if the names are equal: names are
    /// tokens, values have no control bytes or semicolons.
    With(Vec<(String, Vec<u8>)>),
}

/// A cookie set by a script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CookieSpec {
    /// A token.
    pub name: String,
    /// Without control bytes and semicolons.
    pub value: Vec<u8>,
    /// The host and its subdomains; `None`: the host of `url` only.
    pub domain: Option<String>,
    /// Starts with `/`; `None`: all paths.
    pub path: Option<String>,
    /// The server it is for, as a path or an absolute URL; `None`: the target.
    pub url: Option<String>,
    /// Only for encrypted connections.
    pub secure: bool,
    /// Its lifetime; `None`: until the user ends.
    pub max_age: Option<Duration>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// The status, 0 when none was received.
    pub status: u16,
    /// The status was expected and the reply is complete.
    pub ok: bool,
    /// The kind of failure, when it is not ok.
    pub failure: Option<&'static str>,
    /// From the due time to the last byte, in milliseconds.
    pub latency_ms: f64,
    /// The load asks the user to stop: from here on `user:running()` returns false.
    pub stopping: bool,
    /// The raw head, status line to empty line; set when
    /// [`Script::reads_heads`](crate::Script::reads_heads).
    pub head: Option<&'a [u8]>,
    /// The body; set when the request had `keep_body`.
    pub body: Option<&'a [u8]>,
}
