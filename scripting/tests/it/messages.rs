//! Options of messages: files, chunks, cookies, challenges, redirects.

use std::time::Duration;

use mistress_scripting::{BodyPart, CookieSpec, Cookies, Entry, RequestSpec, Step};

use crate::world::{check_fails, load, world};

fn with(options: &str) -> RequestSpec {
    let world = world(&format!("user:post('/p', {options})"));
    world
        .once()
        .unwrap_or_else(|error| panic!("{options}: {error}"));
    world.requests.take().pop().expect("a request with options")
}

#[test]
fn options_reach_the_request() {
    let body = with("{ body_file = 'a/b.bin', chunked = true, expect_continue = true }");
    assert_eq!(body.parts, [BodyPart::File("a/b.bin".to_owned())]);
    assert!(body.chunked && body.expect_continue && body.body.is_none());
    assert_eq!(with("{ redirects = 0 }").redirects, Some(0));
    assert_eq!(with("{}").redirects, None);
    let digest = with("{ digest_auth = { 'ann', 'pä' } }").digest;
    assert_eq!(digest, Some(("ann".to_owned(), "pä".to_owned())));
    assert_eq!(with("{ cookies = false }").cookies, Cookies::Off);
    assert_eq!(with("{ cookies = true }").cookies, Cookies::Jar);
    let own = vec![
        ("a".to_owned(), b"1".to_vec()),
        ("b".to_owned(), b"x y".to_vec()),
    ];
    assert_eq!(
        with("{ cookies = { b = 'x y', a = 1 } }").cookies,
        Cookies::With(own)
    );
    let left = with("{ headers = { Accept = false, ['X-A'] = 'b' } }");
    assert_eq!(left.without, ["Accept"]);
    assert_eq!(left.headers, [("X-A".to_owned(), b"b".to_vec())]);
    assert_eq!(
        with("{ form = { a = false } }").body.as_deref(),
        Some(&b"a=false"[..])
    );
}

#[test]
fn files_make_a_multipart_body() {
    let spec = with(
        "{ form = { n = 'v' }, files = {
            b = { { path = 'x/one.txt', type = 'text/plain' }, { path = 'two', name = 'q\"' } },
            a = { content = 'AAA' },
        } }",
    );
    let kind = spec.content_type.expect("a content type");
    let boundary = kind
        .strip_prefix("multipart/form-data; boundary=")
        .expect("a boundary");
    let shown: Vec<String> = spec
        .parts
        .iter()
        .map(|part| match part {
            BodyPart::Bytes(bytes) => String::from_utf8_lossy(bytes).replace(boundary, "B"),
            BodyPart::File(path) => format!("file {path}"),
        })
        .collect();
    let disposition = "Content-Disposition: form-data; name=";
    let expected = [
        format!(
            "--B\r\n{disposition}\"n\"\r\n\r\nv\r\n--B\r\n{disposition}\"a\"; filename=\"file\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nAAA\r\n--B\r\n{disposition}\"b\"; \
             filename=\"one.txt\"\r\nContent-Type: text/plain\r\n\r\n"
        ),
        "file x/one.txt".to_owned(),
        format!(
            "\r\n--B\r\n{disposition}\"b\"; filename=\"q%22\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        ),
        "file two".to_owned(),
        "\r\n--B--\r\n".to_owned(),
    ];
    assert_eq!(shown, expected);
    // The boundary is none of the content's lines.
    let hostile = with(&format!(
        "{{ files = {{ a = {{ content = '--{boundary}' }} }} }}"
    ));
    assert!(!hostile.content_type.expect("one").ends_with(boundary));
}

#[test]
fn cookies_are_read_set_and_cleared() {
    let world = world(
        "user:set_cookie('a', '1')
         user:set_cookie('b', '2', { domain = '.X.test', path = '/p', secure = true, max_age = 60, url = '/u' })
         user:check('read', user:cookie('a') == 'of a' and user:cookie('a', '/x') == 'of a at /x')
         user:clear_cookies()
         local reply = user:get('/')
         user:check('url', reply.url == 'http://host/')",
    );
    world.once().expect("the script is right");
    let plain = CookieSpec {
        name: "a".to_owned(),
        value: b"1".to_vec(),
        ..CookieSpec::default()
    };
    let full = CookieSpec {
        name: "b".to_owned(),
        value: b"2".to_vec(),
        domain: Some("x.test".to_owned()),
        path: Some("/p".to_owned()),
        url: Some("/u".to_owned()),
        secure: true,
        max_age: Some(Duration::from_secs(60)),
    };
    assert_eq!(
        *world.host.cookies.borrow(),
        [Some(plain), Some(full), None]
    );
    assert!(world.host.checks.borrow().iter().all(|(_, passed)| *passed));
}

#[test]
fn jars_have_the_functions_of_users() {
    let world = world(
        "local jar = user:cookie_jar()
         jar:set_cookie('a', '1')
         jar:clear_cookies()
         user:check('read', jar:cookie('a') == 'of a in jar' and jar:cookie('a', '/x') == 'of a at /x in jar')
         user:get('/', { jar = jar, cookies = { b = 2 } })
         user:batch { { url = '/', jar = jar }, { url = '/', jar = user:cookie_jar() } }",
    );
    world.once().expect("the script is right");
    assert!(world.host.checks.borrow().iter().all(|(_, passed)| *passed));
    assert_eq!(world.host.cookies.borrow().len(), 2);
    let requests = world.requests.take();
    let [first, second, third] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert!(first.jar.is_some() && first.jar == second.jar && second.jar != third.jar);
    assert_eq!(
        first.cookies,
        Cookies::With(vec![("b".to_owned(), b"2".to_vec())])
    );
}

#[test]
fn a_jar_is_for_its_user_alone() {
    let source = "local jar return { main = function(user)
        jar = jar or user:cookie_jar()
        user:get('/', { jar = jar })
    end, read = function(user) log(jar:cookie('a')) end }";
    let world = load(&[("main.lua", source)]).expect("the script is right");
    let run = |slot: u32, scenario: u32| {
        world.script.attach(slot, u64::from(slot)).expect("a slot");
        let step = world.script.run(slot, Entry::Scenario(scenario), false);
        world.script.detach(slot);
        step
    };
    assert!(matches!(run(0, 0), Step::Request(_)));
    for (scenario, line) in [(0, "3: user:get"), (1, "4: jar:cookie")] {
        let Step::Failed(error) = run(1, scenario) else {
            panic!("the jar is another user's");
        };
        let wanted = format!("main.lua:{line}: the cookie jar belongs to another user");
        assert!(error.message.starts_with(&wanted), "{error}");
    }
}

#[test]
fn jars_end_when_no_variable_holds_them() {
    let world = world(
        "local kept = {}
         for i = 1, 5000 do
           kept[i % 100] = user:cookie_jar()
         end
         kept[0]:clear_cookies()
         for i = 100, 255 do
           kept[i] = user:cookie_jar()
         end
         local ok, why = pcall(user.cookie_jar, user)
         user:check('bounded', not ok and why == 'main.lua:9: user:cookie_jar: no more jars')",
    );
    world.once().expect("the script is right");
    assert_eq!(world.host.jars.get(), 256);
    assert!(world.host.checks.borrow().iter().all(|(_, passed)| *passed));
}

#[test]
fn wrong_jars_are_errors() {
    check_fails(&[
        (
            "user:get('/', { jar = {} })",
            &["user:get: jar must be a cookie jar from user:cookie_jar(), not a table"],
        ),
        (
            "user:get('/', { jar = user:cookie_jar(), cookies = false })",
            &["jar: cookies = false sends and keeps no cookies"],
        ),
        (
            "user:get('/', { jar = user })",
            &["jar must be a cookie jar from user:cookie_jar(), not a table"],
        ),
        (
            "user:cookie_jar():set('a', '1')",
            &["unknown function of a cookie jar: \"set\"", "set_cookie"],
        ),
        (
            "local jar = user:cookie_jar() jar.cookie('a')",
            &["jar:cookie was not called on a cookie jar: write jar:cookie(...)"],
        ),
        (
            "user:cookie_jar():set_cookie('a b', '1')",
            &["jar:set_cookie: the cookie name"],
        ),
        (
            "local jar = user.cookie_jar()",
            &["user:cookie_jar was not called on the running user"],
        ),
    ]);
}

#[test]
fn wrong_bodies_are_errors() {
    check_fails(&[
        ("user:get('/', { files = 1 })", &["files must be a table"]),
        (
            "user:get('/', { files = { a = 'x' } })",
            &["files: \"a\" must be a table"],
        ),
        (
            "user:get('/', { files = { a = {} } })",
            &["needs either path or content"],
        ),
        (
            "user:get('/', { files = { a = { path = 'x', content = 'y' } } })",
            &["either"],
        ),
        (
            "user:get('/', { files = { a = { pfad = 'x' } } })",
            &["unknown key", "path"],
        ),
        (
            "user:get('/', { files = { a = { content = '', type = 'x\\r' } } })",
            &["carriage return"],
        ),
        (
            "user:get('/', { files = { a = { path = 'missing' } } })",
            &["missing: no such file"],
        ),
        (
            "user:get('/', { body_file = 'missing' })",
            &["user:get: missing: no such file"],
        ),
        (
            "user:get('/', { body_file = 'x', body = 'y' })",
            &["body and body_file", "one body"],
        ),
        (
            "user:get('/', { files = {}, json = {} })",
            &["files and json"],
        ),
        (
            "user:get('/', { chunked = true })",
            &["chunked: the request has no body"],
        ),
        (
            "user:get('/', { expect_continue = true })",
            &["expect_continue: the request has no body"],
        ),
        (
            "user:get('/', { redirects = 51 })",
            &["redirects must be a number from 0 to 50"],
        ),
        (
            "user:get('/', { redirects = true })",
            &["redirects must be a number"],
        ),
        (
            "user:get('/', { digest_auth = 'x' })",
            &["digest_auth must be { user, password }"],
        ),
        (
            "user:get('/', { digest_auth = { 'a', 'b' }, bearer = 'c' })",
            &["one authorization"],
        ),
    ]);
}

#[test]
fn wrong_cookies_and_headers_are_errors() {
    check_fails(&[
        (
            "user:get('/', { cookies = 1 })",
            &["cookies must be a table"],
        ),
        (
            "user:get('/', { cookies = { a = 'x;y' } })",
            &["the cookie a has a semicolon"],
        ),
        (
            "user:get('/', { cookies = { ['a b'] = 'x' } })",
            &["the cookie name"],
        ),
        (
            "user:get('/', { cookies = { a = 1 }, headers = { Cookie = 'b=1' } })",
            &["headers already set cookie"],
        ),
        (
            "user:get('/', { headers = { Expect = '100-continue' } })",
            &["expect_continue = true"],
        ),
        (
            "user:get('/', { headers = { ['Transfer-Encoding'] = 'x' } })",
            &["chunked = true"],
        ),
        (
            "user:set_cookie('a b', '1')",
            &["user:set_cookie: the cookie name"],
        ),
        ("user:set_cookie('a', 1)", &["the value must be a string"]),
        ("user:set_cookie('a', 'b\\n')", &["a line feed"]),
        (
            "user:set_cookie('a', 'b', { pfad = '/' })",
            &["unknown option", "path"],
        ),
        (
            "user:set_cookie('a', 'b', { path = 'x' })",
            &["path must start with a slash"],
        ),
        (
            "user:set_cookie('a', 'b', { max_age = -1 })",
            &["max_age must be a number of seconds"],
        ),
        ("user:cookie(1)", &["the name must be a string"]),
        ("user:cookie('a', 1)", &["the URL must be a string"]),
        (
            "local r = user:get('/') user:sleep(0) local u = r.url",
            &["read reply.url before"],
        ),
    ]);
}
