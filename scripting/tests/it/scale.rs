//! Many users in one state, and many iterations.

use mistress_scripting::{Entry, Step};

use crate::world::{Answer, load, world};

const USERS: u32 = 100_000;

#[test]
fn a_hundred_thousand_users_wait_at_once() {
    let world = world(
        "local mark = user.id local r = user:get('/') assert(mark == user.id and r.status == 200)",
    );
    for slot in 0..USERS {
        world.script.attach(slot, u64::from(slot) * 3).unwrap();
        let step = world.script.run(slot, Entry::Scenario(0), false);
        assert!(matches!(step, Step::Template(0)), "{slot}: {step:?}");
    }
    let waiting = world.script.memory_bytes();
    assert!(
        waiting / USERS as usize <= 4096,
        "{waiting} bytes for {USERS} users"
    );
    for slot in (0..USERS).rev() {
        let step = world.resume(slot, &Step::Template(0));
        assert!(matches!(step, Step::Done), "{slot}: {step:?}");
        world.script.detach(slot);
    }
    assert_eq!(world.host.templates.borrow().len(), 1);
}

#[test]
fn iterations_leave_nothing_behind() {
    let world = load(&[("main.lua", "return { main = function(user)
        user:transaction('t', function() user:get('/a', { name = 'n', json = { 1 }, keep_body = true }) end)
        user:check(user:get('/'), { status = 200, contains = 'x' })
        user:sleep(1)
        if user.id % 3 == 0 then error('now and then ' .. user.id) end
    end }")])
    .unwrap();
    let round = |from: u64| {
        for number in from..from + 3000 {
            world.script.attach(5, number).unwrap();
            world.answers.borrow_mut().push_back(Answer::body("x"));
            let failed = world.finish(5, Entry::Scenario(0)).is_err();
            assert_eq!(failed, number % 3 == 0);
            world.script.detach(5);
        }
        world.host.checks.take();
        world.requests.take();
        world.host.transactions.take();
        world.script.memory_bytes()
    };
    round(0);
    let early = round(3000);
    let late = round(6000).min(round(9000)).min(round(12_000));
    // The collector lets garbage grow to twice what lives before it begins.
    assert!(late <= 3 * early, "{early} bytes, later {late}");
}
