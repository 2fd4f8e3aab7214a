//! Tags of requests and of stretches: what reaches the host, and what is refused.

use crate::world::{check_fails, world};
use mistress_scripting::{Entry, Step};

#[test]
fn tags_reach_their_request_in_the_order_of_their_keys() {
    let world = world(
        "user:get('/', { tags = { kind = 'static', area = 'shop', version = 2, ['a.b-c_D'] = 0.5 } })
         user:batch { { url = '/b', tags = { page = '/a:1 ü' } } }
         user:get('/', { tags = {} }) user:get('/', { name = 'n' })",
    );
    world.once().unwrap_or_else(|error| panic!("{error}"));
    let tags: Vec<Vec<String>> = (world.requests.take().iter())
        .map(|spec| spec.tags.iter().map(|(k, v)| format!("{k}:{v}")).collect())
        .collect();
    let expected: [&[&str]; 4] = [
        &["a.b-c_D:0.5", "area:shop", "kind:static", "version:2"],
        &["page:/a:1 ü"],
        &[],
        &[],
    ];
    assert_eq!(tags, expected);
}

#[test]
fn stretches_of_tags_end_however_they_are_left() {
    let world = world(
        "local a, b = user:with_tags({ area = 'shop', kind = 'page' }, function(x, y)
           user:get('/plain')
           user:with_tags({ kind = 'api' }, function() user:get('/', { tags = { page = 1 } }) end)
           return x + y, 'b'
         end, 1, 2)
         assert(a == 3 and b == 'b')
         local ok, why = pcall(user.with_tags, user, { area = 'x' }, function() error({ code = 7 }) end)
         assert(not ok and why.code == 7)
         user:parallel { function() user:with_tags({ area = 'y' }, function() end) end }",
    );
    let step = world.once();
    assert!(step.is_ok(), "{step:?}");
    let expected = [
        "begin 0 area:shop kind:page",
        "begin 0 kind:api",
        "end 0",
        "end 0",
        "begin 0 area:x",
        "end 0",
        "begin 100 area:y",
        "end 100",
    ];
    assert_eq!(world.host.stretches.take(), expected);
    assert_eq!(*world.host.templates.borrow(), ["GET /plain"]);
}

#[test]
fn a_user_leaves_from_within_a_stretch() {
    let world = world("user:with_tags({ area = 'x' }, function() user:stop() end)");
    world.script.attach(0, 0).unwrap();
    let step = world.script.run(0, Entry::Scenario(0), false);
    assert!(matches!(step, Step::Stop), "{step:?}");
    assert_eq!(world.host.stretches.take(), ["begin 0 area:x", "end 0"]);
}

#[test]
fn an_error_in_a_stretch_has_its_own_place() {
    check_fails(&[(
        "user:with_tags({ area = 'x' }, function() local none; none.x = 1 end)",
        &["attempt to index local 'none'"],
    )]);
}

#[test]
fn what_are_no_tags_is_refused() {
    let nine = "{ a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1 }";
    let get = |tags: &str| format!("user:get('/', {{ tags = {tags} }})");
    let rows = [
        (
            get("'static'"),
            "user:get: tags must be a table such as { kind = \"static\" }, not \"static\"",
        ),
        (
            get("{ 'static' }"),
            "user:get: tags: the key of a tag must be a string, not 1",
        ),
        (
            get("{ kind = true }"),
            "user:get: tags: kind must be a string or a number, not true",
        ),
        (
            get("{ kind = { 'a' } }"),
            "tags: kind must be a string or a number, not a table",
        ),
        (
            get("{ kind = '' }"),
            "tags: kind must be 1 to 128 bytes without control characters, not \"\"",
        ),
        (
            get("{ kind = 'a\\nb' }"),
            "without control characters, not \"a\\nb\"",
        ),
        (
            get("{ kind = ('x'):rep(129) }"),
            "tags: kind must be 1 to 128 bytes",
        ),
        (get("{ kind = '\\255' }"), "tags: kind must be UTF-8"),
        (
            get("{ ['a:b'] = 1 }"),
            "tags: the key \"a:b\" must be 1 to 64 letters, digits, _, - or .",
        ),
        (get("{ [('x'):rep(65)] = 1 }"), "must be 1 to 64 letters"),
        (get(nine), "user:get: tags: found 9, at most 8 are allowed"),
        (
            format!("user:with_tags({nine}, function() end)"),
            "user:with_tags: tags: found 9, at most 8 are allowed",
        ),
        (
            "user:with_tags({ a = 1, b = 1, c = 1, d = 1, e = 1 }, function()
               user:with_tags({ f = 1, g = 1, h = 1, i = 1 }, function() end) end)"
                .replace('\n', ""),
            "user:with_tags: tags: found 9, at most 8 are allowed",
        ),
        (
            "user:with_tags(nil, function() end)".to_owned(),
            "user:with_tags: tags must be a table such as",
        ),
        (
            "user:with_tags({ a = 1 })".to_owned(),
            "user:with_tags: the second argument must be a function, not nil",
        ),
        (
            "user.with_tags({}, {}, function() end)".to_owned(),
            "user:with_tags was not called on the running user",
        ),
        (
            "user:get('/', { tag = { kind = 'a' } })".to_owned(),
            "did you mean tags?",
        ),
    ];
    for (call, expected) in &rows {
        check_fails(&[(call.as_str(), &[expected])]);
    }
}
