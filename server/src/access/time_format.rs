//! Times formatted for people.

use time::OffsetDateTime;

/// Formats microseconds since 1970 as `2026-11-24 15:32:07 UTC`; values out of range as 1970.
pub(crate) fn second(us: i64) -> String {
    let second = us.div_euclid(1_000_000).rem_euclid(60);
    let minute = minute(us);
    format!("{}:{second:02} UTC", minute.trim_end_matches(" UTC"))
}

/// Formats microseconds since 1970 as `2026-11-24 15:32 UTC`; values out of range as 1970.
pub(crate) fn minute(us: i64) -> String {
    let seconds = us.div_euclid(1_000_000);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, _) = moment.to_hms();
    format!(
        "{year:04}-{:02}-{day:02} {hour:02}:{minute:02} UTC",
        u8::from(month)
    )
}
