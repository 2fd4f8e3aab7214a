//! The two rings between a core and the reporter: filled windows out, emptied windows back.

use crate::window::{Body, Window};
use rtrb::{Consumer, Producer, RingBuffer};

/// The core's end of the rings.
#[derive(Debug)]
pub(crate) struct WindowRings {
    filled: Producer<Window>,
    emptied: Consumer<Window>,
}

impl WindowRings {
    /// Both ends of the rings of core `core`, with `windows` (at least 1) emptied windows in them.
    pub(crate) fn with_source(core: u32, windows: usize) -> (WindowRings, WindowSource) {
        let windows = windows.max(1);
        let (filled_in, filled_out) = RingBuffer::new(windows);
        let (mut emptied_in, emptied_out) = RingBuffer::new(windows);
        for _ in 0..windows {
            // the ring was made for this many
            let _ = emptied_in.push(Window(Box::new(Body::new(core))));
        }
        let rings = WindowRings {
            filled: filled_in,
            emptied: emptied_out,
        };
        let source = WindowSource {
            filled: filled_out,
            emptied: emptied_in,
        };
        (rings, source)
    }

    /// Puts `filled` into the ring and an emptied window, with its gauges carried on, in its
    /// place; leaves it alone when that cannot be done now.
    pub(crate) fn swap(&mut self, filled: &mut Box<Body>) -> Result<(), ()> {
        if self.filled.is_full() {
            return Err(());
        }
        let mut next = self.emptied.pop().map_err(|_| ())?.0;
        next.counts.users = filled.counts.users.carried();
        next.counts.connections = filled.counts.connections.carried();
        let done = Window(std::mem::replace(filled, next));
        match self.filled.push(done) {
            Ok(()) => Ok(()),
            // only this end fills the ring, so it cannot have become full since it was asked
            Err(rtrb::PushError::Full(done)) => {
                *filled = done.0;
                Err(())
            }
        }
    }
}

/// The reporter's end of one core's rings.
#[derive(Debug)]
pub struct WindowSource {
    filled: Consumer<Window>,
    emptied: Producer<Window>,
}

impl WindowSource {
    /// The oldest window the core has handed over, if any.
    pub fn pop(&mut self) -> Option<Window> {
        self.filled.pop().ok()
    }

    /// Clears a window and returns it to its core. Clearing happens here, on the reporter's
    /// thread, so that it costs the core nothing.
    pub fn give_back(&mut self, mut window: Window) {
        window.0.clear();
        // a window that does not fit is not one of this ring's; then it is dropped
        let _ = self.emptied.push(window);
    }
}
