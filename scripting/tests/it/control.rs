//! What a script decides about its run, and what it may ask about it.

use mistress_scripting::{Entry, Step};

use crate::world::{Answer, check_fails, check_logs, load, world};

#[test]
fn a_script_knows_its_run_and_its_place_in_it() {
    check_logs(&[
        ("log(run.id, run.name)", &["run-1\tshop"]),
        ("log(user.id, user.iteration, user.index)", &["0\t3\t40"]),
        (
            "user.index = 'own' log(user.index, user.other)",
            &["own\tnil"],
        ),
        (
            "log(user:parallel { function(user) return user.iteration end })",
            &["103"],
        ),
    ]);
    assert!(load(&[("main.lua", "local id = run.id return { [id] = print }")]).is_ok());
}

#[test]
fn a_user_that_stops_leaves_after_the_call() {
    let world = world(
        "user:transaction('t', function() user:get('/') user:stop() log('no') end) log('neither')",
    );
    world.script.attach(0, 0).unwrap();
    let step = world.script.run(0, Entry::Scenario(0), false);
    assert!(matches!(world.resume(0, &step), Step::Stop));
    assert_eq!(*world.host.transactions.borrow(), ["begin t", "left"]);
    assert!(world.host.logs.borrow().is_empty());
    // A row that is missing is told apart.
    let world = crate::world::world("user:row('rows')");
    world.script.attach(0, 0).unwrap();
    let step = world.script.run(0, Entry::Scenario(0), false);
    assert!(matches!(step, Step::Leave));
    check_fails(&[
        (
            "user.stop()",
            &["user:stop was not called on the running user"],
        ),
        (
            "coroutine.wrap(function() user:stop() end)()",
            &["user:stop can't be called from a coroutine of the script's own"],
        ),
    ]);
}

#[test]
fn a_branch_that_stops_takes_its_user_along() {
    let world = world(
        "user:parallel { function() user:stop() end, function() user:get('/') end } log('no')",
    );
    world.script.attach(0, 0).unwrap();
    let step = world.script.run(0, Entry::Scenario(0), false);
    assert!(matches!(world.resume(0, &step), Step::Stop));
    assert!(world.host.logs.borrow().is_empty());
}

#[test]
fn an_abort_ends_the_run_and_does_not_return() {
    let aborted = world("run.abort('no stock') log('no')");
    aborted.script.attach(0, 0).unwrap();
    let step = aborted.script.run(0, Entry::Scenario(0), false);
    assert!(matches!(step, Step::Sleep { .. }), "{step:?}");
    assert_eq!(*aborted.host.rejected.borrow(), ["abort 0 no stock"]);
    // In a hook of the run an error ends it.
    let hook = world("run.abort('no stock')");
    hook.host.stopping.set(true);
    let error = hook.once().unwrap_err().message;
    assert_eq!(error, "main.lua:1: the script aborted the run: no stock");
    check_fails(&[
        (
            "run.abort()",
            &["run.abort: the reason must be a string, not nil"],
        ),
        (
            "run.abort('')",
            &["run.abort: the reason must be a string, not an empty one"],
        ),
        ("run.stop('')", &["attempt to call field 'stop'"]),
    ]);
    let at_load = load(&[("main.lua", "run.abort('too early')")])
        .err()
        .unwrap()
        .to_string();
    assert!(
        at_load.contains("the script aborted the run: too early"),
        "{at_load}"
    );
}

#[test]
fn replies_are_rejected_before_the_next_step() {
    let rejected = world(
        "local r = user:get('/') r:fail('wrong shop') log(r.ok, r.failure)
         local s = user:get('/', { expect = function(reply) return reply.status == 404, 'found it' end })
         log(s.ok, s.failure)
         local t = user:get('/', { expect = function(reply) return reply.status == 200 end })
         log(t.ok, t.failure)
         user:get('/', { expect = function() end })
         user:batch { { url = '/b', expect = function() return false, 'batch' end } }",
    );
    rejected.once().unwrap();
    assert_eq!(
        rejected.host.logs.take(),
        ["false\trejected", "false\trejected", "true\tnil"]
    );
    assert_eq!(
        rejected.host.rejected.take(),
        [
            "0 wrong shop",
            "0 found it",
            "0 not as expected",
            "100 batch"
        ]
    );
    assert!(rejected.requests.borrow()[0].judged);
    assert!(rejected.script.judges_replies() && !world("").script.judges_replies());
    // What has failed already stays what it was.
    let failed =
        world("local r = user:get('/', { expect = error }) r:fail('again') log(r.failure)");
    failed.answers.borrow_mut().push_back(Answer {
        failure: Some("timeout"),
        ..Answer::default()
    });
    failed.once().unwrap();
    assert_eq!(failed.host.logs.take(), ["timeout"]);
    assert!(failed.host.rejected.borrow().is_empty());
    check_fails(&[
        (
            "user:get('/'):fail()",
            &["reply:fail: the reason must be a string, not nil"],
        ),
        (
            "local r = user:get('/') user:sleep(0) r:fail('late')",
            &["reply:fail: the request is recorded already: call it before the user's next step"],
        ),
    ]);
}

#[test]
fn replies_have_their_timings_until_the_next_step() {
    check_logs(&[(
        "local t = user:get('/').timings log(t.connect, t.first_byte, t.tls)",
        &["0\t2.5\tnil"],
    )]);
    check_fails(&[(
        "local r = user:get('/') user:sleep(0) log(r.timings)",
        &["the timings of this reply are gone: read reply.timings before the user's next step"],
    )]);
    assert!(world("log(user:get('/').timings)").script.reads_timings());
}

#[test]
fn files_are_read_below_the_folder_and_before_the_load() {
    let body = "local text = read('data/a.txt')
        return {
          setup = function() return { text = text, more = read('data/a.txt') } end,
          main = function() read('data/a.txt') end,
        }";
    let world = load(&[("data/a.txt", "hello\n"), ("main.lua", body)]).unwrap();
    world.script.attach(0, 0).unwrap();
    world.finish(0, Entry::Setup).unwrap();
    let result = world.script.setup_result();
    assert_eq!(
        result,
        serde_json::json!({ "text": "hello\n", "more": "hello\n" })
    );
    let late = world.finish(0, Entry::Scenario(0)).unwrap_err().message;
    assert!(
        late.contains("read: \"data/a.txt\": files are read before the load"),
        "{late}"
    );
    for (name, expected) in [
        (
            "'../a'",
            "\"../a\" is not the name of a file below the script's folder",
        ),
        ("'/etc/hosts'", "is not the name of a file below"),
        ("''", "is not the name of a file below"),
        ("'none'", "read: \"none\": No such file"),
        ("'.'", "is not the name of a file below"),
        ("'data'", "\"data\" is not a file"),
        ("5", "read: the name must be a string, not 5"),
    ] {
        let source = format!("read({name}) return {{ main = print }}");
        let error = load(&[("data/a.txt", ""), ("main.lua", &source)]);
        let error = error.err().unwrap().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("big"))
        .unwrap()
        .set_len(17 << 20)
        .unwrap();
    std::os::unix::fs::symlink("/etc/hosts", folder.path().join("link")).unwrap();
    let source = "local _, big = pcall(read, 'big') local _, link = pcall(read, 'link')
        log(big) log(link) return { main = print }";
    std::fs::write(folder.path().join("main.lua"), source).unwrap();
    let said = crate::world::load_in(folder).unwrap().host.logs.take();
    assert!(
        said[0].contains("has 17825792 bytes, at most 16777216 can be read"),
        "{said:?}"
    );
    assert!(
        said[1].contains("leads out of the script's folder"),
        "{said:?}"
    );
}
