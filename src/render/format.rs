//! Numbers, times and foreign text as people read them.

use std::time::Duration;

pub use stats::report::format::{bytes, count, number, time_us, utc};

/// As [`time_us`]; `-` where nothing was measured.
pub fn time_known(us: Option<u64>) -> String {
    us.map_or("-".to_owned(), time_us)
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
            format!("{}ms", number(s * 1e3))
        } else {
            format!("{}s", number(s))
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

/// How many columns a line takes that may have colours, which take none.
pub fn columns(line: &str) -> usize {
    let mut columns = 0;
    let mut is_code = false;
    for c in line.chars() {
        match c {
            '\x1b' => is_code = true,
            'm' if is_code => is_code = false,
            _ if is_code => {}
            _ => columns += 1,
        }
    }
    columns
}

/// The text, cut with an ellipsis when it is longer than `columns`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    if columns == 0 { kept } else { kept + "…" }
}
