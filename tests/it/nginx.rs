//! A real server: nginx counts what we count.

use crate::binary::{Scratch, conserved, count};
use crate::harness::{event, measuring, run_table};

/// 50 users with 20 000 requests each, in scenarios of a page, a file and what was not modified.
const USERS: u64 = 50;
const REQUESTS_EACH: u64 = 20_000;

#[test]
fn a_million_requests_to_nginx_and_not_one_is_missing() {
    let Some(_alone) = measuring() else { return };
    let server = "root files;\n\
        location = / { default_type text/plain; return 200 'welcome'; }\n\
        location /files/ { alias files/; }";
    let Some(nginx) = testkit::nginx::start(server) else {
        return;
    };
    let files = nginx.folder().join("files");
    std::fs::create_dir_all(&files).expect("the folder is ours");
    std::fs::write(files.join("page.html"), "p".repeat(2_000)).expect("the folder is ours");
    let before = nginx.status();
    // one pass per user: it begins within the load's 10 ms and goes on in the drain
    let script = format!(
        "return {{ main = function(user)\n\
           for i = 1, {} do\n\
             local home = user:get('/')\n\
             local page = user:get('/files/page.html')\n\
             if home.status ~= 200 or page.status ~= 200 then error('not served') end\n\
           end\n\
         end }}",
        REQUESTS_EACH / 2
    );
    let load = format!(
        "drain = \"80s\"\n[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
         phases = [{{ users = {USERS}, for = \"10ms\" }}]\n"
    );
    let scratch = Scratch::of(&(run_table(&nginx.url()) + &load), &script);
    let done = scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    let after = nginx.status();
    println!("{}", done.out);
    let sent = USERS * REQUESTS_EACH;
    assert_eq!(count(&result, "/totals/sent"), sent, "{}", done.out);
    assert_eq!(count(&result, "/totals/ok"), sent, "{}", done.out);
    assert_eq!(count(&result, "/status/200"), sent, "{}", done.out);
    assert_eq!(
        count(&result, "/totals/iterations/finished"),
        USERS,
        "{}",
        done.out
    );
    assert_eq!(after.requests - before.requests, sent);
    let connections = after.accepted - before.accepted;
    assert_eq!(connections, event(&result, "connection_opened"));
    assert_eq!(connections, USERS);
}
