//! Keys on the terminal while a run goes on.

use super::steer::Wish;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal};

/// What the keys are, for the view.
pub const HELP: &str = "p pause  + - scale  n next phase  q drain";
/// How much a press of + or - changes the load, in parts of the plan's.
const STEP: f64 = 0.1;

/// The terminal's keys, read one by one; as it was before when this is dropped.
pub struct Keys {
    before: Termios,
}

impl Keys {
    /// Takes the keys, when stdin is a terminal that can be set and this process is in front.
    pub fn take() -> Option<Keys> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        // A process in the background would be stopped by the attempt.
        let front = rustix::termios::tcgetpgrp(&stdin).ok()?;
        if front != rustix::process::getpgrp() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        // No echo, no waiting for a line; Ctrl-C and Ctrl-Z stay what they are.
        raw.local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON);
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(Keys { before })
    }

    /// What was asked for by the keys pressed since the last time. Never waits.
    pub fn wishes(&self, is_paused: bool) -> Vec<Wish> {
        let mut pressed = [0; 32];
        let stdin = io::stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let some = poll(&mut ready, Some(&now)).is_ok_and(|n| n > 0);
        if !some || !ready[0].revents().contains(PollFlags::IN) {
            return Vec::new();
        }
        let read = rustix::io::read(&stdin, &mut pressed).unwrap_or(0);
        wishes(&pressed[..read], is_paused)
    }
}

fn wishes(pressed: &[u8], mut is_paused: bool) -> Vec<Wish> {
    let wish = |key: &u8| match key {
        b'p' | b' ' => {
            is_paused = !is_paused;
            Some(if is_paused { Wish::Pause } else { Wish::Resume })
        }
        b'+' | b'=' => Some(Wish::ScaleBy(STEP)),
        b'-' => Some(Wish::ScaleBy(-STEP)),
        b'n' => Some(Wish::Next),
        b'q' => Some(Wish::Drain),
        _ => None,
    };
    pressed.iter().filter_map(wish).collect()
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_wishes() {
        let found = wishes(b"pxp+-n\x1b[Aq", false);
        let expected = [
            Wish::Pause,
            Wish::Resume,
            Wish::ScaleBy(0.1),
            Wish::ScaleBy(-0.1),
            Wish::Next,
            Wish::Drain,
        ];
        assert_eq!(found, expected);
        assert_eq!(wishes(b"p", true), [Wish::Resume]);
    }
}
