//! The reporter thread with its own recorders, and observers with failing outputs.

use super::*;
use crate::render::flow::Style;
use crate::render::live::Size;
use crate::render::outline::Outline;
use stats::Model;
use stats::{Recorder, Sample};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// An observer that records its calls.
#[derive(Clone, Default)]
struct RecordingObserver(Arc<Mutex<Vec<String>>>);

impl RecordingObserver {
    fn push(&self, text: String) -> io::Result<()> {
        self.0.lock().unwrap().push(text);
        Ok(())
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for RecordingObserver {
    fn second(&mut self, second: &Second, so_far: &Aggregator) -> io::Result<()> {
        self.push(format!(
            "{} {} of {}",
            second.time_s,
            second.counts.ok,
            so_far.counts().ok
        ))
    }

    fn tick(&mut self, _stage: Stage, _elapsed: Duration) -> io::Result<()> {
        Ok(())
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        self.push(text.to_string())
    }

    fn end(&mut self) -> io::Result<()> {
        self.push("end".to_string())
    }
}

/// A core that makes `ok` requests in each of `seconds` seconds as fast as it can.
fn core(number: u32, seconds: u64, ok: u64) -> (JoinHandle<Window>, WindowSource) {
    let (mut recorder, source) = Recorder::link(number, seconds as usize);
    let thread = std::thread::spawn(move || {
        let name = recorder.request_name("GET /");
        for second in 1..=seconds {
            for _ in 0..ok {
                recorder.sent(name);
                recorder.request(name, &Sample::default());
            }
            recorder.roll(second);
        }
        recorder.finish()
    });
    (thread, source)
}

#[test]
fn every_window_of_every_core_is_in_the_result() {
    let recorded = RecordingObserver::default();
    let (cores, sources): (Vec<_>, Vec<_>) = (0..3).map(|n| core(n, 5, 10)).unzip();
    let reporter = Reporter::start(
        sources,
        Aggregator::new(3, Model::Closed),
        Vec::new(),
        vec![Box::new(recorded.clone())],
    )
    .unwrap();
    reporter.begin(Instant::now());
    assert!(reporter.message("hello".into()));
    let last = cores.into_iter().map(|core| core.join().unwrap()).collect();
    let summary = reporter.finish(last, None).unwrap();
    assert_eq!(summary.totals.counts.ok, 150);
    summary.conservation().unwrap();
    let mut events = recorded.all();
    events.retain(|text| text != "hello");
    // windows of all cores are merged before an observer is told of a second; what a later second
    // has contributed by then may be in the running sum
    let seconds: Vec<&str> = events
        .iter()
        .map(|t| t.split_once(" of").map_or("", |s| s.0))
        .collect();
    assert_eq!(seconds, ["0 30", "1 30", "2 30", "3 30", "4 30", "5 0", ""]);
    assert_eq!(events.last().unwrap(), "end");
}

#[test]
fn a_reporter_without_cores_ends_too() {
    let reporter = Reporter::start(
        vec![],
        Aggregator::new(0, Model::Open),
        Vec::new(),
        vec![Box::new(RecordingObserver::default())],
    )
    .unwrap();
    let summary = reporter.finish(vec![], None).unwrap();
    assert_eq!(summary.series.len(), 0);
}

/// Fails like a pipe whose reader is gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn an_output_that_is_gone_does_not_end_the_run() {
    let observers: [Box<dyn Observer>; 2] = [
        Box::new(LinePrinter::new(Box::new(Closed), Duration::ZERO)),
        Box::new(LiveView::new(terminal(Box::new(Closed)), outline())),
    ];
    for observer in observers {
        let (thread, source) = core(0, 3, 7);
        let reporter = Reporter::start(
            vec![source],
            Aggregator::new(1, Model::Closed),
            Vec::new(),
            vec![observer],
        )
        .unwrap();
        reporter.begin(Instant::now());
        reporter.message("hello".into());
        reporter.stage(Stage::Draining);
        let summary = reporter.finish(vec![thread.join().unwrap()], None).unwrap();
        assert_eq!(summary.totals.counts.ok, 21);
    }
}

fn outline() -> Outline {
    Outline {
        name: "shop".into(),
        target: "http://127.0.0.1:8080".into(),
        model: Model::Closed,
        duration: Duration::from_secs(60),
        loads: vec![],
    }
}

const SIZE: Size = Size {
    width: 60,
    height: 24,
};

fn terminal(output: Box<dyn Write + Send>) -> Terminal {
    Terminal {
        output,
        size: Box::new(|| SIZE),
        style: Style::Plain,
        keys: "",
    }
}

/// An output that can be read again.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    /// What a terminal shows after all writes: it knows cursor up, erasing to the end of the line
    /// and of the screen, carriage return and line feed.
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let mut lines: Vec<Vec<char>> = vec![vec![]];
        let (mut row, mut column) = (0, 0);
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => column = 0,
                '\n' => {
                    (row, column) = (row + 1, 0);
                    lines.resize_with(lines.len().max(row + 1), Vec::new);
                }
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let code: String = chars.by_ref().take_while(char::is_ascii_digit).collect();
                    // take_while has taken the letter too; only `A` comes with a number
                    if code.is_empty() {
                        lines[row].truncate(column);
                    } else {
                        row -= code.parse::<usize>().unwrap();
                    }
                }
                c => {
                    let line = &mut lines[row];
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = c;
                    column += 1;
                }
            }
        }
        lines
            .into_iter()
            .map(|line| line.into_iter().collect())
            .collect()
    }
}

#[test]
fn the_view_stays_in_place_and_messages_scroll_above_it() {
    let screen = Screen::default();
    let mut view = LiveView::new(terminal(Box::new(screen.clone())), outline());
    view.tick(Stage::Starting, Duration::ZERO).unwrap();
    let first = screen.lines();
    assert!(
        first[0].starts_with("shop → http://127.0.0.1:8080"),
        "{first:?}"
    );
    for k in 0..50 {
        view.tick(Stage::Running, Duration::from_secs(k)).unwrap();
    }
    view.message("one\ntwo\x1b[2J").unwrap();
    view.message("three").unwrap();
    view.tick(Stage::Running, Duration::from_secs(51)).unwrap();
    let lines = screen.lines();
    assert_eq!(lines[..3], ["one", "two\\u{1b}[2J", "three"]);
    assert!(lines[3].starts_with("shop → "), "{lines:?}");
    assert!(lines[4].contains("00:51 / 01:00    running"), "{lines:?}");
    assert_eq!(
        lines.len(),
        3 + first.len(),
        "nothing is left of earlier paintings"
    );
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let screen = Screen::default();
    let mut view = LiveView::new(terminal(Box::new(screen.clone())), outline());
    view.tick(Stage::Running, Duration::from_millis(1_000))
        .unwrap();
    let written = screen.0.lock().unwrap().len();
    view.tick(Stage::Running, Duration::from_millis(1_050))
        .unwrap();
    assert_eq!(screen.0.lock().unwrap().len(), written);
}

#[test]
fn lines_say_when_the_run_drains() {
    let screen = Screen::default();
    let mut lines = LinePrinter::new(Box::new(screen.clone()), Duration::ZERO);
    for stage in [
        Stage::Running,
        Stage::Draining,
        Stage::Draining,
        Stage::Stopping,
    ] {
        lines.tick(stage, Duration::ZERO).unwrap();
    }
    lines.message("a\x1bb").unwrap();
    assert_eq!(
        screen.lines(),
        ["draining: no new arrivals", "stopping", "a\\u{1b}b", ""]
    );
}
