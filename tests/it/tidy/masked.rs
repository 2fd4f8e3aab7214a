//! Rust text without what is said in comments, strings and characters.

/// The same text with comments and the insides of literals turned into spaces; lines and byte
/// offsets stay.
pub(super) fn masked(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !continues_word(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(source, at).unwrap_or(at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("whole characters were replaced by spaces")
}

/// The text without items under `#[cfg(test)]`; lines stay. Takes and gives masked text.
pub(super) fn without_tests(masked: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = masked.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = masked[from..].find(MARK) {
        let start = from + found;
        let end = item_end(masked, start + MARK.len());
        for byte in &mut out[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end;
    }
    String::from_utf8(out).expect("whole characters were replaced by spaces")
}

/// Byte offsets of a word in masked text; `_` and letters and digits make words.
pub(super) fn words<'a>(masked: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = masked.as_bytes();
    masked
        .match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = at.checked_sub(1).map(|at| bytes[at]);
            let after = bytes.get(at + word.len()).copied();
            !before.is_some_and(is_word_byte) && !after.is_some_and(is_word_byte)
        })
}

/// The number of the line, from 1, that a byte lies in.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1
}

/// The end of an item that begins at or after `at`: behind its last brace or its semicolon.
pub(super) fn item_end(masked: &str, at: usize) -> usize {
    match body_start(masked, at) {
        Ok(open) => block_end(masked, open),
        Err(end) => end,
    }
}

/// Where the first block after `at` opens, outside of parentheses and brackets; `Err`: behind the
/// semicolon that ends the item before any block, or the end of the text.
pub(super) fn body_start(masked: &str, at: usize) -> Result<usize, usize> {
    let mut depth = 0_i32;
    for (offset, byte) in masked.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Ok(offset),
            b';' if depth == 0 => return Err(offset + 1),
            _ => {}
        }
    }
    Err(masked.len())
}

/// Behind the brace that closes the one at `open`; the end of the text when none does.
pub(super) fn block_end(masked: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return offset + 1;
        }
    }
    masked.len()
}

fn is_word_byte(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// True when the `r` at `at` is not the start of a word, but for the prefixes of raw strings.
fn continues_word(bytes: &[u8], at: usize) -> bool {
    let is_word_at = |at: Option<usize>| at.is_some_and(|at| is_word_byte(bytes[at]));
    match at.checked_sub(1).map(|at| bytes[at]) {
        Some(b'b' | b'c') => is_word_at(at.checked_sub(2)),
        _ => is_word_at(at.checked_sub(1)),
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(bytes.len(), |len| at + len)
}

/// Block comments nest.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a raw string whose `r` is at `start`; `None`: it is not one.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..]
        .iter()
        .take_while(|&&byte| byte == b'#')
        .count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = bytes[open + 1..]
        .windows(close.len())
        .position(|part| part == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// The end of a character whose quote is at `start`; `None`: it is a lifetime.
fn char_end(source: &str, start: usize) -> Option<usize> {
    let mut rest = source[start + 1..].char_indices();
    let (_, first) = rest.next()?;
    if first != '\\' {
        let (at, second) = rest.next()?;
        return (second == '\'').then_some(start + 1 + at + 1);
    }
    rest.next()?;
    rest.find(|&(_, c)| c == '\'')
        .map(|(at, _)| start + 1 + at + 1)
}

#[test]
fn comments_and_literals_are_blanked() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x\"y{", z)"#, "f(       , z)"),
        (r##"f(r#"x"y"#, z)"##, "f(        , z)"),
        ("f(b\"x\", br\"y\")", "f(b   , b    )"),
        (
            "g('{', '\\'', '\\u{7b}', 'a')",
            "g(   ,     ,         ,    )",
        ),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("r#type + for_r", "r#type + for_r"),
        ("\"two\nlines\" x", "    \n       x"),
        ("'ü' 'l", "     'l"),
    ];
    for (source, expected) in cases {
        let found = masked(source);
        assert_eq!(found.trim_end(), expected.trim_end(), "{source}");
        assert_eq!(found.len(), source.len(), "{source}");
    }
}

#[test]
fn items_of_tests_are_taken_out() {
    let source = "a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\nmod tests { fn f() { c } }\nd";
    let left = without_tests(&masked(source));
    let words: Vec<&str> = left.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "d"]);
    assert_eq!(left.lines().count(), source.lines().count());
}

#[test]
fn words_have_edges() {
    assert_eq!(words("fn f unfn fn_ fn", "fn").collect::<Vec<_>>(), [0, 14]);
}
