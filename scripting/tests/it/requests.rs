//! Requests: methods, URLs, options and what is refused.

use std::time::Duration;

use mistress_scripting::{RequestSpec, Step};

use crate::world::{check_fails, fails, world};

/// The request that a call with these options makes.
fn spec(call: &str) -> RequestSpec {
    let world = world(call);
    world
        .once()
        .unwrap_or_else(|error| panic!("{call}: {error}"));
    world
        .requests
        .take()
        .pop()
        .unwrap_or_else(|| panic!("{call}: no request with options"))
}

fn with(options: &str) -> RequestSpec {
    spec(&format!("user:post('/p', {options})"))
}

#[test]
fn requests_without_options_are_prepared_once() {
    let world = world(
        "for i = 1, 3 do user:get('/a') user:head('/a') user:request('GET', '/a') end
         user:post('/a') user:put('/a') user:patch('/a') user:delete('/a')
         user:request('PURGE', '/a') user:get('http://other:81/b?c=d#e') user:get('/ä')",
    );
    world.script.attach(0, 0).unwrap();
    let mut step = world
        .script
        .run(0, mistress_scripting::Entry::Scenario(0), false);
    let mut seen = Vec::new();
    while let Step::Template(id) = step {
        seen.push(id);
        step = world.resume(0, &Step::Template(id));
    }
    assert!(matches!(step, Step::Done), "{step:?}");
    assert_eq!(seen, [0, 1, 0, 0, 1, 0, 0, 1, 0, 2, 3, 4, 5, 6, 7, 8]);
    let prepared = [
        "GET /a",
        "HEAD /a",
        "POST /a",
        "PUT /a",
        "PATCH /a",
        "DELETE /a",
        "PURGE /a",
        "GET http://other:81/b?c=d",
        "GET /%C3%A4",
    ];
    assert_eq!(*world.host.templates.borrow(), prepared);
}

#[test]
fn beyond_the_cache_requests_go_the_slow_way() {
    let world =
        world("for i = 1, 10002 do user:get('/' .. i) end user:get('/10001') user:get('/1')");
    world.once().unwrap();
    assert_eq!(world.host.templates.borrow().len(), 10_000);
    let urls: Vec<String> = world
        .requests
        .take()
        .into_iter()
        .map(|spec| spec.url)
        .collect();
    assert_eq!(urls, ["/10001", "/10002", "/10001"]);
}

#[test]
fn options_reach_the_request() {
    let plain = RequestSpec {
        method: "POST".into(),
        url: "/p".into(),
        ..RequestSpec::default()
    };
    assert_eq!(with("{}"), plain);
    assert_eq!(spec("user:request('REPORT', '/p', {})").method, "REPORT");
    assert_eq!(with("{ name = 'n' }").name.as_deref(), Some("n"));
    assert_eq!(
        with("{ name = 'a\\0\\255' }").name.as_deref(),
        Some("a\0\u{fffd}")
    );
    assert!(with("{ keep_body = true }").keep_body);
    assert_eq!(with("{ keepalive = false }").keepalive, Some(false));
    assert_eq!(with("{ expect = 404 }").expect, Some(vec![404]));
    assert_eq!(with("{ expect = 999 }").expect, Some(vec![999]));
    assert_eq!(
        with("{ expect = { 200, 302 } }").expect,
        Some(vec![200, 302])
    );
    assert_eq!(
        with("{ referer = 'http://x/' }").referer.as_deref(),
        Some("http://x/")
    );
    assert_eq!(
        with("{ bearer = 't' }").authorization.as_deref(),
        Some("Bearer t")
    );
    // RFC 7617, section 2: the example of the standard.
    let basic = with("{ basic_auth = { 'Aladdin', 'open sesame' } }").authorization;
    assert_eq!(basic.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    for (timeout, ms) in [
        ("'250ms'", 250),
        ("'1.5s'", 1500),
        ("2", 2000),
        ("0.25", 250),
    ] {
        let spec = with(&format!("{{ timeout = {timeout} }}"));
        assert_eq!(spec.timeout, Some(Duration::from_millis(ms)), "{timeout}");
    }
    assert_eq!(
        with("{ timeout = '1 m' }").timeout,
        Some(Duration::from_secs(60))
    );
}

#[test]
fn bodies_are_encoded() {
    let rows: [(&str, &str, Option<&str>); 12] = [
        ("body = 'a\\0b'", "a\0b", None),
        ("body = ''", "", None),
        (
            "json = { b = 1, a = 'x', c = { 1.5, true, null }, d = array() }",
            r#"{"a":"x","b":1,"c":[1.5,true,null],"d":[]}"#,
            Some("application/json"),
        ),
        ("json = {}", "{}", Some("application/json")),
        ("json = array({ 1 })", "[1]", Some("application/json")),
        ("json = 'text'", "\"text\"", Some("application/json")),
        ("json = null", "null", Some("application/json")),
        (
            "json = { n = 9007199254740992, m = -0.5, e = 1e300 }",
            r#"{"e":1e+300,"m":-0.5,"n":9007199254740992}"#,
            Some("application/json"),
        ),
        (
            "form = { b = 'x y', a = 'ü&=', c = 1, d = true }",
            "a=%C3%BC%26%3D&b=x+y&c=1&d=true",
            Some("application/x-www-form-urlencoded"),
        ),
        (
            "form = { { 'z', 1 }, { 'a', '*~' }, { 'z', 2 } }",
            "z=1&a=*%7E&z=2",
            Some("application/x-www-form-urlencoded"),
        ),
        (
            "form = { k = { 'one', 'two' } }",
            "k=one&k=two",
            Some("application/x-www-form-urlencoded"),
        ),
        (
            "json = { 1 }, headers = { ['CONTENT-TYPE'] = 'x/y' }",
            "[1]",
            None,
        ),
    ];
    for (options, body, content_type) in rows {
        let spec = with(&format!("{{ {options} }}"));
        assert_eq!(
            spec.body.as_deref().map(String::from_utf8_lossy),
            Some(body.into()),
            "{options}"
        );
        assert_eq!(spec.content_type.as_deref(), content_type, "{options}");
    }
    assert_eq!(with("{ name = 'n' }").body, None);
}

#[test]
fn content_types_of_ones_own() {
    let own = "headers = { ['Content-Type'] = 'multipart/related' }";
    let spec = with(&format!(
        "{{ files = {{ f = {{ content = 'x' }} }}, {own} }}"
    ));
    assert_eq!(spec.content_type, None);
    let value = String::from_utf8_lossy(&spec.headers[0].1).into_owned();
    let Some(boundary) = value.strip_prefix("multipart/related; boundary=") else {
        panic!("{value}");
    };
    let Some(mistress_scripting::BodyPart::Bytes(body)) = spec.parts.first() else {
        panic!("{:?}", spec.parts);
    };
    assert!(body.starts_with(format!("--{boundary}\r\n").as_bytes()));
    let without = with("{ json = {}, headers = { ['content-type'] = false } }");
    assert_eq!((without.content_type, without.without.len()), (None, 1));
}

#[test]
fn queries_are_appended() {
    let rows = [
        (
            "user:get('/', { query = { b = 'x y', a = '~*', c = { 1, 2 } } })",
            "/?a=~%2A&b=x%20y&c=1&c=2",
        ),
        (
            "user:get('/?z=1', { query = { { 'b', 1 }, { 'a', 2 } } })",
            "/?z=1&b=1&a=2",
        ),
        ("user:get('/#top', { query = { a = 1 } })", "/?a=1"),
        ("user:get('/', { query = {} })", "/"),
        (
            "user:get('http://h/', { query = { a = 0.5 } })",
            "http://h/?a=0.5",
        ),
    ];
    for (call, url) in rows {
        assert_eq!(spec(call).url, url, "{call}");
    }
}

#[test]
fn headers_are_sorted_or_listed() {
    let headers = |options: &str| -> Vec<String> {
        let shown = |(name, value): &(String, Vec<u8>)| {
            format!("{name}: {}", String::from_utf8_lossy(value))
        };
        with(options).headers.iter().map(shown).collect()
    };
    let sorted = headers("{ headers = { ['X-B'] = 1, Accept = { 'a', 'b' } } }");
    assert_eq!(sorted, ["Accept: a", "Accept: b", "X-B: 1"]);
    let listed = headers("{ headers = { { 'X-B', 'ü\\t' }, { 'Accept', '' } } }");
    assert_eq!(listed, ["X-B: ü\t", "Accept: "]);
}

#[test]
fn what_would_break_a_head_is_refused() {
    check_fails(&[
        (
            "user:get('/a b')",
            &["user:get: the URL \"/a b\" has a space at byte 3"],
        ),
        ("user:get('/a\\r\\nX: y')", &["a carriage return at byte 3"]),
        ("user:get('/a\\n', {})", &["a line feed"]),
        ("user:get('/a\\0', { name = 'x' })", &["a NUL"]),
        ("user:get('\\127')", &["the byte 0x7f"]),
        (
            "user:request('GET /x', '/')",
            &["user:request: the method \"GET /x\" has a space"],
        ),
        ("user:request('', '/')", &["the method is empty"]),
        ("user:request('A\\r\\nB', '/', {})", &["a carriage return"]),
        ("user:request('CONNECT', '/')", &["CONNECT"]),
        (
            "user:get('/', { headers = { ['a b'] = 'x' } })",
            &["header name \"a b\"", "a space"],
        ),
        (
            "user:get('/', { headers = { [''] = 'x' } })",
            &["header name is empty"],
        ),
        (
            "user:get('/', { headers = { a = 'x\\r\\nb: c' } })",
            &["the header a has a carriage return"],
        ),
        (
            "user:get('/', { headers = { a = 'x\\0' } })",
            &["the header a has a NUL"],
        ),
        (
            "user:get('/', { headers = { ['Content-Length'] = 3 } })",
            &["Content-Length can't be set"],
        ),
        (
            "user:get('/', { headers = { connection = 'close' } })",
            &["keepalive = false"],
        ),
        (
            "user:get('/', { bearer = 'x\\n' })",
            &["bearer has a line feed"],
        ),
        (
            "user:get('/', { referer = '\\r' })",
            &["referer has a carriage return"],
        ),
    ]);
}

#[test]
fn unknown_options_and_wrong_urls_are_refused() {
    check_fails(&[
        (
            "user:get('/', { nmae = 'x' })",
            &[
                "user:get: unknown option \"nmae\"; did you mean name?",
                "basic_auth, bearer",
            ],
        ),
        (
            "user:get('/', { zzz = 1 })",
            &["unknown option \"zzz\" (known: "],
        ),
        ("user:get('/', { 'x' })", &["the option key 1"]),
        (
            "user:get('/', 'x')",
            &["the options must be a table, not \"x\""],
        ),
        (
            "user:get()",
            &["user:get: the URL must be a string, not nil"],
        ),
        ("user:get({})", &["the URL must be a string, not a table"]),
        ("user:request(nil, '/')", &["the method must be a string"]),
        ("user:get('x')", &["must start with / or http://"]),
        ("user:get('')", &["must start with / or http://"]),
        ("user:get('https://h/')", &["user:get: no https"]),
        (
            "user:get('https://h/', { name = 'x' })",
            &["user:get: no https"],
        ),
    ]);
}

#[test]
fn wrong_bodies_are_refused_with_their_place() {
    check_fails(&[
        (
            "user:post('/', { body = 1 })",
            &["body must be a string, not 1"],
        ),
        (
            "user:post('/', { body = 'x', json = {} })",
            &["body and json: a request has one body"],
        ),
        (
            "user:post('/', { form = 1 })",
            &["form must be a table, not 1"],
        ),
        (
            "user:post('/', { form = { a = print } })",
            &["form: \"a\" must be a string, a number or a boolean, not a function"],
        ),
        (
            "user:post('/', { form = { 'a' } })",
            &["form[1] must be a pair"],
        ),
        (
            "user:post('/', { json = print })",
            &["json: a function can't be JSON"],
        ),
        (
            "user:post('/', { json = { a = { b = 0/0 } } })",
            &["json.a.b: NaN"],
        ),
        (
            "user:post('/', { json = { 1, nil, 3 } })",
            &["json: a list with gaps"],
        ),
        (
            "user:post('/', { json = { 1, a = 2 } })",
            &["json: a table with both numbers and strings"],
        ),
        (
            "user:post('/', { json = { [true] = 1 } })",
            &["json: the key true"],
        ),
        (
            "user:post('/', { json = '\\255' })",
            &["json: a string that is not UTF-8"],
        ),
        (
            "local t = {} t.t = t user:post('/', { json = t })",
            &["nested deeper than 128 levels (a cycle?)"],
        ),
    ]);
}

#[test]
fn wrong_options_are_refused_with_what_is_allowed() {
    check_fails(&[
        (
            "user:get('/', { keep_body = 1 })",
            &["keep_body must be true or false, not 1"],
        ),
        (
            "user:get('/', { expect = 99 })",
            &["expect: a status is a number from 100 to 999, not 99"],
        ),
        (
            "user:get('/', { expect = { 200, 1000 } })",
            &["100 to 999, not 1000"],
        ),
        ("user:get('/', { expect = 200.5 })", &["not 200.5"]),
        ("user:get('/', { expect = {} })", &["expect: an empty list"]),
        ("user:get('/', { expect = '200' })", &["not \"200\""]),
    ]);
}

#[test]
fn headers_that_cannot_be_are_refused() {
    check_fails(&[
        (
            "user:get('/', { headers = { host = false } })",
            &["the header host can't be omitted"],
        ),
        (
            "user:get('/', { headers = { Host = { 'a', 'b' } } })",
            &["the header Host has several values"],
        ),
        (
            "user:get('/', { headers = { { 'host', 'a' }, { 'HOST', 'b' } } })",
            &["the header HOST has several values"],
        ),
        (
            "user:get('/', { headers = { host = 'http://a/' } })",
            &["must be a host with or without a port, not \"http://a/\""],
        ),
        (
            "user:get('/', { headers = { host = 'a b' } })",
            &["must be a host"],
        ),
        (
            "user:post('/', { body = '', headers = { ['content-type'] = { 'a/b', 'c/d' } } })",
            &["content-type has several values"],
        ),
        (
            "user:post('/', { files = { f = { content = 'x' } }, headers = { ['content-type'] = 'text/plain' } })",
            &["must be a multipart/ type"],
        ),
        (
            "user:post('/', { files = { f = { content = 'x' } }, headers = { ['content-type'] = 'multipart/mixed; boundary=b' } })",
            &["without a boundary"],
        ),
        (
            "user:post('/', { files = { f = { content = 'x' } }, headers = { ['content-type'] = false } })",
            &["can't be omitted"],
        ),
    ]);
}

#[test]
fn times_names_and_credentials_that_cannot_be_are_refused() {
    check_fails(&[
        ("user:get('/', { timeout = 0 })", &["timeout must be like"]),
        ("user:get('/', { timeout = -1 })", &["timeout must be like"]),
        ("user:get('/', { timeout = '5' })", &["not \"5\""]),
        (
            "user:get('/', { timeout = '25h' })",
            &["timeout must be like"],
        ),
        (
            "user:get('/', { timeout = 1/0 })",
            &["timeout must be like"],
        ),
        ("user:get('/', { name = '' })", &["name must not be empty"]),
        (
            "user:get('/', { basic_auth = 'x' })",
            &["basic_auth must be { user, password }"],
        ),
        (
            "user:get('/', { basic_auth = { 'a' } })",
            &["basic_auth must be { user, password }"],
        ),
        ("user:get('/', { basic_auth = { 'a:b', 'c' } })", &["colon"]),
        (
            "user:get('/', { basic_auth = { 'a', 'b' }, bearer = 'x' })",
            &["one authorization"],
        ),
        (
            "user:get('/', { bearer = 'x', headers = { Authorization = 'y' } })",
            &["headers already set authorization"],
        ),
    ]);
}

#[test]
fn a_failed_call_leaves_nothing_behind() {
    let world = world("pcall(user.get, user, '/', { zzz = 1 }) user:get('/a', { name = 'b' })");
    world.once().unwrap();
    let requests = world.requests.take();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].name.as_deref(), Some("b"));
}

#[test]
fn requests_where_lua_cannot_yield_are_errors() {
    let error = fails("table.sort({ 2, 1, 3 }, function() user:get('/') return false end)");
    assert!(
        error
            .message
            .contains("attempt to yield across C-call boundary"),
        "{error}"
    );
    let error = fails("('x'):gsub('x', function() user:sleep(1) end)");
    assert!(
        error
            .message
            .contains("attempt to yield across C-call boundary"),
        "{error}"
    );
}

#[test]
fn requests_work_inside_pcall_iterators_and_metamethods() {
    let world = world(
        "log(pcall(function() return user:get('/1').status end))
         for reply in function(_, last) if not last then return user:get('/2') end end do
           log(reply.status)
         end
         local lazy = setmetatable({}, { __index = function() return user:get('/3').status end })
         log(lazy.x)",
    );
    world.once().unwrap();
    assert_eq!(world.host.logs.take(), ["true\t200", "200", "200"]);
}
