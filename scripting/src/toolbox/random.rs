//! Random values of a user: `user:uuid`, `user:random_text`, `user:random_name`,
//! `user:random_email`. They come from the user's own stream, so that a seed repeats them.

use mlua::Value;
use uuid::Builder;

use super::{Tools, text};
use crate::Host;
use crate::location::kind;

/// Most characters of one random text.
const TEXT_CHARS_MAX: i64 = 1 << 20;
const LETTERS_AND_DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Domains that are reserved for examples (RFC 2606): no such mail reaches anybody.
const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

const FIRST_NAMES: [&str; 64] = [
    "Ada", "Adam", "Alice", "Amina", "Ana", "Andre", "Anna", "Ben", "Carla", "Carlos", "Chen",
    "Clara", "Daniel", "David", "Elena", "Elias", "Emil", "Emma", "Eva", "Fatima", "Felix",
    "Grace", "Hana", "Hannah", "Hugo", "Ida", "Ines", "Isaac", "Ivan", "Jack", "James", "Jana",
    "John", "Jonas", "Julia", "Karim", "Kenji", "Laura", "Lea", "Leo", "Lina", "Lucas", "Maria",
    "Mark", "Maya", "Mei", "Mia", "Nadia", "Nina", "Noah", "Nora", "Olga", "Omar", "Oscar", "Paul",
    "Priya", "Rosa", "Ruth", "Sam", "Sara", "Sofia", "Tom", "Vera", "Yusuf",
];
const LAST_NAMES: [&str; 64] = [
    "Adams", "Ali", "Andersen", "Bauer", "Becker", "Bell", "Brown", "Carter", "Castro", "Chang",
    "Clark", "Costa", "Cruz", "Davis", "Diaz", "Evans", "Fischer", "Fox", "Garcia", "Gray",
    "Green", "Hall", "Hansen", "Harris", "Hill", "Hoffmann", "Hughes", "Ibrahim", "Jones", "Kaya",
    "Keller", "Khan", "Kim", "King", "Klein", "Kumar", "Larsen", "Lee", "Lewis", "Li", "Lopez",
    "Martin", "Meyer", "Miller", "Moore", "Morris", "Murphy", "Nguyen", "Novak", "Olsen", "Patel",
    "Perez", "Reed", "Rossi", "Sato", "Silva", "Singh", "Smith", "Tanaka", "Taylor", "Walker",
    "Weber", "White", "Young",
];

/// A number from 0 to below `limit`.
fn below(host: &dyn Host, slot: u32, limit: usize) -> usize {
    let scaled = u128::from(host.random(slot)) * limit as u128;
    (scaled >> 64) as usize
}

fn one_of(host: &dyn Host, slot: u32, list: &[&'static str]) -> &'static str {
    list[below(host, slot, list.len())]
}

fn bytes<const N: usize>(host: &dyn Host, slot: u32) -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&host.random(slot).to_be_bytes()[..chunk.len()]);
    }
    bytes
}

fn uuid(host: &dyn Host, slot: u32, version: &Value) -> Result<String, String> {
    let builder = match version {
        Value::Nil | Value::Integer(4) => Builder::from_random_bytes(bytes(host, slot)),
        Value::Integer(7) => {
            Builder::from_unix_timestamp_millis(host.unix_ms(), &bytes(host, slot))
        }
        other => return Err(format!("the version must be 4 or 7, not {}", kind(other))),
    };
    Ok(builder.into_uuid().to_string())
}

fn random_text(
    host: &dyn Host,
    slot: u32,
    length: &Value,
    alphabet: &Value,
) -> Result<String, String> {
    let length = match length {
        Value::Integer(length @ 0..=TEXT_CHARS_MAX) => *length,
        other => {
            return Err(format!(
                "the length must be a whole number from 0 to {TEXT_CHARS_MAX}, not {}",
                kind(other)
            ));
        }
    };
    let alphabet = match alphabet {
        Value::Nil => LETTERS_AND_DIGITS.to_owned(),
        other => text("the alphabet", other)?.to_string_lossy(),
    };
    let letters: Vec<char> = alphabet.chars().collect();
    if letters.is_empty() {
        return Err("the alphabet must have at least one character, not none".to_owned());
    }
    let letter = |_| letters[below(host, slot, letters.len())];
    Ok((0..length).map(letter).collect())
}

pub(super) fn register(tools: &Tools<'_>) -> mlua::Result<()> {
    tools.add("user:uuid", |_, shared, (slot, version): (u32, Value)| {
        Ok(uuid(&*shared.host, slot, &version)?)
    })?;
    tools.add(
        "user:random_text",
        |_, shared, (slot, length, alphabet): (u32, Value, Value)| {
            Ok(random_text(&*shared.host, slot, &length, &alphabet)?)
        },
    )?;
    tools.add("user:random_name", |_, shared, slot: u32| {
        let one = |list| one_of(&*shared.host, slot, list);
        Ok(format!("{} {}", one(&FIRST_NAMES), one(&LAST_NAMES)))
    })?;
    tools.add("user:random_email", |_, shared, slot: u32| {
        let host = &*shared.host;
        let one = |list| one_of(host, slot, list).to_ascii_lowercase();
        let (first, last) = (one(&FIRST_NAMES), one(&LAST_NAMES));
        let (number, domain) = (below(host, slot, 1_000_000), one(&DOMAINS));
        Ok(format!("{first}.{last}{number}@{domain}"))
    })
}
