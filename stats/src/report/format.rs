//! Numbers, times and moments as people read them.

use time::OffsetDateTime;

/// A time in microseconds to three digits, at most 7 columns: `910µs`, `1.23ms`, `45.6s`, `2m05s`.
pub fn time_us(us: u64) -> String {
    if us < 1_000 {
        return format!("{us}µs");
    }
    // below the value that three digits would round up to the next unit
    if us < 999_500 {
        return format!("{}ms", significant(us as f64 / 1e3));
    }
    if us < 59_950_000 {
        return format!("{}s", significant(us as f64 / 1e6));
    }
    let seconds = us.saturating_add(500_000) / 1_000_000;
    match seconds / 60 {
        minutes @ 0..60 => format!("{minutes}m{:02}s", seconds % 60),
        minutes => format!("{}h{:02}m", minutes / 60, minutes % 60),
    }
}

/// A number below 1,000 to three digits: `1.23`, `12.3`, `123`.
fn significant(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// At most three decimals, and none that are zero.
fn decimals(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A count with its thousands apart: `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of a plan, such as a rate: thousands apart, at most three decimals.
pub fn number(value: f64) -> String {
    let text = decimals(value);
    match text.split_once('.') {
        Some((whole, part)) => format!("{}.{part}", count(whole.parse().unwrap_or(0))),
        None => count(text.parse().unwrap_or(0)),
    }
}

/// Bytes with a binary unit, three digits: `512 B`, `1.50 KiB`, `12.3 MiB`.
pub fn bytes(n: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = n.max(0.0);
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{value:.0} B")
    } else {
        format!("{} {}", significant(value), UNITS[unit])
    }
}

/// Seconds since 1970 as `2026-11-22T22:45:06Z`; those that are no date as the first.
pub fn utc(unix_seconds: u64) -> String {
    let moment = i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
