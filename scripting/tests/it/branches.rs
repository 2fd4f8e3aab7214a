//! Branches of a user: `user:parallel` and `user:batch`.

use crate::world::{Answer, check_fails, check_logs, fails, load, world};

#[test]
fn branches_run_in_turn_and_results_keep_their_order() {
    check_logs(&[
        (
            "local a, b, c = user:parallel {
               function(u) u:sleep(1) u:sleep(1) log('one') return 1, 'dropped' end,
               function() user:get('/') log('two') end,
               function() log('three') return user end }
             log(a, b, c == user)",
            &["three", "two", "one", "1\tnil\ttrue"],
        ),
        ("log(user:parallel {})", &[""]),
        (
            "log(user:parallel { function() return (user:parallel {
               function() user:sleep(1) return user:get('/').status end }) end })",
            &["200"],
        ),
        (
            "user:parallel { function() user:transaction('t', function() user:sleep(1) end) end,
                function() user:check('c', true) log(user:random() < 1, user:running()) end }",
            &["true\ttrue"],
        ),
        (
            "for i = 1, 3 do user:parallel { function() user:get('/') end } end log('on')",
            &["on"],
        ),
    ]);
}

#[test]
fn the_first_error_goes_on_when_all_have_ended() {
    let error = fails(
        "user:parallel {
           function() user:sleep(1) log('ended') end,
           function() user:sleep(1) error('second') end,
           function() error('third') end,
         }",
    );
    assert_eq!(error.message, "main.lua:3: second");
    assert!(
        error.traceback.contains("main.lua:3: in function"),
        "{error}"
    );
    let more = "and in another branch: main.lua:4: third";
    assert!(error.traceback.contains(more), "{error}");

    check_logs(&[
        (
            "local kept
             log(pcall(user.parallel, user, { function() error('x', 0) end,
               function() kept = user:get('/').status end }))
             log(kept) user:sleep(1) log('on')",
            &["false\tmain.lua:2: x", "200", "on"],
        ),
        (
            "local ok, err = pcall(function() user:parallel { function() error({ code = 7 }) end } end)
             log(ok, err.code)",
            &["false\t7"],
        ),
        (
            "local ok, err = pcall(function()
               user:transaction('t', function() user:parallel { function() user:transaction('u',
                 function() error('deep', 0) end) end } end) end)
             log(ok, err)",
            &["false\tmain.lua:3: deep"],
        ),
    ]);
}

#[test]
fn a_failed_branch_fails_the_transactions_around_it() {
    let world = world(
        "user:transaction('all', function()
           user:parallel { function() user:transaction('one', error, 'oops') end } end)",
    );
    world.once().expect_err("an error in a branch");
    let events = world.host.transactions.take();
    assert_eq!(events, ["begin all", "begin one", "end false", "end false"]);
}

#[test]
fn a_user_whose_branch_finds_no_row_leaves() {
    let world = world(
        "user:parallel { function() user:row('rows') end, function() log('x') end } log('never')",
    );
    world.script.attach(0, 0).expect("a free slot");
    let step = world
        .script
        .run(0, mistress_scripting::Entry::Scenario(0), false);
    let step = world.resume(0, &step);
    assert!(matches!(step, mistress_scripting::Step::Leave), "{step:?}");
    assert_eq!(world.host.logs.take(), ["x"]);
}

#[test]
fn wrong_branches_are_errors() {
    check_fails(&[
        (
            "user:parallel(print)",
            &["user:parallel needs a list of functions, not a function"],
        ),
        (
            "user:parallel { 1 }",
            &["user:parallel: [1] must be a function, not 1"],
        ),
        ("user:parallel { a = print }", &["without the key \"a\""]),
        ("user.parallel({})", &["write user:parallel(...)"]),
        (
            "coroutine.wrap(function() user:parallel { print } end)()",
            &["user:parallel can't be called from a coroutine of the script's own"],
        ),
        (
            "table.sort({ 1, 2 }, function() user:parallel { print } end)",
            &["attempt to yield across C-call boundary"],
        ),
        (
            "user:parallel { function() table.sort({ 1, 2 }, function() user:get('/') end) end }",
            &["attempt to yield across C-call boundary"],
        ),
        (
            "user:parallel { function() coroutine.wrap(function() user:get('/') end)() end }",
            &["script's own"],
        ),
        (
            "local function deeper() user:parallel { deeper } end deeper()",
            &["user:parallel: branches are nested more than 8 deep"],
        ),
        (
            "local all = {} for i = 1, 1001 do all[i] = print end user:parallel(all)",
            &["user:parallel: more than 1000 concurrent branches of one user"],
        ),
        (
            "user:batch('/')",
            &["user:batch needs a list of requests, not \"/\""],
        ),
        (
            "user:batch { 7 }",
            &["user:batch: [1] must be a URL or a table with url, not 7"],
        ),
        (
            "user:batch { '/', { name = 'x' } }",
            &["user:batch: [2] has no url"],
        ),
        ("user:batch { url = '/' }", &["without the key \"url\""]),
        (
            "user:batch { '/', { url = '/', nam = 'x' } }",
            &["user:batch: [2]", "nam", "name"],
        ),
        (
            "user:batch { { url = 1, method = 'PUT' } }",
            &["user:batch: [1]: the URL must be a string, not 1"],
        ),
        (
            "user:batch { { url = '/', method = 5 } }",
            &["the method must be a string, not 5"],
        ),
    ]);
}

#[test]
fn batches_reply_in_their_order() {
    let world = load(&[(
        "main.lua",
        "return { main = function(user)
           local replies = user:batch { '/a', { url = '/b', method = 'PUT', body = 'x', keep_body = true }, '/a' }
           log(#replies, replies[1].status, replies[2].body, replies[3].failure)
           log(#user:batch {})
         end }",
    )])
    .expect("a script");
    let failed = Answer {
        status: 0,
        failure: Some("refused"),
        ..Answer::default()
    };
    let answers = [Answer::body("a"), Answer::body("b"), failed];
    world.answers.borrow_mut().extend(answers);
    world.once().expect("no error");
    assert_eq!(world.host.logs.take(), ["3\t200\tb\trefused", "0"]);
    assert_eq!(*world.host.templates.borrow(), ["GET /a"]);
    assert_eq!(world.requests.borrow()[0].method, "PUT");
}

#[test]
fn users_with_branches_leave_nothing_behind() {
    let world =
        world("user:parallel { function() user:sleep(1) end, function() user:get('/') end }");
    for number in 0..3000 {
        world.script.attach(0, number).expect("a free slot");
        let step = world
            .script
            .run(0, mistress_scripting::Entry::Scenario(0), false);
        assert!(
            matches!(step, mistress_scripting::Step::Parallel(2)),
            "{step:?}"
        );
        for slot in [1, 2] {
            world.script.fork(slot, 0, slot - 1, false);
        }
        if number % 2 == 0 {
            // given up in the middle, in any order
            world.script.detach(0);
        }
        world.script.detach(1);
        world.script.detach(2);
        world.script.detach(0);
    }
}
