//! The Date of the target's answers, as RFC 9110, section 6.6.1 asks of a server with a clock.

use super::pages;
use std::time::{SystemTime, UNIX_EPOCH};

/// How many home pages are kept for ever, one for each second in which somebody asked: a day's
/// worth, 14 MB. Later ones are made for each answer.
const HOMES_MAX: u32 = 86_400;

/// The present second in words, and the home page of that second.
pub(super) struct DateCache {
    /// Seconds of the Unix epoch that `date` tells.
    second: u64,
    /// As in the header: 29 characters.
    date: String,
    /// Made when the first of this second asks.
    home: Option<&'static [u8]>,
    /// Home pages made so far.
    homes: u32,
}

impl DateCache {
    pub(super) fn new() -> DateCache {
        let mut dated = DateCache {
            second: 0,
            date: String::new(),
            home: None,
            homes: 0,
        };
        dated.look(SystemTime::now());
        dated
    }

    /// Looks at the clock; to be called once per turn.
    #[inline]
    pub(super) fn look(&mut self, now: SystemTime) {
        let second = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if second != self.second || self.date.is_empty() {
            self.second = second;
            self.date = httpdate::fmt_http_date(now);
            self.home = None;
        }
    }

    pub(super) fn date(&self) -> &str {
        &self.date
    }

    /// The home page of this second. The kernel may read it at any time, so it stays for ever;
    /// `None` when there are too many of them.
    #[inline]
    pub(super) fn home(&mut self) -> Option<&'static [u8]> {
        if self.home.is_none() && self.homes < HOMES_MAX {
            self.homes += 1;
            self.home = Some(pages::home(&self.date).leak());
        }
        self.home
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_home_page_is_the_same_within_a_second_and_dated() {
        let mut dated = DateCache::new();
        let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(784_111_777_000 + ms);
        dated.look(at(0));
        let first = dated.home();
        dated.look(at(999));
        assert_eq!(dated.home().map(<[u8]>::as_ptr), first.map(<[u8]>::as_ptr));
        assert_eq!(dated.date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        dated.look(at(1000));
        let next = String::from_utf8_lossy(dated.home().unwrap_or_default()).into_owned();
        assert!(
            next.contains("\r\nDate: Sun, 06 Nov 1994 08:49:38 GMT\r\n"),
            "{next}"
        );
    }

    #[test]
    fn kept_home_pages_are_bounded() {
        let mut dated = DateCache::new();
        dated.homes = HOMES_MAX - 1;
        dated.look(UNIX_EPOCH + Duration::from_secs(1));
        assert!(dated.home().is_some());
        dated.look(UNIX_EPOCH + Duration::from_secs(2));
        assert!(dated.home().is_none());
    }
}
