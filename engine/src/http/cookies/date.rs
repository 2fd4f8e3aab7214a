//! The dates of cookies (RFC 6265 section 5.1.1), which come in many shapes. The crate `cookie`
//! reads four of them; a zone that is not GMT or a day of one digit, which browsers read, would
//! leave a cookie that was to be removed.

use time::{Date, Month};

/// Hour, minute and second.
type Clock = (i64, i64, i64);

/// Seconds since 1970 of a date; none when it is no date.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text
        .split(|byte| is_delimiter(*byte))
        .filter(|token| !token.is_empty())
    {
        if time.is_none()
            && let Some(found) = time_of(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1..=2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = number(token, 2..=4)
        {
            year = Some(found);
        }
    }
    let (hour, minute, second) = time?;
    let (day, month) = (day?, month?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, day.try_into().ok()?);
    let date = date.ok().filter(|date| date.year() >= 1601)?;
    let [hour, minute, second] = [hour, minute, second].map(u8::try_from);
    let moment = date.with_hms(hour.ok()?, minute.ok()?, second.ok()?).ok()?;
    Some(moment.assume_utc().unix_timestamp())
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// So many digits at the beginning, and no digit after them.
fn number(token: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let length = token
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if !digits.contains(&length) {
        return None;
    }
    Some(
        token[..length]
            .iter()
            .fold(0, |n, digit| n * 10 + i64::from(digit - b'0')),
    )
}

fn time_of(token: &[u8]) -> Option<Clock> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let mut exact = || {
        let field = fields.next()?;
        number(field, 1..=2).filter(|_| field.iter().all(u8::is_ascii_digit))
    };
    let (hour, minute) = (exact()?, exact()?);
    let second = number(fields.next()?, 1..=2)?;
    Some((hour, minute, second))
}

fn month_of(token: &[u8]) -> Option<i64> {
    const NAMES: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = NAMES.iter().position(|name| **name == *start)?;
    Some(at as i64 + 1)
}
