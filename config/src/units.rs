//! Values with units, as profiles write them: `"1m30s"`, `"1.5k/s"`.

use std::time::Duration;

/// Units of time, longest first, in nanoseconds.
const TIME_UNITS: [(&str, u64); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];
/// Most digits of a number, so that all arithmetic fits in 128 bits.
const DIGITS_MAX: usize = 18;

/// Why a text is not a value with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A number without a unit.
    NoUnit,
    /// An unknown unit after the number.
    Unit(String),
    /// Below zero.
    Negative,
    /// No number at the start, or units out of order.
    Form,
    /// More digits than any sensible value has.
    Digits,
}

/// Parses a duration: numbers with units, each unit smaller than the one before; the last number
/// may have a fraction. Rounds to the nanosecond.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    let mut rest = text;
    let mut total_ns = 0u128;
    let mut previous_ns = u64::MAX;
    while previous_ns == u64::MAX || !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit = &after[..after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len())];
        rest = &after[unit.len()..];
        let unit_ns = match TIME_UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, unit_ns)) => *unit_ns,
            None if unit.is_empty() => return Err(Fault::NoUnit),
            None => return Err(Fault::Unit(unit.to_owned())),
        };
        let fraction_inside = number.contains('.') && !rest.is_empty();
        if unit_ns >= previous_ns || fraction_inside {
            return Err(Fault::Form);
        }
        previous_ns = unit_ns;
        total_ns += scaled(number, unit_ns)?;
    }
    // Saturates: the limit of every key is far below, and its message names the key.
    Ok(Duration::from_nanos(
        u64::try_from(total_ns).unwrap_or(u64::MAX),
    ))
}

/// Parses a rate, per second: a number, an optional `k` or `M`, and `/s`, `/m` or `/h`.
pub(crate) fn rate(text: &str) -> Result<f64, Fault> {
    let (number, after) = split_number(text)?;
    let (exponent, unit) = split_exponent(after);
    let (thousands, per) = match unit.as_bytes().first() {
        Some(b'k') => (3, &unit[1..]),
        Some(b'M') => (6, &unit[1..]),
        _ => (0, unit),
    };
    let seconds = match per {
        "/s" => 1.0,
        "/m" => 60.0,
        "/h" => 3600.0,
        "" => return Err(Fault::NoUnit),
        _ => return Err(Fault::Unit(unit.to_owned())),
    };
    // Scaled as a decimal, so that "1.1k/s" is 1100 and not 1100.0000000000002.
    let value: f64 = format!("{number}e{}", thousands + exponent)
        .parse()
        .map_err(|_| Fault::Form)?;
    Ok(value / seconds)
}

/// Splits a decimal number off the start: digits, optionally with a point between digits.
fn split_number(text: &str) -> Result<(&str, &str), Fault> {
    if text.starts_with('-') {
        return Err(Fault::Negative);
    }
    let digits = |from: &str| from.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let fraction = match text[whole..].strip_prefix('.') {
        Some(after) => 1 + digits(after),
        None => 0,
    };
    match (whole, fraction) {
        (0, _) | (_, 1) => Err(Fault::Form),
        _ if whole + fraction > DIGITS_MAX => Err(Fault::Digits),
        _ => Ok(text.split_at(whole + fraction)),
    }
}

/// Splits `e12` or `e+12` off the start; 0 when there is none. Large exponents are capped at 999,
/// which is beyond all limits.
fn split_exponent(text: &str) -> (u32, &str) {
    let Some(after) = text.strip_prefix(['e', 'E']) else {
        return (0, text);
    };
    let after = after.strip_prefix('+').unwrap_or(after);
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return (0, text);
    }
    (
        after[..digits]
            .parse()
            .map_or(999, |exponent: u32| exponent.min(999)),
        &after[digits..],
    )
}

/// `number` times `unit_ns`, in whole nanoseconds, rounded.
fn scaled(number: &str, unit_ns: u64) -> Result<u128, Fault> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let parse = |digits: &str| digits.parse::<u128>().map_err(|_| Fault::Form);
    let denominator = 10u128.pow(fraction.len() as u32);
    let numerator = parse(whole)? * denominator + parse(&format!("0{fraction}"))?;
    Ok((numerator * u128::from(unit_ns) + denominator / 2) / denominator)
}

#[cfg(test)]
mod tests;
