//! Identifies a run: its id, its start, hashes of its inputs.

use crate::command::exit::Failure;
use crate::render::format;
use anyhow::anyhow;
use config::ScriptText;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time since 1970; zero for clocks set before.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Formats a time as `2026-11-22T22:45:06Z`.
pub fn utc(time: SystemTime) -> String {
    format::utc(since_epoch(time).as_secs())
}

/// An id for a run that began at `start`: a UUID of version 7 (RFC 9562), so that ids sort by
/// time and machines that know nothing of each other make different ones.
///
/// # Errors
/// The kernel has no random numbers.
pub fn run_id(start: SystemTime) -> Result<String, Failure> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(Failure::failed)?;
    let ms = since_epoch(start).as_millis() as u64;
    let id = uuid::Builder::from_unix_timestamp_millis(ms, &random);
    Ok(id.into_uuid().to_string())
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file of any size in hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, Failure> {
    let mut hash = Sha256::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hash))
        .map_err(|error| Failure::usage(anyhow!("{}: {error}", path.display())))?;
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a script in hexadecimal.
///
/// # Errors
/// Its file cannot be read.
pub fn sha256_of_script(script: ScriptText<'_>) -> Result<String, Failure> {
    match script.text {
        Some(text) => Ok(sha256(text.as_bytes())),
        None => sha256_of_file(script.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time of the example of RFC 9562, appendix A.6.
    #[test]
    fn ids_are_uuids_of_version_7() {
        let id = run_id(UNIX_EPOCH + Duration::from_millis(0x017f_22e2_79b0)).unwrap();
        assert!(id.starts_with("017f22e2-79b0-7"), "{id}");
        assert_eq!(id.len(), 36, "{id}");
        assert!(
            matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
            "{id}"
        );
    }

    #[test]
    fn ids_sort_by_time_and_differ() {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        let id = |ms| run_id(at(ms)).unwrap();
        assert!(id(1_790_000_000_000) < id(1_790_000_000_001));
        assert_ne!(id(5), id(5));
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn hashes_are_hexadecimal() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), known);
    }
}
