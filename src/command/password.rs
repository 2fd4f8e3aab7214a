//! Reads a new password: hidden on a terminal, otherwise from standard input. Never from the
//! arguments, which every user of the machine can read.

use super::console::Stream;
use super::exit::{Exit, Failure};
use anyhow::anyhow;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read};

/// More bytes than any password has.
const BYTES_MAX: u64 = 4096;
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACES: [u8; 2] = [8, 127];

/// Reads a password for the account of this name.
///
/// # Errors
/// There is no password, the two inputs differ, or Ctrl-C was pressed.
pub fn new(name: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return first_line();
    }
    let first = typed(&format!("password of {name}: "))?;
    if typed("again: ")? != first {
        return Err(Failure::usage(anyhow!("the passwords differ")));
    }
    Ok(first)
}

fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    let mut input = io::stdin().lock().take(BYTES_MAX);
    input.read_line(&mut line).map_err(Failure::usage)?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(Failure::usage(anyhow!(
            "no password: the first line of standard input is empty"
        )));
    }
    Ok(line.to_owned())
}

fn typed(prompt: &str) -> Result<String, Failure> {
    Stream::Err.print(prompt);
    let hidden = HiddenInput::start().map_err(Failure::failed)?;
    let line = read_keys(io::stdin().lock());
    drop(hidden);
    Stream::Err.print("\n");
    line
}

/// Reads typed bytes until the end of the line.
fn read_keys(input: impl BufRead) -> Result<String, Failure> {
    let mut line = Vec::new();
    for byte in input.bytes().take(BYTES_MAX as usize) {
        match byte.map_err(Failure::failed)? {
            b'\r' | b'\n' | END => break,
            INTERRUPT => {
                let mut failure = Failure::failed(anyhow!("interrupted"));
                failure.exit = Exit::Interrupted;
                return Err(failure);
            }
            byte if BACKSPACES.contains(&byte) => {
                // removes a whole character, however many bytes it has
                while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| Failure::usage(anyhow!("the password is not UTF-8")))
}

/// Turns off echo and line mode of the terminal; restores them when dropped.
struct HiddenInput(Termios);

impl HiddenInput {
    fn start() -> io::Result<HiddenInput> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(HiddenInput(before))
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // nothing can be done if this fails
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_a_line() {
        let rows: [(&[u8], Option<&str>); 6] = [
            (b"secret\n", Some("secret")),
            (b"secret\rmore", Some("secret")),
            (b"sex\x7fcret\n", Some("secret")),
            ("caf\u{e9}\u{7f}e\n".as_bytes(), Some("cafe")),
            (b"sec\x03ret\n", None),
            (b"\xff\n", None),
        ];
        for (keys, expected) in rows {
            assert_eq!(read_keys(keys).ok().as_deref(), expected, "{keys:?}");
        }
    }
}
