//! What a script asks of the outside while it runs.

use crate::CookieSpec;
use serde_json::Value as Json;
use std::sync::Arc;

/// A row of a data source: its columns with their values, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub Vec<(Arc<str>, Json)>);

/// What a metric of a script's own adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// What is added up.
    Counter,
    /// What is set.
    Gauge,
    /// How often something was so.
    Rate,
    /// A distribution.
    Trend,
}

/// The world of one core's users, implemented by the engine.
///
/// `slot` is the number the user was attached under. All methods are called while
/// [`Script::run`](crate::Script::run), [`reply`](crate::Script::reply) or
/// [`wake`](crate::Script::wake) is on the stack (with the slot being run), so an
/// implementation must not hold a borrow across those calls, and must not call them itself.
pub trait Host {
    /// Prepares a request without options; its number is given back in
    /// [`Step::Template`](crate::Step::Template). Called once per distinct pair and state; `Err`
    /// becomes a Lua error at the place of the call (a URL that can't be understood).
    fn template(&self, method: &str, url: &str) -> Result<u32, String>;

    /// May a request with options go to this absolute URL? Paths are not asked about.
    fn absolute_url(&self, url: &str) -> Result<(), String> {
        let _ = url;
        Ok(())
    }

    /// Can this file be sent as (a part of) a body? Asked before the request is made, so that the
    /// error has the place of the call.
    fn upload_file(&self, path: &str) -> Result<(), String> {
        Err(format!("there is no file {path:?}"))
    }

    /// Lends the value of the user's cookie of that name to `f`: the one that a request to `url`
    /// would carry, or the latest made one when no URL is given.
    fn cookie(
        &self,
        slot: u32,
        name: &str,
        url: Option<&str>,
        f: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        let _ = (slot, name, url);
        f(None);
        Ok(())
    }

    /// Gives the user a cookie.
    fn set_cookie(&self, slot: u32, cookie: CookieSpec) -> Result<(), String> {
        let _ = (slot, cookie);
        Err("users have no cookies here".to_owned())
    }

    /// Takes all cookies from the user.
    fn clear_cookies(&self, slot: u32) {
        let _ = slot;
    }

    /// Where the user's latest request ended, redirects followed: an absolute URL.
    fn reply_url(&self, slot: u32) -> Option<String> {
        let _ = slot;
        None
    }

    /// Why the body of the latest reply, which has been retained, cannot be lent: the kind of
    /// failure.
    fn body_failure(&self, slot: u32) -> Option<&'static str> {
        let _ = slot;
        None
    }

    /// Where a link leads that stands on the page of this URL (one that a script could use): such
    /// a URL again, and whether it is the page's own server. `base` is what the page says its links
    /// are relative to. `None`: nowhere that requests could go.
    fn embedded(&self, page: &str, base: Option<&str>, link: &str) -> Option<(String, bool)> {
        let _ = (page, base, link);
        None
    }

    /// The next 64 bits of the user's own random stream.
    fn random(&self, slot: u32) -> u64;

    /// The number of a check's name. Called once per distinct name and state (more often only
    /// beyond 10 000 names), so that counting a check carries no string.
    fn check_name(&self, name: &str) -> u32;

    /// A check passed or failed; `check` is what [`check_name`](Host::check_name) gave.
    fn check(&self, slot: u32, check: u32, passed: bool);

    /// The number of a metric of the script's own, as [`check_name`](Host::check_name) for checks;
    /// tags are part of the name.
    fn metric_name(&self, kind: MetricKind, name: &str) -> u32 {
        let _ = (kind, name);
        0
    }

    /// A value of such a metric: finite, of counters and trends not negative, of rates 0 or 1.
    fn metric(&self, metric: u32, value: f64) {
        let _ = (metric, value);
    }

    /// The number of a transaction's name, as [`check_name`](Host::check_name) for checks.
    fn transaction_name(&self, name: &str) -> u32;

    /// A transaction begins. They nest; each is ended before the entry ends, and is left
    /// without an end only when the user is detached in the middle of it.
    fn transaction_begin(&self, slot: u32, transaction: u32);

    /// The innermost open transaction of the user ends; `ok` is false when an error left it.
    fn transaction_end(&self, slot: u32, ok: bool);

    /// The innermost open transaction of the user is left because the user leaves its load: it
    /// neither went well nor failed.
    fn transaction_left(&self, slot: u32) {
        self.transaction_end(slot, false);
    }

    /// The user's next row of a data source. `Ok(None)`: all rows have been handed out and the
    /// user is to leave its load. `Err` becomes a Lua error at the place of the call.
    fn row(&self, slot: u32, data: &str) -> Result<Option<Row>, String> {
        let _ = slot;
        Err(format!("there is no data {data:?}"))
    }

    /// A line from `user:log`, `log` or `print`. `slot` is `None` while the file is loading.
    fn log(&self, slot: Option<u32>, text: &str);

    /// Lends the body of the user's latest reply to `f`, `None` when it was not retained (a
    /// reply without a body has an empty one). Only
    /// the latest reply is asked for, and only until the user's next step.
    fn body(&self, slot: u32, f: &mut dyn FnMut(Option<&[u8]>));

    /// Lends the raw head (status line to empty line) of the user's latest reply, as
    /// [`body`](Host::body) does.
    fn head(&self, slot: u32, f: &mut dyn FnMut(Option<&[u8]>));

    /// Seconds since the run's start; what `os.clock()` tells.
    fn elapsed_s(&self) -> f64;
}
