//! Users: sleeping, transactions, randomness, logs, hooks, data, and their separation.

use std::time::Duration;

use mistress_scripting::{Entry, Step};
use serde_json::json;

use crate::world::{Answer, World, check_fails, check_logs, load, logs, world};

#[test]
fn sleeps_carry_their_bounds() {
    let world = world("user:sleep(1.5) user:sleep(0.25, 2) user:sleep(0) user:sleep(86400)");
    world.script.attach(0, 0).unwrap();
    let mut step = world.script.run(0, Entry::Scenario(0), false);
    let mut bounds = Vec::new();
    while let Step::Sleep { min, max } = step {
        bounds.push((min, max));
        step = world.script.wake(0, false);
    }
    let ms = |ms| Duration::from_millis(ms);
    let day = Duration::from_secs(86_400);
    assert_eq!(
        bounds,
        [
            (ms(1500), ms(1500)),
            (ms(250), ms(2000)),
            (ms(0), ms(0)),
            (day, day)
        ]
    );
}

#[test]
fn wrong_sleeps_are_errors() {
    check_fails(&[
        (
            "user:sleep()",
            &["user:sleep: the time must be seconds from 0 to a day (86400), not nil"],
        ),
        ("user:sleep(-1)", &["not -1"]),
        ("user:sleep(0/0)", &["not NaN"]),
        ("user:sleep(1/0)", &["not inf"]),
        ("user:sleep(86401)", &["not 86401"]),
        ("user:sleep('1')", &["not \"1\""]),
        (
            "user:sleep(2, 1)",
            &["the minimum 2 is greater than the maximum 1"],
        ),
        ("user:sleep(1, -1)", &["the maximum must be seconds"]),
    ]);
}

#[test]
fn transactions_group_and_return() {
    let world = world(
        "log(user:transaction('outer', function(a, b)
           user:get('/')
           local c = user:transaction('inner', function() user:sleep(1) return 3 end)
           return a + b + c, nil, 'x'
         end, 1, 2))",
    );
    world.once().unwrap();
    assert_eq!(world.host.logs.take(), ["6\tnil\tx"]);
    let events = world.host.transactions.take();
    assert_eq!(
        events,
        ["begin outer", "begin inner", "end true", "end true"]
    );
}

#[test]
fn an_error_ends_its_transactions_as_failed() {
    let world = world(
        "user:transaction('outer', function()
           user:transaction('inner', function() user:get('/') error('oops') end) end)",
    );
    let error = world.once().unwrap_err();
    assert_eq!(error.message, "main.lua:2: oops");
    // The calls are those of the error, not of its way up.
    assert!(
        error
            .traceback
            .lines()
            .next()
            .unwrap()
            .contains("main.lua:2:"),
        "{error}"
    );
    let events = world.host.transactions.take();
    assert_eq!(
        events,
        ["begin outer", "begin inner", "end false", "end false"]
    );
}

#[test]
fn a_caught_error_does_not_colour_the_next() {
    let world = world(
        "pcall(function() user:transaction('t', function() error('first') end) end)
         error('second')",
    );
    let error = world.once().unwrap_err();
    assert_eq!(error.message, "main.lua:2: second");
    assert!(error.traceback.contains("main.lua:2:"), "{error}");
    check_fails(&[
        (
            "user:transaction(1, print)",
            &["user:transaction: the name must be a string, not 1"],
        ),
        (
            "user:transaction('x')",
            &["the second argument must be a function, not nil"],
        ),
    ]);
}

#[test]
fn random_numbers_come_from_the_host() {
    let body = "for i = 1, 1000 do
          local unit, die, span = user:random(), user:random(6), math.random(-3, 3)
          assert(unit >= 0 and unit < 1)
          assert(die >= 1 and die <= 6 and die % 1 == 0)
          assert(span >= -3 and span <= 3 and span % 1 == 0)
          log(unit, die, span)
        end";
    let first = logs(body);
    assert_eq!(first, logs(body), "the same stream gives the same choices");
    let faces: std::collections::BTreeSet<_> = first
        .iter()
        .map(|line| line.split('\t').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(faces.len(), 6, "all faces of a die in 1000 throws");
    check_fails(&[
        ("user:random(0)", &["the interval from 1 to 0 is empty"]),
        ("user:random(1.5)", &["the bounds must be whole numbers"]),
        ("user:random('x')", &["the bounds must be whole numbers"]),
        ("math.random(2, 1)", &["empty"]),
        ("math.random(-1e300, 1e300)", &["too wide"]),
        ("math.randomseed(1)", &["the profile sets the seed"]),
    ]);
    let error = load(&[(
        "main.lua",
        "local x = math.random() return { a = function() end }",
    )]);
    let message = error.err().unwrap().to_string();
    assert!(
        message.starts_with("main.lua:1: a random number needs a running user"),
        "{message}"
    );
}

#[test]
fn logs_join_their_values() {
    check_logs(&[
        ("log('a', 1, nil, true)", &["a\t1\tnil\ttrue"]),
        ("log()", &[""]),
        ("print('p') user:log('u', 2)", &["p", "u\t2"]),
        (
            "log(setmetatable({}, { __tostring = function() return 'shown' end }))",
            &["shown"],
        ),
    ]);
    let world = load(&[("main.lua", "log('once') return { a = function() end }")]).unwrap();
    assert_eq!(world.host.logs.take(), ["(loading) once"]);
}

#[test]
fn users_know_their_number_and_when_to_stop() {
    let world = world(
        "user.seen = (user.seen or 0) + 1 log(user.id, user.seen, user:running(), os.clock())",
    );
    world.script.attach(3, 4_000_000_000_000).unwrap();
    world.host.elapsed.set(1.25);
    world.finish(3, Entry::Scenario(0)).unwrap();
    world.host.stopping.set(true);
    world.finish(3, Entry::Scenario(0)).unwrap();
    world.script.detach(3);
    world.script.attach(3, 7).unwrap();
    world.finish(3, Entry::Scenario(0)).unwrap();
    let expected = [
        "4000000000000\t1\ttrue\t1.25",
        "4000000000000\t2\tfalse\t1.25",
        "7\t1\tfalse\t1.25",
    ];
    assert_eq!(world.host.logs.take(), expected);
}

const HOOKED: &str = "local m = {}
    function m.setup(user) log('setup', user.id) return { token = user:get('/'):json().t, n = { 1, 2 } } end
    function m.on_start(user, data) user.token = data.token end
    function m.main(user, data) log(user.token, #data.n, data.n[2]) end
    function m.on_stop(user, data) log('stop', user.token) end
    function m.teardown(user, data) log('teardown', data.token) end
    return m";

fn run_hooks(world: &World) {
    world.script.attach(0, 0).unwrap();
    for entry in [
        Entry::OnStart,
        Entry::Scenario(0),
        Entry::OnStop,
        Entry::Teardown,
    ] {
        world.finish(0, entry).unwrap();
    }
    world.script.detach(0);
}

#[test]
fn hooks_and_data_reach_every_state() {
    let first = load(&[("main.lua", HOOKED)]).unwrap();
    let hooks = first.script.hooks();
    assert!(hooks.setup && hooks.teardown && hooks.on_start && hooks.on_stop);
    assert_eq!(first.script.scenarios(), ["main"]);
    first
        .answers
        .borrow_mut()
        .push_back(Answer::body(r#"{"t":"secret"}"#));
    first.script.attach(9, 0).unwrap();
    first.finish(9, Entry::Setup).unwrap();
    let data = first.script.setup_result();
    assert_eq!(data, json!({ "n": [1, 2], "token": "secret" }));

    let second = load(&[("main.lua", HOOKED)]).unwrap();
    second.script.set_data(&data).unwrap();
    run_hooks(&second);
    assert_eq!(
        second.host.logs.take(),
        ["secret\t2\t2", "stop\tsecret", "teardown\tsecret"]
    );
}

#[test]
fn missing_hooks_are_done_at_once() {
    let world = world("");
    assert_eq!(world.script.hooks(), Default::default());
    world.script.attach(0, 0).unwrap();
    for entry in [Entry::Setup, Entry::Teardown, Entry::OnStart, Entry::OnStop] {
        world.finish(0, entry).unwrap();
    }
    assert_eq!(world.script.setup_result(), json!(null));
}

#[test]
fn setup_returns_plain_values_only() {
    let rows = [
        (
            "print",
            "the result of setup: data: a function can't be JSON",
        ),
        (
            "{ a = { print } }",
            "the result of setup: data.a[1]: a function can't be JSON",
        ),
        (
            "{ s = '\\255' }",
            "the result of setup: data.s: a string that is not UTF-8",
        ),
        (
            "{ [5] = 1 }",
            "the result of setup: data: a list with gaps; put null where nothing is",
        ),
        (
            "1/0",
            "the result of setup: data: inf is not a number that JSON can hold",
        ),
    ];
    for (value, expected) in rows {
        let source =
            format!("return {{ setup = function() return {value} end, a = function() end }}");
        let world = load(&[("main.lua", &source)]).unwrap();
        world.script.attach(0, 0).unwrap();
        assert_eq!(
            world.finish(0, Entry::Setup).unwrap_err().message,
            expected,
            "{value}"
        );
    }
}

#[test]
fn methods_belong_to_the_running_user() {
    check_fails(&[
        (
            "user.get('/')",
            &["user:get was not called on the running user: write user:get(...)"],
        ),
        ("user.sleep(1)", &["write user:sleep(...)"]),
        (
            "user.transaction('x', print)",
            &["write user:transaction(...)"],
        ),
        ("user.running()", &["write user:running(...)"]),
        (
            "local get = user.get get(nil, '/')",
            &["write user:get(...)"],
        ),
        (
            "coroutine.wrap(function() user:get('/') end)()",
            &["user:get can't be called from a coroutine of the script's own"],
        ),
        (
            "coroutine.wrap(function() user:get('/', { name = 'x' }) end)()",
            &["script's own"],
        ),
        (
            "coroutine.wrap(function() user:sleep(1) end)()",
            &["script's own"],
        ),
        (
            "coroutine.wrap(function() user:transaction('t', print) end)()",
            &["script's own"],
        ),
        (
            "coroutine.yield(1)",
            &["coroutine.yield outside a coroutine of the script's own"],
        ),
        ("coroutine.resume(1)", &["expected a coroutine, not 1"]),
    ]);
    let world = load(&[(
        "main.lua",
        "local other return {
        a = function(user) other = user user:sleep(1) end,
        b = function(user) other:get('/') end }",
    )])
    .unwrap();
    for slot in 0..2 {
        world.script.attach(slot, u64::from(slot)).unwrap();
    }
    world.script.run(0, Entry::Scenario(0), false);
    let error = world.finish(1, Entry::Scenario(1)).unwrap_err();
    assert!(
        error.message.contains("was not called on the running user"),
        "{error}"
    );
    assert!(matches!(world.script.wake(0, false), Step::Done));
}

#[test]
fn coroutines_of_the_script_work_between_requests() {
    check_logs(&[
        ("local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end)
          log(coroutine.resume(co, 1)) user:get('/') log(coroutine.resume(co, 5)) log(coroutine.status(co))",
            &["true\t2", "true\t10", "dead"]),
        ("for v in coroutine.wrap(function() for i = 1, 2 do coroutine.yield(i) end end) do
            user:get('/') log(v) end", &["1", "2"]),
        ("log(coroutine.resume(coroutine.create(function() error('inner', 0) end))) user:get('/')",
            &["false\tinner"]),
        ("log(coroutine.running(), (coroutine.wrap(function() return type(coroutine.running()) end)()))",
            &["nil\tthread"]),
        ("local co = coroutine.wrap(function() user:log('x') user:check('c', true) log(user:random() < 1) end)
          co()", &["x", "true"]),
        ("log(pcall(coroutine.wrap(function() error({}) end)) == false) user:sleep(1) log('on')",
            &["true", "on"]),
    ]);
}

#[test]
fn a_user_can_be_detached_anywhere_and_its_slot_used_again() {
    let world = world("log(user.id) user:transaction('t', function() user:get('/') end)");
    for number in 0..5000u64 {
        world.script.attach(0, number).unwrap();
        let step = world.script.run(0, Entry::Scenario(0), false);
        assert!(matches!(step, Step::Template(_)), "{step:?}");
        if number % 2 == 0 {
            assert!(matches!(world.resume(0, &step), Step::Done));
        }
        world.script.detach(0);
    }
    world.script.detach(0);
    world.script.detach(77);
    let logs = world.host.logs.take();
    assert_eq!(logs.len(), 5000);
    assert_eq!(logs[4999], "4999");
}

#[test]
#[should_panic(expected = "the user of slot 0")]
fn a_reply_to_a_user_that_sleeps_is_a_bug_of_the_engine() {
    let world = world("user:sleep(1)");
    world.script.attach(0, 0).unwrap();
    world.script.run(0, Entry::Scenario(0), false);
    world.resume(0, &Step::Template(0));
}
