//! Heads seen lately and what they meant, so that a repeated head costs a comparison.
//!
//! The meaning of a head is a pure function of its bytes and its last line is empty, so input that
//! begins with the bytes of a remembered head begins with that head and no other. Servers repeat
//! their heads for as long as the clock shows the same second, so nearly every lookup succeeds.

/// Heads remembered at once: a scenario usually moves among a few addresses.
const SLOTS: usize = 4;

/// Longer heads are not remembered. Bytes.
const REMEMBERED_BYTES_MAX: usize = 1024;

/// One per core (or server thread), shared by all its connections.
#[derive(Debug)]
pub(crate) struct HeadCache<M> {
    /// Bytes of a head and its meaning; no bytes: free.
    slots: [(Vec<u8>, M); SLOTS],
    /// Where the last lookup succeeded; tried first.
    latest: usize,
    /// The slot overwritten next, in turn.
    oldest: usize,
    /// An emptied buffer, lent to whichever connection has to keep a head that came in pieces.
    spare: Vec<u8>,
}

impl<M: Copy + Default> Default for HeadCache<M> {
    fn default() -> Self {
        Self {
            slots: std::array::from_fn(|_| (Vec::new(), M::default())),
            latest: 0,
            oldest: 0,
            spare: Vec::new(),
        }
    }
}

impl<M: Copy> HeadCache<M> {
    /// The length of the remembered head that `input` begins with, and its meaning.
    #[inline]
    pub(super) fn lookup(&mut self, input: &[u8]) -> Option<(usize, M)> {
        for turn in 0..SLOTS {
            let index = (self.latest + turn) % SLOTS;
            let (bytes, meaning) = &self.slots[index];
            if !bytes.is_empty() && input.starts_with(bytes) {
                self.latest = index;
                return Some((bytes.len(), *meaning));
            }
        }
        None
    }

    /// Keeps a whole head, in place of the one remembered longest.
    pub(super) fn remember(&mut self, head: &[u8], meaning: M) {
        if head.len() > REMEMBERED_BYTES_MAX {
            return;
        }
        let (bytes, slot) = &mut self.slots[self.oldest];
        bytes.clear();
        bytes.extend_from_slice(head);
        *slot = meaning;
        self.latest = self.oldest;
        self.oldest = (self.oldest + 1) % SLOTS;
    }

    /// An empty buffer, with room already if one was given back.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.spare)
    }

    /// Takes a buffer back for the next head that comes in pieces.
    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.spare = buffer;
    }
}
