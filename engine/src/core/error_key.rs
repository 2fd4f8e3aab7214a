//! What is told in words: when two error texts are the same error, what is noticed about servers,
//! and the bytes of replies that could not be read.

use crate::core::{Core, ERROR_TEXTS_MAX};
use crate::event::{Event, WIRE_BYTES_MAX};
use crate::ring::Slot;
use crate::tls;
use crate::transport::origins::{Addresses, Endpoint, OriginId};
use stats::FailureKind;
use std::cell::RefCell;
use std::collections::HashMap;

/// The beginnings of the replies under way, by user, of a run that is traced.
#[derive(Default)]
pub(crate) struct Wire(RefCell<HashMap<u32, Vec<u8>>>);

impl Wire {
    /// More of the reply to a user's request has come.
    pub(crate) fn came(&self, user: u32, bytes: &[u8]) {
        let mut replies = self.0.borrow_mut();
        let known = replies.entry(user).or_default();
        let room = WIRE_BYTES_MAX - known.len();
        known.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What had come when the request ended; nothing when it could be read.
    pub(crate) fn take(&self, user: u32, failure: Option<FailureKind>) -> Vec<u8> {
        let came = self.0.borrow_mut().remove(&user);
        let is_unreadable = matches!(
            failure,
            Some(
                FailureKind::BadHead
                    | FailureKind::BadChunk
                    | FailureKind::BadLength
                    | FailureKind::HeadTooLarge
                    | FailureKind::TooManyInformational
                    | FailureKind::UnexpectedUpgrade
            )
        );
        came.filter(|_| is_unreadable).unwrap_or_default()
    }
}

impl Core {
    /// Tells something about a server, once for each `matter`.
    #[cold]
    pub(crate) fn notice(&mut self, matter: String, text: String) {
        if self.error_texts.len() < ERROR_TEXTS_MAX && !self.error_texts.contains(&matter) {
            self.error_texts.push(matter);
            self.state.tell(Event::Notice { text });
        }
    }

    /// The request of a connection fails since its TLS has: says why.
    #[cold]
    pub(crate) fn fail_tls(&mut self, slot: Slot, fault: tls::Fault) {
        let connection = self.connections.get(slot);
        let (origin, kind) = (connection.origin, fault.kind());
        let reason = connection.tls.as_deref().and_then(tls::Session::reason);
        if let Some(reason) = reason.map(str::to_owned) {
            let server = self.state.origins.borrow().get(origin).origin.authority();
            let matter = format!("{server}\n{kind}\n{}", without_numbers(&reason));
            self.notice(matter, format!("{server}: {kind}: {reason}"));
        }
        self.fail(slot, kind);
    }

    /// A connection could not be made to one of several addresses.
    #[cold]
    pub(crate) fn notice_dead(&mut self, origin: OriginId, address: usize, kind: FailureKind) {
        let is_dead = matches!(
            kind,
            FailureKind::Refused
                | FailureKind::Unreachable
                | FailureKind::ConnectTimeout
                | FailureKind::ConnectFailed
                | FailureKind::ResetConnect
        );
        let origins = self.state.origins.borrow();
        let known = origins.get(origin);
        let Addresses::Known(list) = &known.addresses else {
            return;
        };
        let dead = list.iter().find(|one| one.kept == address);
        let Some(Endpoint::Internet(dead)) = dead.map(|one| one.to) else {
            return;
        };
        if !is_dead || list.len() < 2 {
            return;
        }
        let (server, all) = (known.origin.authority(), list.len());
        drop(origins);
        let matter = format!("{server}\n{kind}\n{dead}");
        self.notice(
            matter,
            format!("{server}: no connection to {dead}, one of its {all} addresses ({kind})"),
        );
    }

    /// Keeps what has come of a reply, where the run is traced.
    #[cold]
    pub(crate) fn keep_wire(&self, slot: Slot, bytes: &[u8]) {
        let connection = self.connections.get(slot);
        // What is encrypted is kept once it is plain.
        if let Some(exchange) = &connection.exchange
            && connection.tls.is_none()
        {
            self.state.wire.came(exchange.user, bytes);
        }
    }
}

/// The text with what differs from one occurrence of an error to the next left out: addresses
/// (`0x7f..`) and the number of levels that a long traceback skips.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let counts = line.contains("skipping") && line.contains("levels");
        let mut kept = String::new();
        let mut rest = line;
        while let Some(at) = rest.find("0x") {
            kept.push_str(&rest[..at]);
            rest = rest[at + 2..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
        }
        kept.push_str(rest);
        if counts {
            kept.retain(|c| !c.is_ascii_digit());
        }
        lines.push(kept);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[test]
    pub(crate) fn occurrences_of_one_error_are_the_same() {
        let rows = [
            ("s.lua:3: table: 0x7f01ab", "s.lua:3: table: 0x55dd", true),
            (
                "...(skipping 21809 levels)",
                "...(skipping 21810 levels)",
                true,
            ),
            ("s.lua:3: a", "s.lua:4: a", false),
            ("level 1", "level 2", false),
        ];
        for (one, other, same) in rows {
            assert_eq!(
                without_numbers(one) == without_numbers(other),
                same,
                "{one} {other}"
            );
        }
    }
}
