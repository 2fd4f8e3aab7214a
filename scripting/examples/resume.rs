//! Prints what one resume costs: reply -> Lua -> next request, over users of one state.
//!
//! `cargo run --release -p mistress-scripting --example resume [resumes [part of a case's name]]`

use std::cell::Cell;
use std::error::Error;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Instant;

use mistress_scripting::{Entry, Host, Reply, Script, Step};

/// Name, scenario body.
const CASES: [(&str, &str); 9] = [
    ("get", "user:get('/')"),
    (
        "get, test the status",
        "local r = user:get('/') if r.status ~= 200 then error(r.status) end",
    ),
    (
        "get, check status",
        "local r = user:get('/') user:check(r, { status = 200 })",
    ),
    (
        "get in a transaction",
        "user:transaction('t', function() user:get('/') end)",
    ),
    ("get with a name", "user:get('/', { name = 'home' })"),
    (
        "post form",
        "user:post('/', { form = { a = 1, b = 'x y' } })",
    ),
    (
        "post json",
        "user:post('/', { json = { a = 1, b = { 'x' } } })",
    ),
    (
        "get, check contains",
        "local r = user:get('/') user:check(r, { contains = 'Welcome' })",
    ),
    ("sleep", "user:sleep(1, 2)"),
];

const BODY: &[u8] = b"Welcome to the page";

#[derive(Default)]
struct Fake {
    calls: Cell<u64>,
}

impl Host for Fake {
    fn template(&self, _method: &str, _url: &str) -> Result<u32, String> {
        Ok(7)
    }
    fn random(&self, _slot: u32) -> u64 {
        self.calls.set(self.calls.get() + 1);
        self.calls.get()
    }
    fn check_name(&self, _name: &str) -> u32 {
        1
    }
    fn check(&self, _slot: u32, _check: u32, passed: bool) {
        self.calls.set(self.calls.get() + u64::from(passed));
    }
    fn transaction_name(&self, _name: &str) -> u32 {
        2
    }
    fn transaction_begin(&self, _slot: u32, _transaction: u32) {}
    fn transaction_end(&self, _slot: u32, _ok: bool) {}
    fn log(&self, _slot: Option<u32>, _text: &str) {}
    fn body(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        f(Some(BODY));
    }
    fn head(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        f(None);
    }
    fn elapsed_s(&self) -> f64 {
        0.0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let resumes: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |n| n.parse())?;
    let folder = std::env::temp_dir().join(format!("mistress-resume-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let wanted = std::env::args().nth(2).unwrap_or_default();
    for (name, body) in CASES.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        for users in [64, 10_000] {
            let ns = measure(&folder, body, users, resumes)?;
            println!("{ns:8.0} ns  {name} ({users} users)");
            std::io::stdout().flush()?;
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn measure(
    folder: &std::path::Path,
    body: &str,
    users: u32,
    resumes: u64,
) -> Result<f64, Box<dyn Error>> {
    let path = folder.join("bench.lua");
    std::fs::write(
        &path,
        format!("return {{ loop = function(user) while true do {body} end end }}"),
    )?;
    let script = Script::load(&path, Rc::new(Fake::default()))?;
    let mut steps = Vec::new();
    for slot in 0..users {
        script.attach(slot, u64::from(slot))?;
        steps.push(script.run(slot, Entry::Scenario(0), false));
    }
    let reply = Reply {
        status: 200,
        ok: true,
        latency_ms: 1.5,
        ..Reply::default()
    };
    let rounds = resumes / u64::from(users);
    let mut began = Instant::now();
    for round in 0..rounds + rounds / 4 {
        if round == rounds / 4 {
            began = Instant::now(); // the first rounds warm up
        }
        for slot in 0..users {
            let step = &mut steps[slot as usize];
            *step = match step {
                Step::Sleep { .. } => script.wake(slot, false),
                Step::Failed(error) => return Err(error.to_string().into()),
                Step::Done => return Err("the loop ended".into()),
                _ => script.reply(slot, &reply),
            };
        }
    }
    Ok(began.elapsed().as_nanos() as f64 / (rounds * u64::from(users)) as f64)
}
