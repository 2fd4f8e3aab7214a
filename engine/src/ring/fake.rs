//! A ring without a kernel, for tests: its sockets are connected to a scripted server, and a seed
//! decides when and how each operation ends. Completions are late, come in any order, are short or
//! fail; buffers run out; servers close, reset and speak without being asked. Its time is its own.

use super::{Completion, Kind, Received, RingIo, Slot, SocketSpec, Token};
use crate::clock::Moment;
use config::random;
use socket2::SockAddr;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::time::Duration;
use testkit::scripted::{Ending, ScriptedServer};

/// Bytes of one receive buffer: replies come in many pieces.
const BUFFER_BYTES: usize = 64;
/// Buffers at first and at most: they run out.
const BUFFERS_FIRST: usize = 2;
const BUFFERS_MAX: usize = 8;
/// The longest step of time in a turn in which something happens, in nanoseconds.
const STEP_NS: u64 = 2_000_000;

/// Numbers from a seed.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice { seed, thrown: 0 }
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.thrown += 1;
        random::bits(self.seed, 0, self.thrown) % end
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// One socket, as long as the table or an operation has it.
#[derive(Debug, Default)]
struct Socket {
    server: ScriptedServer,
    /// What the server has sent and nobody has received.
    inbox: VecDeque<u8>,
    /// How the stream ends behind that: 0 or an errno.
    end: Option<i32>,
    is_connected: bool,
}

/// An operation under way, with the socket that it holds.
#[derive(Debug)]
struct Operation {
    token: Token,
    socket: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Connect,
    Receive,
    SendStatic(&'static [u8]),
    SendOwned,
    Read(Rc<File>, u64),
    Shutdown,
    Close,
    Cancel(Token),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct FakeRing {
    pub(crate) dice: Dice,
    /// How many of a hundred operations go wrong.
    faults: u64,
    now: Moment,
    /// All sockets there ever were.
    sockets: Vec<Socket>,
    table: HashMap<Slot, usize>,
    under_way: Vec<Operation>,
    done: VecDeque<Completion>,
    /// Bytes of owned sends and reads.
    owned: HashMap<Slot, (Vec<u8>, Range<usize>)>,
    addresses: usize,
    buffers: Vec<Vec<u8>>,
    /// Buffers that the ring may fill, and those that it is not yet shown.
    free: Vec<u16>,
    returned: Vec<u16>,
    pending: u64,
}

impl FakeRing {
    pub(crate) fn new(seed: u64, faults: u64) -> FakeRing {
        let mut ring = FakeRing {
            dice: Dice::new(seed),
            faults,
            now: Moment(1),
            sockets: Vec::new(),
            table: HashMap::new(),
            under_way: Vec::new(),
            done: VecDeque::new(),
            owned: HashMap::new(),
            addresses: 0,
            buffers: Vec::new(),
            free: Vec::new(),
            returned: Vec::new(),
            pending: 0,
        };
        ring.grow_buffers();
        ring
    }

    /// What is left once everything has ended; nothing, if all is well.
    pub(crate) fn leaks(&self) -> Option<String> {
        let lent = self.buffers.len() - self.free.len() - self.returned.len();
        let counted = |op: &&Operation| !matches!(op.what, What::SendStatic(_));
        let under_way: Vec<&Operation> = self.under_way.iter().filter(counted).collect();
        let is_clean = self.table.is_empty()
            && self.owned.is_empty()
            && self.pending == 0
            && under_way.is_empty()
            && lent == 0;
        (!is_clean).then(|| {
            format!(
                "open {:?}, held {:?}, pending {}, under way {under_way:?}, {lent} buffers lent",
                self.table,
                self.owned.keys(),
                self.pending
            )
        })
    }

    fn goes_wrong(&mut self) -> bool {
        let faults = self.faults;
        self.dice.percent(faults)
    }

    fn push(&mut self, token: Token, what: What) {
        let socket = match self.table.get(&token.slot) {
            Some(socket) => *socket,
            None => panic!("{what:?} on slot {}, which has no socket", token.slot),
        };
        if !matches!(what, What::SendStatic(_)) {
            self.pending += 1;
        }
        self.under_way.push(Operation {
            token,
            socket,
            what,
        });
    }

    fn complete(&mut self, token: Token, result: i32) {
        self.complete_with(token, result, false, None);
    }

    fn complete_with(&mut self, token: Token, result: i32, more: bool, received: Option<Received>) {
        if !more && token.kind != Kind::SendStatic {
            self.pending -= 1;
        }
        self.done.push_back(Completion {
            token,
            result,
            more,
            received,
        });
    }

    /// Hands bytes to the server of a socket: how many it took, or what went wrong.
    fn deliver(&mut self, socket: usize, bytes: &[u8]) -> i32 {
        let mut taken = bytes.len();
        if self.goes_wrong() {
            if self.dice.percent(50) {
                self.sockets[socket].end.get_or_insert(libc::ECONNRESET);
                return -libc::EPIPE;
            }
            taken = self.dice.below(bytes.len() as u64) as usize;
            self.sockets[socket].end.get_or_insert(libc::ECONNRESET);
        }
        let socket = &mut self.sockets[socket];
        if socket.end.is_some_and(|end| end != 0) {
            return -libc::EPIPE;
        }
        assert!(socket.is_connected, "bytes are sent after the connect");
        for answer in socket.server.take(&bytes[..taken]) {
            if socket.end.is_some() {
                break;
            }
            socket.inbox.extend(&answer.bytes);
            match answer.ending {
                Ending::Open => {}
                Ending::Close => socket.end = Some(0),
                Ending::Reset => {
                    socket.inbox.clear();
                    socket.end = Some(libc::ECONNRESET);
                }
            }
        }
        taken as i32
    }

    /// Lets one operation go on; gives it back when it has not ended.
    fn step(&mut self, op: Operation) -> Option<Operation> {
        let (token, socket) = (op.token, op.socket);
        match op.what {
            What::Connect => {
                const ERRORS: [i32; 4] = [
                    libc::ECONNREFUSED,
                    libc::ETIMEDOUT,
                    libc::EADDRNOTAVAIL,
                    libc::EHOSTUNREACH,
                ];
                let result = if self.goes_wrong() {
                    -ERRORS[self.dice.below(4) as usize]
                } else {
                    0
                };
                self.sockets[socket].is_connected = result == 0;
                self.complete(token, result);
            }
            What::Receive => return self.receive_some(op),
            What::SendStatic(bytes) => {
                let sent = self.deliver(socket, bytes);
                if sent != bytes.len() as i32 {
                    self.complete(token, sent);
                }
            }
            What::SendOwned => {
                let (bytes, range) = self.owned.remove(&token.slot).expect("bytes to send");
                let sent = self.deliver(socket, &bytes);
                self.owned.insert(token.slot, (bytes, range));
                self.complete(token, sent);
            }
            What::Read(file, offset) => {
                let (bytes, range) = self.owned.get_mut(&token.slot).expect("bytes to fill");
                let read = file.read_at(&mut bytes[range.clone()], offset);
                let read = read.expect("the file can be read") as i32;
                let result = if self.goes_wrong() { read / 2 } else { read };
                self.complete(token, result);
            }
            What::Shutdown => {
                self.sockets[socket].end = Some(0);
                self.complete(token, 0);
            }
            What::Close => {
                let closed = self.table.remove(&token.slot);
                assert_eq!(closed, Some(socket), "a slot is closed once per use");
                self.complete(token, 0);
            }
            What::Cancel(target) => {
                let found = self.under_way.iter().position(|op| op.token == target);
                if let Some(index) = found {
                    let cancelled = self.under_way.swap_remove(index);
                    self.complete(cancelled.token, -libc::ECANCELED);
                }
                let result = if found.is_some() { 0 } else { -libc::ENOENT };
                self.complete(token, result);
            }
        }
        None
    }

    /// The next bytes, or the end, of a socket that somebody receives from.
    fn receive_some(&mut self, op: Operation) -> Option<Operation> {
        let socket = &mut self.sockets[op.socket];
        if socket.inbox.is_empty() {
            let Some(end) = socket.end else {
                return Some(op);
            };
            self.complete(op.token, -end);
            return None;
        }
        let Some(id) = self.free.pop() else {
            self.complete(op.token, -libc::ENOBUFS);
            return None;
        };
        let most = socket.inbox.len().min(BUFFER_BYTES) as u64;
        let length = 1 + self.dice.below(most) as usize;
        let socket = &mut self.sockets[op.socket];
        self.buffers[usize::from(id)] = socket.inbox.drain(..length).collect();
        let more = !self.goes_wrong();
        let received = Received {
            id,
            length: length as u32,
        };
        self.complete_with(op.token, length as i32, more, Some(received));
        more.then_some(op)
    }

    /// A server does something by itself to a connection on which nothing happens.
    fn disturb(&mut self) {
        let count = self.sockets.len() as u64;
        if count == 0 {
            return;
        }
        let index = self.dice.below(count) as usize;
        let socket = &mut self.sockets[index];
        if !socket.is_connected || socket.end.is_some() {
            return;
        }
        match self.dice.below(3) {
            0 => socket.end = Some(0),
            1 => socket.end = Some(libc::ECONNRESET),
            _ => socket.inbox.extend(b"HTTP/1.1 408 Request Timeout\r\n\r\n"),
        }
    }
}

impl RingIo for FakeRing {
    fn now(&self) -> Moment {
        self.now
    }

    fn install(&mut self, slot: Slot, _spec: &SocketSpec) -> io::Result<()> {
        if self.goes_wrong() {
            let errors = [libc::EADDRNOTAVAIL, libc::EMFILE];
            let error = errors[self.dice.below(2) as usize];
            return Err(io::Error::from_raw_os_error(error));
        }
        self.sockets.push(Socket::default());
        self.table.insert(slot, self.sockets.len() - 1);
        Ok(())
    }

    fn add_address(&mut self, _address: SockAddr) -> usize {
        self.addresses += 1;
        self.addresses - 1
    }

    fn connect(&mut self, slot: Slot, _address: usize, generation: u32) {
        self.push(Token::new(Kind::Connect, slot, generation), What::Connect);
    }

    fn receive(&mut self, slot: Slot, generation: u32) {
        self.push(Token::new(Kind::Receive, slot, generation), What::Receive);
    }

    fn send_static(&mut self, slot: Slot, bytes: &'static [u8], generation: u32) {
        let token = Token::new(Kind::SendStatic, slot, generation);
        self.push(token, What::SendStatic(bytes));
    }

    fn send_owned(&mut self, slot: Slot, bytes: Vec<u8>, generation: u32) {
        let range = 0..bytes.len();
        let held = self.owned.insert(slot, (bytes, range));
        assert!(held.is_none(), "one owned send per slot at a time");
        let token = Token::new(Kind::SendOwned, slot, generation);
        self.push(token, What::SendOwned);
    }

    fn take_sent(&mut self, completion: &Completion) -> Vec<u8> {
        let held = self.owned.remove(&completion.token.slot);
        held.expect("bytes are taken back once").0
    }

    fn read_file(
        &mut self,
        slot: Slot,
        file: Rc<File>,
        offset: u64,
        bytes: Vec<u8>,
        range: Range<usize>,
        generation: u32,
    ) {
        let held = self.owned.insert(slot, (bytes, range));
        assert!(held.is_none(), "one owned read per slot at a time");
        let token = Token::new(Kind::Read, slot, generation);
        self.push(token, What::Read(file, offset));
    }

    fn take_read(&mut self, completion: &Completion) -> (Vec<u8>, Range<usize>) {
        let held = self.owned.remove(&completion.token.slot);
        held.expect("bytes are taken back once")
    }

    fn shutdown(&mut self, slot: Slot, generation: u32) {
        self.push(Token::new(Kind::Shutdown, slot, generation), What::Shutdown);
    }

    fn close(&mut self, slot: Slot, generation: u32) {
        self.push(Token::new(Kind::Close, slot, generation), What::Close);
    }

    fn cancel(&mut self, target: Token) {
        let token = Token::new(Kind::Cancel, target.slot, target.generation);
        self.push(token, What::Cancel(target));
    }

    fn turn(&mut self, limit: Duration) -> io::Result<()> {
        let faults = self.faults;
        if self.dice.percent(faults) {
            self.disturb();
        }
        // Some operations go on, in any order; a cancellation may take others out.
        let tries = self.under_way.len();
        for _ in 0..tries {
            let count = self.under_way.len() as u64;
            if count == 0 {
                break;
            }
            let index = self.dice.below(count) as usize;
            let op = self.under_way.swap_remove(index);
            let left = self.step(op);
            self.under_way.extend(left);
        }
        let passed = if self.done.is_empty() {
            limit.as_nanos() as u64
        } else {
            STEP_NS.min(limit.as_nanos() as u64)
        };
        self.now.0 += 1 + self.dice.below(passed.max(1));
        if self.done.is_empty() {
            self.now.0 += passed;
        }
        Ok(())
    }

    fn reap(&mut self, out: &mut VecDeque<Completion>) {
        out.append(&mut self.done);
    }

    fn pending(&self) -> u64 {
        self.pending
    }

    fn bytes(&self, received: &Received) -> &[u8] {
        &self.buffers[usize::from(received.id)]
    }

    fn bytes_mut(&mut self, received: &mut Received) -> &mut [u8] {
        &mut self.buffers[usize::from(received.id)]
    }

    fn give_back(&mut self, received: Received) {
        let id = received.id;
        let is_known = self.free.contains(&id) || self.returned.contains(&id);
        assert!(!is_known, "a buffer is given back once");
        self.returned.push(id);
    }

    fn grow_buffers(&mut self) {
        let wanted = (2 * self.buffers.len()).clamp(BUFFERS_FIRST, BUFFERS_MAX);
        for id in self.buffers.len()..wanted {
            self.buffers.push(Vec::new());
            self.free.push(id as u16);
        }
        self.publish_buffers();
    }

    fn publish_buffers(&mut self) {
        self.free.append(&mut self.returned);
    }
}
