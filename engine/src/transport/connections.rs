//! The connections of one core: which slot is what, and whose.

use super::origins::OriginId;
use super::ports::Port;
use super::protocol::Protocol;
use super::proxy_session::ProxySession;
use super::stream::{NONE, Owner, StreamId};
use crate::clock::Moment;
use crate::ring::{GENERATION_MASK, Slot};
use crate::tls::Session;

/// The owner of connections that belong to the pool of the core.
pub(super) const SHARED: Owner = u32::MAX - 1;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The other side closed its direction.
    Closed,
    /// Reset, or another error.
    Broken(i32),
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// The slot is unused.
    Free,
    /// A connect is under way; the stream waits.
    Connecting,
    /// The proxy is asked for a way to the server; the stream waits.
    Tunneling,
    /// A TLS handshake is under way; the stream waits.
    Handshaking,
    /// Nothing under way; a request may use it.
    Idle,
    /// A stream is under way.
    Busy,
    /// No use any more; free when the kernel has let go of it.
    Closing,
}

/// One connection, also while it is being made or taken down.
pub(super) struct Connection {
    pub(super) state: ConnectionState,
    /// The use of this slot; carried by tokens.
    pub(super) generation: u32,
    /// Whose it is: an owner, [`SHARED`] or [`NONE`].
    pub(super) owner: Owner,
    /// The next connection of the same owner, or the next idle one of the pool, or [`NONE`].
    pub(super) next: Slot,
    /// The one before it in the list of idle ones of the pool, or [`NONE`].
    pub(super) previous: Slot,
    pub(super) origin: OriginId,
    /// The index of the local address it is made from, among those of the plan of its family; 0
    /// where the system chooses.
    pub(super) source: u32,
    /// Addresses tried so far for this connect.
    pub(super) tried: u16,
    /// The address in use, by its number in the ring.
    pub(super) address: usize,
    /// The local port it was given; none to sockets in the file system.
    pub(super) port: Option<Port>,
    /// Ports that the kernel did not let it have.
    pub(super) ports_refused: u8,
    /// The other side closed or reset it before we did.
    pub(super) ended_by_peer: bool,
    /// Entries in the kernel whose completion must come before the slot is used again.
    pub(super) pending: u8,
    /// The multishot receive is armed.
    pub(super) receiving: bool,
    /// A send failed; the receive will tell more.
    pub(super) send_failed: bool,
    /// An owned send is under way.
    pub(super) sending: bool,
    /// The receive ended while the send was still under way.
    pub(super) ended: Option<End>,
    /// Responses completed on this connection.
    pub(super) served: u32,
    /// When the connect, or the beginning of the TLS handshake, was submitted.
    pub(super) opened: Moment,
    /// When it was made.
    pub(super) born: Moment,
    pub(super) protocol: Protocol,
    /// With an origin over TLS, from the connect on.
    pub(super) tls: Option<Box<Session>>,
    /// What stands around it, while a proxy is asked for the way to the server, and afterwards if
    /// TLS with the proxy stays around it.
    pub(super) proxied: Option<Box<ProxySession>>,
    /// Encrypted bytes that wait for the send under way.
    pub(super) unsent: Vec<u8>,
    /// The request that it carries or that waits for it to be made, or [`NONE`].
    pub(super) stream: StreamId,
}

impl Connection {
    fn free() -> Connection {
        Connection {
            state: ConnectionState::Free,
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
            protocol: Protocol::negotiated(None),
            tls: None,
            proxied: None,
            unsent: Vec::new(),
            stream: NONE,
        }
    }

    /// Whether bytes on it are not those of requests and replies: TLS or a proxy is around them.
    #[inline]
    pub(super) fn is_wrapped(&self) -> bool {
        self.tls.is_some() | self.proxied.is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state == ConnectionState::Idle
    }

    /// Takes the stream off the connection; [`NONE`] when there is none.
    #[inline]
    pub(super) fn take_stream(&mut self) -> StreamId {
        std::mem::replace(&mut self.stream, NONE)
    }

    /// Takes the connection from its owner or the pool, whichever is returned.
    pub(super) fn disown(&mut self) -> Option<Owner> {
        let owner = std::mem::replace(&mut self.owner, NONE);
        (owner != NONE).then_some(owner)
    }
}

/// The table of connections, by slot of the ring.
pub(super) struct Connections {
    table: Vec<Connection>,
    free: Vec<Slot>,
    /// Slots that the ring has.
    max: u32,
    /// Connections that are not free.
    open: u32,
}

impl Connections {
    pub(super) fn new(max: u32) -> Connections {
        Connections {
            table: Vec::new(),
            free: Vec::new(),
            max,
            open: 0,
        }
    }

    /// Makes room for so many, and no more.
    pub(super) fn reserve(&mut self, connections: usize) {
        self.table.reserve_exact(connections.min(self.max as usize));
    }

    /// Takes a free slot; none when the table is full.
    pub(super) fn take(&mut self) -> Option<Slot> {
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
    pub(super) fn release(&mut self, slot: Slot) {
        let connection = &mut self.table[slot as usize];
        let generation = connection.generation.wrapping_add(1) & GENERATION_MASK;
        *connection = Connection {
            generation,
            ..Connection::free()
        };
        self.free.push(slot);
        self.open -= 1;
    }

    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// All slots that were ever used.
    pub(super) fn slots(&self) -> std::ops::Range<Slot> {
        0..self.table.len() as Slot
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> &Connection {
        &self.table[slot as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Connection {
        &mut self.table[slot as usize]
    }
}
