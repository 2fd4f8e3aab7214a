//! Passwords: argon2id, with the memory and passes that OWASP's cheat sheet asks for.

use crate::Error;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::LazyLock;

/// Fewest characters of a password.
pub const PASSWORD_MIN: usize = 10;
/// Most bytes of a password.
const PASSWORD_BYTES_MAX: usize = 1024;
/// Memory of one hash, KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;

/// A hash that fits no password: verifying against it takes as long as against a real one, so
/// the time of a sign-in does not tell whether the account exists.
static NOBODY: LazyLock<String> =
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

/// The PHC string of a password under a fresh salt; takes some 30 ms and 19 MiB.
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

/// True when the password fits; `None` (no such account) fits none, in the same time.
pub(crate) fn verify(password: &str, stored: Option<&str>) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let phc = stored.unwrap_or(&NOBODY);
    let Ok(parsed) = PasswordHash::new(phc) else {
        return false;
    };
    // The parameters are those of the stored hash.
    let fits = Argon2::default().verify_password(password.as_bytes(), &parsed);
    fits.is_ok() && stored.is_some()
}

fn hasher() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .map_err(|error| Error::Access(format!("password: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}
