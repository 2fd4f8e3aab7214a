//! The transport on a ring that a seed drives, and on the kernel's against a real server: every
//! request ends once, with its own reply or a failure, and nothing is left open.

use super::*;
use crate::clock::Clock;
use crate::http::encode::{Head, Template, compose};
use crate::http::head_flags::HeadFlags;
use crate::http::message::Message;
use crate::http::upload::{BodyPart, Upload};
use crate::ring::fake::{Dice, FakeRing};
use crate::ring::{KernelRing, Sizes};
use config::Origin;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use testkit::scripted::{Ending, KINDS, ScriptedServer, is_answered};

/// Seeds that are tried; each is a life of a transport.
const SEEDS: u64 = 10_000;
/// Turns in which requests are made.
const STEPS: u64 = 24;
/// Turns that any life takes to end, with the time limits of its requests.
const TURNS_MAX: u32 = 20_000;
const OWNERS: u64 = 4;
/// What uploads send of a file.
const FILE: &[u8] = b"from a file";
/// The time limit of a request.
const TIMEOUT: Duration = Duration::from_millis(200);

/// What plans say about connections.
const WISHES: [&str; 8] = [
    "",
    "per_origin = 2",
    "pool = \"shared\"\nper_origin = 3",
    "requests_max = 2",
    "renew = \"request\"",
    "pool = \"shared\"\nclose = \"reset\"\ntimeouts = { connect = \"20ms\", first_byte = \"50ms\" }",
    "proxy = \"socks5h://ann:pass@proxy.test\"",
    "pool = \"shared\"\nper_origin = 3\nproxy = \"socks5h://proxy.test\"",
];

fn plan(wishes: &str) -> Arc<Plan> {
    let text = format!(
        "[run]\nscript = \"s.lua\"\ntarget = \"http://server.test\"\n\
         [connections]\n{wishes}\n\
         [[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
         phases = [{{ users = 1, for = \"1s\" }}]\n"
    );
    Arc::new(config::parse(&text, Path::new("p.toml")).expect("a good profile"))
}

/// A transport to one server, and what its requests are waiting for.
struct Life<'w, R> {
    world: &'w World,
    transport: Transport<R>,
    /// The path of each request under way, by its ticket.
    waiting: HashMap<u32, String>,
    tickets: u32,
    /// How many of a hundred requests are of the rarer sort.
    oddities: u64,
    /// Requests that ended with their whole reply.
    answered: u64,
}

fn message(method: &str, path: &str, body_bytes: Option<u64>) -> Message {
    compose(&head(method, path, body_bytes)).expect("a request")
}

fn head<'a>(method: &'a str, path: &'a str, body_bytes: Option<u64>) -> Head<'a, &'a str, &'a str> {
    Head {
        method,
        path,
        forward: None,
        authority: "server.test",
        defaults: &[],
        without: &[],
        headers: &[],
        extra: &[],
        cookie: b"",
        body_bytes,
        chunked: false,
        expects_continue: false,
        keep_alive: true,
    }
}

/// The template of a kind of answer; made once, since they are kept for ever.
fn template(kind: &str) -> &'static Template {
    static ALL: OnceLock<HashMap<&str, &Template>> = OnceLock::new();
    let make = |kind: &'static str| {
        let path = format!("/{kind}/template");
        (kind, Template::keep(message("GET", &path, None)))
    };
    ALL.get_or_init(|| KINDS.into_iter().map(make).collect())[kind]
}

/// What lives have in common.
struct World {
    plans: Vec<Arc<Plan>>,
    telemetry: Rc<Telemetry>,
    ports: LocalPorts,
    tls: tls::Setup,
    file: Rc<File>,
}

impl World {
    fn new() -> World {
        let plans: Vec<Arc<Plan>> = WISHES.iter().map(|wishes| plan(wishes)).collect();
        let system = LocalPorts::of_system(plans[0].connections.ports);
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(FILE).expect("it takes bytes");
        World {
            telemetry: Rc::new(Telemetry::new(
                stats::Recorder::link(0, 1).0,
                sync_channel(1).0,
            )),
            // A few are enough, and made ready in no time.
            ports: LocalPorts {
                range: (system.range.1 - 200, system.range.1),
                ..system
            },
            tls: tls::Setup::open(&plans[0].tls, false, None)
                .expect("a setup")
                .0,
            file: Rc::new(file),
            plans,
        }
    }

    /// An upload of several pieces, one of them from a file.
    fn upload(&self, path: &str, dice: &mut Dice) -> Upload {
        let (chunked, expects_continue) = (dice.percent(50), dice.percent(30));
        let file = BodyPart::File {
            file: Rc::clone(&self.file),
            bytes: FILE.len() as u64,
        };
        let parts = vec![BodyPart::Bytes(b"first part".to_vec()), file];
        let head = Head {
            chunked,
            expects_continue,
            ..head("POST", path, Some(Upload::length(&parts)))
        };
        let message = compose(&head).expect("a request");
        Upload::new(message, parts.into(), chunked, expects_continue)
    }
}

impl<'w, R: RingIo> Life<'w, R> {
    fn new(world: &'w World, plan: usize, mut ring: R, server: SocketAddr) -> Life<'w, R> {
        let plan = &world.plans[plan];
        let target = Origin {
            port: server.port(),
            ..plan_target(plan)
        };
        let origins = Origins::new(plan, &target, &[server, server], &mut ring);
        let spec = TransportSpec {
            plan: Arc::clone(plan),
            ports: world.ports.clone(),
            core: 0,
            cores: 1,
            sockets: 6,
            tls: &world.tls,
            telemetry: Rc::clone(&world.telemetry),
            origins: Rc::new(RefCell::new(origins.expect("an origin"))),
            is_traced: false,
        };
        Life {
            world,
            transport: Transport::new(ring, spec),
            waiting: HashMap::new(),
            tickets: 0,
            oddities: 0,
            answered: 0,
        }
    }

    /// Makes a request of one of several forms.
    fn submit(&mut self, dice: &mut Dice, owner: Owner, kind: &'static str) {
        self.tickets += 1;
        let ticket = self.tickets;
        let mut path = format!("/{kind}/{ticket}");
        let payload = match dice.below(5) {
            0 => Payload::Message(Box::new(message("GET", &path, None))),
            1 => {
                let mut message = message("POST", &path, Some(5));
                message.body = b"hello".to_vec();
                Payload::Message(Box::new(message))
            }
            2 => Payload::Upload(Box::new(self.world.upload(&path, dice))),
            form => {
                // A template has no number of its own: its replies are all the same.
                path = format!("/{kind}/template");
                let template = template(kind);
                match form {
                    3 => Payload::Template(template),
                    _ => Payload::WithCookies(template, b"a=1".to_vec()),
                }
            }
        };
        let request = Request {
            ticket,
            name: self.name(),
            origin: 0,
            payload,
            ready: self.transport.now,
            timeout_ns: TIMEOUT.as_nanos() as u64,
            head_only: false,
            idempotent: !dice.percent(self.oddities),
            last: dice.percent(self.oddities),
            keep: Keep::Asked,
            watch: HeadFlags::NONE,
        };
        self.waiting.insert(ticket, path);
        self.transport.submit(owner, request);
    }

    fn name(&self) -> stats::NameId {
        let mut recorder = self.transport.telemetry.recorder.borrow_mut();
        recorder.request_name("name")
    }

    /// One turn; every request that has ended is looked at.
    fn turn(&mut self) {
        self.transport.stamp();
        let next = self.transport.next_deadline();
        let limit = Duration::from_nanos(next.since(self.transport.now));
        let limit = limit.min(self.transport.wait_max());
        self.transport.wait(limit).expect("the ring goes on");
        while let Some(done) = self.transport.poll() {
            let path = self.waiting.remove(&done.ticket);
            let path = path.expect("each request ends once");
            let reply = &self.transport.stream(done.stream).reply;
            let body = reply.kept.as_ref().map(|kept| &kept.body[..]);
            if done.failure.is_none() && reply.status == 200 {
                let body = String::from_utf8_lossy(body.unwrap_or_default());
                assert_eq!(body, path, "the reply is another's");
                self.answered += 1;
            }
            self.transport.give_back(done.stream);
        }
    }

    fn turn_until(&mut self, what: &str, is_over: impl Fn(&Self) -> bool) {
        for _ in 0..TURNS_MAX {
            if is_over(self) {
                return;
            }
            self.turn();
        }
        panic!("{what}: not after {TURNS_MAX} turns");
    }

    /// Lets everything end, and closes what is left.
    fn end(&mut self) {
        self.turn_until("all requests end", |life| life.waiting.is_empty());
        assert_eq!(self.transport.streams.in_use(), 0, "streams are given back");
        self.close();
    }

    fn close(&mut self) {
        self.transport.abandon();
        self.waiting.clear();
        self.turn_until("all connections close", |life| {
            life.transport.pending() == 0
        });
        assert_eq!(self.transport.streams.in_use(), 0);
        assert_eq!(self.transport.connections.open(), 0, "slots are free again");
    }
}

fn plan_target(plan: &Plan) -> Origin {
    match &plan.target {
        config::Target::Http(origin) => origin.clone(),
        _ => panic!("the profile names a target"),
    }
}

/// One life of a transport, decided by a seed.
fn live(seed: u64, world: &World) -> u64 {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let plan = dice.below(WISHES.len() as u64) as usize;
    let faults = [0, 2, 10, 30][dice.below(4) as usize];
    let server = SocketAddr::from(([127, 0, 0, 1], 80));
    let mut life = Life::new(world, plan, FakeRing::new(seed, faults), server);
    life.oddities = 15;
    for _ in 0..dice.below(STEPS) {
        for _ in 0..dice.below(4) {
            let owner = dice.below(OWNERS) as Owner;
            let kind = if dice.percent(60) {
                "ok"
            } else {
                KINDS[dice.below(KINDS.len() as u64) as usize]
            };
            life.submit(&mut dice, owner, kind);
        }
        life.turn();
        if dice.percent(5) {
            let owner = dice.below(OWNERS) as Owner;
            life.transport.begin_iteration(owner);
        }
        if dice.percent(1) {
            life.close();
        }
    }
    life.end();
    assert_eq!(life.transport.ring.leaks(), None);
    life.answered
}

#[test]
fn no_request_is_lost_and_no_descriptor_leaks_whatever_the_ring_does() {
    let world = World::new();
    let only = std::env::var("MISTRESS_SEED").ok();
    let only = only.map(|seed| seed.parse().expect("MISTRESS_SEED is a number"));
    let seeds = only.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut answered = 0;
    for seed in seeds {
        let lived = catch_unwind(AssertUnwindSafe(|| live(seed, &world)));
        answered += lived.unwrap_or_else(|_| panic!("repeat it with MISTRESS_SEED={seed}"));
    }
    assert!(only.is_some() || answered > SEEDS, "{answered} replies");
}

/// A server on loopback that answers as the scripted one does, as long as the test runs.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut server = ScriptedServer::default();
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    for answer in server.take(&bytes[..count]) {
                        if stream.write_all(&answer.bytes).is_err() {
                            return;
                        }
                        if answer.ending != Ending::Open {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

fn kernel_ring() -> KernelRing {
    let sizes = Sizes {
        entries: 64,
        sockets: 6,
        buffers: 8,
        buffer_bytes: 256,
        tick: WAIT_MAX,
    };
    KernelRing::new(sizes, Clock::new(Instant::now())).expect("a ring")
}

/// Each kind of answer ends as it should, on one connection after another.
fn each_kind_ends<R: RingIo>(world: &World, ring: R, server: SocketAddr) -> Life<'_, R> {
    let mut life = Life::new(world, 0, ring, server);
    let mut dice = Dice::new(7);
    for round in 0..3 {
        for kind in KINDS {
            let before = life.answered;
            life.submit(&mut dice, round, kind);
            life.turn_until(kind, |life| life.waiting.is_empty());
            assert_eq!(
                life.answered - before,
                u64::from(is_answered(kind)),
                "{kind}"
            );
        }
        life.transport.release(round);
    }
    life.end();
    life
}

#[test]
fn each_kind_of_answer_ends_on_a_quiet_ring() {
    let world = World::new();
    let server = SocketAddr::from(([127, 0, 0, 1], 80));
    let life = each_kind_ends(&world, FakeRing::new(1, 0), server);
    assert_eq!(life.transport.ring.leaks(), None);
}

#[test]
fn each_kind_of_answer_ends_on_the_kernels_ring() {
    each_kind_ends(&World::new(), kernel_ring(), serve());
}

#[test]
fn many_requests_share_few_connections_on_the_kernels_ring() {
    let world = World::new();
    for (plan, wishes) in WISHES.iter().enumerate() {
        let mut life = Life::new(&world, plan, kernel_ring(), serve());
        let mut dice = Dice::new(9);
        for n in 0..40 {
            life.submit(&mut dice, n % 2, "ok");
        }
        life.turn_until("all end", |life| life.waiting.is_empty());
        assert!(life.answered > 0, "{wishes}");
        life.end();
    }
}
