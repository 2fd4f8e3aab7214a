//! What goes in and out of a user's coroutine: entries, steps, requests and replies.

use std::time::Duration;

use crate::ScriptError;

/// What a user is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `setup(user)`; its result is fetched with
    /// [`Script::setup_result`](crate::Script::setup_result) after `Step::Done`.
    Setup,
    /// `teardown(user, data)`.
    Teardown,
    /// `on_start(user, data)`.
    OnStart,
    /// `on_stop(user, data)`.
    OnStop,
    /// A scenario, by its place in [`Script::scenarios`](crate::Script::scenarios).
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
    /// Run so many branches of this user at the same time: each is begun with
    /// [`Script::fork`](crate::Script::fork) on a slot of its own; when all have ended and are
    /// detached, the user goes on with [`Script::join`](crate::Script::join).
    Parallel(u32),
    /// The entry (or the branch) ended; the user can run another.
    Done,
    /// The entry ended well, and the user is to begin no other one: it asked for a row where there
    /// are no more.
    Leave,
    /// The entry ended with a Lua error; the user can run another.
    Failed(Box<ScriptError>),
}

/// A request with options, checked: no part of it can break the head it is written into.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestSpec {
    /// An HTTP token, as the script wrote it.
    pub method: String,
    /// The URL as the script wrote it (absolute or a path), with `query` already appended,
    /// percent-encoded; printable ASCII and bytes above 0x7f only.
    pub url: String,
    /// The name to report it under; `None` means method and path without the query.
    pub name: Option<String>,
    /// The script's own headers in the order to send them: tokens, and values without CR, LF or
    /// NUL. Sorted by name unless the script gave a list.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Headers that would be sent without being named, and are not to be: tokens.
    pub without: Vec<String>,
    /// The body, `None` when the script gave none (an empty string is a body).
    pub body: Option<Vec<u8>>,
    /// A body in several parts, which are sent one after another; empty unless it has files.
    pub parts: Vec<Part>,
    /// The content type that goes with the body, unless the headers name one.
    pub content_type: Option<String>,
    /// The body is sent in chunks, without saying its length first.
    pub chunked: bool,
    /// The head asks whether the body is wanted, and the body waits for the answer.
    pub expect_continue: bool,
    /// The script wants the body of the reply.
    pub keep_body: bool,
    /// The statuses that count as ok, `None` means below 400.
    pub expect: Option<Vec<u16>>,
    /// The time limit of this request, more than 0 and at most a day.
    pub timeout: Option<Duration>,
    /// False asks for `Connection: close`.
    pub keepalive: Option<bool>,
    /// The value of the Authorization header, from `basic_auth` or `bearer`.
    pub authorization: Option<String>,
    /// User and password for digest authentication.
    pub digest: Option<(String, String)>,
    /// The value of the Referer header.
    pub referer: Option<String>,
    /// How many redirects are followed; `None` means the profile's number.
    pub redirects: Option<u8>,
    /// Which cookies go out.
    pub cookies: Cookies,
}

/// A part of a request's body.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of a file; a relative path begins at the script's folder.
    File(String),
}

/// Which cookies a request carries, and whether its reply may set some.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cookies {
    /// The user's own, unless the profile says that users have none.
    #[default]
    Jar,
    /// None, and those of the reply are not kept.
    Off,
    /// These besides the user's own, which they replace where the names are the same: tokens, and
    /// values without control bytes and semicolons.
    With(Vec<(String, Vec<u8>)>),
}

/// A cookie that a script makes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CookieSpec {
    /// A token.
    pub name: String,
    /// Without control bytes and semicolons.
    pub value: Vec<u8>,
    /// The host and all below it; `None`: the host of `url` alone.
    pub domain: Option<String>,
    /// Begins with `/`; `None`: all paths.
    pub path: Option<String>,
    /// Which server it is for, a path or an absolute URL; `None`: the target.
    pub url: Option<String>,
    /// Only for encrypted connections.
    pub secure: bool,
    /// How long it lasts; `None`: as long as the user.
    pub max_age: Option<Duration>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// The status, 0 when none was received.
    pub status: u16,
    /// The status was expected and the whole reply came.
    pub ok: bool,
    /// The kind of failure, when it is not ok.
    pub failure: Option<&'static str>,
    /// From when the request was due to the last byte, in milliseconds.
    pub latency_ms: f64,
    /// The load asks the user to stop: `user:running()` is false from here on.
    pub stopping: bool,
    /// The raw head, status line to empty line; given when
    /// [`Script::reads_heads`](crate::Script::reads_heads).
    pub head: Option<&'a [u8]>,
    /// The body; given when the request asked for it with `keep_body`.
    pub body: Option<&'a [u8]>,
}
