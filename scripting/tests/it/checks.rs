//! `user:check` in its forms, and under which names checks are counted.

use crate::world::{Answer, check_fails, world};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";

/// The checks a call counts, sorted, as "name: passed", and what it returned last.
fn counted(call: &str) -> (Vec<String>, String) {
    let world = world(&format!(
        "local r = user:get('/') log((function() {call} end)())"
    ));
    let answer = Answer {
        head: HEAD,
        ..Answer::body("Welcome, guest 42")
    };
    world.answers.borrow_mut().push_back(answer);
    world
        .once()
        .unwrap_or_else(|error| panic!("{call}: {error}"));
    let checks = world.host.checks.take();
    let mut shown: Vec<_> = checks
        .iter()
        .map(|(name, ok)| format!("{name}: {ok}"))
        .collect();
    shown.sort();
    (shown, world.host.logs.take().concat())
}

/// Each row: a call, the checks it counts, what it returns.
fn check_counted(rows: &[(&str, &[&str], &str)]) {
    for (call, checks, result) in rows {
        let expected: Vec<_> = checks.iter().map(ToString::to_string).collect();
        assert_eq!(counted(call), (expected, (*result).to_owned()), "{call}");
    }
}

#[test]
fn each_condition_is_a_check_of_its_own() {
    check_counted(&[
        (
            "return user:check(r, { status = 200 })",
            &["status is 200: true"],
            "true",
        ),
        (
            "return user:check(r, { status = 404 })",
            &["status is 404: false"],
            "false",
        ),
        (
            "return user:check(r, { status = { 302, 200 } })",
            &["status is 302 or 200: true"],
            "true",
        ),
        (
            "return user:check(r, { ok = true })",
            &["is ok: true"],
            "true",
        ),
        (
            "return user:check(r, { ok = false })",
            &["is not ok: false"],
            "false",
        ),
        (
            "return user:check(r, { status = 200, contains = 'Welcome' })",
            &["contains \"Welcome\": true", "status is 200: true"],
            "true",
        ),
        (
            "return user:check(r, { contains = { 'guest', 'admin' } })",
            &["contains \"admin\": false", "contains \"guest\": true"],
            "false",
        ),
    ]);
}

#[test]
fn conditions_on_text_headers_and_time_are_checks() {
    check_counted(&[
        (
            "return user:check(r, { contains = '%d' })",
            &["contains \"%d\": false"],
            "false",
        ),
        (
            "return user:check(r, { matches = 'guest %d+$' })",
            &["matches \"guest %d+$\": true"],
            "true",
        ),
        (
            "return user:check(r, { header = { ['Content-Type'] = 'text/html', etag = false, age = true } })",
            &[
                "header age is there: false",
                "header content-type is \"text/html\": true",
                "header etag is absent: true",
            ],
            "false",
        ),
        (
            "return user:check(r, { latency_ms_max = 12.5 })",
            &["latency <= 12.5 ms: true"],
            "true",
        ),
    ]);
}

#[test]
fn checks_may_be_named_and_may_be_functions_and_values() {
    check_counted(&[
        (
            "return user:check(r, { status = 200 }, 'home')",
            &["home: status is 200: true"],
            "true",
        ),
        (
            "return user:check(r, 'short', function(reply) return #reply.body < 10 end)",
            &["short: false"],
            "false",
        ),
        (
            "return user:check('value', 1), user:check('none', nil)",
            &["none: false", "value: true"],
            "true\tfalse",
        ),
    ]);
}

#[test]
fn a_failed_request_fails_its_checks_quietly() {
    let world = world("user:check(user:get('/'), { status = 200, contains = 'x', matches = 'x' })");
    world.retains.set(false);
    let refused = Answer {
        status: 0,
        failure: Some("refused"),
        ..Answer::default()
    };
    world.answers.borrow_mut().push_back(refused);
    world.once().unwrap();
    let checks = world.host.checks.take();
    assert_eq!(checks.len(), 3);
    assert!(checks.iter().all(|(_, passed)| !passed));
}

#[test]
fn long_values_are_cut_in_names() {
    let (checks, _) = counted("return user:check(r, { contains = ('x'):rep(5000) })");
    assert_eq!(
        checks,
        [format!("contains \"{}...\": false", "x".repeat(80))]
    );
}

#[test]
fn wrong_checks_are_errors() {
    check_fails(&[
        (
            "user:check(user:get('/'), { statsu = 200 })",
            &[
                "user:check: unknown condition \"statsu\"; did you mean status?",
                "contains, cookie, css, header, json_at, latency_ms_max, matches, ok, regex, required, status",
            ],
        ),
        (
            "user:check(user:get('/'), { status = '200' })",
            &["status must be a number or a list of numbers, not \"200\""],
        ),
        (
            "user:check(user:get('/'), { status = {} })",
            &["status must be a number"],
        ),
        (
            "user:check(user:get('/'), { contains = 1 })",
            &["contains must be a string or a list of strings, not 1"],
        ),
        (
            "user:check(user:get('/'), { matches = '[' })",
            &["malformed pattern"],
        ),
        (
            "user:check(user:get('/'), { header = 'x' })",
            &["header must be a table"],
        ),
        (
            "user:check(user:get('/'), { header = { a = 1 } })",
            &["header a must be a string, true or false, not 1"],
        ),
        (
            "user:check(user:get('/'), { latency_ms_max = '1ms' })",
            &["latency_ms_max must be a number of milliseconds"],
        ),
        (
            "user:check(user:get('/'), { ok = 1 })",
            &["ok must be true or false"],
        ),
        (
            "user:check(user:get('/'), { status = 200 }, 5)",
            &["the name must be a string, not 5"],
        ),
        (
            "user:check(user:get('/'))",
            &["after a reply, expected a table of conditions"],
        ),
        (
            "user:check(nil, { status = 200 })",
            &["the first argument must be a reply or a name, not nil"],
        ),
        ("user.check('name', true)", &["write user:check(...)"]),
        (
            "user:check(user:get('/'), 'x', function() error('inside') end)",
            &["inside"],
        ),
    ]);
}

/// The checks that a call on a JSON reply counts, or the error it ends in.
fn on_json(call: &str) -> Result<Vec<String>, String> {
    let world = world(&format!("local r = user:get('/') {call}"));
    let body = r#"{"user": {"name": "Ann", "age": 41}, "tags": ["a", "b"], "none": null}"#;
    world.answers.borrow_mut().push_back(Answer::body(body));
    let ended = world.once();
    let checks = world.host.checks.take();
    let mut shown: Vec<_> = checks
        .iter()
        .map(|(name, ok)| format!("{name}: {ok}"))
        .collect();
    shown.sort();
    ended.map(|_| shown).map_err(|error| error.to_string())
}

#[test]
fn parts_of_a_json_body_are_checked_by_their_path() {
    let rows: [(&str, &[&str]); 4] = [
        (
            "user:check(r, { json_at = { ['user.name'] = 'Ann', ['tags[2]'] = 'b' } })",
            &[
                "json tags[2] is \"b\": true",
                "json user.name is \"Ann\": true",
            ],
        ),
        (
            "user:check(r, { json_at = { ['user.age'] = 42, gone = true } }, 'who')",
            &[
                "who: json gone is true: false",
                "who: json user.age is 42: false",
            ],
        ),
        (
            "user:check(r, { json_at = { ['user.age'] = function(n) return n > 40 end } })",
            &["json user.age holds: true"],
        ),
        (
            "user:check('absent', select(2, r:json('none.at.all')) == 'nothing at none.at.all')",
            &["absent: true"],
        ),
    ];
    for (call, expected) in rows {
        let expected = expected.iter().map(ToString::to_string).collect();
        assert_eq!(on_json(call), Ok(expected), "{call}");
    }
}

#[test]
fn a_required_check_ends_the_pass() {
    let call = "user:check(r, { status = 200, required = true }) user:check('after', true)";
    let both = Ok(vec![
        "after: true".to_owned(),
        "status is 200: true".to_owned(),
    ]);
    assert_eq!(on_json(call), both);
    let call = "user:check(r, { status = 404, required = true }, 'home') user:check('after', true)";
    let error = on_json(call).expect_err("the pass ends");
    let told = "a required check did not pass: home: status";
    assert!(error.contains(told), "{error}");
    check_fails(&[(
        "user:check(user:get('/'), { required = 1 })",
        &["required must be true or false, not"],
    )]);
}
