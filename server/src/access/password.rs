//! Passwords: argon2id, with the memory and passes recommended by OWASP.

use crate::Error;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::LazyLock;

/// Minimum length of a password, in characters.
pub const PASSWORD_MIN: usize = 10;
/// Maximum length of a password, in bytes.
const PASSWORD_BYTES_MAX: usize = 1024;
/// Memory of one hash, KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Number of passes.
const PASSES: u32 = 2;

/// A hash that no password matches: verifying against it takes as long as against a real one, so
/// the time of a sign-in does not reveal whether the account exists.
static DUMMY_HASH: LazyLock<String> =
    LazyLock::new(|| hash("nobody has this password").unwrap_or_default());

/// What is wrong with a new password, if anything.
pub(crate) fn problem(password: &str) -> Option<String> {
    if password.chars().count() < PASSWORD_MIN {
        return Some(format!(
            "the password is shorter than {PASSWORD_MIN} characters"
        ));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Some(format!(
            "the password is longer than {PASSWORD_BYTES_MAX} bytes"
        ));
    }
    None
}

/// Hashes a password with a fresh salt into a PHC string; takes about 30 ms and 19 MiB.
pub(crate) fn hash(password: &str) -> Result<String, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Access(format!("password: {error}"));
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| failed(&error))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| failed(&error))?;
    let hashed = hasher()?.hash_password(password.as_bytes(), &salt);
    hashed
        .map(|hash| hash.to_string())
        .map_err(|error| failed(&error))
}

/// True if the password matches; `None` (no such account) never matches, in the same time.
pub(crate) fn verify(password: &str, stored: Option<&str>) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let phc = stored.unwrap_or(&DUMMY_HASH);
    let Ok(parsed) = PasswordHash::new(phc) else {
        return false;
    };
    // The parameters come from the stored hash.
    let fits = Argon2::default().verify_password(password.as_bytes(), &parsed);
    fits.is_ok() && stored.is_some()
}

fn hasher() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .map_err(|error| Error::Access(format!("password: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}
