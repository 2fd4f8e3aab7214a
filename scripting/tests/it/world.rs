//! A host without sockets: it records what the script asks and answers from a list.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use mistress_scripting::{
    CookieJar, CookieSpec, Entry, Error, Host, MetricKind, Reply, RequestSpec, Row, Script,
    ScriptError, Step, Tag,
};

/// A prepared answer; the default is 200 with an empty body.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub failure: Option<&'static str>,
    pub head: &'static str,
    pub body: &'static [u8],
}

impl Default for Answer {
    fn default() -> Answer {
        Answer {
            status: 200,
            failure: None,
            head: "HTTP/1.1 200 OK\r\n\r\n",
            body: b"",
        }
    }
}

impl Answer {
    pub fn body(body: &'static str) -> Answer {
        Answer {
            body: body.as_bytes(),
            ..Answer::default()
        }
    }
}

/// Slots of branches begin here.
const BRANCHES: u32 = 100;

/// A cookie jar of a slot's user, and how many there are.
struct FakeJar(u32, Rc<Cell<u32>>);

impl Drop for FakeJar {
    fn drop(&mut self) {
        self.1.set(self.1.get() - 1);
    }
}

#[derive(Default)]
pub struct Fake {
    /// "METHOD url" of each prepared request.
    pub templates: RefCell<Vec<String>>,
    names: RefCell<Vec<String>>,
    /// Counted checks in their order.
    pub checks: RefCell<Vec<(String, bool)>>,
    /// "begin name", "end true".
    pub transactions: RefCell<Vec<String>>,
    pub logs: RefCell<Vec<String>>,
    random: Cell<u64>,
    /// The next random numbers, before those of the stream.
    pub randoms: RefCell<VecDeque<u64>>,
    /// Replies that were rejected, and aborts.
    pub rejected: RefCell<Vec<String>>,
    /// The wall clock.
    pub unix_ms: Cell<u64>,
    pub stopping: Cell<bool>,
    /// What `body` and `head` lend: the latest answer, until the next step.
    latest: RefCell<Option<Answer>>,
    pub elapsed: Cell<f64>,
    pub panics: Cell<bool>,
    /// What `row` gives, until there are no more.
    pub rows: RefCell<Vec<Row>>,
    /// Cookies that were set; none where all were cleared.
    pub cookies: RefCell<Vec<Option<CookieSpec>>>,
    /// Cookie jars that there are, at most 256.
    pub jars: Rc<Cell<u32>>,
    metrics: RefCell<Vec<(MetricKind, String)>>,
    /// Values of metrics in their order.
    pub values: RefCell<Vec<(MetricKind, String, f64)>>,
    /// "begin 0 key:value", "end 0": stretches of tags by slot.
    pub stretches: RefCell<Vec<String>>,
    /// How many tags the stretches have together.
    tags: Cell<usize>,
}

impl Host for Fake {
    fn template(&self, method: &str, url: &str) -> Result<u32, String> {
        assert!(!self.panics.get(), "the host panics");
        if url.starts_with("https://") {
            return Err("no https".to_owned());
        }
        self.templates.borrow_mut().push(format!("{method} {url}"));
        Ok(self.templates.borrow().len() as u32 - 1)
    }
    fn absolute_url(&self, url: &str) -> Result<(), String> {
        if url.starts_with("https://") {
            Err("no https".to_owned())
        } else {
            Ok(())
        }
    }
    fn upload_file(&self, path: &str) -> Result<(), String> {
        match path {
            "missing" => Err("missing: no such file".to_owned()),
            _ => Ok(()),
        }
    }
    fn cookie_jar(&self, slot: u32) -> Result<CookieJar, String> {
        if self.jars.get() == 256 {
            return Err("no more jars".to_owned());
        }
        self.jars.set(self.jars.get() + 1);
        Ok(CookieJar(Rc::new(FakeJar(slot, Rc::clone(&self.jars)))))
    }
    fn owns_cookie_jar(&self, slot: u32, jar: &CookieJar) -> bool {
        let jar = jar.0.downcast_ref::<FakeJar>();
        jar.is_some_and(|jar| jar.0 == slot || slot >= BRANCHES)
    }
    fn cookie(
        &self,
        _slot: u32,
        jar: Option<&CookieJar>,
        name: &str,
        url: Option<&str>,
        f: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        let at = url.map_or(String::new(), |url| format!(" at {url}"));
        let jar = if jar.is_some() { " in jar" } else { "" };
        f(Some(format!("of {name}{at}{jar}").as_bytes()));
        Ok(())
    }
    fn set_cookie(
        &self,
        _slot: u32,
        _jar: Option<&CookieJar>,
        cookie: CookieSpec,
    ) -> Result<(), String> {
        self.cookies.borrow_mut().push(Some(cookie));
        Ok(())
    }
    fn clear_cookies(&self, _slot: u32, _jar: Option<&CookieJar>) {
        self.cookies.borrow_mut().push(None);
    }
    fn reply_url(&self, _slot: u32) -> Option<String> {
        Some("http://host/".to_owned())
    }
    fn embedded(&self, page: &str, _: Option<&str>, link: &str) -> Option<(String, bool)> {
        assert_eq!(page, "http://host/", "where the page's request ended");
        let url = match link {
            absolute if absolute.starts_with('/') || absolute.contains("://") => link.to_owned(),
            relative => format!("/p/{relative}"),
        };
        Some((url, !link.contains("://")))
    }
    fn random(&self, slot: u32) -> u64 {
        if let Some(next) = self.randoms.borrow_mut().pop_front() {
            return next;
        }
        // SplitMix64 from a seed per slot.
        let state = self
            .random
            .get()
            .wrapping_add(0x9e37_79b9_7f4a_7c15 + u64::from(slot));
        self.random.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn check_name(&self, name: &str) -> u32 {
        self.name(name)
    }
    fn check(&self, _slot: u32, check: u32, passed: bool) {
        let name = self.names.borrow()[check as usize].clone();
        self.checks.borrow_mut().push((name, passed));
    }
    fn transaction_name(&self, name: &str) -> u32 {
        self.name(name)
    }
    fn transaction_begin(&self, _slot: u32, transaction: u32) {
        let name = self.names.borrow()[transaction as usize].clone();
        self.transactions.borrow_mut().push(format!("begin {name}"));
    }
    fn transaction_end(&self, _slot: u32, ok: bool) {
        self.transactions.borrow_mut().push(format!("end {ok}"));
    }
    fn transaction_left(&self, _slot: u32) {
        self.transactions.borrow_mut().push("left".to_owned());
    }
    fn tags_begin(&self, slot: u32, tags: &[Tag]) -> usize {
        let told: String = tags.iter().map(|(k, v)| format!(" {k}:{v}")).collect();
        self.stretches
            .borrow_mut()
            .push(format!("begin {slot}{told}"));
        self.tags.set(self.tags.get() + tags.len());
        self.tags.get()
    }
    fn tags_end(&self, slot: u32) {
        self.stretches.borrow_mut().push(format!("end {slot}"));
        self.tags.set(0);
    }
    fn row(&self, _slot: u32, data: &str) -> Result<Option<Row>, String> {
        match data {
            "rows" => Ok(self.rows.borrow_mut().pop()),
            "accounts" => {
                let cells = ["name", "password"].map(|column| (column.into(), column.into()));
                Ok(Some(Row(cells.into())))
            }
            _ => Err(format!("there is no data {data:?}")),
        }
    }
    fn metric_name(&self, kind: MetricKind, name: &str) -> u32 {
        let mut metrics = self.metrics.borrow_mut();
        metrics.push((kind, name.to_owned()));
        metrics.len() as u32 - 1
    }
    fn metric(&self, metric: u32, value: f64) {
        let (kind, name) = self.metrics.borrow()[metric as usize].clone();
        self.values.borrow_mut().push((kind, name, value));
    }
    fn log(&self, slot: Option<u32>, text: &str) {
        let place = if slot.is_none() { "(loading) " } else { "" };
        self.logs.borrow_mut().push(format!("{place}{text}"));
    }
    fn body(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        f(self.latest.borrow().as_ref().map(|answer| answer.body));
    }
    fn head(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        f(self
            .latest
            .borrow()
            .as_ref()
            .map(|answer| answer.head.as_bytes()));
    }
    fn elapsed_s(&self) -> f64 {
        self.elapsed.get()
    }
    fn timings(&self, _slot: u32, f: &mut dyn FnMut(&'static str, f64)) {
        f("connect", 0.0);
        f("first_byte", 2.5);
    }
    fn reject(&self, slot: u32, reason: &str) -> bool {
        self.rejected.borrow_mut().push(format!("{slot} {reason}"));
        true
    }
    fn run_id(&self) -> &str {
        "run-1"
    }
    fn run_name(&self) -> &str {
        "shop"
    }
    fn iteration(&self, slot: u32) -> u32 {
        slot + 3
    }
    fn user_index(&self, slot: u32) -> u64 {
        u64::from(slot) + 40
    }
    fn abort(&self, slot: u32, reason: &str) -> bool {
        self.rejected
            .borrow_mut()
            .push(format!("abort {slot} {reason}"));
        !self.stopping.get()
    }
    fn unix_ms(&self) -> u64 {
        self.unix_ms.get()
    }
}

impl Fake {
    fn name(&self, name: &str) -> u32 {
        let mut names = self.names.borrow_mut();
        names.push(name.to_owned());
        names.len() as u32 - 1
    }
}

/// A script with its host and a list of answers.
pub struct World {
    pub script: Script,
    pub host: Rc<Fake>,
    pub answers: RefCell<VecDeque<Answer>>,
    /// Requests with options, in their order.
    pub requests: RefCell<Vec<RequestSpec>>,
    /// Whether the host retains bodies until the next step.
    pub retains: Cell<bool>,
    /// The next slot for a branch.
    slots: Cell<u32>,
    /// The script's folder.
    _folder: tempfile::TempDir,
}

/// Loads `main.lua` among other files.
pub fn load(files: &[(&str, &str)]) -> Result<World, Error> {
    let folder = tempfile::tempdir().unwrap();
    for (name, source) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, source).unwrap();
    }
    load_in(folder)
}

/// Loads `main.lua` of a prepared folder.
pub fn load_in(folder: tempfile::TempDir) -> Result<World, Error> {
    let host = Rc::new(Fake::default());
    let script = Script::load(
        &folder.path().join("main.lua"),
        Rc::clone(&host) as Rc<dyn Host>,
    )?;
    Ok(World {
        script,
        host,
        answers: RefCell::default(),
        requests: RefCell::default(),
        retains: Cell::new(true),
        slots: Cell::new(BRANCHES),
        _folder: folder,
    })
}

/// A scenario with this body, on line 1 of main.lua.
pub fn world(body: &str) -> World {
    let source = format!("return {{ main = function(user, data) {body}\nend }}");
    load(&[("main.lua", &source)]).unwrap_or_else(|error| panic!("{body}: {error}"))
}

impl World {
    /// Resumes a user that waits.
    pub fn resume(&self, slot: u32, step: &Step) -> Step {
        let keeps = match step {
            Step::Sleep { .. } => {
                *self.host.latest.borrow_mut() = None;
                return self.script.wake(slot, self.host.stopping.get());
            }
            Step::Template(_) => false,
            Step::Request(spec) => {
                self.requests.borrow_mut().push((**spec).clone());
                spec.keep_body
            }
            Step::Parallel(count) => return self.branches(slot, *count),
            Step::Done | Step::Leave | Step::Stop | Step::Failed(_) => {
                panic!("the user does not wait: {step:?}")
            }
        };
        let answer = self.answers.borrow_mut().pop_front().unwrap_or_default();
        *self.host.latest.borrow_mut() = self.retains.get().then(|| answer.clone());
        let reply = Reply {
            status: answer.status,
            ok: answer.failure.is_none(),
            failure: answer.failure,
            latency_ms: 12.5,
            stopping: self.host.stopping.get(),
            head: self.script.reads_heads().then_some(answer.head.as_bytes()),
            body: keeps.then_some(answer.body),
        };
        self.script.reply(slot, &reply)
    }

    /// Runs the branches of a user in turn, a step each, until all have ended.
    fn branches(&self, parent: u32, count: u32) -> Step {
        let stopping = self.host.stopping.get();
        let first = self.slots.get();
        self.slots.set(first + count);
        let begin = |index| {
            let slot = first + index;
            (slot, self.script.fork(slot, parent, index, stopping))
        };
        let mut under_way: Vec<(u32, Step)> = (0..count).map(begin).collect();
        while !under_way.is_empty() {
            let mut left = Vec::new();
            for (slot, step) in under_way {
                match step {
                    Step::Done => self.script.detach(slot),
                    Step::Failed(error) => panic!("a branch was lost: {error}"),
                    waiting => left.push((slot, self.resume(slot, &waiting))),
                }
            }
            under_way = left;
        }
        self.script.join(parent, stopping)
    }

    /// Runs an entry to its end, resuming it from the list of answers.
    pub fn finish(&self, slot: u32, entry: Entry) -> Result<(), ScriptError> {
        let mut step = self.script.run(slot, entry, self.host.stopping.get());
        loop {
            step = match step {
                Step::Done => return Ok(()),
                Step::Failed(error) => return Err(*error),
                waiting => self.resume(slot, &waiting),
            };
        }
    }

    /// A user on slot 0 runs the first scenario once.
    pub fn once(&self) -> Result<(), ScriptError> {
        self.script.attach(0, 0).unwrap();
        let ended = self.finish(0, Entry::Scenario(0));
        self.script.detach(0);
        ended
    }
}

/// What a scenario with this body logs; it must not fail.
pub fn logs(body: &str) -> Vec<String> {
    let world = world(body);
    world
        .once()
        .unwrap_or_else(|error| panic!("{body}: {error}"));
    world.host.logs.take()
}

/// How a scenario with this body fails; it must.
pub fn fails(body: &str) -> ScriptError {
    world(body).once().expect_err(body)
}

/// Every row's body must log the row's lines.
pub fn check_logs(rows: &[(&str, &[&str])]) {
    for (body, expected) in rows {
        assert_eq!(logs(body), *expected, "{body}");
    }
}

/// Every row's body must fail at line 1 with a message that contains the row's parts.
pub fn check_fails(rows: &[(&str, &[&str])]) {
    for (body, parts) in rows {
        let error = fails(body);
        assert!(
            error.message.starts_with("main.lua:1: "),
            "{body}: {}",
            error.message
        );
        for part in *parts {
            assert!(
                error.message.contains(part),
                "{body}: {:?} in {}",
                part,
                error.message
            );
        }
        assert!(!error.to_string().contains("[mistress]"), "{body}: {error}");
    }
}
