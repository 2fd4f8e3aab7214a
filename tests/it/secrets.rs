//! Variables of profiles and scripts, and secret ones: nothing of them is shown, kept or sent.

use crate::binary::{Done, Program, Scratch, can_run, count, mistress};
use crate::harness::{one_arrival, run_table};
use std::path::Path;
use std::process::Command;
use testkit::faults::{FaultOrigin, Script, Step};

fn finish(command: Command) -> Done {
    Program::start(command).finish()
}

#[test]
fn variables_come_from_arguments_files_and_the_environment() {
    if !can_run() {
        return;
    }
    let profile = "[run]\nname = \"${WHO}, ${FROM_FILE}, ${NOT_SET:-default}\"\n\
        script = \"p.lua\"\ntarget = \"builtin\"\nstats = false\nseed = \"${SEED}\"\n\
        [[load]]\nmodel = \"open\"\narrivals = \"even\"\nscenarios = \"main\"\n\
        phases = [{ rate = \"${RATE}/s\", for = \"${LENGTH:-1s}\" }]\n\
        [[load]]\nmodel = \"closed\"\nscenarios = \"main\"\npacing = \"1s\"\n\
        phases = [{ users = \"${USERS}\", for = \"1s\" }]\n";
    let script = "assert(env.NOT_SET == nil)\nlocal can_write = pcall(function() env.X = 1 end)\n\
        log(env.WHO .. ',' .. env.FROM_FILE .. ',' .. tostring(can_write))\n\
        return { main = function(user) user:get('/') end }";
    let scratch = Scratch::of(profile, script);
    scratch.write(
        "vars",
        "# note\nexport FROM_FILE='a file'\nWHO=file\nUSERS=3\n",
    );
    let mut command = scratch.run_command(&[
        "-e",
        "WHO=argument",
        "-e",
        "RATE=40",
        "--env-file",
        &scratch.argument("vars"),
    ]);
    command.env("WHO", "environment").env("SEED", "77");
    let done = finish(command).expect(0);
    let result = scratch.result();
    assert_eq!(result["run"]["name"], "argument, a file, default");
    assert_eq!(count(&result, "/run/seed"), 77);
    assert_eq!(count(&result, "/totals/planned"), 40);
    assert!(
        result["run"]["loads"].to_string().contains("3 users"),
        "{result}"
    );
    let overrides = result["run"]["overrides"].to_string();
    assert!(overrides.contains("-e RATE=40"), "{overrides}");
    done.says(&["log: argument,a file,false"]);
}

#[test]
fn a_missing_variable_is_told_with_its_place() {
    let scratch = Scratch::new(
        "timeout = \"${TIMEOUT}\"",
        &one_arrival("main"),
        "return {}",
    );
    let mut command = scratch.run_command(&[]);
    command.env("TIMEOUTS", "5s");
    finish(command).expect(2).complains(&[
        "p.toml:4:11: found ${TIMEOUT}, which is not set",
        "did you mean `TIMEOUTS`?",
    ]);
}

/// Values of the secrets of the test below; none of them is part of another.
const SECRETS: [(&str, &str); 5] = [
    ("HEADER_TOKEN", "tok-5fd1c0ffee"),
    ("PASSWORD", "pa/ss word+17\"q"),
    ("BODY_KEY", "body-key-a81f03"),
    ("LOGGED", "logged-value-77e2"),
    // no variable: the profile has it in the URL of a proxy
    ("PROXY", "prx-90aa17bd"),
];

/// Whatever a value could be written as.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap();
    let percent: String = value
        .bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() || byte == b'-' {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    // what stands for "ann:" and the value, without the ends that depend on what is around it
    let mut forms = vec![
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        percent,
    ];
    if value == SECRETS[1].1 {
        forms.push("cGEvc3Mgd29yZCsxNyJx".to_owned());
        forms.push("OnBhL3NzIHdvcmQrMTci".to_owned());
    }
    if value == SECRETS[4].1 {
        forms.push("YW5uOnByeC05MGFhMTdiZ".to_owned());
    }
    forms
}

/// Fails if a secret is in these bytes.
#[track_caller]
fn is_clean(bytes: &[u8], what: &str) {
    let text = String::from_utf8_lossy(bytes);
    for (name, value) in SECRETS {
        for form in forms(value) {
            let at = text.find(&form);
            assert!(at.is_none(), "{name} is in {what} as {form}");
        }
    }
}

/// Fails if a secret is in a file below the folder; says how many files there are.
fn folder_is_clean(folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += folder_is_clean(&path);
        } else if path.is_file() {
            is_clean(&std::fs::read(&path).unwrap(), &path.display().to_string());
            files += 1;
        }
    }
    files
}

/// A profile and a script that use secrets wherever they can be used.
fn secretive(target: &str) -> Scratch {
    let profile = run_table(target).replace("stats = false\n", "")
        + &one_arrival("main")
        + "[secrets]\nHEADER_TOKEN = \"env\"\nPASSWORD = \"env\"\nLOGGED = \"env\"\n\
           BODY_KEY = \"@key.txt\"\n\
           [headers]\nX-Token = \"${HEADER_TOKEN}\"\n"
        + &format!(
            "[connections]\nproxy = \"http://ann:{}@{}\"\n",
            SECRETS[4].1,
            target.trim_start_matches("http://")
        );
    let script = "local function broken() error('with ' .. env.LOGGED) end\n\
        return { main = function(user)\n  \
        user:post('/x?key=' .. env.BODY_KEY, {\n    \
        basic_auth = { 'ann', env.PASSWORD }, json = { p = env.PASSWORD, k = env.BODY_KEY } })\n  \
        user:post('/form', { form = { p = env.PASSWORD }, tags = { by = env.HEADER_TOKEN } })\n  \
        user:log('secret=' .. env.LOGGED)\n  \
        user:check('is ' .. env.LOGGED, true)\n  \
        user:count('metric ' .. env.LOGGED, 1)\n  \
        user:transaction('tx ' .. env.HEADER_TOKEN, function() user:sleep(0) end)\n  \
        user:sleep(1)\n  broken()\nend }";
    let scratch = Scratch::of(&profile, script);
    scratch.write("key.txt", &format!("{}\n", SECRETS[2].1));
    scratch
}

fn with_secrets(mut command: Command) -> Command {
    for (name, value) in SECRETS {
        if name != "BODY_KEY" {
            command.env(name, value);
        }
    }
    command
}

/// Answers every request and closes.
fn server() -> FaultOrigin {
    let reply = *b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    let steps = [Step::ReadAny, Step::send(reply), Step::Close];
    FaultOrigin::start(Script::each(steps))
}

#[test]
fn secrets_are_in_nothing_that_a_run_leaves() {
    if !can_run() {
        return;
    }
    let origin = server();
    let scratch = secretive(&origin.url());
    let data = scratch.path("data");
    let outputs = [
        "--csv",
        &scratch.argument("s.csv"),
        "--junit",
        &scratch.argument("j.xml"),
    ];
    let mut command = with_secrets(scratch.run_command(&outputs));
    command
        .env("MISTRESS_DATA", &data)
        .env("MISTRESS_PORT", "0")
        .env("MISTRESS_STATS", "auto");
    let mut run = Program::start(command);
    run.until("live: ");
    for process in [run.id().to_string(), "self".to_owned()] {
        let arguments = std::fs::read(format!("/proc/{process}/cmdline")).unwrap();
        is_clean(&arguments, "the arguments");
    }
    // the script errors fail the run
    let done = run.finish().expect(1);
    is_clean(done.out.as_bytes(), "stdout");
    is_clean(done.err.as_bytes(), "stderr");
    done.says(&[
        "secret=***",
        "with ***",
        "POST /x",
        "tx ***",
        "is ***",
        "metric ***",
        "by:***",
    ]);
    let result = scratch.result();
    assert_eq!(count(&result, "/totals/sent"), 2, "{result}");
    for file in ["r.json", "s.csv", "j.xml"] {
        is_clean(&std::fs::read(scratch.path(file)).unwrap(), file);
    }
    assert!(folder_is_clean(&data) > 0, "the run is stored");
    for format in ["json", "csv", "junit", "html", "hlog"] {
        let data = data.to_str().unwrap();
        let kept = ["report", "latest", "--data", data, "--format", format];
        let export = finish(mistress(&kept)).expect(0);
        is_clean(export.out.as_bytes(), format);
        is_clean(export.err.as_bytes(), format);
        assert!(!export.out.is_empty(), "{format}");
    }
}

#[test]
fn secrets_are_not_in_the_spool_or_in_what_check_shows() {
    if !can_run() {
        return;
    }
    let origin = server();
    let scratch = secretive(&origin.url());
    let data = scratch.path("data");
    // nobody listens there: everything stays in the spool
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let mut command = with_secrets(scratch.run_command(&["--stats", &url, "--quiet"]));
    command.env("MISTRESS_DATA", &data);
    let done = finish(command).expect(1);
    is_clean(done.out.as_bytes(), "stdout");
    is_clean(done.err.as_bytes(), "stderr");
    assert!(
        folder_is_clean(&data.join("spool")) > 0,
        "the run is in the spool"
    );

    let done = finish(with_secrets(mistress(&["check", &scratch.profile()]))).expect(3);
    is_clean(done.out.as_bytes(), "stdout of check");
    is_clean(done.err.as_bytes(), "stderr of check");
    done.says(&[
        "X-Token: ***",
        "/x?key=***",
        "\"k\":\"***\"",
        "p=***",
        "log: secret=***",
    ]);
}

#[test]
fn secrets_are_refused_as_arguments_and_not_shown_in_errors() {
    let scratch = secretive("http://127.0.0.1:1");
    let mut command = with_secrets(scratch.run_command(&["-e", "PASSWORD=in the open"]));
    command.env("HEADER_TOKEN", "abc");
    finish(command).expect(2).complains(&[
        "found a value of the secret `PASSWORD` among the arguments (-e)",
        "found a secret of 3 bytes, expected at least 4",
    ]);
    let mut command = with_secrets(scratch.run_command(&[
        "--set",
        "run.timeout=${LOGGED}",
        "--set",
        "secrets.OTHER=env",
        "--set",
        "secrets.LAST=x",
    ]));
    command.env_remove("HEADER_TOKEN");
    let done = finish(command).expect(2).complains(&[
        "p.toml:10:16: found no value of the secret `HEADER_TOKEN`",
        "--set run.timeout=${LOGGED}: found \"***\", expected a duration",
        "--set secrets.OTHER=env: found no value of the secret `OTHER`",
        "--set secrets.LAST=x: found \"x\", expected \"env\" (from --env-file",
    ]);
    is_clean(done.err.as_bytes(), "stderr");
}
