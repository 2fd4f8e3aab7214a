//! The ring on real sockets: what arrives, what is freed, what ends.

use super::*;
use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// More turns than any of these exchanges needs, each at most [`WAIT_MAX`].
const TURNS_MAX: u32 = 5_000;
const SIZES: Sizes = Sizes {
    entries: 64,
    sockets: 16,
    buffers: 8,
    buffer_bytes: 1024,
    tick: WAIT_MAX,
};

/// Turns until `wanted` completions were seen.
fn turn_until(ring: &mut Ring, wanted: usize) -> Vec<Completion> {
    let mut seen = VecDeque::new();
    for _ in 0..TURNS_MAX {
        ring.reap(&mut seen);
        if seen.len() >= wanted {
            return seen.into();
        }
        ring.turn(WAIT_MAX).unwrap();
    }
    panic!(
        "{} of {wanted} completions after {TURNS_MAX} turns: {seen:?}",
        seen.len()
    );
}

/// A ring whose slot 3 is connected to the returned stream.
fn connected() -> (Ring, Buffers, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut ring, buffers) = Ring::new(SIZES).unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
    ring.install(3, socket.into()).unwrap();
    let address = ring.add_address(SockAddr::from(listener.local_addr().unwrap()));
    ring.connect(3, address, 9);
    let done = turn_until(&mut ring, 1);
    assert_eq!(
        (done[0].token, done[0].result),
        (Token::new(Kind::Connect, 3, 9), 0)
    );
    (ring, buffers, listener.accept().unwrap().0)
}

#[test]
fn tokens_survive_the_kernel() {
    for kind in [
        Kind::Accept,
        Kind::Connect,
        Kind::Receive,
        Kind::SendStatic,
        Kind::Cancel,
    ] {
        let token = Token::new(kind, u32::MAX - 1, u32::MAX);
        assert_eq!(token.generation, GENERATION_MASK);
        assert_eq!(Token::from_bits(token.to_bits()), Some(token));
    }
    assert_eq!(Token::from_bits(0), None);
}

#[test]
fn files_are_read_into_a_part_of_the_bytes() {
    let (mut ring, _buffers, _peer) = connected();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    let file = Rc::new(file);
    for (offset, range, read, expected) in [
        (0, 2..5, 3, b"..012..."),
        (8, 0..4, 2, b"89......"),
        (99, 1..3, 0, b"........"),
    ] {
        let bytes = b"........".to_vec();
        let again = Rc::clone(&file);
        ring.read_file(3, again, offset, bytes, range.clone(), 9);
        let done = turn_until(&mut ring, 1);
        assert_eq!(done[0].token, Token::new(Kind::Read, 3, 9));
        assert_eq!(done[0].result, read, "from {offset}");
        assert_eq!(ring.take_read(&done[0]), (expected.to_vec(), range));
    }
    assert_eq!(ring.pending(), 0);
}

#[test]
fn bytes_go_both_ways() {
    let (mut ring, mut buffers, mut peer) = connected();
    ring.send_static(3, b"static ", 9);
    ring.send_owned(3, b"owned".to_vec(), 9);
    let done = turn_until(&mut ring, 1);
    assert_eq!(
        done[0].token.kind,
        Kind::SendOwned,
        "a static send completes silently"
    );
    assert_eq!(ring.take_sent(&done[0]), b"owned");
    let mut got = [0; 12];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"static owned");

    ring.receive(3, 9);
    ring.turn(WAIT_MAX).unwrap();
    peer.write_all(b"hello").unwrap();
    let mut done = turn_until(&mut ring, 1);
    let received = done[0].received.take().unwrap();
    assert_eq!(buffers.bytes(&received), b"hello");
    assert!(done[0].more, "the multishot receive goes on");
    buffers.give_back(received);
    buffers.publish();
}

#[test]
fn buffers_that_ran_out_are_told_and_come_back() {
    let (mut ring, mut buffers, mut peer) = connected();
    ring.receive(3, 9);
    ring.turn(WAIT_MAX).unwrap();
    let bytes = usize::from(SIZES.buffers) * SIZES.buffer_bytes as usize;
    peer.write_all(&vec![7; 2 * bytes]).unwrap();
    let mut done = turn_until(&mut ring, usize::from(SIZES.buffers) + 1);
    assert_eq!(done.last().unwrap().result, -libc::ENOBUFS);
    let mut total = 0;
    loop {
        for completion in done.drain(..) {
            if let Some(received) = completion.received {
                total += buffers.bytes(&received).len();
                buffers.give_back(received);
            }
        }
        if total == 2 * bytes {
            return;
        }
        buffers.publish();
        ring.receive(3, 9);
        done = turn_until(&mut ring, 1);
    }
}

#[test]
fn a_shutdown_ends_the_receive_and_a_close_frees_the_slot() {
    let (mut ring, _buffers, mut peer) = connected();
    ring.receive(3, 9);
    ring.shutdown(3, 9);
    let mut done = turn_until(&mut ring, 2);
    done.sort_by_key(|completion| completion.token.kind as u8);
    assert_eq!(
        (done[0].token.kind, done[0].result, done[0].more),
        (Kind::Receive, 0, false)
    );
    assert_eq!((done[1].token.kind, done[1].result), (Kind::Shutdown, 0));
    ring.close(3, 9);
    assert_eq!(turn_until(&mut ring, 1)[0].result, 0);
    assert_eq!(ring.pending(), 0);
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0, "the peer sees the end");
}

#[test]
fn a_refused_connect_says_so() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (mut ring, _buffers) = Ring::new(SIZES).unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
    ring.install(0, socket.into()).unwrap();
    let address = ring.add_address(SockAddr::from(address));
    ring.connect(0, address, 1);
    assert_eq!(turn_until(&mut ring, 1)[0].result, -libc::ECONNREFUSED);
}

#[test]
fn a_ring_with_work_under_way_can_be_dropped() {
    let (mut ring, buffers, mut peer) = connected();
    ring.receive(3, 9);
    ring.turn(WAIT_MAX).unwrap();
    assert_eq!(ring.pending(), 1);
    drop(ring);
    // The kernel may still write into the buffers: they must be there.
    let _ = peer.write_all(b"late");
    drop(buffers);
}

#[test]
fn a_send_to_a_dead_peer_completes_visibly() {
    let (mut ring, _buffers, peer) = connected();
    socket2::SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    for _ in 0..TURNS_MAX {
        let mut seen = VecDeque::new();
        ring.send_static(3, b"x", 9);
        ring.turn(Duration::ZERO).unwrap();
        ring.reap(&mut seen);
        if let Some(one) = seen.front() {
            assert_eq!(one.token.kind, Kind::SendStatic);
            assert!(
                [-libc::EPIPE, -libc::ECONNRESET].contains(&one.result),
                "{one:?}"
            );
            return;
        }
    }
    panic!("the failure of a send was not told");
}
