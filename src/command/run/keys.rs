//! Keys on the terminal during a run.

use super::load_controller::ControlCommand;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal};

/// The help for the keys, shown in the view.
pub const HELP: &str = "p pause  + - scale  n next phase  q drain";
/// How much + or - changes the load, as a share of the planned load.
const STEP: f64 = 0.1;

/// Reads the terminal's keys one by one; restores the terminal when dropped.
pub struct Keys {
    before: Termios,
}

impl Keys {
    /// Starts reading keys, if stdin is a terminal that can be configured and this process is in
    /// the foreground.
    pub fn take() -> Option<Keys> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        // A background process would be stopped by the attempt.
        let front = rustix::termios::tcgetpgrp(&stdin).ok()?;
        if front != rustix::process::getpgrp() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        // No echo, no line buffering; Ctrl-C and Ctrl-Z keep their meaning.
        raw.local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON);
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(Keys { before })
    }

    /// The commands of the keys pressed since the last call. Never waits.
    pub fn commands(&self, is_paused: bool) -> Vec<ControlCommand> {
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
        commands(&pressed[..read], is_paused)
    }
}

fn commands(pressed: &[u8], mut is_paused: bool) -> Vec<ControlCommand> {
    let command = |key: &u8| match key {
        b'p' | b' ' => {
            is_paused = !is_paused;
            Some(if is_paused {
                ControlCommand::Pause
            } else {
                ControlCommand::Resume
            })
        }
        b'+' | b'=' => Some(ControlCommand::ScaleBy(STEP)),
        b'-' => Some(ControlCommand::ScaleBy(-STEP)),
        b'n' => Some(ControlCommand::Next),
        b'q' => Some(ControlCommand::Drain),
        _ => None,
    };
    pressed.iter().filter_map(command).collect()
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
    fn keys_are_commands() {
        let found = commands(b"pxp+-n\x1b[Aq", false);
        let expected = [
            ControlCommand::Pause,
            ControlCommand::Resume,
            ControlCommand::ScaleBy(0.1),
            ControlCommand::ScaleBy(-0.1),
            ControlCommand::Next,
            ControlCommand::Drain,
        ];
        assert_eq!(found, expected);
        assert_eq!(commands(b"p", true), [ControlCommand::Resume]);
    }
}
