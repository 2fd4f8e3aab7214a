//! Running a scenario through the engine's public parts.

use mistress_engine::{
    Control, Error, Event, Outcome, Ready, RunSpec, Target, TargetOptions, prepare,
};
use stats::WindowSource;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// A target on a port of its own.
pub(crate) fn target() -> Target {
    let listen = "127.0.0.1:0".parse().unwrap();
    Target::start(&TargetOptions {
        listen,
        cpus: Vec::new(),
        threads: 1,
    })
    .unwrap()
}

/// A run that goes on, with what is needed to look at it.
pub(crate) struct Started {
    pub(crate) running: mistress_engine::Running,
    pub(crate) source: WindowSource,
    pub(crate) events: Receiver<Event>,
    /// The scenario's folder lives as long as the run.
    _folder: tempfile::TempDir,
}

/// Starts `scenario` (the body of a Lua function of `user`) on one core with a load in TOML.
pub(crate) fn launch(target: &Target, scenario: &str, load: &str) -> Started {
    let url = format!("http://{}", target.address());
    launch_at(&url, scenario, load, &[])
}

/// The same against any address, with files beside the script; `load` may hold more tables.
pub(crate) fn launch_at(
    target: &str,
    scenario: &str,
    load: &str,
    files: &[(&str, &[u8])],
) -> Started {
    let (prepared, (source, events, folder)) = prepare_at(target, scenario, load, files);
    let mut ready = prepared.unwrap_or_else(|e| panic!("{e}"));
    let data = ready.setup().unwrap_or_else(|e| panic!("{e}"));
    let running = ready.start(std::time::Instant::now() + Ready::LEAD, data);
    Started {
        running,
        source,
        events,
        _folder: folder,
    }
}

/// What a run leaves its numbers and events in, and the folder of its files.
type Others = (WindowSource, Receiver<Event>, tempfile::TempDir);

/// Makes a run ready, if it can be.
pub(crate) fn prepare_at(
    target: &str,
    scenario: &str,
    load: &str,
    files: &[(&str, &[u8])],
) -> (Result<Ready, Error>, Others) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let script = format!("local s = {{}}\nfunction s.main(user)\n{scenario}\nend\nreturn s\n");
    std::fs::write(folder.path().join("s.lua"), script).unwrap();
    let profile = folder.path().join("p.toml");
    let text = format!("[run]\nscript = \"s.lua\"\ntarget = \"{target}\"\ndrain = \"5s\"\n{load}");
    std::fs::write(&profile, text).unwrap();
    let plan = config::load(&profile).unwrap_or_else(|e| panic!("{e}"));
    let config::Target::Http(origin) = plan.target.clone() else {
        panic!("an address")
    };
    let (recorder, source) = stats::Recorder::link(0, 4);
    let (sender, events) = sync_channel(1_000);
    let prepared = prepare(RunSpec {
        id: "a-run".to_owned(),
        plan: Arc::new(plan),
        segment: mistress_engine::Segment::WHOLE,
        origin,
        cpus: vec![mistress_engine::allowed_cpus()[0]],
        recorders: vec![recorder],
        events: sender,
        traced: mistress_engine::Traced::Nothing,
        only: None,
        control: Control::new(),
    });
    (prepared, (source, events, folder))
}

impl Started {
    /// Waits for the end; all windows are in the summary.
    pub(crate) fn finish(mut self) -> stats::Summary {
        let mut aggregator = stats::Aggregator::new(1, stats::Model::Closed);
        while !self.running.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            while let Some(window) = self.source.pop() {
                aggregator.add(&window);
                self.source.give_back(window);
            }
        }
        let Outcome { windows, error, .. } = self.running.wait();
        assert!(error.is_none(), "{}", error.unwrap());
        self.running.teardown().unwrap_or_else(|e| panic!("{e}"));
        self.running.end().unwrap_or_else(|e| panic!("{e}"));
        while let Some(window) = self.source.pop() {
            aggregator.add(&window);
            self.source.give_back(window);
        }
        for (_, window) in &windows {
            aggregator.add(window);
        }
        // What servers do is told, and is no fault of the script.
        let mut events = self.events.try_iter();
        if let Some(event) =
            events.find(|event| !matches!(event, Event::Notice { .. } | Event::First(_)))
        {
            panic!("no script error, no log: {event:?}");
        }
        aggregator.summary()
    }
}
