//! The connections of one core: which slot is what, and whose.

use crate::clock::Moment;
use crate::http::response::ResponseReader;
use crate::ring::{GENERATION_MASK, Slot};
use crate::tls::Session;
use crate::transport::completions::End;
use crate::transport::origins::OriginId;
use crate::transport::ports::Port;
use crate::transport::stream::Exchange;

/// No user, no connection.
pub(crate) const NONE: u32 = u32::MAX;
/// The owner of connections that belong to the pool of the core.
pub(crate) const SHARED: u32 = u32::MAX - 1;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The slot is unused.
    Free,
    /// A connect is under way; the exchange waits.
    Connecting,
    /// A TLS handshake is under way; the exchange waits.
    Handshaking,
    /// Nothing under way; a request may use it.
    Idle,
    /// An exchange is under way.
    Busy,
    /// No use any more; free when the kernel has let go of it.
    Closing,
}

/// One connection, also while it is being made or taken down.
pub(crate) struct Connection {
    pub(crate) state: State,
    /// The use of this slot; carried by tokens.
    pub(crate) generation: u32,
    /// The user it belongs to, [`SHARED`] or [`NONE`].
    pub(crate) owner: u32,
    /// The next connection of the same user, or the next idle one of the pool, or [`NONE`].
    pub(crate) next: Slot,
    /// The one before it in the list of idle ones of the pool, or [`NONE`].
    pub(crate) previous: Slot,
    pub(crate) origin: OriginId,
    /// The local address it is made from, by its place among those of the plan of its family; 0
    /// where the system chooses.
    pub(crate) source: u32,
    /// Addresses tried so far for this connect.
    pub(crate) tried: u16,
    /// The address in use, by its number in the ring.
    pub(crate) address: usize,
    /// The local port it was given; none to sockets in the file system.
    pub(crate) port: Option<Port>,
    /// Ports that the kernel did not let it have.
    pub(crate) ports_refused: u8,
    /// The other side closed or reset it before we did.
    pub(crate) ended_by_peer: bool,
    /// Entries in the kernel whose completion must come before the slot is used again.
    pub(crate) pending: u8,
    /// The multishot receive is armed.
    pub(crate) receiving: bool,
    /// A send failed; the receive will tell more.
    pub(crate) send_failed: bool,
    /// An owned send is under way.
    pub(crate) sending: bool,
    /// The receive ended while the send was still under way.
    pub(crate) ended: Option<End>,
    /// Responses completed on this connection.
    pub(crate) served: u32,
    /// When the connect, or the beginning of the TLS handshake, was submitted.
    pub(crate) opened: Moment,
    /// When it was made.
    pub(crate) born: Moment,
    /// When the exchange runs out of time.
    pub(crate) limit: Moment,
    /// When it, or the part of it that is under way, does.
    pub(crate) deadline: Moment,
    /// The earliest entry of this connection in the timers.
    pub(crate) armed: Moment,
    pub(crate) reader: ResponseReader,
    /// With an origin over TLS, from the connect on.
    pub(crate) tls: Option<Box<Session>>,
    /// Encrypted bytes that wait for the send under way.
    pub(crate) unsent: Vec<u8>,
    pub(crate) exchange: Option<Exchange>,
}

impl Connection {
    fn free() -> Connection {
        Connection {
            state: State::Free,
            generation: 0,
            owner: NONE,
            next: NONE,
            previous: NONE,
            origin: 0,
            source: 0,
            tried: 0,
            address: 0,
            port: None,
            ports_refused: 0,
            ended_by_peer: false,
            pending: 0,
            receiving: false,
            send_failed: false,
            sending: false,
            ended: None,
            served: 0,
            opened: Moment::NEVER,
            born: Moment(0),
            limit: Moment::NEVER,
            deadline: Moment::NEVER,
            armed: Moment::NEVER,
            reader: ResponseReader::new(),
            tls: None,
            unsent: Vec::new(),
            exchange: None,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Takes the connection from its user or the pool, whichever is returned.
    pub(crate) fn disown(&mut self) -> Option<u32> {
        let owner = std::mem::replace(&mut self.owner, NONE);
        (owner != NONE).then_some(owner)
    }
}

/// The table of connections, by slot of the ring.
pub(crate) struct Connections {
    table: Vec<Connection>,
    free: Vec<Slot>,
    /// Slots that the ring has.
    max: u32,
    /// Connections that are not free.
    open: u32,
}

impl Connections {
    pub(crate) fn new(max: u32) -> Connections {
        Connections {
            table: Vec::new(),
            free: Vec::new(),
            max,
            open: 0,
        }
    }

    /// Takes a free slot; none when the table is full.
    pub(crate) fn take(&mut self) -> Option<Slot> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if (self.table.len() as u32) < self.max => {
                self.table.push(Connection::free());
                self.table.len() as u32 - 1
            }
            None => return None,
        };
        self.open += 1;
        Some(slot)
    }

    /// Frees a slot of which the kernel holds nothing any more (or that never held a socket).
    pub(crate) fn release(&mut self, slot: Slot) {
        let connection = &mut self.table[slot as usize];
        let generation = connection.generation.wrapping_add(1) & GENERATION_MASK;
        *connection = Connection {
            generation,
            ..Connection::free()
        };
        self.free.push(slot);
        self.open -= 1;
    }

    pub(crate) fn open(&self) -> u32 {
        self.open
    }

    /// All slots that were ever used.
    pub(crate) fn slots(&self) -> std::ops::Range<Slot> {
        0..self.table.len() as Slot
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> &Connection {
        &self.table[slot as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut Connection {
        &mut self.table[slot as usize]
    }
}
