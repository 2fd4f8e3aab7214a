//! Real servers: nginx and Apache httpd with TLS, and an application in Python that says what it
//! received.

use crate::binary::{Done, Program, Scratch, can_run, conserved, count};
use crate::faults::memory_kib;
use crate::harness::{Placement, event, measuring, name, one_arrival, run_table};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use testkit::certificates::{Authority, Flaw};
use testkit::nginx::TlsPort;
use testkit::{apache, nginx, shop};

/// A scenario of one user, its target, and further tables of its profile.
struct Drive<'a> {
    target: &'a str,
    tables: &'a str,
    body: &'a str,
}

impl Drive<'_> {
    fn scratch(&self) -> Scratch {
        let profile = run_table(self.target) + self.tables + &one_arrival("main");
        let body = self.body;
        let script = format!("return {{ main = function(user)\n{body}\nend }}");
        Scratch::of(&profile, &script)
    }

    /// Runs it; fails unless the user got to the end and every check it made passed, `checks` of
    /// them.
    fn run(&self, checks: u64) -> (Done, Value) {
        self.run_in(&self.scratch(), checks)
    }

    fn run_in(&self, scratch: &Scratch, checks: u64) -> (Done, Value) {
        let program = Program::start(scratch.run_command(&["--quiet", "--cores", "1"]));
        settle(program, scratch, checks)
    }
}

fn settle(program: Program, scratch: &Scratch, checks: u64) -> (Done, Value) {
    let done = program.finish().expect(0);
    let result = scratch.result();
    conserved(&result);
    let mut passed = 0;
    for check in result["checks"].as_array().expect("checks are a list") {
        assert_eq!(count(check, "/failed"), 0, "{check}\n{}", done.out);
        passed += count(check, "/passed");
    }
    assert_eq!(passed, checks, "checks\n{}\n{}", done.out, done.err);
    let finished = count(&result, "/totals/iterations/finished");
    assert_eq!(finished, 1, "{}\n{}", done.out, done.err);
    (done, result)
}

/// Writes the authority into the scratch folder, and the table that names it.
fn trusting(authority: &Authority, more: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = authority.write(folder.path(), "authority");
    let table = format!("[tls]\nca = {file:?}\n{more}");
    (folder, table)
}

const SPOKEN: &str =
    "default_type text/plain; return 200 '$ssl_protocol $ssl_session_reused $ssl_client_s_dn';";

#[test]
fn nginx_with_both_versions_and_sessions() {
    let authority = Authority::new();
    let identity = authority.server(Flaw::None);
    let server = format!("location / {{ {SPOKEN} }}");
    let port = |protocols| TlsPort {
        protocols,
        identity: &identity,
        client_authority: None,
        server: &server,
    };
    let ports = [port("TLSv1.2"), port("TLSv1.3")];
    if !can_run() {
        return;
    }
    let Some(nginx) = nginx::start_with("", &ports) else {
        return;
    };
    let (_folder, tls) = trusting(&authority, "");
    for (index, version) in ["TLSv1.2", "TLSv1.3"].into_iter().enumerate() {
        let port = nginx.tls_addr(index).port();
        // kept for two requests, closed by the third; the fourth resumes
        let body = format!(
            "local said = {{}}\n\
             for i = 1, 4 do\n\
               local reply = user:get('/', {{ keepalive = i ~= 3, keep_body = true }})\n\
               said[i] = reply.body or reply.failure\n\
             end\n\
             user:log(table.concat(said, '|'))\n\
             for i = 1, 3 do user:check('full', said[i] == '{version} . ') end\n\
             user:check('resumed', said[4] == '{version} r ')"
        );
        let drive = Drive {
            target: &format!("https://localhost:{port}"),
            tables: &tls,
            body: &body,
        };
        let (done, result) = drive.run(4);
        let events = ["connection_opened", "tls_full", "tls_resumed"];
        assert_eq!(events.map(|e| event(&result, e)), [2, 1, 1], "{}", done.out);
    }
}

#[test]
fn nginx_knows_the_client_by_its_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let identity = authority.server(Flaw::None);
    let server = format!("location / {{ {SPOKEN} }}");
    let port = TlsPort {
        protocols: "TLSv1.2 TLSv1.3",
        identity: &identity,
        client_authority: Some(clients.pem()),
        server: &server,
    };
    if !can_run() {
        return;
    }
    let Some(nginx) = nginx::start_with("", &[port]) else {
        return;
    };
    let target = format!("https://127.0.0.1:{}", nginx.tls_addr(0).port());
    let (folder, stranger) = trusting(&authority, "");
    let (certificate, key) = clients.client("ann").write(folder.path(), "ann");
    let known = format!("{stranger}cert = {certificate:?}\nkey = {key:?}\n");
    for (versions, protocol) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
        let drive = Drive {
            target: &target,
            tables: &format!("{known}versions = \"{versions}\"\n"),
            body: &format!(
                "local reply = user:get('/', {{ keep_body = true }})\n\
                 user:log(reply.status, reply.failure, reply.body)\n\
                 user:check('known', reply.body == '{protocol} . CN=ann')"
            ),
        };
        drive.run(1);
    }
    // nginx lets strangers in to tell them so
    let drive = Drive {
        target: &target,
        tables: &stranger,
        body: "local reply = user:get('/', { keep_body = true, expect = 400 })\n\
               user:check('told', reply.status == 400 and reply.body:find('certificate') ~= nil)",
    };
    drive.run(1);
}

#[test]
fn nginx_packs_pages_and_asks_for_a_password() {
    if !can_run() {
        return;
    }
    let server = "default_type text/plain;\n\
        location /packed/ { gzip on; gzip_min_length 1; gzip_types *; alias files/; }\n\
        location /plain/ { alias files/; }\n\
        location /closed/ { auth_basic x; auth_basic_user_file users; alias files/; }";
    let Some(nginx) = nginx::start(server) else {
        return;
    };
    let files = nginx.folder().join("files");
    std::fs::create_dir_all(&files).expect("the folder is ours");
    std::fs::write(files.join("page"), "a line of text\n".repeat(1000)).expect("it is ours");
    std::fs::write(nginx.folder().join("users"), "ann:{PLAIN}secret\n").expect("it is ours");
    let body = "local kept = { keep_body = true }
        local plain, packed = user:get('/plain/page', kept), user:get('/packed/page', kept)
        user:check('packed', packed.headers['content-encoding'] == 'gzip')
        user:check('the same', packed.body == plain.body and #plain.body == 15000)
        local own = user:get('/packed/page', { keep_body = true, headers = { ['accept-encoding'] = false } })
        user:check('not packed', own.headers['content-encoding'] == nil and own.body == plain.body)
        local known = user:get('/closed/page', { basic_auth = { 'ann', 'secret' } })
        local wrong = user:get('/closed/page', { basic_auth = { 'ann', 'guess' }, expect = 401 })
        user:check('let in', known.status == 200)
        user:check('kept out', wrong.ok and wrong.status == 401)";
    let url = nginx.url();
    let drive = Drive {
        target: &url,
        tables: "",
        body,
    };
    drive.run(5);
}

#[test]
fn httpd_with_short_connections_codings_chunks_and_digest() {
    let authority = Authority::new();
    let identity = authority.server(Flaw::None);
    if !can_run() {
        return;
    }
    let Some(apache) = apache::start(&identity) else {
        return;
    };
    let (_folder, tls) = trusting(&authority, "");
    let body = format!(
        "local kept = {{ keep_body = true }}
         local page = user:get('/page.txt', kept).body
         user:check('whole', #page == {})
         for i = 2, 40 do user:get('/page.txt') end
         for _, coding in ipairs {{ 'gzip', 'br' }} do
           local reply = user:get('/' .. coding .. '/page.txt', kept)
           user:check('coding', reply.headers['content-encoding'] == coding)
           user:check('undone', reply.body == page)
         end
         local included = user:get('/page.shtml', kept)
         user:check('in chunks', included.headers['transfer-encoding'] == 'chunked')
         user:check('included', included.body == page .. '\\n')
         for i = 1, 5 do
           local reply = user:get('/digest/page.txt', {{ digest_auth = {{ 'ann', 'secret' }} }})
           user:check('known', reply.status == 200)
         end
         local wrong = user:get('/digest/page.txt', {{ digest_auth = {{ 'ann', 'guess' }} }})
         user:check('unknown', wrong.status == 401)
         user:sleep(1.5)
         user:check('after a rest', user:get('/page.txt').ok)",
        apache::PAGE_BYTES
    );
    for (target, tables) in [(apache.url(), ""), (apache.tls_url(), tls.as_str())] {
        let before = apache.accesses().len() as u64;
        let drive = Drive {
            target: &target,
            tables,
            body: &body,
        };
        let (done, result) = drive.run(14);
        let sent = count(&result, "/totals/sent");
        assert_eq!(
            apache.accesses().len() as u64 - before,
            sent,
            "{}",
            done.out
        );
        // all but the last connection served as many as they may, the last was left to rest
        let opened = event(&result, "connection_opened");
        let served = sent.div_ceil(apache::REQUESTS_PER_CONNECTION);
        assert!(
            (served..=served + 1).contains(&opened),
            "{opened} for {sent}"
        );
        assert_eq!(event(&result, "idle_closed"), 1, "{}", done.out);
    }
}

#[test]
fn the_shop_keeps_cookies_redirects_and_logs_in() {
    if !can_run() {
        return;
    }
    let Some(shop) = shop::start(None) else {
        return;
    };
    let body = "local kept = { keep_body = true }
        user:get('/cookies/set', { query = { c = { 'a=1; Path=/', 'b=2; Path=/cookies/echo/deep',
          'c=3; Path=/elsewhere', 'd=4; Max-Age=0', 'e=5; Secure', 'a=6; Path=/' } } })
        local function cookies(path) return user:get(path, kept):json('cookie') end
        user:check('by path', cookies('/cookies/echo') == 'e=5; a=6')
        user:check('longer first', cookies('/cookies/echo/deep/er') == 'b=2; e=5; a=6')
        user:clear_cookies()
        user:check('cleared', cookies('/cookies/echo') == '')
        for _, row in ipairs { { 301, 'GET' }, { 302, 'GET' }, { 303, 'GET' }, { 307, 'POST' }, { 308, 'POST' } } do
          local reply = user:post('/redirect/' .. row[1] .. '/3', { body = 'abc', keep_body = true })
          user:check('method', reply:json('method') == row[2])
          user:check('body', reply:json('body.size') == (row[2] == 'POST' and 3 or 0))
          user:check('place', reply.url:match('/redirect/' .. row[1] .. '/0$') ~= nil)
        end
        local loop = user:get('/redirect/loop')
        user:check('loop', loop.failure == 'redirects')
        local form = user:get('/login', kept)
        local csrf = form:match('name=\"csrf\" value=\"(%x+)\"')
        local wrong = user:post('/login', { form = { csrf = csrf, user = 'ann', password = 'x' }, expect = 403 })
        user:check('wrong password', wrong.ok)
        local account = user:post('/login', { form = { csrf = csrf, user = 'ann', password = 'secret' }, keep_body = true })
        user:check('in', account.body:find('Hello ann') ~= nil and account.url:match('/account$') ~= nil)
        local out = user:post('/logout', { form = { csrf = account:match('name=\"csrf\" value=\"(%x+)\"') } })
        user:check('out', out.ok)
        local again = user:get('/account', kept)
        user:check('gone', again.url:match('/login$') ~= nil)";
    let url = shop.url();
    let drive = Drive {
        target: &url,
        tables: "",
        body,
    };
    drive.run(3 + 15 + 5);
}

#[test]
fn the_shop_asks_for_digests_and_packs_bodies() {
    if !can_run() {
        return;
    }
    let Some(shop) = shop::start(None) else {
        return;
    };
    // a nonce serves three requests; the fourth answer is stale and is given anew
    let body = "local kept = { keep_body = true }
        for _, algorithm in ipairs { 'MD5', 'SHA-256' } do
          local counts = {}
          for i = 1, 5 do
            local options = { digest_auth = { 'ann', 'secret' }, keep_body = true, query = { i = i } }
            counts[i] = user:get('/digest/' .. algorithm, options):json('nc') or 0
          end
          user:check('counts', table.concat(counts, ' ') == '1 2 3 1 2')
          local wrong = user:get('/digest/' .. algorithm, { digest_auth = { 'bob', 'x' } })
          user:check('unknown', wrong.status == 401 and not wrong.ok)
        end
        local plain = user:get('/encoded/identity/50000', kept).body
        user:check('plain', #plain == 50000)
        for _, coding in ipairs { 'gzip', 'gzip-members', 'deflate', 'deflate-raw', 'br', 'zstd' } do
          for _, way in ipairs { '', '?chunked=1' } do
            local reply = user:get('/encoded/' .. coding .. '/50000' .. way, kept)
            user:check('undone', reply.body == plain)
          end
          local cut = user:get('/encoded/' .. coding .. '/50000?cut=3', kept)
          user:check('cut', cut.failure == 'decode_error')
          user:check('not looked at', user:get('/encoded/' .. coding .. '/50000?cut=3').ok)
        end
        local chunks = user:get('/chunked/5', kept)
        user:check('chunks', chunks.body == 'chunk 0\\nchunk 1\\nchunk 2\\nchunk 3\\nchunk 4\\n')";
    let url = shop.url();
    let drive = Drive {
        target: &url,
        tables: "",
        body,
    };
    drive.run(4 + 1 + 6 * 4 + 1);
}

#[test]
fn a_cookie_for_secure_places_goes_there_alone() {
    let authority = Authority::new();
    let identity = authority.server(Flaw::None);
    if !can_run() {
        return;
    }
    let (Some(secure), Some(plain)) = (shop::start(Some(&identity)), shop::start(None)) else {
        return;
    };
    let (_folder, tls) = trusting(&authority, "");
    let body = format!(
        "user:get('/cookies/set', {{ query = {{ c = {{ 's=1; Secure', 'n=2' }} }} }})
         local function cookies(url) return user:get(url, {{ keep_body = true }}):json('cookie') end
         user:check('secure', cookies('/cookies/echo') == 's=1; n=2')
         user:check('in plain to the machine itself', cookies('{plain}/cookies/echo') == 's=1; n=2')
         local to = {{ query = {{ url = '{plain}/echo' }}, keep_body = true, bearer = 'token' }}
         local moved = user:get('/redirect/to', to)
         user:check('elsewhere', moved.url == '{plain}/echo')
         user:check('not told', moved:json('headers.authorization') == nil)",
        plain = plain.url()
    );
    let url = secure.url();
    let drive = Drive {
        target: &url,
        tables: &tls,
        body: &body,
    };
    drive.run(4);
}

/// Bytes of a file of any length, of which each piece is another; and its hash.
fn write_file(path: &std::path::Path, bytes: usize) -> String {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).expect("the folder is writable");
    let mut random = testkit::random::Random::new(bytes as u64);
    let mut hash = Sha256::new();
    let mut left = bytes;
    while left > 0 {
        let block: Vec<u8> = (0..8192)
            .flat_map(|_| random.bits().to_le_bytes())
            .take(left)
            .collect();
        hash.update(&block);
        file.write_all(&block).expect("the disk has room");
        left -= block.len();
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[test]
fn what_is_uploaded_arrives_byte_for_byte() {
    if !can_run() {
        return;
    }
    let Some(shop) = shop::start(None) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder for the test");
    // below, at and above the size of a piece, and an empty file
    let sizes = [0, 1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 1_000_000];
    let mut rows = String::new();
    for size in sizes {
        let path = folder.path().join(format!("f{size}"));
        let hash = write_file(&path, size);
        let _ = write!(
            rows,
            "{{ path = {path:?}, size = {size}, hash = '{hash}' }}, "
        );
    }
    let short = hex(&Sha256::digest(b"from a string"));
    let body = format!(
        "local all = {{}}
         for i, row in ipairs {{ {rows} }} do
           for _, more in ipairs {{ {{}}, {{ chunked = true }}, {{ expect_continue = true }} }} do
             more.body_file, more.keep_body = row.path, true
             local body = user:put('/echo', more):json('body')
             user:check('raw', body.size == row.size and body.sha256 == row.hash)
           end
           all[i] = {{ path = row.path }}
           local one = user:post('/upload', {{ keep_body = true, form = {{ title = 'Käse & Brot' }},
             files = {{ a = {{ path = row.path, type = 'image/png' }}, b = {{ content = 'from a string', name = 'n.txt' }} }} }})
           for _, part in ipairs(one:json('files')) do
             local wanted = part.field == 'a' and row.hash or '{short}'
             user:check('part', part.sha256 == wanted)
             user:check('name', part.name == (part.field == 'a' and 'f' .. row.size or 'n.txt'))
           end
           user:check('field', one:json('fields.title[1]') == 'Käse & Brot')
         end
         local several = user:post('/upload', {{ keep_body = true, files = {{ all = all }}, chunked = true }})
         user:check('several', #several:json('files') == {count})
         local refused = user:post('/refuse', {{ body_file = all[{count}].path, expect = 413 }})
         user:check('refused', refused.ok)",
        count = sizes.len()
    );
    let url = shop.url();
    let drive = Drive {
        target: &url,
        tables: "",
        body: &body,
    };
    drive.run(sizes.len() as u64 * (3 + 4 + 1) + 2);
}

#[test]
fn large_bodies_take_no_memory_in_either_direction() {
    let Some(_alone) = measuring() else { return };
    large_bodies(&Placement::Loopback);
}

#[test]
fn large_bodies_between_hosts_take_no_memory_either() {
    let Some(_alone) = measuring() else { return };
    if let Some(placement) = Placement::separate_hosts() {
        large_bodies(&placement);
    }
}

/// 200 MB in both directions: as a part of a form, in chunks, and down.
fn large_bodies(placement: &Placement) {
    const BYTES: usize = 200_000_000;
    let Some(shop) = placement.serve(|ip| shop::start_at(ip, None)) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("large");
    let hash = write_file(&path, BYTES);
    let body = format!(
        "user:get('/') user:log('before') user:sleep(0.3)
         local long = {{ timeout = '60s', keep_body = true, chunked = true, body_file = {path:?} }}
         local raw = user:put('/echo', long):json('body')
         user:check('raw', raw.size == {BYTES} and raw.sha256 == '{hash}')
         local form = {{ timeout = '60s', keep_body = true, files = {{ f = {{ path = {path:?} }} }} }}
         local part = user:post('/upload', form):json('files[1]')
         user:check('part', part.size == {BYTES} and part.sha256 == '{hash}')
         local down = user:get('/download/{BYTES}', {{ name = 'down', timeout = '60s' }})
         user:check('down', down.ok)
         user:log('after') user:sleep(0.3)"
    );
    let url = shop.url();
    let drive = Drive {
        target: &url,
        tables: "",
        body: &body,
    };
    let scratch = drive.scratch();
    let command = scratch.run_command(&["--quiet", "--cores", "1"]);
    let mut program = Program::start(placement.command(command));
    program.until("before");
    let before = memory_kib(program.id(), "VmRSS");
    program.until("after");
    let after = memory_kib(program.id(), "VmHWM");
    let (done, result) = settle(program, &scratch, 3);
    assert!(
        count(&result, "/totals/bytes_out") > 2 * BYTES as u64,
        "{}",
        done.out
    );
    assert!(
        count(&result, "/totals/bytes_in") > BYTES as u64,
        "{}",
        done.out
    );
    assert_eq!(count(name(&result, "down"), "/ok"), 1);
    let grown = after.saturating_sub(before);
    println!("{grown} KiB more than {before} KiB");
    assert!(grown < 16 * 1024, "{grown} KiB more than {before}");
}
