//! The live view on a real terminal: tmux, in four sizes, resized while the run goes on. What was
//! on the screen is kept in `target/tmp/terminal`.

use crate::binary::{Scratch, mistress};
use crate::harness::measuring;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use testkit::need::need;

/// A tmux server of its own, with one window.
struct Tmux(String);

impl Tmux {
    fn start(width: u16, height: u16, command: &str) -> Tmux {
        // a name of its own: the server of an ended test may still be there
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let tmux = Tmux(format!("mistress-{}-{number}", std::process::id()));
        let (width, height) = (width.to_string(), height.to_string());
        let size = ["-x", width.as_str(), "-y", height.as_str()];
        tmux.call(
            &[
                &["-f", "/dev/null", "new-session", "-d"],
                &size[..],
                &[command],
            ]
            .concat(),
        );
        tmux
    }

    fn call(&self, arguments: &[&str]) -> String {
        let done = Command::new("tmux")
            .args(["-L", &self.0])
            .args(arguments)
            .env_remove("TMUX")
            .output()
            .expect("tmux is installed");
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{arguments:?}: {told}");
        String::from_utf8(done.stdout).expect("a screen is text")
    }

    fn resize(&self, width: u16, height: u16) {
        let (width, height) = (width.to_string(), height.to_string());
        self.call(&["resize-window", "-x", &width, "-y", &height]);
    }

    /// The screen, once `fits` holds of it; with colours as codes.
    fn screen(&self, name: &str, fits: impl Fn(&str) -> bool) -> String {
        let limit = Instant::now() + Duration::from_secs(10);
        loop {
            let screen = self.call(&["capture-pane", "-p", "-e"]);
            if fits(&screen) || Instant::now() > limit {
                let folder = captures();
                std::fs::create_dir_all(&folder).expect("a folder for captures");
                std::fs::write(folder.join(name), &screen).expect("a capture");
                assert!(fits(&screen), "{name}:\n{screen}");
                return screen;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-L", &self.0, "kill-server"])
            .output();
    }
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("terminal")
}

fn has_tmux() -> bool {
    need("tmux", Command::new("tmux").arg("-V").output().is_ok())
}

/// Names, checks, thresholds and errors, for some seconds.
fn shop(seconds: u32) -> Scratch {
    let script = "local s = {}\nfunction s.main(user)\n\
        for k = 1, 12 do user:get('/bytes/' .. k, { name = 'page ' .. k }) end\n\
        user:transaction('buy', function() user:check(user:get('/'), { status = 200 }) end)\n\
        user:check('odd', user.id % 2 == 1)\n\
        if user.id % 50 == 0 then error('every fiftieth') end\nend\nreturn s\n";
    let load = format!(
        "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
         phases = [{{ rate = \"50/s\", for = \"{seconds}s\" }}]\n\
         [[threshold]]\nmetric = \"failures\"\nis = \"< 1%\"\n\
         [[threshold]]\nmetric = \"checks\"\nis = \"> 99%\"\n"
    );
    Scratch::new("name = \"shop\"\nstats = false", &load, script)
}

/// The command line for a shell, with these variables.
fn command(scratch: &Scratch, variables: &str) -> String {
    let program = mistress::<&str>(&[]);
    let program = program.get_program().to_string_lossy();
    let profile = scratch.profile();
    format!("env -u CI -u NO_COLOR {variables} {program} run {profile} --cores 1; sleep 60")
}

#[test]
fn the_live_view_fits_every_size_of_a_terminal() {
    if !has_tmux() {
        return;
    }
    let Some(_alone) = measuring() else { return };
    let scratch = shop(8);
    let tmux = Tmux::start(120, 40, &command(&scratch, ""));
    let title = "shop → builtin";
    let once = |screen: &str| screen.matches(title).count() == 1;
    // beside the figures there are, in the room that is left: requests, transactions, thresholds
    let full = |screen: &str| {
        let parts = [
            "page 12",
            "transaction",
            "buy",
            "MISSED",
            "p95",
            "odd",
            "errors",
        ];
        once(screen) && parts.iter().all(|part| screen.contains(part))
    };
    let screen = tmux.screen("120x40.txt", full);
    assert!(screen.contains("\x1b[32m"), "no colours:\n{screen}");
    tmux.resize(40, 10);
    tmux.screen("40x10.txt", |screen| once(screen) && screen.contains("req"));
    tmux.resize(80, 24);
    // something of everything
    let parts = ["GET /", "p95", "buy", "MISSED", "odd"];
    let some = |screen: &str| once(screen) && parts.iter().all(|part| screen.contains(part));
    tmux.screen("80x24.txt", some);
    tmux.resize(200, 50);
    tmux.screen("200x50.txt", |screen| {
        full(screen) && screen.contains("mean")
    });
    tmux.resize(80, 24);
    let over = |screen: &str| screen.contains("script errors (1 distinct text");
    let screen = tmux.screen("summary.txt", over);
    assert!(!screen.contains("p pause"), "the view is left:\n{screen}");
}

#[test]
fn terminals_without_colours_or_cursor_get_plain_text() {
    if !has_tmux() {
        return;
    }
    let Some(_alone) = measuring() else { return };
    let scratch = shop(1);
    let over = |screen: &str| screen.contains("script errors");
    let tmux = Tmux::start(100, 60, &command(&scratch, "NO_COLOR=1"));
    let screen = tmux.screen("no_color.txt", over);
    assert!(!screen.contains('\x1b'), "{screen:?}");
    let all = tmux.call(&["capture-pane", "-p", "-S", "-200"]);
    assert!(!all.contains("p pause"), "the view is left:\n{all}");
    drop(tmux);
    for variables in ["TERM=dumb", "CI=true"] {
        let tmux = Tmux::start(100, 60, &command(&scratch, variables));
        let name = format!("{}.txt", variables.to_lowercase().replace('=', "_"));
        let screen = tmux.screen(&name, over);
        assert!(!screen.contains('\x1b'), "{screen:?}");
        assert!(screen.contains("    1s "), "a line per second:\n{screen}");
    }
}
