//! Numbers, times, foreign text and tables.

use crate::render::format::*;
use crate::render::table::Table;
use std::time::Duration;

#[test]
fn times_have_three_digits() {
    for (us, expected) in [
        (0, "0µs"),
        (999, "999µs"),
        (1_000, "1.00ms"),
        (9_994, "9.99ms"),
        (9_996, "10.0ms"),
        (99_949, "99.9ms"),
        (99_951, "100ms"),
        (999_499, "999ms"),
        (999_500, "1.00s"),
        (12_345_678, "12.3s"),
        (59_949_999, "59.9s"),
        (59_950_000, "1m00s"),
        (125_000_000, "2m05s"),
        (3_599_600_000, "1h00m"),
        (u64::MAX, "5124095576h01m"),
    ] {
        assert_eq!(time_us(us), expected, "{us}");
    }
}

#[test]
fn lengths_are_written_as_in_a_profile() {
    for (ms, expected) in [
        (0, "0s"),
        (250, "250ms"),
        (1_500, "1.5s"),
        (30_000, "30s"),
        (90_000, "1m30s"),
        (3_600_000, "1h"),
    ] {
        assert_eq!(length(Duration::from_millis(ms)), expected, "{ms}");
    }
    assert_eq!(clock(Duration::from_secs(14)), "00:14");
    assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
}

#[test]
fn counts_and_rates() {
    assert_eq!(
        [0, 999, 1_000, 1_234_567].map(count),
        ["0", "999", "1,000", "1,234,567"]
    );
    assert_eq!(
        [0.5, 2_000.0, 1_234.5].map(number),
        ["0.5", "2,000", "1,234.5"]
    );
    assert_eq!(per_second(0, 0.0), "0");
    assert_eq!(per_second(5, 2.0), "2.5");
    assert_eq!(per_second(138, 2.0), "69");
    assert_eq!(per_second(99_999, 1.0), "99,999");
    assert_eq!(
        [0.0, 999.0, 1_000.0].map(bytes),
        ["0 B", "999 B", "0.98 KiB"]
    );
    assert_eq!(
        [1_536.0, 3e6, 5e18].map(bytes),
        ["1.50 KiB", "2.86 MiB", "4441 PiB"]
    );
    assert_eq!(percent_of(1, 100_000), "< 0.1 %");
    assert_eq!(
        (percent_of(1, 3), percent_of(0, 0)),
        ("33.3 %".into(), "0.0 %".into())
    );
}

#[test]
fn foreign_text_cannot_drive_the_terminal() {
    assert_eq!(escape("plain ü 漢"), "plain ü 漢");
    assert_eq!(escape("a\x1b[2Jb\r\n\0"), "a\\u{1b}[2Jb\\r\\n\\u{0}");
    assert_eq!(escape("\u{202e}txt\u{9b}"), "\\u{202e}txt\\u{9b}");
    assert_eq!(escape_lines("one\n\ttwo\x07"), ["one", "    two\\u{7}"]);
    assert_eq!(
        (cut("abcdef", 4), cut("abc", 3), cut("abc", 0)),
        ("abc…".into(), "abc".into(), "".into())
    );
}

/// Known moments, the last day of a leap February and the turn of a century among them.
#[test]
fn moments_in_utc() {
    for (unix, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_799, "2000-02-29T23:59:59Z"),
        (1_000_000_000, "2001-09-09T01:46:40Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ] {
        assert_eq!(utc(unix), expected);
    }
}

#[test]
fn long_names_get_a_line_of_their_own() {
    let mut table = Table::new(&["name", "count"]);
    table.rows.push(vec!["short".into(), "1".into()]);
    table
        .rows
        .push(vec!["a name that is too long".into(), "23,456".into()]);
    assert_eq!(
        table.lines(16),
        [
            "name       count",
            "short          1",
            "a name that is too long",
            "          23,456"
        ]
    );
}
