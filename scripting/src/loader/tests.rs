//! How the text of a script is split into words.

use super::*;

#[test]
fn words_know_whether_a_single_equals_sign_follows() {
    let text = b"a.body = {json=1, _x1 == body}";
    let found: Vec<_> = words(text)
        .map(|(at, word)| {
            let assigned = is_assigned(&text[at + word.len()..]);
            (String::from_utf8_lossy(word).into_owned(), assigned)
        })
        .collect();
    let expected = [
        ("a", false),
        ("body", true),
        ("json", true),
        ("1", false),
        ("_x1", false),
        ("body", false),
    ];
    assert_eq!(
        found,
        expected.map(|(word, assigned)| (word.to_owned(), assigned))
    );
    assert_eq!(words(b"").count(), 0);
    assert_eq!(words(b"= \xff\n").count(), 0);
}

#[test]
fn a_table_of_the_toolbox_is_no_method_of_a_reply() {
    for (text, expected) in [
        ("json.encode(t)", true),
        ("= json . decode", true),
        ("reply:json()", false),
        ("reply.json.x", false),
        ("reply : json.x", false),
        ("json", false),
    ] {
        let text = text.as_bytes();
        let (at, word) = words(text).find(|(_, word)| word == b"json").unwrap();
        assert_eq!(is_toolbox(text, at, word), expected);
    }
}
