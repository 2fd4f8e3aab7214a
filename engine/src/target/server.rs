//! One thread of the target: a ring, a listening socket, and the connections it accepts.

use super::connection::Connection;
use super::date_cache::DateCache;
use super::pages::{PAYLOAD, Page, Part, bad_request};
use crate::Limits;
use crate::clock::Clock;
use crate::clock::Moment;
use crate::http::request::RequestHeadCache;
use crate::ring::{Buffers, Completion, GENERATION_MASK, Kind, Received, Ring, Sizes, Slot};
use crate::timers::Timers;
use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How often an idle server looks whether it is to stop.
const WAIT_MAX: Duration = Duration::from_millis(20);
/// How long a server rests when it cannot accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const ENTRIES: u32 = 4096;
const CONNECTIONS_MAX: u64 = 262_144;
const BUFFERS: u16 = 2048;
/// One cache line above a page: at a stride of whole pages all beginnings would share a few lines
/// of the processor's cache.
const BUFFER_BYTES: u32 = 4096 + 64;
/// Bytes of chunked filling sent at once, framing aside.
const CHUNK_BYTES: u64 = 4096;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The server of one thread.
pub(super) struct Server {
    ring: Ring,
    buffers: Buffers,
    completions: VecDeque<Completion>,
    head_cache: RequestHeadCache,
    connections: Vec<Connection>,
    /// When connections go on, by slot and generation.
    timers: Timers<(Slot, u32)>,
    date_cache: DateCache,
    clock: Clock,
    now: Moment,
    /// The slot of the listening socket: the last.
    listener: Slot,
    /// When to accept again after a failure.
    accept_at: Moment,
}

impl Server {
    /// A server on a listening socket.
    ///
    /// # Errors
    ///
    /// The ring cannot be made.
    pub(super) fn new(listener: TcpListener) -> io::Result<Server> {
        let sockets = Limits::raise()
            .open_files
            .unwrap_or(u64::MAX)
            .min(CONNECTIONS_MAX) as u32;
        let sizes = Sizes {
            entries: ENTRIES,
            sockets,
            buffers: BUFFERS,
            buffer_bytes: BUFFER_BYTES,
            tick: WAIT_MAX,
        };
        let (mut ring, buffers) = Ring::new(sizes)?;
        ring.install(sockets - 1, listener.into())?;
        ring.accept(sockets - 1, 0);
        Ok(Server {
            ring,
            buffers,
            completions: VecDeque::new(),
            head_cache: RequestHeadCache::default(),
            connections: Vec::new(),
            timers: Timers::default(),
            date_cache: DateCache::new(),
            clock: Clock::new(Instant::now()),
            now: Moment(0),
            listener: sockets - 1,
            accept_at: Moment::NEVER,
        })
    }

    /// Serves until `stop` is set.
    ///
    /// # Errors
    ///
    /// The ring failed.
    pub(super) fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let next = self.timers.next().min(self.accept_at);
            let patience = if next == Moment::NEVER {
                WAIT_MAX
            } else {
                Duration::from_nanos(next.since(self.clock.now())).min(WAIT_MAX)
            };
            self.ring.turn(patience)?;
            self.serve();
        }
        Ok(())
    }

    fn serve(&mut self) {
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.reap(&mut completions);
        self.date_cache.look(SystemTime::now());
        for completion in completions.drain(..) {
            self.on_completion(completion);
        }
        self.completions = completions;
        self.buffers.publish();
        if self.timers.next() == Moment::NEVER && self.accept_at == Moment::NEVER {
            return;
        }
        self.now = self.clock.now();
        if self.accept_at <= self.now {
            self.accept_at = Moment::NEVER;
            self.ring.accept(self.listener, 0);
        }
        while let Some((slot, generation)) = self.timers.pop_due(self.now) {
            if self.connections[slot as usize].generation == generation {
                self.push(slot);
            }
        }
    }

    fn on_completion(&mut self, completion: Completion) {
        let slot = completion.token.slot;
        match completion.token.kind {
            Kind::Accept => self.accepted(&completion),
            Kind::Receive => self.received(completion),
            Kind::SendStatic => {
                if self.connections[slot as usize].generation == completion.token.generation {
                    self.sent(slot, completion.result);
                }
            }
            Kind::SendOwned => {
                drop(self.ring.take_sent(&completion));
                self.connections[slot as usize].pending -= 1;
                self.sent(slot, completion.result);
            }
            Kind::Shutdown => {
                self.connections[slot as usize].pending -= 1;
                self.close_when_idle(slot);
            }
            Kind::Close => self.closed(slot),
            Kind::Connect | Kind::Cancel | Kind::Read | Kind::Tick => {}
        }
    }

    fn accepted(&mut self, completion: &Completion) {
        if let Ok(slot) = Slot::try_from(completion.result) {
            if self.connections.len() <= slot as usize {
                self.connections
                    .resize_with(slot as usize + 1, Connection::unused);
            }
            let connection = &mut self.connections[slot as usize];
            connection.open = true;
            self.receive(slot);
        }
        if !completion.more {
            if completion.result < 0 {
                self.accept_at = self.clock.now().after(ACCEPT_PAUSE);
            } else {
                self.ring.accept(self.listener, 0);
            }
        }
    }

    fn receive(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        connection.receiving = true;
        connection.pending += 1;
        self.ring.receive(slot, connection.generation);
    }

    fn received(&mut self, completion: Completion) {
        let slot = completion.token.slot;
        if !completion.more {
            let connection = &mut self.connections[slot as usize];
            connection.receiving = false;
            connection.pending -= 1;
        }
        if completion.result == -libc::ENOBUFS {
            self.buffers.grow();
        }
        if let Some(received) = completion.received {
            self.hear(slot, &received);
            self.buffers.give_back(received);
        }
        let connection = &mut self.connections[slot as usize];
        if completion.result == 0 && !connection.closing && connection.reader.eof().is_err() {
            // The client has sent half a request and no more; it may still listen.
            connection
                .parts
                .push_back(Part::Bytes(bad_request(self.date_cache.date())));
            connection.parts.push_back(Part::Close);
            return self.push(slot);
        }
        let ended = completion.result <= 0 && completion.result != -libc::ENOBUFS;
        if ended || connection.closing {
            self.give_up(slot);
        } else if !completion.more {
            self.receive(slot);
        }
    }

    /// Reads requests out of what came and answers them.
    fn hear(&mut self, slot: Slot, received: &Received) {
        let mut rest = 0;
        loop {
            let connection = &mut self.connections[slot as usize];
            let bytes = &self.buffers.bytes(received)[rest..];
            if bytes.is_empty() || connection.closing {
                return;
            }
            let heard = &mut connection.heard;
            match connection.reader.feed(&mut self.head_cache, bytes, heard) {
                Ok(fed) => {
                    rest += fed.consumed;
                    if fed.done {
                        self.answer(slot);
                    } else if std::mem::take(&mut heard.expects_continue) {
                        connection.parts.push_back(Part::Bytes(CONTINUE.to_vec()));
                        self.push(slot);
                    }
                }
                Err(_) => {
                    connection
                        .parts
                        .push_back(Part::Bytes(bad_request(self.date_cache.date())));
                    connection.parts.push_back(Part::Close);
                    return self.push(slot);
                }
            }
        }
    }

    #[inline]
    fn answer(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        let heard = &connection.heard;
        let keep_alive = connection.reader.keep_alive();
        let plain = heard.page == Page::Home && keep_alive && !heard.head_only;
        if plain
            && connection.is_clear()
            && let Some(home) = self.date_cache.home()
        {
            return self.ring.send_static(slot, home, connection.generation);
        }
        let heard = &mut connection.heard;
        heard.expects_continue = false;
        let text = std::mem::take(&mut heard.text);
        let date = self.date_cache.date();
        let parts = heard.page.parts(heard.head_only, keep_alive, date, text);
        connection.parts.extend(parts);
        self.push(slot);
    }

    /// Sends the next part of what is to be sent, unless a part is under way.
    fn push(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        if connection.sending || connection.closing || connection.not_before > self.now {
            return;
        }
        let generation = connection.generation;
        match connection.parts.pop_front() {
            None => {}
            Some(Part::Bytes(bytes)) => {
                connection.sending = true;
                connection.pending += 1;
                self.ring.send_owned(slot, bytes, generation);
            }
            Some(Part::Filling(0)) => self.push(slot),
            Some(Part::Filling(bytes)) => {
                let now = bytes.min(PAYLOAD.len() as u64);
                if bytes > now {
                    connection.parts.push_front(Part::Filling(bytes - now));
                }
                connection.sending = true;
                self.ring
                    .send_static_told(slot, &PAYLOAD[..now as usize], generation);
            }
            Some(Part::Chunks(bytes)) => {
                let piece = chunks(connection, bytes);
                connection.sending = true;
                connection.pending += 1;
                self.ring.send_owned(slot, piece, generation);
            }
            Some(Part::Pause(time)) => {
                self.now = self.clock.now();
                connection.not_before = self.now.after(time);
                self.timers.add(connection.not_before, (slot, generation));
            }
            Some(Part::Close) => self.give_up(slot),
        }
    }

    fn sent(&mut self, slot: Slot, result: i32) {
        let connection = &mut self.connections[slot as usize];
        connection.sending = false;
        if connection.closing {
            self.close_when_idle(slot);
        } else if result < 0 {
            self.give_up(slot);
        } else {
            self.push(slot);
        }
    }

    fn give_up(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        if !connection.open || connection.closing {
            return self.close_when_idle(slot);
        }
        connection.closing = true;
        if connection.receiving || connection.sending {
            connection.pending += 1;
            self.ring.shutdown(slot, connection.generation);
        }
        self.close_when_idle(slot);
    }

    fn close_when_idle(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        if connection.open && connection.closing && connection.pending == 0 {
            connection.open = false;
            self.ring.close(slot, connection.generation);
        }
    }

    fn closed(&mut self, slot: Slot) {
        let connection = &mut self.connections[slot as usize];
        let generation = connection.generation.wrapping_add(1) & GENERATION_MASK;
        *connection = Connection {
            generation,
            ..Connection::unused()
        };
    }
}

/// The next bytes of a chunked body; what is left of it goes back in front.
fn chunks(connection: &mut Connection, bytes: u64) -> Vec<u8> {
    let now = bytes.min(CHUNK_BYTES);
    let mut piece = Vec::with_capacity(now as usize + 32);
    if now > 0 {
        piece.extend_from_slice(format!("{now:x}\r\n").as_bytes());
        piece.extend_from_slice(&PAYLOAD[..now as usize]);
        piece.extend_from_slice(b"\r\n");
    }
    if bytes > now {
        connection.parts.push_front(Part::Chunks(bytes - now));
    } else {
        piece.extend_from_slice(b"0\r\n\r\n");
    }
    piece
}
