//! Numbers, times and foreign text as people read them.

use std::time::Duration;
use time::OffsetDateTime;

/// A time in microseconds to three digits, at most 7 columns: `910µs`, `1.23ms`, `45.6s`, `2m05s`.
pub fn time_us(us: u64) -> String {
    if us < 1_000 {
        return format!("{us}µs");
    }
    // below the value that three digits would round up to the next unit
    if us < 999_500 {
        return format!("{}ms", three_digits(us as f64 / 1e3));
    }
    if us < 59_950_000 {
        return format!("{}s", three_digits(us as f64 / 1e6));
    }
    let seconds = us.saturating_add(500_000) / 1_000_000;
    match seconds / 60 {
        minutes @ 0..60 => format!("{minutes}m{:02}s", seconds % 60),
        minutes => format!("{}h{:02}m", minutes / 60, minutes % 60),
    }
}

/// As [`time_us`]; `-` where nothing was measured.
pub fn time_known(us: Option<u64>) -> String {
    us.map_or("-".to_owned(), time_us)
}

fn three_digits(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A time to whole seconds as a clock shows it: `00:14`, `1:02:03`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// A length of time as a profile writes it, without digits that are zero: `250ms`, `1m30s`.
pub fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds == 0 || time.subsec_nanos() > 0 {
        let s = time.as_secs_f64();
        return if s > 0.0 && s < 1.0 {
            format!("{}ms", trimmed(s * 1e3))
        } else {
            format!("{}s", trimmed(s))
        };
    }
    let parts = [
        (seconds / 3_600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect()
}

/// At most three decimals, and none that are zero.
fn trimmed(value: f64) -> String {
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
    let text = trimmed(value);
    match text.split_once('.') {
        Some((whole, part)) => format!("{}.{part}", count(whole.parse().unwrap_or(0))),
        None => count(text.parse().unwrap_or(0)),
    }
}

/// Something per second: whole from 100 on, at most one decimal below.
pub fn per_second(n: u64, seconds: f64) -> String {
    let rate = if seconds > 0.0 {
        n as f64 / seconds
    } else {
        0.0
    };
    if rate >= 99.95 {
        return count(rate.round() as u64);
    }
    let text = format!("{rate:.1}");
    text.strip_suffix(".0").map(str::to_string).unwrap_or(text)
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
        format!("{} {}", three_digits(value), UNITS[unit])
    }
}

/// A share of 0 to 1 in whole percent.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// `part` of `whole` in percent, one decimal; what is more than nothing never shows as `0.0 %`.
pub fn percent_of(part: u64, whole: u64) -> String {
    let share = if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    };
    if part > 0 && share < 0.05 {
        "< 0.1 %".to_string()
    } else {
        format!("{share:.1} %")
    }
}

/// Foreign text on one line that can do a terminal no harm: control characters and those that
/// turn the direction of writing are shown by their codes.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns_direction(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// As [`escape`], line by line; tabs become spaces.
pub fn escape_lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| escape(&line.replace('\t', "    ")))
        .collect()
}

/// Marks, embeddings and isolates of Unicode's bidirectional algorithm (UAX #9).
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many columns the text takes, at one per character.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// The text, cut with an ellipsis when it is longer than `columns`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    if columns == 0 { kept } else { kept + "…" }
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
