//! The control socket: one command per line, one line per answer.

use super::load_controller::ControlCommand;
use crate::command::exit::Failure;
use anyhow::anyhow;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Maximum number of connections; further ones wait.
const CONNECTIONS_MAX: usize = 8;
/// Longer commands are rejected.
const LINE_MAX: usize = 256;

/// A request on the socket.
#[derive(Debug, PartialEq)]
pub enum SocketRequest {
    /// Asks for the state of the run.
    Status,
    /// Changes the run.
    Command(ControlCommand),
}

/// A listening socket at a path, which is removed when this is dropped.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    connections: Vec<Connection>,
}

struct Connection {
    stream: UnixStream,
    /// The received part of an incomplete line.
    partial: Vec<u8>,
    open: bool,
}

impl ControlSocket {
    /// Listens at `path`, for this user only. Replaces a socket that nothing listens on.
    ///
    /// # Errors
    /// The path is in use, or cannot be created.
    pub fn listen(path: &Path) -> Result<ControlSocket, Failure> {
        let shown = path.display();
        let failed = |error| Failure::usage(anyhow!("--control: {shown}: {error}"));
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(Failure::usage(anyhow!(
                    "--control: {shown} exists and is not a socket"
                )));
            }
            if UnixStream::connect(path).is_ok() {
                return Err(Failure::usage(anyhow!(
                    "--control: another run listens on {shown}"
                )));
            }
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let socket = ControlSocket {
            listener,
            path: path.to_owned(),
            connections: Vec::new(),
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        socket.listener.set_nonblocking(true).map_err(failed)?;
        Ok(socket)
    }

    /// Reads what has arrived and answers each line with the result of `respond`. Never waits.
    pub fn serve(&mut self, mut respond: impl FnMut(SocketRequest) -> String) {
        while self.connections.len() < CONNECTIONS_MAX {
            let Ok((stream, _)) = self.listener.accept() else {
                break;
            };
            if stream.set_nonblocking(true).is_ok() {
                self.connections.push(Connection {
                    stream,
                    partial: Vec::new(),
                    open: true,
                });
            }
        }
        for connection in &mut self.connections {
            connection.serve(&mut respond);
        }
        self.connections.retain(|connection| connection.open);
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Connection {
    fn serve(&mut self, respond: &mut impl FnMut(SocketRequest) -> String) {
        let mut bytes = [0; LINE_MAX];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.open = false,
            Ok(read) => self.partial.extend(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.open = false,
        }
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let answer = match line.trim() {
                "status" => respond(SocketRequest::Status),
                text => match ControlCommand::parse(text) {
                    Ok(command) => respond(SocketRequest::Command(command)),
                    Err(message) => format!("error: {message}"),
                },
            };
            self.answer(&answer);
        }
        if self.partial.len() > LINE_MAX {
            self.answer("error: the line is too long");
            self.open = false;
        }
    }

    /// A client that does not read its answers is dropped.
    fn answer(&mut self, text: &str) {
        let line = format!("{text}\n");
        self.open &= self.stream.write_all(line.as_bytes()).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    fn ask(socket: &mut ControlSocket, text: &str) -> Vec<String> {
        let mut client = UnixStream::connect(&socket.path).unwrap();
        client.write_all(text.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        // Once for the line, once for the end.
        for _ in 0..4 {
            socket.serve(|asked| format!("{asked:?}"));
        }
        BufReader::new(client)
            .lines()
            .map_while(Result::ok)
            .collect()
    }

    #[test]
    fn lines_are_answered_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        let mut socket = ControlSocket::listen(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let answers = ask(&mut socket, "status\nscale 2\nwhat\n");
        assert_eq!(answers[..2], ["Status", "Command(Scale(2.0))"]);
        assert!(
            answers[2].starts_with("error: found \"what\", expected"),
            "{answers:?}"
        );
        assert_eq!(
            ask(&mut socket, &"x".repeat(1000)),
            ["error: the line is too long"]
        );
        assert!(ControlSocket::listen(&path).is_err(), "it is in use");
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn only_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        drop(UnixListener::bind(&path).unwrap());
        drop(ControlSocket::listen(&path).unwrap());
        fs::write(&path, "text").unwrap();
        assert!(ControlSocket::listen(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }
}
