//! Running other programs: their output line by line, a limit on their time, the CPU they used.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Failure;

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the output of a finished program may stay silent before it is given up: a process it
/// left behind may hold the pipe open for ever.
const TAIL: Duration = Duration::from_secs(2);

/// Which of a program's outputs a line came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    Stdout,
    Stderr,
}

/// How long a program may run.
#[derive(Clone, Copy)]
pub enum Limit {
    /// As long as it likes; it stays in this process group, so that Ctrl-C reaches it.
    None,
    /// It and all its children of the same process group are killed at this moment.
    At(Instant),
}

/// How a program ended.
pub enum End {
    Exited(ExitStatus),
    /// It was killed at its limit.
    TimedOut,
}

impl End {
    /// True when the program ended by itself with code 0.
    pub fn is_success(&self) -> bool {
        matches!(self, End::Exited(status) if status.success())
    }
}

/// Runs a program without standard input and hands each line of its output to `on_line`.
///
/// # Errors
/// When it cannot be started.
pub fn lines(
    mut command: Command,
    limit: Limit,
    mut on_line: impl FnMut(From, &str),
) -> Result<End, Failure> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if matches!(limit, Limit::At(_)) {
        command.process_group(0);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let lines = forward(&mut child);
    loop {
        match lines.recv_timeout(LOOK_EVERY) {
            Ok((from, line)) => {
                on_line(from, &line);
                // A program that prints without end must not keep its limit from being looked at.
                if !is_past(limit) {
                    continue;
                }
            }
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = child.try_wait()? {
            while let Ok((from, line)) = lines.recv_timeout(TAIL) {
                on_line(from, &line);
            }
            return Ok(End::Exited(status));
        }
        if is_past(limit) {
            kill_process_group(Pid::from_child(&child), Signal::KILL)?;
            child.wait()?;
            return Ok(End::TimedOut);
        }
    }
}

fn is_past(limit: Limit) -> bool {
    matches!(limit, Limit::At(moment) if Instant::now() >= moment)
}

/// Reads both outputs on threads of their own, which end with the pipes.
fn forward(child: &mut Child) -> Receiver<(From, String)> {
    let (sender, lines) = channel();
    if let Some(stdout) = child.stdout.take() {
        forward_one(stdout, From::Stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        forward_one(stderr, From::Stderr, sender);
    }
    lines
}

fn forward_one(pipe: impl Read + Send + 'static, from: From, sender: Sender<(From, String)>) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\n', '\r'])
                .to_owned();
            if sender.send((from, text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// What a program wrote and used.
pub struct Captured {
    pub stdout: String,
    /// User and system time of the program and the children it waited for, in seconds.
    pub cpu_s: f64,
}

/// Runs a program to its end within `limit`, keeping its output.
///
/// The CPU time is the growth of what this process's finished children used, so no other child
/// may end meanwhile.
///
/// # Errors
/// When it cannot be started, fails or takes longer; the message holds what it wrote.
pub fn capture(command: Command, limit: Duration) -> Result<Captured, Failure> {
    let shown = format!("{command:?}");
    let before_s = children_cpu_s()?;
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let end = lines(command, Limit::At(Instant::now() + limit), |from, line| {
        let text = if from == From::Stdout {
            &mut stdout
        } else {
            &mut stderr
        };
        text.push_str(line);
        text.push('\n');
    })?;
    match end {
        End::Exited(status) if status.success() => Ok(Captured {
            stdout,
            cpu_s: children_cpu_s()? - before_s,
        }),
        End::Exited(status) => Err(format!("{shown}: {status}\n{stdout}{stderr}").into()),
        End::TimedOut => Err(format!("{shown}: not done after {limit:?}\n{stdout}{stderr}").into()),
    }
}

/// CPU time of all children that have been waited for, in seconds; microsecond steps.
fn children_cpu_s() -> Result<f64, Failure> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::{TimeVal, TimeValLike};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// A program that runs beside this one and ends with this value.
pub struct Background {
    child: Child,
    /// Its lines, as they come.
    lines: Receiver<(From, String)>,
}

impl Background {
    /// Starts a program without standard input.
    pub fn start(mut command: Command) -> Result<Background, Failure> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let lines = forward(&mut child);
        Ok(Background { child, lines })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line that holds `word`, waited for within `limit`.
    pub fn line_with(&self, word: &str, limit: Duration) -> Result<String, Failure> {
        let deadline = Instant::now() + limit;
        let mut seen = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok((_, line)) if line.contains(word) => return Ok(line),
                Ok((_, line)) => seen = seen + &line + "\n",
                Err(_) => return Err(format!("no line with {word:?}; seen:\n{seen}").into()),
            }
        }
    }

    /// True while it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end within `limit`; what it wrote and was not yet asked for is the message
    /// when it failed.
    pub fn finish(mut self, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        match self.child.try_wait()? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{status}\n{}", self.output()).into()),
            None => Err(format!("not done after {limit:?}\n{}", self.output()).into()),
        }
    }

    fn output(&self) -> String {
        self.lines.try_iter().map(|(_, line)| line + "\n").collect()
    }
}

impl Drop for Background {
    /// Asks it to end, then kills it.
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        // Errors mean that it has just ended, which is what is wanted.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    #[test]
    fn lines_of_both_outputs_arrive_whole() {
        let mut seen = Vec::new();
        let end = lines(
            shell("echo one; echo two >&2; exit 3"),
            Limit::None,
            |from, line| {
                seen.push((from, line.to_owned()));
            },
        )
        .unwrap();
        seen.sort_by(|a, b| a.1.cmp(&b.1));
        let expected = [
            (From::Stdout, "one".to_owned()),
            (From::Stderr, "two".to_owned()),
        ];
        assert_eq!(seen, expected);
        assert!(matches!(end, End::Exited(status) if status.code() == Some(3)));
    }

    #[test]
    fn a_program_past_its_limit_is_killed_with_its_children() {
        let limit = Limit::At(Instant::now() + Duration::from_millis(200));
        let end = lines(shell("sleep 600 & sleep 600"), limit, |_, _| {}).unwrap();
        assert!(matches!(end, End::TimedOut));
    }

    #[test]
    fn a_process_left_behind_does_not_hold_the_caller() {
        let start = Instant::now();
        let end = lines(shell("sleep 30 & echo done"), Limit::None, |_, _| {}).unwrap();
        assert!(end.is_success());
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "waited for the left process"
        );
    }

    #[test]
    fn captured_cpu_time_is_that_of_the_program() {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo $i";
        let captured = capture(shell(busy), Duration::from_secs(60)).unwrap();
        assert_eq!(captured.stdout, "200000\n");
        // 200 000 turns of a shell loop take at least 10 ns each.
        assert!(captured.cpu_s > 0.002, "{} s", captured.cpu_s);
    }
}
