//! The model against arithmetic, the server against a blocking client.

use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::client::Client;
use crate::need::need;
use crate::sample;

const MS: u64 = 1_000_000;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Due times of arrivals, both in milliseconds.
fn check_model(behaviour: &Behaviour, arrivals_ms: &[u64], due_ms: &[u64]) {
    let mut model = Model::new(behaviour);
    let got: Vec<u64> = arrivals_ms
        .iter()
        .map(|t| model.arrive(t * MS).due_ns / MS)
        .collect();
    assert_eq!(got, due_ms, "{behaviour:?} {arrivals_ms:?}");
}

#[test]
fn model_of_queues() {
    let ten = Behaviour::fixed(millis(10));
    check_model(&ten, &[0, 1, 2, 50], &[10, 11, 12, 60]);
    check_model(&ten.clone().slots(1), &[0, 1, 2, 50], &[10, 20, 30, 60]);
    check_model(&ten.slots(2), &[0, 1, 2, 3, 50], &[10, 11, 20, 21, 60]);
}

#[test]
fn model_of_freezes() {
    // Frozen during 100..150, 200..250, ...
    let freeze = Freeze {
        first: millis(100),
        length: millis(50),
        every: Some(millis(100)),
    };
    let five = Behaviour::fixed(millis(5)).freeze(freeze);
    // Before; ends in it; begins in it; at its last moment; at its end; in the next.
    check_model(
        &five,
        &[0, 94, 95, 96, 100, 149, 150, 201],
        &[5, 99, 150, 150, 155, 155, 155, 255],
    );
    // One slot: 96 holds it until 150, the others follow one by one.
    check_model(
        &five.slots(1),
        &[96, 97, 120, 149, 160],
        &[150, 155, 160, 165, 170],
    );
    let once = Behaviour::fixed(millis(5)).freeze(Freeze::once(millis(100), millis(50)));
    check_model(&once, &[120, 220], &[155, 225]);
    assert_eq!(Freeze::each(millis(10), millis(100)).first, millis(45));
}

#[test]
fn model_draws_the_same_for_the_same_seed() {
    let drawn = |seed| {
        let mut model = Model::new(&Behaviour::exponential(millis(10), seed));
        (0..1000)
            .map(|k| model.arrive(k * MS).service_ns)
            .collect::<Vec<u64>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    let ms: Vec<f64> = drawn(1).into_iter().map(|ns| ns as f64 / 1e6).collect();
    let d = sample::ks_exponential(&ms, 10.0);
    assert!(
        d < sample::ks_critical(ms.len(), sample::Significance::P001),
        "{d}"
    );
}

/// Every record is what the model says of its arrival, and no reply is early.
fn check_records(behaviour: &Behaviour, report: &Report) {
    let mut model = Model::new(behaviour);
    for served in &report.served {
        let plan = model.arrive(served.arrived_ns);
        assert_eq!(
            (served.due_ns, served.service_ns),
            (plan.due_ns, plan.service_ns)
        );
        assert!(
            served.answered_ns.is_none_or(|t| t >= served.due_ns),
            "{served:?}"
        );
    }
}

#[test]
fn no_reply_is_early() {
    let behaviour = Behaviour::fixed(Duration::from_micros(2500)).report_service();
    let origin = Origin::start(behaviour.clone());
    let mut client = Client::connect(origin.addr()).unwrap();
    for _ in 0..40 {
        let reply = client.get("/").unwrap();
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (200, b"ok".as_slice())
        );
        assert_eq!(reply.header("x-service-ns"), Some("2500000"));
        assert!(
            reply.took >= Duration::from_micros(2500),
            "{:?}",
            reply.took
        );
    }
    let report = origin.stop();
    check_records(&behaviour, &report);
    assert_eq!(
        (report.received, report.answered, report.served.len()),
        (40, 40, 40)
    );
    assert_eq!((report.connections_opened, report.in_flight_max), (1, 1));
    assert_eq!(report.served[0].arrived_ns, 0);
    assert_eq!((report.gaps_ms().len(), report.own_ms().len()), (39, 40));
}

#[test]
fn replies_are_not_rounded_to_milliseconds() {
    // A timer of whole milliseconds would be 0.5 ms late each time. On a busy machine some replies
    // are later than that, but not nine of ten.
    let origin = Origin::start(Behaviour::fixed(Duration::from_micros(1500)));
    let mut client = Client::connect(origin.addr()).unwrap();
    for _ in 0..200 {
        client.get("/").unwrap();
    }
    let report = origin.stop();
    let late_ms: Vec<f64> = report
        .served
        .iter()
        .map(|s| (s.answered_ns.unwrap() - s.due_ns) as f64 / 1e6)
        .collect();
    let late_ms = sample::sorted(late_ms);
    assert!(sample::quantile(&late_ms, 0.1) < 0.3, "{late_ms:?}");
}

#[test]
fn a_freeze_holds_what_arrives_in_it() {
    let freeze = Freeze {
        first: millis(20),
        length: millis(60),
        every: Some(millis(100)),
    };
    let behaviour = Behaviour::fixed(millis(1)).freeze(freeze);
    let origin = Origin::start(behaviour.clone());
    let mut client = Client::connect(origin.addr()).unwrap();
    let mut took = Vec::new();
    while took.iter().sum::<Duration>() < millis(350) {
        took.push(client.get("/").unwrap().took);
    }
    let report = origin.stop();
    check_records(&behaviour, &report);
    assert_eq!(report.answered, took.len() as u64);
    for (served, took) in report.served.iter().zip(&took) {
        assert!(
            freeze.end_ns(served.due_ns).is_none(),
            "due in a freeze: {served:?}"
        );
        // The client's own time covers the server's.
        assert!(took.as_nanos() as u64 >= served.due_ns - served.arrived_ns);
    }
}

#[test]
fn slots_queue_in_order() {
    let behaviour = Behaviour::fixed(millis(20)).slots(2);
    let origin = Origin::start(behaviour.clone());
    let addr = origin.addr();
    let threads: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(move || Client::connect(addr).unwrap().get("/").unwrap().took))
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap() >= millis(20));
    }
    let report = origin.stop();
    check_records(&behaviour, &report);
    assert_eq!(report.answered, 8);
    // Eight at two a time take four rounds from the first arrival on.
    assert!(report.served.iter().filter_map(|s| s.answered_ns).max() >= Some(80 * MS));
    let whole = Duration::from_nanos(
        report
            .served
            .iter()
            .filter_map(|s| s.answered_ns)
            .max()
            .unwrap(),
    );
    assert!(report.mean_in_flight(Duration::ZERO, whole) > 2.0);
}

#[test]
fn ids_bodies_and_methods() {
    let origin = Origin::start(Behaviour::fixed(Duration::ZERO).body("x".repeat(1000)));
    let mut client = Client::connect(origin.addr()).unwrap();
    let reply = client
        .request("POST", "/p", "X-Id: user-7\r\n", &[1; 300_000])
        .unwrap();
    assert_eq!(
        (reply.header("x-id"), reply.body.len()),
        (Some("user-7"), 1000)
    );
    let reply = client.request("HEAD", "/h", "", b"").unwrap();
    assert_eq!(
        (reply.header("content-length"), reply.body.len()),
        (Some("1000"), 0)
    );
    assert_eq!(reply.header("x-id"), None);
    // A request in single bytes.
    for byte in b"GET /slow HTTP/1.1\r\nX-Id: b\r\nConnection: close\r\n\r\n" {
        client.send(&[*byte]).unwrap();
    }
    let rest = String::from_utf8(client.read_to_end().unwrap()).unwrap();
    assert!(
        rest.contains("x-id: b\r\nconnection: close\r\n\r\nxxx"),
        "{rest}"
    );
    let report = origin.stop();
    assert_eq!(
        (report.received, report.answered, report.connections_closed),
        (3, 3, 1)
    );
    assert!(report.bytes_in > 300_000 && report.bytes_out > 2000);
}

#[test]
fn requests_ahead_of_the_reply_are_counted_and_served_in_order() {
    let origin = Origin::start(Behaviour::fixed(millis(5)));
    let mut client = Client::connect(origin.addr()).unwrap();
    client.send(b"GET / HTTP/1.1\r\nX-Id: 1\r\n\r\n").unwrap();
    while origin.report().received == 0 {
        std::thread::yield_now();
    }
    client
        .send(b"GET / HTTP/1.1\r\nX-Id: 2\r\nConnection: close\r\n\r\n")
        .unwrap();
    let all = String::from_utf8(client.read_to_end().unwrap()).unwrap();
    assert!(
        all.find("x-id: 1").unwrap() < all.find("x-id: 2").unwrap(),
        "{all}"
    );
    assert_eq!(origin.stop().answered, 2);
}

#[test]
fn those_who_leave_and_those_who_make_no_sense() {
    let origin = Origin::start(Behaviour::fixed(millis(30)));
    let mut gone = Client::connect(origin.addr()).unwrap();
    gone.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut half = Client::connect(origin.addr()).unwrap();
    half.send(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf")
        .unwrap();
    while origin.report().received < 2 {
        std::thread::yield_now();
    }
    drop((gone, half));
    let mut odd = Client::connect(origin.addr()).unwrap();
    odd.send(b"what?\r\n\r\n").unwrap();
    assert!(odd.read_to_end().unwrap().starts_with(b"HTTP/1.1 400"));
    let report = loop {
        let report = origin.report();
        if report.connections_closed == 3 {
            break report;
        }
        std::thread::yield_now();
    };
    assert_eq!((report.abandoned, report.truncated, report.bad), (1, 1, 1));
    assert_eq!((report.received, report.answered), (2, 0));
    // The reply scheduled for a disconnected peer is not sent to the next connection at its index.
    let reply = Client::connect(origin.addr()).unwrap().get("/").unwrap();
    assert!(reply.took >= millis(30), "{:?}", reply.took);
}

#[test]
fn begin_starts_over() {
    let behaviour = Behaviour::exponential(Duration::from_micros(200), 9).records_max(3);
    let origin = Origin::start(behaviour.clone());
    let mut client = Client::connect(origin.addr()).unwrap();
    let mut five = || {
        for _ in 0..5 {
            client.get("/").unwrap();
        }
        let report = origin.report();
        check_records(&behaviour, &report);
        assert_eq!(
            (report.received, report.served.len(), report.unrecorded),
            (5, 3, 2)
        );
        assert_eq!(report.served[0].arrived_ns, 0);
        report
            .served
            .iter()
            .map(|s| s.service_ns)
            .collect::<Vec<u64>>()
    };
    let first = five();
    origin.begin();
    assert_eq!(origin.report().received, 0);
    assert_eq!(five(), first);
}

#[test]
fn a_reader_slower_than_the_reply() {
    let body = vec![b'z'; 16 << 20];
    let origin = Origin::start(Behaviour::fixed(Duration::ZERO).body(body.clone()));
    let mut client = Client::connect(origin.addr()).unwrap();
    client
        .send(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        .unwrap();
    // More than the kernel buffers: the loop must come back for the rest.
    while origin.report().bytes_out == 0 {
        std::thread::yield_now();
    }
    let all = client.read_to_end().unwrap();
    assert!(all.ends_with(&body));
    let report = origin.stop();
    assert_eq!((report.answered, report.bytes_out), (1, all.len() as u64));
}

#[test]
fn connections_beyond_the_bound_wait() {
    let behaviour = Behaviour {
        connections_max: 2,
        ..Behaviour::fixed(Duration::ZERO)
    };
    let origin = Origin::start(behaviour);
    let mut first = Client::connect(origin.addr()).unwrap();
    let mut second = Client::connect(origin.addr()).unwrap();
    first.get("/").unwrap();
    second.get("/").unwrap();
    let mut third = Client::connect(origin.addr()).unwrap();
    third
        .send(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        .unwrap();
    first.get("/").unwrap();
    assert_eq!(origin.report().connections_opened, 2);
    drop(first);
    assert!(third.read_to_end().unwrap().ends_with(b"ok"));
    second.get("/").unwrap();
    let report = origin.stop();
    assert_eq!((report.connections_opened, report.connections_max), (3, 2));
}

#[test]
fn five_thousand_connections() {
    use rustix::process::{Resource, getrlimit};
    let allowed = getrlimit(Resource::Nofile).maximum;
    if !need(
        "12000 open files (ulimit -Hn)",
        allowed.is_none_or(|n| n >= 12_000),
    ) {
        return;
    }
    // Both ends are in this process.
    raise_descriptors(12_000);
    let behaviour = Behaviour::fixed(millis(50));
    let origin = Origin::start(behaviour.clone());
    let mut streams: Vec<TcpStream> = (0..5000)
        .map(|_| TcpStream::connect(origin.addr()).unwrap())
        .collect();
    use std::io::{Read, Write};
    for stream in &mut streams {
        stream
            .write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
            .unwrap();
    }
    for stream in &mut streams {
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        assert!(reply.ends_with(b"\r\n\r\nok"));
    }
    let report = origin.stop();
    check_records(&behaviour, &report);
    assert_eq!((report.connections_opened, report.answered), (5000, 5000));
}
