//! Rows as they are in the files, each as often as its order says, and what is wrong with files.

use super::cursor::permuted;
use super::*;
use crate::pacing::{Segment, Share};
use config::{AtEnd, Data, Format, Order, random};
use std::collections::HashSet;
use std::sync::Arc;

fn data(dir: &tempfile::TempDir, name: &str, text: &[u8], format: Format) -> Data {
    let file = dir.path().join(name);
    std::fs::write(&file, text).unwrap();
    Data {
        name: "rows".to_owned(),
        file,
        format,
        order: Order::Sequential,
        at_end: AtEnd::Wrap,
    }
}

fn source(data: Data) -> Sources {
    let (store, rows) = file::open(&data).unwrap();
    Sources(vec![Source { data, store, rows }])
}

fn feeders(data: Data, cores: u32) -> Vec<Feeder> {
    let sources = Arc::new(source(data));
    (0..cores)
        .map(|core| {
            Feeder::new(
                Arc::clone(&sources),
                Share::new(Segment::WHOLE, core, cores),
                7,
            )
        })
        .collect()
}

/// A CSV file of `rows` rows, with what makes CSV hard.
fn csv(rows: usize) -> String {
    let row = |n| format!("{n},\"a \"\"b\"\", line\n{n}\"\r\n");
    "id,text\r\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

#[test]
fn the_three_formats_give_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let object = |n: usize| format!("{{\"id\": \"{n}\", \"text\": \"a \\\"b\\\", line\\n{n}\"}}");
    let objects: Vec<String> = (0..21).map(object).collect();
    let files = [
        data(&dir, "a.csv", csv(21).as_bytes(), Format::Csv),
        data(
            &dir,
            "a.jsonl",
            objects.join("\n\n").as_bytes(),
            Format::JsonLines,
        ),
        data(
            &dir,
            "a.json",
            format!("[{}]", objects.join(",")).as_bytes(),
            Format::Json,
        ),
    ];
    for data in files {
        let file = data.file.clone();
        let mut feeder = feeders(data, 1).remove(0);
        // Twice around, each user one row.
        for number in 0..42_u64 {
            let row = feeder.row("rows", (0, number), 0).unwrap().unwrap();
            let n = number % 21;
            let cells: Vec<(&str, String)> = row
                .0
                .iter()
                .map(|(name, value)| (&**name, value.as_str().unwrap().to_owned()))
                .collect();
            let expected = [
                ("id", n.to_string()),
                ("text", format!("a \"b\", line\n{n}")),
            ];
            assert_eq!(cells, expected, "{}", file.display());
        }
        let unknown = feeder.row("accounts", (0, 0), 0).unwrap_err();
        assert!(
            unknown.contains("\"accounts\"; the profile has rows"),
            "{unknown}"
        );
    }
}

#[test]
fn unique_rows_are_given_once_over_all_cores_and_users() {
    let dir = tempfile::tempdir().unwrap();
    for rows in [1, 7, 1024, 3000] {
        let text = "id\n".to_owned() + &(0..rows).map(|n| format!("{n}\n")).collect::<String>();
        let mut data = data(&dir, "a.csv", text.as_bytes(), Format::Csv);
        (data.order, data.at_end) = (Order::Unique, AtEnd::Stop);
        let mut feeders = feeders(data, 3);
        let mut seen = HashSet::new();
        for (core, feeder) in (0_u64..).zip(&mut feeders) {
            let share = Share::new(Segment::WHOLE, core as u32, 3);
            // One user of each core asks until there are no more.
            let user = (0..).find(|&k| share.owns(k)).unwrap();
            while let Some(row) = feeder.row("rows", (0, user), 0).unwrap() {
                let id: u64 = row.0[0].1.as_str().unwrap().parse().unwrap();
                assert!(share.owns(id), "a row of another core");
                assert!(seen.insert(id), "{id} was given twice");
            }
            assert_eq!(feeder.row("rows", (0, user), 0), Ok(None));
        }
        assert_eq!(seen.len(), rows as usize);
    }
}

#[test]
fn the_end_is_an_error_where_the_profile_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = data(&dir, "a.csv", b"id\n1\n2\n", Format::Csv);
    data.at_end = AtEnd::Error;
    let mut feeder = feeders(data, 1).remove(0);
    assert!(feeder.row("rows", (0, 0), 0).unwrap().is_some());
    assert!(feeder.row("rows", (0, 1), 0).unwrap().is_some());
    let error = feeder.row("rows", (0, 2), 0).unwrap_err();
    assert!(error.contains("all 2 rows of \"rows\""), "{error}");
}

#[test]
fn random_rows_follow_the_bits_they_are_drawn_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = data(&dir, "a.csv", b"id\n0\n1\n2\n3\n", Format::Csv);
    data.order = Order::Random;
    let mut feeder = feeders(data, 1).remove(0);
    for (bits, id) in [(0, "0"), (1 << 62, "1"), (1 << 63, "2"), (u64::MAX, "3")] {
        let row = feeder.row("rows", (0, 5), bits).unwrap().unwrap();
        assert_eq!(row.0[0].1, id);
    }
}

#[test]
fn shuffling_is_a_permutation_and_another_one_in_each_pass() {
    for count in [1, 2, 3, 4, 5, 100, 1023, 1025, 5000] {
        let image = |key: u64| -> Vec<u64> {
            let bits = |k| random::bits(3, key, k);
            (0..count)
                .map(|value| permuted(value, count, bits))
                .collect()
        };
        let (one, other) = (image(0), image(1));
        let mut sorted = one.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..count).collect::<Vec<_>>(), "{count}");
        if count > 100 {
            assert_ne!(one, other);
            // A random permutation has one fixed point on average, variance 1; ten is far out.
            let fixed = (0..).zip(&one).filter(|(k, image)| k == *image).count();
            assert!(fixed < 10, "{fixed} of {count}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let rows: [(&[u8], Format, &str); 7] = [
        (
            b"a,b\n1,2\n3\n",
            Format::Csv,
            ":3: found 1 values, allowed are 2",
        ),
        (
            b"a\n\xff\n",
            Format::Csv,
            ":2: found bytes that are not UTF-8",
        ),
        (
            b"a,a\n1,2\n",
            Format::Csv,
            ":1: found the column \"a\" twice",
        ),
        (b"{}\n[1]\n", Format::JsonLines, ":2: found "),
        (b"{}\n\n{\"a\": \n", Format::JsonLines, ":3: found "),
        (b"{}", Format::Json, ":1: found "),
        (b"[{},\n5]", Format::Json, ":2: found "),
    ];
    for (text, format, expected) in rows {
        let problem = file::open(&data(&dir, "a", text, format)).err().unwrap();
        assert!(
            problem.starts_with(expected),
            "{problem}, expected {expected}"
        );
    }
    for (text, format) in [
        ("", Format::Csv),
        ("a\n", Format::Csv),
        ("[]", Format::Json),
    ] {
        let empty = data(&dir, "a", text.as_bytes(), format);
        assert_eq!(file::open(&empty).unwrap().1, 0, "{text:?}");
    }
}
