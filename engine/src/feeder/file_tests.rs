//! Data files as people and spreadsheets write them: the rows in them, what is taken for granted,
//! and what is wrong with them.

use super::file::{self, Opened, RowReader, Store};
use config::{AtEnd, Data, Format, Order};

/// A file with `text` as its content.
fn data(text: &[u8], format: Format) -> (tempfile::TempDir, Data) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a");
    std::fs::write(&file, text).unwrap();
    let data = Data {
        name: "rows".to_owned(),
        file,
        format,
        separator: None,
        columns: None,
        order: Order::Sequential,
        at_end: AtEnd::Wrap,
    };
    (dir, data)
}

/// The rows of a file, each as `column=value` joined by `|`, in an order that jumps.
fn rows(opened: &Opened) -> Vec<String> {
    let mut reader = RowReader::new();
    let mut rows = vec![String::new(); opened.rows as usize];
    let jumping = (0..opened.rows).rev().step_by(2);
    for k in jumping.chain(0..opened.rows) {
        let row = match &opened.store {
            Store::Held(rows) => rows[k as usize].clone(),
            Store::Indexed(index) => reader.read(index, k).unwrap(),
        };
        let cells = row.0.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        });
        rows[k as usize] = cells.collect::<Vec<_>>().join("|");
    }
    rows
}

/// What the profile says, the file, its rows, and a part of its notice if it has one.
struct Case {
    separator: Option<u8>,
    columns: &'static [&'static str],
    text: &'static [u8],
    rows: &'static [&'static str],
    notice: &'static str,
}

const fn case(text: &'static [u8], rows: &'static [&'static str]) -> Case {
    Case {
        separator: None,
        columns: &[],
        text,
        rows,
        notice: "",
    }
}

const SEMICOLONS: &str = "semicolons separate its values";
const TABS: &str = "tabs separate its values";

const CSV: &[Case] = &[
    case(b"id,word\n1,a\n2,b\n", &["id=1|word=a", "id=2|word=b"]),
    case(b"id,word\r\n1,a\r\n2,b", &["id=1|word=a", "id=2|word=b"]),
    case(b"id\r1\r2\r", &["id=1", "id=2"]),
    case(b"\xef\xbb\xbfid,word\n1,\xc3\xa4\n", &["id=1|word=\u{e4}"]),
    case(
        b"id,word\n1,\"a,\"\"b\"\"\r\nc\"\n2,\"\"\n",
        &["id=1|word=a,\"b\"\r\nc", "id=2|word="],
    ),
    case(
        b"\n\nid,word\n\n1,a\n\n\n2,b\n\n\n",
        &["id=1|word=a", "id=2|word=b"],
    ),
    case(b"id\n1\n \n", &["id=1", "id= "]),
    case(b"id;word,x\n1;a,b\n", &["id;word=1;a|x=b"]),
    Case {
        notice: SEMICOLONS,
        ..case(b"id;word\r\n1;a\r\n", &["id=1|word=a"])
    },
    Case {
        notice: SEMICOLONS,
        ..case(
            b"\xef\xbb\xbfid;price\n1;2,50\n2;3\n",
            &["id=1|price=2,50", "id=2|price=3"],
        )
    },
    Case {
        notice: SEMICOLONS,
        ..case(b"id;word\n1;\"a;\n,b\"\n", &["id=1|word=a;\n,b"])
    },
    Case {
        notice: TABS,
        ..case(b"id\tword\n1\ta, b; c\n", &["id=1|word=a, b; c"])
    },
    Case {
        separator: Some(b';'),
        ..case(b"id;word\n1;a\n", &["id=1|word=a"])
    },
    Case {
        separator: Some(b'\t'),
        ..case(b"id\tword\n1\ta\n", &["id=1|word=a"])
    },
    Case {
        separator: Some(b'|'),
        ..case(b"id|word\n1|a\n", &["id=1|word=a"])
    },
    Case {
        separator: Some(b','),
        ..case(b"a;b\n1;2\n", &["a;b=1;2"])
    },
    case(b"sep=;\r\nid;word\r\n1;a\r\n", &["id=1|word=a"]),
    case(b"\xef\xbb\xbfsep=\t\nid\tword\n1\ta\n", &["id=1|word=a"]),
    Case {
        columns: &["a", "b"],
        ..case(b"1,2\n3,4\n", &["a=1|b=2", "a=3|b=4"])
    },
    Case {
        columns: &["a", "b"],
        ..case(b"\xef\xbb\xbf1,2\n3,4\n", &["a=1|b=2", "a=3|b=4"])
    },
    Case {
        columns: &["a", "b", "c"],
        notice: SEMICOLONS,
        ..case(b"1;2,5;\n3;4,5;6\n", &["a=1|b=2,5|c=", "a=3|b=4,5|c=6"])
    },
    Case {
        columns: &["a", "b"],
        separator: Some(b';'),
        ..case(b"sep=;\n1;2\n", &["a=1|b=2"])
    },
    Case {
        columns: &["a"],
        ..case(b"1\n2\n", &["a=1", "a=2"])
    },
    Case {
        notice: "2 rows without a value at its end",
        ..case(b"a,b\n1,2\n,\n,\n", &["a=1|b=2"])
    },
    Case {
        notice: "1 rows without a value at its end",
        ..case(b"a,b\n1,2\n  \n", &["a=1|b=2"])
    },
    case(b"a,b\n1,2\n,\n3,4\n", &["a=1|b=2", "a=|b=", "a=3|b=4"]),
    Case {
        notice: "1 of its 3 columns have no name",
        ..case(b"a,b,\n1,2,\n3,4,x\n", &["a=1|b=2", "a=3|b=4"])
    },
];

#[test]
fn files_as_spreadsheets_write_them() {
    for Case {
        separator,
        columns,
        text,
        rows: wanted,
        notice,
    } in CSV
    {
        let (_dir, mut data) = data(text, Format::Csv);
        data.separator = *separator;
        data.columns =
            (!columns.is_empty()).then(|| columns.iter().map(|&c| c.to_owned()).collect());
        let shown = String::from_utf8_lossy(text);
        let opened = file::open(&data).unwrap_or_else(|e| panic!("{shown:?}: {e}"));
        assert_eq!(rows(&opened), *wanted, "{shown:?}");
        let notices = opened.notices.join("\n");
        assert_eq!(
            notices.is_empty(),
            notice.is_empty(),
            "{shown:?}: {notices}"
        );
        assert!(notices.contains(*notice), "{shown:?}: {notices}");
    }
}

#[test]
fn json_with_a_byte_order_mark_and_line_ends_of_any_kind() {
    let cases: [(&[u8], Format); 4] = [
        (
            b"\xef\xbb\xbf[{\"a\": 1},\r\n {\"a\": \"x\"}]\r\n",
            Format::Json,
        ),
        (b"[{\"a\": 1}, {\"a\": \"x\"}]", Format::Json),
        (
            b"\xef\xbb\xbf{\"a\": 1}\r\n{\"a\": \"x\"}\r\n\r\n",
            Format::JsonLines,
        ),
        (b"{\"a\": 1}\n\n  \n{\"a\": \"x\"}", Format::JsonLines),
    ];
    for (text, format) in cases {
        let (_dir, data) = data(text, format);
        let opened = file::open(&data).unwrap();
        assert_eq!(rows(&opened), ["a=1", "a=x"], "{format:?}");
        assert!(opened.notices.is_empty());
    }
}

#[test]
fn rows_beyond_a_block_and_beyond_the_sample_are_found() {
    let row = |n: usize| format!("{n};\"w;\r\n{n}\"\r\n");
    let text =
        "\u{feff}id;word\r\n".to_owned() + &(0..9_000).map(row).collect::<String>() + ";\r\n;\r\n";
    let (_dir, data) = data(text.as_bytes(), Format::Csv);
    let opened = file::open(&data).unwrap();
    let wanted: Vec<String> = (0..9_000)
        .map(|n| format!("id={n}|word=w;\r\n{n}"))
        .collect();
    assert_eq!(rows(&opened), wanted);
    assert_eq!(opened.notices.len(), 2, "{:?}", opened.notices);
}

const WRONG: &[(&[u8], Format, &str)] = &[
    (
        b"a,b\n1,2\n3\n",
        Format::Csv,
        ":3: found 1 values, expected 2 as in the first line",
    ),
    (
        b"a;b\n1;2\n3;4;5\n",
        Format::Csv,
        ":3: found 3 values, expected 2",
    ),
    (
        b"sep=;\na;b\n1;2\n3;4;5\n",
        Format::Csv,
        ":4: found 3 values, expected 2",
    ),
    (
        b"a,b\n1,2\n \n3,4\n",
        Format::Csv,
        ":3: found 1 values, expected 2",
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
    (
        b",\n1,2\n",
        Format::Csv,
        ":1: found a first line without a name of a column",
    ),
    (
        b"\xff\xfei\0d\0,\0a\0\n\0",
        Format::Csv,
        ": found UTF-16, allowed is UTF-8; spreadsheets call it \"CSV UTF-8\"",
    ),
    (b"\xfe\xff\0i\0d\0,\0a\0\n", Format::Csv, ": found UTF-16"),
    (b"i\0d\0,\0a\0\n\0", Format::Csv, ": found UTF-16"),
    (
        b"\xff\xfei\0d\0,\0a\0\n\0",
        Format::Json,
        ": found UTF-16, allowed is UTF-8",
    ),
    (
        b"\xfe\xff\0i\0d\0,\0a\0\n",
        Format::JsonLines,
        ": found UTF-16",
    ),
    (b"{}\n[1]\n", Format::JsonLines, ":2: found "),
    (b"{}\n\n{\"a\": \n", Format::JsonLines, ":3: found "),
    (b"\xef\xbb\xbf{}\n{\n", Format::JsonLines, ":2: found "),
    (b"{}", Format::Json, ":1: found "),
    (b"[{},\n5]", Format::Json, ":2: found "),
];

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    for (text, format, expected) in WRONG {
        let (_dir, data) = data(text, *format);
        let problem = file::open(&data).err().unwrap();
        assert!(
            problem.starts_with(*expected),
            "{problem}, expected {expected}"
        );
    }
    for (text, format) in [
        ("", Format::Csv),
        ("a\n", Format::Csv),
        ("a,b\n,\n", Format::Csv),
        ("\u{feff}", Format::JsonLines),
        ("[]", Format::Json),
    ] {
        let (_dir, data) = data(text.as_bytes(), format);
        assert_eq!(file::open(&data).unwrap().rows, 0, "{text:?}");
    }
}
