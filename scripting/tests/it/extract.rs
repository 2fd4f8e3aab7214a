//! Finding things in replies: JSON paths, regular expressions, CSS selectors, cookies, pages.

use crate::world::{Answer, World, check_fails, load, world};

const SHOP: &str = r#"{"items":[{"id":1,"name":"a","price":2},{"id":2,"name":"b","price":9}],
    "none":null,"a.b":7}"#;

const PAGE: &str = r#"<!doctype html><html><head><title> The  shop </title></head><body>
    <form action=/login><input name=user><input type=hidden name=csrf value="t&amp;1"></form>
    <a class="item new" href="/item/1">One <b>bold</b></a><a class=item href="/item/22">Two</a><a>no</a>
    </body></html>"#;

/// What the body logs when the requests are answered so.
fn logged(body: &str, answers: &[Answer]) -> Vec<String> {
    let world = world(body);
    world.answers.borrow_mut().extend(answers.iter().cloned());
    let ended = world.once();
    assert!(ended.is_ok(), "{body}: {}", ended.expect_err("it failed"));
    world.host.logs.take()
}

fn check(reply: &'static str, rows: &[(&str, &str)]) {
    for (expression, expected) in rows {
        let body = format!("local r = user:get('/') log({expression})");
        assert_eq!(
            logged(&body, &[Answer::body(reply)]),
            [*expected],
            "{expression}"
        );
        // the same of a body that was kept, after the next step
        let body = format!(
            "local r = user:get('/', {{ keep_body = true }}) user:sleep(1) log({expression})"
        );
        assert_eq!(
            logged(&body, &[Answer::body(reply)]),
            [*expected],
            "{expression}"
        );
    }
}

#[test]
fn json_paths_find_one_value_or_a_list() {
    check(
        SHOP,
        &[
            ("r:json('items[2].name')", "b\tnil"),
            ("r:json('items[-1].id')", "2\tnil"),
            ("table.concat(r:json('items[*].id'), ',')", "1,2"),
            ("r:json('items[?price > 5].name')[1]", "b"),
            ("#r:json('items[?price > 50].name')", "0"),
            ("r:json('[\"a.b\"]')", "7\tnil"),
            ("r:json('items[3]')", "nil\tnothing at items[3]"),
            ("r:json('none')", "nil\tnil"),
            ("#r:json().items", "2"),
        ],
    );
    check(
        "[",
        &[(
            "r:json('a')",
            "nil\tnot JSON: EOF while parsing a list at line 1 column 1",
        )],
    );
}

#[test]
fn regular_expressions_give_groups_as_lua_does() {
    check(
        PAGE,
        &[
            (r"r:regex('item/\\d+')", "item/1"),
            (r"r:regex([[href=./item/(\d+)]])", "1"),
            (r"r:regex([[/(\w+)/(\d+)]])", "item\t1"),
            (r"r:regex([[/(\w+)/(?<id>\d+)]], 'id')", "1"),
            (r"r:regex([[/(\w+)/(\d+)]], 0)", "/item/1"),
            (r"r:regex([[(x)?class]], 1)", "nil"),
            ("r:regex('nowhere')", "nil"),
            (r"table.concat(r:regex_all([[/item/(\d+)]]), ' ')", "1 22"),
            (
                r"table.concat(r:regex_all([[/item/(\d+)]], 0), ' ')",
                "/item/1 /item/22",
            ),
            (r"r:regex_all([[/(\w+)/(\d+)]])[2][2]", "22"),
            ("#r:regex_all('nowhere')", "0"),
            (r"r:regex('(?i)THE\\s+SHOP')", "The  shop"),
        ],
    );
    check_fails(&[
        (
            "user:get('/'):regex('(')",
            &[
                "reply:regex: the pattern regex parse error",
                "unclosed group",
            ],
        ),
        (
            "user:get('/'):regex('a', 1)",
            &["the pattern has no group 1; it has 0"],
        ),
        ("user:get('/'):regex('a', 'x')", &["no group \"x\""]),
        (
            "user:get('/'):regex('a', {})",
            &["the group must be a number or a name"],
        ),
        (
            "user:get('/'):regex(1)",
            &["the pattern must be a string, not 1"],
        ),
        (
            "user:get('/'):regex_all(('a{1000}'):rep(99))",
            &["the pattern", "size limit"],
        ),
        (
            "user:get('/'):json('a[')",
            &["reply:json: the path \"a[\": expected a number"],
        ),
        (
            "user:get('/'):css('a[')",
            &["reply:css: the selector \"a[\""],
        ),
        (
            "user:get('/'):css('a', 1)",
            &["the attribute must be a string, not 1"],
        ),
        ("user:get('/').css('a')", &["write reply:css(...)"]),
        (
            "local r = user:get('/') user:sleep(1) r:css('a')",
            &["reply:css needs the body of the reply: set keep_body"],
        ),
    ]);
}

/// What a pattern may cost is bounded, whatever the target sends; the next user goes on.
#[test]
fn patterns_that_go_back_and_forth_are_given_up() {
    let many: &'static str = "a".repeat(60_000).leak();
    let open: &'static str = "(".repeat(60_000).leak();
    let steps = "the pattern takes more than 50000000 steps on this text";
    let rows = [
        ("r:match('(.-)(.-)(.-)x')", many, steps),
        ("r:match('a*a*a*x')", many, steps),
        ("r:match('(a*)%1x')", many, steps),
        ("r:match('%b()')", open, steps),
        ("r.body:find('a.-b')", many, steps),
        ("r.body:gsub('a.-b', '')", many, steps),
        ("for _ in r.body:gmatch('a.-b') do end", many, steps),
        ("user:check(r, { matches = 'a.-b' })", many, steps),
        (
            "r:regex_all('a.*b|a')",
            "a".repeat(1_000_000).leak(),
            "reply:regex_all: the matches took more than 1 s of processor time",
        ),
        (
            "r:regex_all('')",
            "a".repeat(600_000).leak(),
            "reply:regex_all: the pattern matches more than 500000 times",
        ),
    ];
    for (code, reply, limit) in rows {
        let world = world(&format!("local r = user:get('/') {code}"));
        let answers = [Answer::body(reply), Answer::body("a")];
        world.answers.borrow_mut().extend(answers);
        let error = world.once().expect_err(code);
        let message = &error.message;
        assert!(message.starts_with("main.lua:1: "), "{code}: {message}");
        assert!(message.contains(limit), "{code}: {message}");
        let next = world.once();
        assert!(next.is_ok(), "{code}: {next:?}");
    }
    // what a page of 8 MB needs is within
    let page: &'static str = "<a href=/x>".repeat(700_000).leak();
    let body = "local r = user:get('/') local n = 0
        for _ in r.body:gmatch('<a href=(.-)>') do n = n + 1 end
        log(n, r:match('nowhere(.-)x'), #r:regex_all('href=(/x)'))";
    let answer = Answer::body(&page[..page.len() / 16]);
    assert_eq!(logged(body, &[answer]), ["43750\tnil\t43750"]);
    assert_eq!(
        logged(
            "log(user:get('/').body:match('x.-$'))",
            &[Answer::body(page)]
        )
        .len(),
        1
    );
}

#[test]
fn selectors_find_text_and_attributes() {
    check(
        PAGE,
        &[
            ("r:css('form input[name=csrf]', 'value')", "t&1"),
            ("r:css('title')", "The  shop"),
            ("r:css('a.item')", "One bold"),
            ("r:css('a.item:not(.new)', 'HREF')", "/item/22"),
            ("r:css('p')", "nil"),
            ("r:css('form', 'method')", "nil"),
            (
                "table.concat(r:css_all('a', 'href'), ' ')",
                "/item/1 /item/22",
            ),
            ("table.concat(r:css_all('a'), '|')", "One bold|Two|no"),
            ("#r:css_all('p')", "0"),
        ],
    );
}

#[test]
fn replies_without_a_body_find_nothing() {
    let failed = Answer {
        status: 0,
        failure: Some("refused"),
        ..Answer::default()
    };
    let body = "local r = user:get('/') user:sleep(1)
         log(r:json('a')) log(r:css('a')) log(r:regex('a')) log(#r:css_all('a') + #r:regex_all('a'))";
    let nothing = "nil\tno body: refused";
    assert_eq!(logged(body, &[failed]), [nothing, nothing, nothing, "0"]);
}

#[test]
fn cookies_of_a_reply_are_read() {
    let head = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b = x=y \r\nSet-Cookie: a=2\r\nSet-Cookie: odd\r\n\r\n";
    let body = "local r = user:get('/') user:sleep(1)
         log(r:cookie('a'), r:cookie('b'), r:cookie('c'), r.cookies.a)";
    let answer = Answer {
        head,
        ..Answer::default()
    };
    assert_eq!(logged(body, &[answer]), ["2\tx=y\tnil\t2"]);
}

#[test]
fn checks_may_look_inside() {
    let world = world(
        r"user:check(user:get('/'), {
             regex = { [[/item/\d+]], 'nowhere' },
             css = { title = 'The  shop', p = false, ['form input'] = true, b = function(t) return #t == 4 end },
             cookie = { s = '1', t = true },
           })",
    );
    let head = "HTTP/1.1 200 OK\r\nSet-Cookie: s=1\r\n\r\n";
    let answer = Answer {
        head,
        ..Answer::body(PAGE)
    };
    world.answers.borrow_mut().push_back(answer);
    world.once().expect("no error");
    let mut checks = world.host.checks.take();
    checks.sort();
    let expected = [
        ("cookie s is \"1\"", true),
        ("cookie t is there", false),
        ("css b holds", true),
        ("css form input is there", true),
        ("css p is absent", true),
        ("css title is \"The  shop\"", true),
        ("regex \"/item/\\d+\"", true),
        ("regex \"nowhere\"", false),
    ];
    let found: Vec<(&str, bool)> = checks
        .iter()
        .map(|(name, passed)| (&**name, *passed))
        .collect();
    assert_eq!(found, expected);
}

fn page_world(options: &str) -> World {
    let body = format!(
        "local page, assets = user:page('/p'{options})
         log(page.status, #page.body > 0, #assets)
         for _, asset in ipairs(assets) do log(asset.status, asset.failure) end"
    );
    let source = format!("return {{ main = function(user) {body} end }}");
    let world = load(&[("main.lua", &source)]).expect("a script");
    let page =
        "<link rel=stylesheet href=a.css><img src='http://cdn/b.png'><script src=/c.js></script>";
    let missing = Answer {
        status: 404,
        failure: Some("status"),
        ..Answer::default()
    };
    world
        .answers
        .borrow_mut()
        .extend([Answer::body(page), missing]);
    world
}

#[test]
fn pages_come_with_what_they_embed() {
    let world = page_world("");
    world.once().expect("no error");
    assert_eq!(
        world.host.logs.take(),
        ["200\ttrue\t2", "404\tstatus", "200\tnil"]
    );
    assert_eq!(
        *world.host.templates.borrow(),
        ["GET /p/a.css", "GET /c.js"]
    );

    let world = page_world(", { all_origins = true, name = 'p', assets = { name = 'part' } }");
    world.once().expect("no error");
    assert_eq!(world.host.logs.take().len(), 4);
    let told: Vec<String> = world
        .requests
        .borrow()
        .iter()
        .map(|spec| format!("{} {}", spec.name.as_deref().unwrap_or("-"), spec.url))
        .collect();
    assert_eq!(
        told,
        [
            "p /p",
            "part /p/a.css",
            "part http://cdn/b.png",
            "part /c.js"
        ]
    );

    let failed = Answer {
        status: 0,
        failure: Some("refused"),
        ..Answer::default()
    };
    let body = "log(#select(2, user:page('/')))";
    assert_eq!(logged(body, &[failed]), ["0"]);
    check_fails(&[
        (
            "user:page()",
            &["user:page: the URL must be a string, not nil"],
        ),
        (
            "user:page('/', 1)",
            &["user:page: the options must be a table, not 1"],
        ),
        (
            "user:page('/', { assets = 1 })",
            &["user:page: assets must be a table of options, not 1"],
        ),
        (
            "user:page('/', { all_origins = 1 })",
            &["all_origins must be true or false, not 1"],
        ),
        ("user:page('/', { nam = 1 })", &["user:page: ", "nam"]),
    ]);
}
