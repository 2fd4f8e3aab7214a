//! Codings, cookies, challenges, redirects and uploads over real sockets: each script checks what
//! it sees, and all its checks must hold.

use crate::runs::launch_at;
use crate::web::{Request, Web, response};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One user, once.
const ONCE: &str = "iterations_max = 1\n[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
    phases = [{ users = 1, for = \"60s\" }]\n";

/// Runs a scenario once; every check must hold, and every request must be accounted for.
fn run(
    address: SocketAddr,
    scenario: &str,
    tables: &str,
    files: &[(&str, &[u8])],
) -> stats::Summary {
    let load = format!("{ONCE}{tables}");
    let summary = launch_at(&format!("http://{address}"), scenario, &load, files).finish();
    let failed: Vec<&str> = summary
        .checks
        .iter()
        .filter(|check| check.failed > 0)
        .map(|check| &check.name[..])
        .collect();
    assert!(failed.is_empty(), "these did not hold: {failed:#?}");
    assert!(!summary.checks.is_empty(), "no check was made");
    summary.conservation().unwrap();
    summary
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn coded(request: &Request) -> Vec<u8> {
    let encoded = "Content-Encoding: gzip\r\n";
    match &request.path[..] {
        "/gzip" => response("200 OK", encoded, &gzip(b"plain text")),
        "/zstd" => {
            let body = zstd::encode_all(&b"plain text"[..], 3).unwrap();
            response("200 OK", "content-encoding: ZSTD\r\n", &body)
        }
        "/cut" => response("200 OK", encoded, &gzip(b"plain text")[..15]),
        "/bad" => response("200 OK", encoded, b"no stream"),
        "/bomb" => response("200 OK", encoded, &gzip(&vec![0; 60 << 20])),
        _ => response("200 OK", "", request.field("accept-encoding").as_bytes()),
    }
}

#[test]
fn bodies_are_decoded_when_somebody_asks() {
    let web = Web::start(coded);
    let script = r#"
        local keep = { keep_body = true }
        for _, path in ipairs { "/gzip", "/zstd" } do
          user:check(path .. " kept", user:get(path, keep).body == "plain text")
          user:check(user:get(path), { contains = "plain text", ok = true })
          user:check(path .. " late", user:get(path, {}).body == "plain text")
        end
        for _, path in ipairs { "/cut", "/bad", "/bomb" } do
          user:check(path .. " fails", user:get(path, keep).failure == "decode_error")
          local reply = user:get(path)
          user:check(path .. " counts while nobody asks", reply.ok)
          user:check(path .. " has no body", reply.body == nil)
          user:check(path .. " says so", reply.failure == "decode_error" and not reply.ok)
        end
        user:check("browsers' codings", user:get("/").body == "gzip, deflate, br, zstd")
        local none = { headers = { ["accept-ENCODING"] = false } }
        user:check("no codings", user:get("/", none).body == "")
    "#;
    let summary = run(web.address(), script, "", &[]);
    assert_eq!(summary.failures.count("decode_error"), 3);
    assert_eq!(summary.events.count("decode_error_late"), 3);
    assert!(summary.events.count("decoded_bytes") >= 20);
    let off = "[headers]\nAccept-Encoding = false\nX-All = \"1\"\n";
    let script = r#"user:check("none", user:get("/").body == "")"#;
    run(web.address(), script, off, &[]);
}

fn bakery(request: &Request) -> Vec<u8> {
    match &request.path[..] {
        "/set" => response(
            "200 OK",
            "Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/deep\r\n",
            b"",
        ),
        "/gone" => response("200 OK", "set-cookie: a=; Max-Age=0\r\n", b""),
        path if path.starts_with("/as?") => {
            let session = format!("Location: /show\r\nSet-Cookie: who={}\r\n", &path[4..]);
            response("302 Found", &session, b"")
        }
        "/moved" => response("302 Found", "Location: /show\r\nSet-Cookie: m=9\r\n", b""),
        _ => response("200 OK", "", request.field("cookie").as_bytes()),
    }
}

#[test]
fn users_keep_their_cookies() {
    let web = Web::start(bakery);
    let script = r#"
        local function sent(path, options)
          return user:get(path, options).body
        end
        user:check("none at first", sent("/show") == "" and user:cookie("a") == nil)
        user:get("/set")
        user:check("with a template", sent("/show") == "a=1")
        user:check("with options", sent("/show", {}) == "a=1")
        user:check("deeper", sent("/deep/x") == "b=2; a=1")
        user:check("read", user:cookie("a") == "1" and user:cookie("b", "/") == nil)
        user:check("read by URL", user:cookie("b", "/deep/") == "2")
        user:check("off", sent("/show", { cookies = false }) == "")
        user:check("own", sent("/show", { cookies = { c = 3 } }) == "a=1; c=3")
        user:check("own first", sent("/show", { cookies = { a = "x" } }) == "a=x")
        user:check("header", sent("/show", { headers = { Cookie = "h=1" } }) == "h=1")
        user:set_cookie("s", "5", { path = "/deep" })
        user:check("set", sent("/deep/y") == "b=2; s=5; a=1")
        local first, second = user:parallel {
          function() return sent("/show") end,
          function() user:get("/set", { cookies = false }) return sent("/deep/z", {}) end,
        }
        user:check("branches", first == "a=1" and second == "b=2; s=5; a=1")
        user:check("along a redirect", sent("/moved") == "a=1; m=9")
        user:get("/gone")
        user:check("removed", sent("/show") == "m=9")
        user:clear_cookies()
        user:check("cleared", sent("/deep/x") == "")
        user:parallel { function() user:get("/set") end }
        user:check("set by a branch", sent("/show") == "a=1")
    "#;
    run(web.address(), script, "", &[]);
    let script = r#"
        user:get("/set")
        user:check("off for the run", user:get("/show").body == "")
    "#;
    run(web.address(), script, "[http]\ncookies = false\n", &[]);
}

#[test]
fn a_user_has_several_jars() {
    let web = Web::start(bakery);
    let script = r#"
        local function sent(path, options)
          return user:get(path, options).body
        end
        user:get("/as?me")
        local ann, bob = user:cookie_jar(), user:cookie_jar()
        local function login(name, jar)
          return function()
            local own = true
            for _ = 1, 20 do
              own = own and sent("/as?" .. name, { jar = jar }) == "who=" .. name
            end
            return own
          end
        end
        local first, second, third = user:parallel { login("ann", ann), login("bob", bob), login("me") }
        user:check("not mixed", first and second and third)
        user:check("its own", sent("/show") == "who=me" and sent("/show", { jar = bob }) == "who=bob")
        user:check("read", ann:cookie("who") == "ann" and user:cookie("who") == "me")
        ann:set_cookie("x", "1")
        user:check("set", sent("/show", { jar = ann, cookies = { y = 2 } }) == "who=ann; x=1; y=2")
        ann:clear_cookies()
        user:check("cleared", sent("/show", { jar = ann }) == "" and bob:cookie("who") == "bob")
        user:clear_cookies()
        user:check("own cleared", sent("/show") == "" and sent("/show", { jar = bob }) == "who=bob")
        for _ = 1, 2000 do
          user:cookie_jar():set_cookie("a", "b")
        end
        local kept, why = {}, nil
        for i = 1, 300 do
          local ok, made = pcall(user.cookie_jar, user)
          kept[i], why = ok and made or nil, not ok and made or why
        end
        user:check("bounded", #kept < 256 and #kept > 250 and why:find("keeps 256 cookie jars already", 1, true))
    "#;
    run(web.address(), script, "", &[]);
}

/// The nonce changes with each path; `/stale` takes its first one for too old.
fn guarded(request: &Request) -> Vec<u8> {
    let given = request.field("authorization");
    let ask = |nonce: &str, more: &str| {
        let field = format!(
            "WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"{nonce}\"{more}\r\n"
        );
        response("401 Unauthorized", &field, b"who?")
    };
    let has = |part: &str| given.contains(part);
    match &request.path[..] {
        _ if given.is_empty() => ask("n1", ""),
        "/stale" if has("nonce=\"n1\"") => ask("n2", ", stale=true"),
        "/wrong" => ask("n3", ""),
        _ => response("200 OK", "", given.as_bytes()),
    }
}

#[test]
fn challenges_are_answered() {
    let web = Web::start(guarded);
    let script = r#"
        local digest = { digest_auth = { "anna", "secret" }, keep_body = true }
        local first = user:get("/a", digest)
        user:check("answered", first.ok and first.body:find('nonce="n1"', 1, true))
        user:check("counted", first.body:find("nc=00000001", 1, true))
        -- md5("GET:/a"), md5("anna:r:secret") and the rest of RFC 7616 are tested on their own.
        user:check("signed", first.body:find('username="anna", realm="r"', 1, true))
        local second = user:post("/b", { digest_auth = { "anna", "secret" }, body = "x", keep_body = true })
        user:check("at once", second.body:find("nc=00000002", 1, true))
        local third = user:get("/stale", digest)
        user:check("stale", third.ok and third.body:find('nonce="n2"', 1, true))
        local wrong = user:get("/wrong", digest)
        user:check("refused", wrong.status == 401 and wrong.failure == "status")
        user:check("not asked", user:get("/a").status == 401)
    "#;
    let summary = run(web.address(), script, "", &[]);
    // Of 10 requests, those that led to an answer are ok.
    assert_eq!(summary.status.get(&401), Some(&5));
    assert_eq!(summary.totals.counts.failed, 2);
}

fn moving(request: &Request) -> Vec<u8> {
    let to =
        |status: &str, place: &str| response(status, &format!("Location: {place}\r\n"), b"moved");
    let shown = format!(
        "{} {} [{}] auth=[{}] cookie=[{}]",
        request.method,
        request.path,
        String::from_utf8_lossy(&request.body),
        request.field("authorization"),
        request.field("cookie")
    );
    match &request.path[..] {
        "/301" => to("301 Moved", "/end"),
        "/302/x/y" => to("302 Found", "../z?q#part"),
        "/303" => to("303 See Other", "/end"),
        "/307" => to("307 Temporary", "/end"),
        "/308" => to("308 Permanent", "//127.0.0.1/nowhere-of-that-port"),
        "/loop" => to("302 Found", "/loop"),
        "/odd" => to("302 Found", "mailto:x"),
        "/bare" => response("302 Found", "", b"bare"),
        path => match path.strip_prefix("/to?") {
            Some(place) => to("307 Temporary", place),
            None => response("200 OK", "", shown.as_bytes()),
        },
    }
}

#[test]
fn redirects_are_followed() {
    let (web, other) = (Web::start(moving), Web::start(moving));
    let script = format!(
        r#"
        local there = "http://{}"
        local function body(reply) return reply.body end
        local plain = " auth=[] cookie=[]"
        user:check("by a template", body(user:get("/301")) == "GET /end []" .. plain)
        local reply = user:get("/302/x/y")
        user:check("relative", body(reply) == "GET /302/z?q []" .. plain)
        user:check("its URL", reply.url == "http://{}/302/z?q")
        user:check("no redirect", user:get("/end").url == "http://{}/end")
        user:check("POST 301", body(user:post("/301", {{ body = "b" }})) == "GET /end []" .. plain)
        user:check("PUT 303", body(user:put("/303", {{ json = {{}} }})) == "GET /end []" .. plain)
        user:check("POST 307", body(user:post("/307", {{ body = "b" }})) == "POST /end [b]" .. plain)
        local large = ("x"):rep(100000)
        user:check("large 307", body(user:post("/307", {{ body = large }})) == "POST /end [" .. large .. "]" .. plain)
        local loop = user:get("/loop", {{ keep_body = true, redirects = 4 }})
        user:check("loop", loop.failure == "redirects" and loop.status == 302)
        user:check("odd", user:get("/odd").failure == "redirects")
        user:check("bare", user:get("/bare").ok and user:get("/bare").status == 302)
        user:check("not followed", user:get("/301", {{ redirects = 0 }}).status == 301)
        user:check("expected", user:get("/301", {{ expect = {{ 200, 301 }} }}).status == 301)
        local secret = {{ basic_auth = {{ "u", "p" }}, cookies = {{ c = 1 }}, headers = {{ Accept = "x" }} }}
        user:check("same origin", body(user:get("/307", secret)) == "GET /end [] auth=[Basic dTpw] cookie=[c=1]")
        local away = user:get("/to?" .. there .. "/end", secret)
        user:check("other origin", body(away) == "GET /end []" .. plain)
        user:check("other URL", away.url == there .. "/end")
        user:get("/307", {{ name = "named" }})
    "#,
        other.address(),
        web.address(),
        web.address(),
    );
    let summary = run(web.address(), &script, "", &[]);
    let names: Vec<&str> = summary.names.iter().map(|name| &name.name[..]).collect();
    for name in ["GET /301", "GET /end", "named", "named (redirect)"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(summary.failures.count("redirects"), 2);
    let script = r#"user:check("off", user:get("/301").status == 301)"#;
    run(web.address(), script, "[http]\nredirects = 0\n", &[]);
}

fn naming(request: &Request) -> Vec<u8> {
    let to = |place: &str| response("302 Found", &format!("Location: {place}\r\n"), b"moved");
    let shown = format!(
        "{} [{}]",
        request.field("host"),
        request.field("authorization")
    );
    match &request.path[..] {
        "/empty" => to(""),
        "/odd" => b"HTTP/1.2 200 OK\r\nstray\r\n folded\r\nX-A : 1\r\nX(b): 2\r\n\
            Set-Cookie : c=1\r\nContent-Length: 2\r\n\r\nok"
            .to_vec(),
        "/strict" => b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok".to_vec(),
        path => match path.strip_prefix("/to?") {
            Some(place) => to(place),
            None => response("200 OK", "", shown.as_bytes()),
        },
    }
}

#[test]
fn hosts_are_named_as_they_are_asked_for() {
    let web = Web::start(naming);
    let port = web.address().port();
    let script = format!(
        r#"
        local own = {{ headers = {{ Host = "shop.example" }} }}
        local function body(url, options) return user:get(url, options).body end
        user:check("own", body("/echo", own) == "shop.example []")
        user:check("same host", body("/to?/echo", own) == "shop.example []")
        user:check("its other name", body("/to?http://localhost:{port}/echo", own) == "localhost:{port} []")
        user:check("no password", body("/to?http://u:p@localhost:{port}/echo") == "localhost:{port} []")
        user:check("dots", user:get("/to?/a/%2e%2e/b").url == "http://127.0.0.1:{port}/b")
        local empty = user:get("/empty", {{ keep_body = true }})
        user:check("empty", empty.ok and empty.status == 302 and empty.body == "moved")
        local name = "xn--bcher-kva.test:{port} []"
        user:check("a name", body("http://bücher.test:{port}/x") == name)
        user:check("led to it", body("/to?http://B%C3%BCcher.test:{port}/x") == name)
        user:check("its URL", user:get("http://BÜCHER.test:{port}/%2e/x").url == "http://xn--bcher-kva.test:{port}/%2e/x")
        local odd = user:get("/odd")
        user:check("odd", odd.ok and odd.headers["x-a"] == "1" and odd.headers["x(b)"] == nil)
        user:check("its cookie", user:cookie("c") == "1")
        user:check("strict", user:get("/strict").failure == "bad_head")
    "#
    );
    let hosts = "[hosts]\n\"bücher.test\" = \"127.0.0.1\"\nlocalhost = \"127.0.0.1\"\n";
    let summary = run(web.address(), &script, hosts, &[]);
    assert_eq!(summary.events.count("odd_head"), 1);
    assert_eq!(summary.failures.count("bad_head"), 1);
}

fn shelf(request: &Request) -> Vec<u8> {
    let sum: u64 = request.body.iter().map(|byte| u64::from(*byte)).sum();
    let shown = match &request.path[..] {
        "/show" => String::from_utf8_lossy(&request.body).into_owned(),
        "/type" => request.field("content-type"),
        _ => format!("{} {sum} {}", request.body.len(), request.chunked),
    };
    response("200 OK", "", shown.as_bytes())
}

#[test]
fn files_and_large_bodies_are_sent() {
    let web = Web::start(shelf);
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sum: u64 = large.iter().map(|byte| u64::from(*byte)).sum();
    let script = format!(
        r#"
        local function body(path, options) return user:post(path, options).body end
        user:check("file", body("/sum", {{ body_file = "large.bin" }}) == "3000000 {sum} false")
        user:check("again", body("/sum", {{ body_file = "large.bin" }}) == "3000000 {sum} false")
        user:check("chunked file", body("/sum", {{ body_file = "large.bin", chunked = true }}) == "3000000 {sum} true")
        user:check("chunked", body("/sum", {{ body = "ab", chunked = true }}) == "2 195 true")
        user:check("empty chunked", body("/sum", {{ body = "", chunked = true }}) == "0 0 true")
        user:check("empty file", body("/sum", {{ body_file = "empty" }}) == "0 0 false")
        user:check("large string", body("/sum", {{ body = ("a"):rep(1000000) }}) == "1000000 97000000 false")
        local form = body("/show", {{ form = {{ f = "v" }}, files = {{
          up = {{ path = "small.txt", type = "text/plain" }},
          data = {{ content = "abc", name = 'a"b.bin' }},
        }} }})
        user:check("form", form:find('name="f"\r\n\r\nv\r\n', 1, true))
        user:check("data", form:find('name="data"; filename="a%22b.bin"\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n', 1, true))
        user:check("up", form:find('name="up"; filename="small.txt"\r\nContent-Type: text/plain\r\n\r\nsmall content\r\n--', 1, true))
        local kind = body("/type", {{ files = {{ a = {{ content = "" }} }} }})
        user:check("type", kind:find("multipart/form-data; boundary=", 1, true) == 1)
        user:check("asked", body("/sum", {{ body = "ab", expect_continue = true }}) == "2 195 false")
        local refused = user:post("/refuse", {{ body = "ab", expect_continue = true }})
        user:check("refused", refused.status == 417)
        local early = user:post("/early", {{ body_file = "large.bin", keep_body = true }})
        user:check("early", early.status == 413 and early.body == "early")
        user:check("goes on", user:get("/sum").ok)
        user:check("missing file", not pcall(user.post, user, "/sum", {{ body_file = "no such" }}))
    "#
    );
    let files: [(&str, &[u8]); 3] = [
        ("large.bin", &large),
        ("small.txt", b"small content"),
        ("empty", b""),
    ];
    let summary = run(web.address(), &script, "", &files);
    assert_eq!(summary.totals.counts.failed, 2, "417 and 413");
}

#[test]
fn a_mute_server_gets_the_body_after_a_second() {
    let web = Web::start(shelf);
    let script = r#"
        local reply = user:post("/mute", { body = "ab", expect_continue = true, keep_body = true })
        user:check("sent all the same", reply.body == "2 195 false")
        user:check("after a while", reply.latency_ms >= 1000)
    "#;
    let begun = Instant::now();
    run(web.address(), script, "", &[]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}
