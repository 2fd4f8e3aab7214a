//! Replies: fields, bodies, headers, JSON, patterns.

use crate::world::{Answer, load, world};

/// What a body logs after these answers.
fn logs(body: &str, answers: &[Answer], retains: bool) -> Result<Vec<String>, String> {
    let world = world(body);
    world.answers.borrow_mut().extend(answers.iter().cloned());
    world.retains.set(retains);
    world.once().map_err(|error| error.message)?;
    Ok(world.host.logs.take())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nX-Two: 1\r\n\
                    set-cookie: b=2\r\nX-Two:  2 \r\nX-Fold: a\r\n  b\r\nX-Empty:\r\n\r\n";

#[test]
fn fields_tell_how_the_request_ended() {
    let show = "local r = user:get('/') log(r.status, r.ok, r.failure, r.latency_ms)";
    let rows: [(Answer, &str); 3] = [
        (Answer::default(), "200\ttrue\tnil\t12.5"),
        (
            Answer {
                status: 500,
                failure: Some("status"),
                ..Answer::default()
            },
            "500\tfalse\tstatus\t12.5",
        ),
        (
            Answer {
                status: 0,
                failure: Some("timeout"),
                ..Answer::default()
            },
            "0\tfalse\ttimeout\t12.5",
        ),
    ];
    for (answer, expected) in rows {
        assert_eq!(logs(show, &[answer], true).unwrap(), [expected]);
    }
    let keys = "local r, n = user:get('/'), 0 for _ in pairs(r) do n = n + 1 end log(n, r.nothing)";
    assert_eq!(logs(keys, &[], true).unwrap(), ["3\tnil"]);
}

#[test]
fn every_failure_keeps_its_name() {
    let body = "for i = 1, 4 do local r = user:get('/') log(r.failure) end";
    let failed = |failure| Answer {
        failure: Some(failure),
        ..Answer::default()
    };
    let answers = [
        failed("timeout"),
        failed("reset_send"),
        failed("timeout"),
        failed("dns"),
    ];
    assert_eq!(
        logs(body, &answers, true).unwrap(),
        ["timeout", "reset_send", "timeout", "dns"]
    );
}

#[test]
fn bodies_are_there_when_kept_or_asked_for_at_once() {
    let kept =
        "local r = user:get('/', { keep_body = true }) user:sleep(1) log(r.body, r:match('W%l+'))";
    assert_eq!(
        logs(kept, &[Answer::body("a Word")], false).unwrap(),
        ["a Word\tWord"]
    );
    let at_once =
        "local r = user:get('/') log(r.body, r:match('(%d)(%d)')) user:sleep(1) log(r.body)";
    let both = logs(at_once, &[Answer::body("12")], true).unwrap();
    assert_eq!(both, ["12\t1\t2", "12"]);
    let binary = "local r = user:get('/', { keep_body = true }) log(#r.body, r.body:byte(1, -1))";
    let answer = Answer {
        body: b"\x00\xff",
        ..Answer::default()
    };
    assert_eq!(logs(binary, &[answer], false).unwrap(), ["2\t0\t255"]);
}

#[test]
fn a_body_that_is_gone_is_an_error_that_says_what_to_do() {
    let rows = [
        "local r = user:get('/') user:sleep(1) log(r.body)",
        "local r = user:get('/') user:get('/') log(r.body)",
        "local r = user:get('/') user:sleep(1) log(r:json())",
        "local r = user:get('/') user:sleep(1) log(r:match('x'))",
        "local r = user:get('/') user:sleep(1) user:check(r, { contains = 'x' })",
        "local r = user:get('/') user:sleep(1) user:check(r, { matches = 'x' })",
    ];
    for body in rows {
        let message = logs(body, &[], true).expect_err(body);
        assert!(message.starts_with("main.lua:1: "), "{message}");
        assert!(
            message.ends_with("set keep_body = true on the request"),
            "{body}: {message}"
        );
    }
    // A request that failed has no body, which is no mistake of the script.
    let failed = Answer {
        status: 0,
        failure: Some("refused"),
        ..Answer::default()
    };
    let body = "local r = user:get('/') user:sleep(1) log(r.body, r:match('x'), r:json())";
    assert_eq!(
        logs(body, &[failed], false).unwrap(),
        ["nil\tnil\tnil\tno body: refused"]
    );
}

#[test]
fn another_users_reply_is_not_taken_for_the_latest() {
    let source = "local kept
        return { a = function(user) kept = user:get('/a') user:sleep(1) end,
                 b = function(user) user:get('/b') log(pcall(function() return kept.body end)) end }";
    let world = load(&[("main.lua", &source.replace('\n', " "))]).unwrap();
    world.answers.borrow_mut().push_back(Answer::body("of a"));
    for slot in 0..2 {
        world.script.attach(slot, u64::from(slot)).unwrap();
    }
    let step = world
        .script
        .run(0, mistress_scripting::Entry::Scenario(0), false);
    let sleeping = world.resume(0, &step);
    assert!(matches!(sleeping, mistress_scripting::Step::Sleep { .. }));
    world
        .finish(1, mistress_scripting::Entry::Scenario(1))
        .unwrap();
    let logs = world.host.logs.take();
    assert!(logs[0].starts_with("false\tmain.lua:1: "), "{logs:?}");
}

#[test]
fn headers_are_found_in_any_case() {
    let body = "local r = user:get('/') local h = r.headers
        log(h['content-type'], h['Content-Type'], h['CONTENT-TYPE'], h.nothing)
        log(h['set-cookie'], h['x-two'], h['x-fold'], '<' .. h['x-empty'] .. '>')
        local names = {} for name in pairs(h) do names[#names + 1] = name end
        table.sort(names) log(table.concat(names, ' '))
        log(table.concat(r:headers_all('Set-Cookie'), '|'), #r:headers_all('nothing'))
        user:sleep(1) log(r.headers == h)";
    let answer = Answer {
        head: HEAD,
        ..Answer::default()
    };
    let expected = [
        "text/html\ttext/html\ttext/html\tnil",
        "a=1, b=2\t1, 2\ta b\t<>",
        "content-type set-cookie x-empty x-fold x-two",
        "a=1|b=2\t0",
        "true",
    ];
    assert_eq!(logs(body, &[answer], true).unwrap(), expected);
    let failed = Answer {
        status: 0,
        failure: Some("refused"),
        head: "",
        ..Answer::default()
    };
    let none = "log(next(user:get('/').headers))";
    assert_eq!(logs(none, &[failed], false).unwrap(), ["nil"]);
}

#[test]
fn headers_outlive_the_next_step_when_the_text_reads_them() {
    let body = "local r = user:get('/') user:sleep(1) log(r.headers['x-two'])";
    let answer = Answer {
        head: HEAD,
        ..Answer::default()
    };
    assert_eq!(
        logs(body, std::slice::from_ref(&answer), true).unwrap(),
        ["1, 2"]
    );
    // A key made at run time can't be seen in the text: then the latest reply still has them.
    let hidden = "local key = 'head' .. 'ers' local r = user:get('/') log(r[key]['x-two'])";
    assert_eq!(
        logs(hidden, std::slice::from_ref(&answer), true).unwrap(),
        ["1, 2"]
    );
    let late = "local key = 'head' .. 'ers' local r = user:get('/') user:sleep(1) log(r[key])";
    let message = logs(late, &[answer], true).unwrap_err();
    assert!(
        message.contains("read reply.headers before the user's next step"),
        "{message}"
    );
}

#[test]
fn json_becomes_tables() {
    let body = "local j, why = user:get('/'):json()
        if not j then return log(why) end
        log(j.a, j.b[1], j.b[2], j.b[3] == null, #j.b, j.c, j.d.e, j.f)";
    let rows = [
        (
            r#"{"a":1.5,"b":["x",true,null],"c":null,"d":{"e":"ü"},"f":false}"#,
            "1.5\tx\ttrue\ttrue\t3\tnil\tü\tfalse",
        ),
        ("<html>", "not JSON: expected value at line 1 column 1"),
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        ("{} x", "not JSON: trailing characters at line 1 column 4"),
    ];
    for (text, expected) in rows {
        assert_eq!(
            logs(body, &[Answer::body(text)], true).unwrap(),
            [expected],
            "{text}"
        );
    }
    let top = "log(user:get('/'):json())";
    assert_eq!(logs(top, &[Answer::body("42")], true).unwrap(), ["42\tnil"]);
    let invalid = Answer {
        body: b"\"\xff\"",
        ..Answer::default()
    };
    assert!(logs(top, &[invalid], true).unwrap()[0].starts_with("nil\tnot JSON: "));
}

#[test]
fn decoded_json_can_be_sent_again() {
    let world = world("local j = user:get('/'):json() user:post('/', { json = j })");
    let text = r#"{"a":[],"b":{},"c":[1,null,[2]],"d":"x"}"#;
    world.answers.borrow_mut().push_back(Answer::body(text));
    world.once().unwrap();
    let sent = world.requests.take().pop().unwrap().body.unwrap();
    assert_eq!(String::from_utf8(sent).unwrap(), text);
}

#[test]
fn long_and_deep_json_is_decoded_or_refused() {
    let long = format!("[{}1]", "\"text\",".repeat(50_000));
    let answer = Answer {
        body: long.leak().as_bytes(),
        ..Answer::default()
    };
    let body = "local j = user:get('/'):json() log(#j) user:post('/', { json = j })";
    assert_eq!(logs(body, &[answer], true).unwrap(), ["50001"]);
    let deep = "[".repeat(100_000).leak().as_bytes();
    let top = "log((select(2, user:get('/'):json())))";
    let lines = logs(
        top,
        &[Answer {
            body: deep,
            ..Answer::default()
        }],
        true,
    )
    .unwrap();
    assert!(
        lines[0].starts_with("not JSON: recursion limit exceeded"),
        "{lines:?}"
    );
}

#[test]
fn reply_methods_need_a_reply() {
    for (call, part) in [
        ("user:get('/').json()", "write reply:json(...)"),
        ("user:get('/').match('x')", "write reply:match(...)"),
        (
            "user:get('/'):match()",
            "the pattern must be a string, not nil",
        ),
        (
            "user:get('/'):headers_all()",
            "the name must be a string, not nil",
        ),
        ("user:get('/'):match('[')", "malformed pattern"),
    ] {
        let message = logs(call, &[], true).expect_err(call);
        assert!(
            message.starts_with("main.lua:1: ") && message.contains(part),
            "{call}: {message}"
        );
    }
}
