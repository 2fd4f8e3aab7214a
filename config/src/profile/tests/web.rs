//! The tables `[headers]` and `[http]`.

use super::*;
use crate::Web;

#[test]
fn headers_cookies_and_redirects_are_read() {
    assert_eq!(plan(&format!("{RUN}{LOAD}")).web, Web::default());
    let text = "[headers]\nX-Key = \"a b\"\naccept-encoding = false\n\
                [http]\ncookies = false\nredirects = 0\n";
    let web = plan(&format!("{RUN}{text}{LOAD}")).web;
    let expected = Web {
        headers: vec![
            ("X-Key".to_owned(), Some("a b".to_owned())),
            ("accept-encoding".to_owned(), None),
        ],
        cookies: false,
        redirects: 0,
    };
    assert_eq!(web, expected);
    let one = plan(&format!("{RUN}[http]\nredirects = 50\n{LOAD}")).web;
    assert_eq!((one.redirects, one.cookies), (50, true));
}

#[test]
fn wrong_ones_are_refused() {
    let text = "[headers]\n\"a b\" = \"x\"\nHost = \"h\"\ncontent-length = \"1\"\nA = \"x\\ny\"\n\
                B = true\nC = 1\n[http]\ncookies = 1\nredirects = 51\nkookies = true\n";
    check(
        &format!("{RUN}{text}{LOAD}"),
        &[
            "5:1: found a header name with characters other",
            "6:1: found Host, which every request sets itself",
            "7:1: found content-length, which",
            "8:5: found \"x\\ny\", expected a string without control characters, or false",
            "9:5: found true, expected a string",
            "10:5: found the number 1, expected a string",
            "12:11: found the number 1, expected true or false (`http.cookies`)",
            "13:13: found the number 51, expected a whole number from 0 to 50",
            "14:1: unknown key `kookies` in `[http]`; did you mean `cookies`?",
        ],
    );
    check(
        &format!("headers = 1\nhttp = 2\n{RUN}{LOAD}"),
        &[
            "1:11: found the number 1, expected a table: [headers]",
            "2:8: found the number 2, expected a table: [http]",
        ],
    );
}

#[test]
fn csv_may_have_another_separator_and_no_heading() {
    let data = |keys: &str| format!("{RUN}{LOAD}[data.x]\n{keys}\n");
    let one = plan(&data(
        "file = \"x.csv\"\nseparator = \"\\t\"\ncolumns = [\"a\", \"b c\"]",
    ));
    assert_eq!(one.data[0].separator, Some(b'\t'));
    let columns = ["a".to_owned(), "b c".to_owned()];
    assert_eq!(one.data[0].columns.as_deref(), Some(&columns[..]));
    let plain = plan(&data("file = \"x.csv\"")).data.remove(0);
    assert_eq!((plain.separator, plain.columns), (None, None));
    for separator in [
        "\"\"", "\";;\"", "\"a\"", "\"7\"", "\"'\"", "\"ä\"", "\"\\n\"", "7",
    ] {
        let found = problems(&data(&format!("file = \"x.csv\"\nseparator = {separator}")));
        assert_eq!(found.len(), 1, "{separator}");
        assert!(found[0].contains("(`data.NAME.separator`)"), "{found:?}");
    }
    for columns in ["[]", "\"a\"", "[\"a\", \"a\"]", "[\"\"]", "[1]"] {
        let found = problems(&data(&format!("file = \"x.csv\"\ncolumns = {columns}")));
        assert_eq!(found.len(), 1, "{columns}");
        assert!(found[0].contains("(`data.NAME.columns`)"), "{found:?}");
    }
    for key in ["separator = \";\"", "columns = [\"a\"]"] {
        let found = problems(&data(&format!("file = \"x.jsonl\"\n{key}")));
        assert_eq!(found.len(), 1, "{key}");
        assert!(
            found[0].contains("is only allowed for CSV files"),
            "{found:?}"
        );
    }
}
