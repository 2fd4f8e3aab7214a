//! The only way for a test to skip something: with a visible message, and never in CI.

use std::path::PathBuf;

/// Says whether something a test needs is present.
///
/// `what` is put into the message, such as `"nginx (apt-get install nginx)"`. If it is missing, a
/// line goes to standard error, bypassing the test harness's capture.
///
/// # Panics
/// If it is missing and the variable `CI` is set and not empty: there a skip is a failure.
pub fn need(what: &str, present: bool) -> bool {
    if present {
        return true;
    }
    let ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty());
    assert!(
        !ci,
        "needed and missing: {what}; with CI set nothing may be skipped"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // `eprintln!` would be captured by the harness and lost when the test passes.
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "\n*** SKIPPED {test}: needed and missing: {what} ***"
    );
    false
}

/// The full path of a program, looked for in `PATH` and in the system's own folders, which are
/// not in every user's path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there() {
        assert!(need("nothing", true));
        assert!(program("sh").is_some());
        assert_eq!(program("no-such-program-anywhere"), None);
    }
}
