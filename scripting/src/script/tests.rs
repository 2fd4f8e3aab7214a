//! The memory limit, which only this crate can set lower.

use std::rc::Rc;

use super::*;
use crate::host::NullHost;

const LIMIT: usize = 32 << 20;

fn load(source: &str) -> Script {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.lua");
    std::fs::write(&path, source).unwrap();
    Script::load_within(&path, Rc::new(NullHost), LIMIT).unwrap()
}

fn failure(step: Step) -> String {
    match step {
        Step::Failed(error) => error.message,
        other => panic!("{other:?}"),
    }
}

const GROWING: &str = "return {
    grow = function(user) local t = {} while true do t[#t + 1] = { #t } end end,
    strings = function(user) local s = 'x' while true do s = s .. s end end,
    modest = function(user) for i = 1, 1000 do local t = { i } end user:get('/') end,
}";

#[test]
fn growth_ends_the_iteration_and_others_go_on() {
    let script = load(GROWING);
    for slot in 0..3 {
        script.attach(slot, u64::from(slot)).unwrap();
    }
    // Sorted by name: grow, modest, strings.
    assert!(matches!(
        script.run(1, Entry::Scenario(1), false),
        Step::Template(0)
    ));
    for _ in 0..20 {
        for (slot, scenario) in [(0, 0), (2, 2)] {
            let message = failure(script.run(slot, Entry::Scenario(scenario), false));
            assert!(message.contains(OUT_OF_MEMORY), "{message}");
            assert!(script.memory_bytes() <= LIMIT);
        }
        let reply = Reply {
            status: 200,
            ok: true,
            ..Reply::default()
        };
        assert!(matches!(script.reply(1, &reply), Step::Done));
        assert!(matches!(
            script.run(1, Entry::Scenario(1), false),
            Step::Template(0)
        ));
    }
}

#[test]
fn a_full_state_fails_users_without_breaking_them() {
    // What is kept outside of the iteration can't be freed: all but little work fails.
    let script = load(
        "local kept = {}
        return {
            fill = function() while true do kept[#kept + 1] = { #kept } end end,
            work = function(user) user:get('/') for i = 1, 100 do local t = { {}, {}, {}, {} } end end,
        }",
    );
    script.attach(0, 0).unwrap();
    assert!(failure(script.run(0, Entry::Scenario(0), false)).contains(OUT_OF_MEMORY));
    let reply = Reply {
        status: 200,
        ok: true,
        ..Reply::default()
    };
    for slot in 1..200 {
        if script.attach(slot, u64::from(slot)).is_err() {
            continue;
        }
        let mut step = script.run(slot, Entry::Scenario(1), false);
        while matches!(step, Step::Template(_)) {
            step = script.reply(slot, &reply);
        }
        if let Step::Failed(error) = step {
            assert!(error.message.contains(OUT_OF_MEMORY), "{error}");
        }
        script.detach(slot);
    }
}

#[test]
fn growth_at_load_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.lua");
    std::fs::write(&path, "local t = {} while true do t[#t + 1] = { #t } end").unwrap();
    let error = Script::load_within(&path, Rc::new(NullHost), LIMIT)
        .err()
        .unwrap();
    assert!(
        matches!(&error, Error::Lua(inner) if inner.message.contains(OUT_OF_MEMORY)),
        "{error}"
    );
}
