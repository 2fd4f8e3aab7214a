//! What the launcher and a core of a run say to each other.

use crate::clock::Moment;
use serde_json::Value;
use stats::Window;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

/// Launcher to core. When the launcher drops its end, the core closes its connections and ends.
pub(crate) enum Command {
    /// Run `setup`; answered by [`Report::HookDone`].
    Setup,
    /// The load starts.
    Start {
        /// When; may lie ahead.
        at: Moment,
        /// What `setup` returned, null without one.
        data: Arc<Value>,
    },
    /// Run `teardown`; answered by [`Report::HookDone`].
    Teardown,
}

/// Core to launcher.
pub(crate) enum Report {
    /// The core is warm and waits for commands.
    Ready {
        /// The script's scenarios, in its order.
        scenarios: Vec<String>,
        /// The script has a `setup`.
        has_setup: bool,
        /// The script has a `teardown`.
        has_teardown: bool,
    },
    /// A hook has ended without an error; what `setup` returned, null after `teardown`.
    HookDone(Value),
    /// The core has generated its load.
    Delivered {
        /// Its index, from 0.
        core: u32,
        /// Its last window.
        window: Box<Window>,
        /// When its last user had gone.
        at: Moment,
        /// When it ceased to start anything, from the start of the load.
        load_end: Duration,
    },
    /// The core cannot begin or go on.
    Failed {
        /// Its index, from 0.
        core: u32,
        error: crate::Error,
    },
    /// The core has ended.
    Ended {
        /// Its index, from 0.
        core: u32,
    },
}

/// A core's end of the line to its launcher.
pub(crate) struct LauncherLink {
    /// The core's index, from 0.
    pub(crate) core: u32,
    pub(crate) to_launcher: Sender<Report>,
    pub(crate) from_launcher: Receiver<Command>,
}
