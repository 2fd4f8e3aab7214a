//! Identifies a run: its id, its start, hashes of its inputs.

use crate::command::exit::Failure;
use crate::render::format;
use anyhow::anyhow;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
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

/// An id for a run that starts at `start`: a version 7 UUID (RFC 9562), so that ids sort by time
/// and independent machines create different ones.
pub fn run_id(start: SystemTime) -> String {
    uuid7(since_epoch(start).as_millis() as u64, random_bytes())
}

/// A random number that distinguishes processes.
pub fn random() -> u64 {
    random_bytes()[..8]
        .iter()
        .fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn random_bytes() -> [u8; 10] {
    let mut random = [0; 10];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    if read.is_err() {
        // still different for each process and time on this machine
        let now = since_epoch(SystemTime::now());
        random[..4].copy_from_slice(&std::process::id().to_be_bytes());
        random[4..8].copy_from_slice(&now.subsec_nanos().to_be_bytes());
    }
    random
}

fn uuid7(ms: u64, random: [u8; 10]) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = 0x70 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// SHA-256 of a file in hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|e| Failure::usage(anyhow!("{}: {e}", path.display())))?;
    Ok(sha256(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9562, appendix A.6.
    #[test]
    fn ids_are_uuids_of_version_7() {
        let random = [0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
        let id = uuid7(0x017f_22e2_79b0, random);
        assert_eq!(id, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn ids_sort_by_time_and_differ() {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        assert!(run_id(at(1_790_000_000_000)) < run_id(at(1_790_000_000_001)));
        assert_ne!(run_id(at(5)), run_id(at(5)));
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn hashes_are_hexadecimal() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), known);
    }
}
