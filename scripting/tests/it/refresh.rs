//! `user:refresh`: one user gets a value for all.

use mistress_scripting::{Entry, Step};

use crate::world::{check_fails, check_logs, load};

#[test]
fn one_user_gets_the_value_and_all_others_have_it() {
    let world = load(&[(
        "main.lua",
        "local calls = 0
         return { main = function(user)
           log(user.id, user:refresh('token', 60, function()
             calls = calls + 1
             user:get('/login')
             return 'token ' .. calls
           end))
         end }",
    )])
    .unwrap();
    let script = &world.script;
    for slot in 0..3 {
        script.attach(slot, u64::from(slot)).unwrap();
    }
    let login = script.run(0, Entry::Scenario(0), false);
    assert!(matches!(login, Step::Template(_)), "{login:?}");
    // While the first waits for its reply, the others wait for the value, as often as they look.
    let waiting = script.run(1, Entry::Scenario(0), false);
    assert!(matches!(waiting, Step::Sleep { .. }), "{waiting:?}");
    assert!(matches!(script.wake(1, false), Step::Sleep { .. }));
    assert!(matches!(world.resume(0, &login), Step::Done));
    assert!(matches!(script.wake(1, false), Step::Done));
    assert!(matches!(
        script.run(2, Entry::Scenario(0), false),
        Step::Done
    ));
    let said = ["0\ttoken 1", "1\ttoken 1", "2\ttoken 1"];
    assert_eq!(*world.host.logs.borrow(), said);
}

#[test]
fn whoever_is_stopped_while_getting_it_keeps_nobody_waiting() {
    let world = load(&[(
        "main.lua",
        "return { main = function(user)
           log(user:refresh('token', 60, function() user:get('/login') return user.id end))
         end }",
    )])
    .unwrap();
    let script = &world.script;
    script.attach(0, 0).unwrap();
    script.attach(1, 1).unwrap();
    assert!(matches!(
        script.run(0, Entry::Scenario(0), false),
        Step::Template(_)
    ));
    assert!(matches!(
        script.run(1, Entry::Scenario(0), false),
        Step::Sleep { .. }
    ));
    script.detach(0);
    let login = script.wake(1, false);
    assert!(matches!(login, Step::Template(_)), "{login:?}");
    assert!(matches!(world.resume(1, &login), Step::Done));
    assert_eq!(*world.host.logs.borrow(), ["1"]);
}

#[test]
fn an_error_is_the_users_who_asked_and_the_next_tries_again() {
    check_logs(&[(
        "local function get(fn) return pcall(user.refresh, user, 'a', 60, fn) end
         log(get(function() error('no server') end))
         log(get(function() end))
         log(get(function() return 7 end))
         log(get(function() error('not called') end))
         log(get(function() error('not called') end))",
        &[
            "false\tmain.lua:2: no server",
            "false\tmain.lua:3: user:refresh: the function for \"a\" returned nothing",
            "true\t7",
            "true\t7",
            "true\t7",
        ],
    )]);
}

#[test]
fn wrong_calls_are_errors() {
    check_fails(&[
        (
            "user:refresh(1, 2, log)",
            &["the name must be a string, not 1"],
        ),
        (
            "user:refresh('a', 0, log)",
            &["seconds above 0 up to a day (86400), not 0"],
        ),
        (
            "user:refresh('a', 1, 2)",
            &["the third argument must be a function, not 2"],
        ),
        (
            "local function again() return user:refresh('a', 1, again) end again()",
            &["the function for \"a\" asks for the same value"],
        ),
    ]);
}
