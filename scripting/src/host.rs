//! What a running script needs from its environment.

use crate::{CookieJar, CookieSpec, Tag};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A row of a data source: column names with their values; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub Vec<(Arc<str>, Json)>);

/// The kind of a custom metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Values are summed.
    Counter,
    /// The last value set counts.
    Gauge,
    /// The share of true values.
    Rate,
    /// Values form a distribution.
    Trend,
}

/// The environment of one core's users, implemented by the engine.
///
/// `slot` is the number the user was attached under. All methods are called while
/// [`Script::run`](crate::Script::run), [`reply`](crate::Script::reply) or
/// [`wake`](crate::Script::wake) is on the stack (for the slot being run), so an implementation
/// must not hold a borrow across those calls, and must not call them itself.
pub trait Host {
    /// Prepares a request without options and returns its number, which
    /// [`Step::Template`](crate::Step::Template) carries later. Called once per distinct method and
    /// URL; `Err` (for an invalid URL) becomes a Lua error at the location of the call.
    fn template(&self, method: &str, url: &str) -> Result<u32, String>;

    /// Checks whether a request with options may go to this absolute URL. Not called for paths.
    fn absolute_url(&self, url: &str) -> Result<(), String> {
        let _ = url;
        Ok(())
    }

    /// Checks whether this file can be sent as (part of) a body. Called before the request is made,
    /// so that the error has the location of the call.
    fn upload_file(&self, path: &str) -> Result<(), String> {
        Err(format!("there is no file {path:?}"))
    }

    /// Makes a cookie jar for the user besides its own, which lasts as long as its handles. `Err`:
    /// there are too many of this user.
    fn cookie_jar(&self, slot: u32) -> Result<CookieJar, String> {
        let _ = slot;
        Err("users have no cookies here".to_owned())
    }

    /// Whether a jar was made for this user.
    fn owns_cookie_jar(&self, slot: u32, jar: &CookieJar) -> bool {
        let _ = (slot, jar);
        false
    }

    /// Lends the value of the cookie of that name to `f`: the one that a request to `url` would
    /// carry, or without a URL the most recent one. Without a jar it is one of the user's own.
    fn cookie(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        name: &str,
        url: Option<&str>,
        f: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        let _ = (slot, jar, name, url);
        f(None);
        Ok(())
    }

    /// Sets a cookie in the jar, or without one among the user's own.
    fn set_cookie(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        cookie: CookieSpec,
    ) -> Result<(), String> {
        let _ = (slot, jar, cookie);
        Err("users have no cookies here".to_owned())
    }

    /// Deletes all cookies of the jar, or without one the user's own.
    fn clear_cookies(&self, slot: u32, jar: Option<&CookieJar>) {
        let _ = (slot, jar);
    }

    /// The absolute URL at which the user's latest request ended, after redirects.
    fn reply_url(&self, slot: u32) -> Option<String> {
        let _ = slot;
        None
    }

    /// The kind of failure that keeps the retained body of the latest reply from being lent.
    fn body_failure(&self, slot: u32) -> Option<&'static str> {
        let _ = slot;
        None
    }

    /// Resolves a link on the page at this URL (in a form that scripts could use) to such a URL,
    /// and whether it is on the page's own server. `base` is the base URL that the page declares.
    /// `None`: the link is not a URL that requests can use.
    fn embedded(&self, page: &str, base: Option<&str>, link: &str) -> Option<(String, bool)> {
        let _ = (page, base, link);
        None
    }

    /// Lends the parts of the time of the user's latest reply to `f`: names and milliseconds, until
    /// the user's next step.
    fn timings(&self, slot: u32, f: &mut dyn FnMut(&'static str, f64)) {
        let _ = (slot, f);
    }

    /// The script rejects the user's latest reply, which counts as failed. False: it is too late,
    /// because the request is recorded.
    fn reject(&self, slot: u32, reason: &str) -> bool {
        let _ = (slot, reason);
        false
    }

    /// The id of the run.
    fn run_id(&self) -> &str {
        ""
    }

    /// The name of the run.
    fn run_name(&self) -> &str {
        ""
    }

    /// The number of the user's present iteration, from 0.
    fn iteration(&self, slot: u32) -> u32 {
        let _ = slot;
        0
    }

    /// A number that no other user of the run has, from 0.
    fn user_index(&self, slot: u32) -> u64 {
        let _ = slot;
        0
    }

    /// Ends the run at once, for this reason. False: the user is none of a load (it runs a hook of
    /// the run), and an error ends the run instead.
    fn abort(&self, slot: u32, reason: &str) -> bool {
        let _ = (slot, reason);
        false
    }

    /// The next 64 bits of the user's random stream.
    fn random(&self, slot: u32) -> u64;

    /// The id of a check's name. Called once per distinct name (more often only beyond 10 000
    /// names), so that counting a check passes no string.
    fn check_name(&self, name: &str) -> u32;

    /// Counts a check as passed or failed; `check` is the id from [`check_name`](Host::check_name).
    fn check(&self, slot: u32, check: u32, passed: bool);

    /// The id of a custom metric, like [`check_name`](Host::check_name) for checks; tags are part
    /// of the name.
    fn metric_name(&self, kind: MetricKind, name: &str) -> u32 {
        let _ = (kind, name);
        0
    }

    /// Records a value of such a metric: finite; not negative for counters and trends; 0 or 1 for
    /// rates.
    fn metric(&self, metric: u32, value: f64) {
        let _ = (metric, value);
    }

    /// The id of a transaction's name, like [`check_name`](Host::check_name) for checks.
    fn transaction_name(&self, name: &str) -> u32;

    /// A transaction begins. Transactions nest; each is ended before the entry ends, unless the
    /// user is detached in the middle of it.
    fn transaction_begin(&self, slot: u32, transaction: u32);

    /// The innermost open transaction of the user ends; `ok` is false when an error left it.
    fn transaction_end(&self, slot: u32, ok: bool);

    /// The innermost open transaction of the user ends because the user leaves its load: it counts
    /// neither as successful nor as failed.
    fn transaction_left(&self, slot: u32) {
        self.transaction_end(slot, false);
    }

    /// From here on, requests of the user have these tags, in addition to those of the stretches
    /// around this one, whose keys they may replace. Stretches nest like transactions. Returns how
    /// many tags they are together.
    fn tags_begin(&self, slot: u32, tags: &[Tag]) -> usize {
        let _ = slot;
        tags.len()
    }

    /// The innermost stretch of tags of the user ends.
    fn tags_end(&self, slot: u32) {
        let _ = slot;
    }

    /// The user's next row of a data source. `Ok(None)`: all rows have been handed out and the user
    /// must leave its load. `Err` becomes a Lua error at the location of the call.
    fn row(&self, slot: u32, data: &str) -> Result<Option<Row>, String> {
        let _ = slot;
        Err(format!("there is no data {data:?}"))
    }

    /// A line from `user:log`, `log` or `print`. `slot` is `None` while the file is loading.
    fn log(&self, slot: Option<u32>, text: &str);

    /// Lends the body of the user's latest reply to `f`, or `None` when it was not retained (the
    /// body of a reply without one is empty). Called only for the latest reply, and only until the
    /// user's next step.
    fn body(&self, slot: u32, f: &mut dyn FnMut(Option<&[u8]>));

    /// Lends the raw head (status line to empty line) of the user's latest reply, like
    /// [`body`](Host::body).
    fn head(&self, slot: u32, f: &mut dyn FnMut(Option<&[u8]>));

    /// The wall clock, in milliseconds since 1970 (UTC); the result of `time.now()`.
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as u64)
    }

    /// Seconds since the start of the run; the result of `os.clock()`.
    fn elapsed_s(&self) -> f64;
}

/// The host of a script that runs no load: nothing is sent, counted or told.
pub(crate) struct NullHost;

impl Host for NullHost {
    fn template(&self, _method: &str, _url: &str) -> Result<u32, String> {
        Ok(0)
    }
    fn random(&self, _slot: u32) -> u64 {
        0
    }
    fn check_name(&self, _name: &str) -> u32 {
        0
    }
    fn check(&self, _slot: u32, _check: u32, _passed: bool) {}
    fn transaction_name(&self, _name: &str) -> u32 {
        0
    }
    fn transaction_begin(&self, _slot: u32, _transaction: u32) {}
    fn transaction_end(&self, _slot: u32, _ok: bool) {}
    fn log(&self, _slot: Option<u32>, _text: &str) {}
    fn body(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        f(None);
    }
    fn head(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        f(None);
    }
    fn elapsed_s(&self) -> f64 {
        0.0
    }
}
