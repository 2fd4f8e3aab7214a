//! When two error texts are the same error.

/// The text with what differs from one occurrence of an error to the next left out: addresses
/// (`0x7f..`) and the number of levels that a long traceback skips.
pub(crate) fn error_key(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let counts = line.contains("skipping") && line.contains("levels");
        let mut kept = String::new();
        let mut rest = line;
        while let Some(at) = rest.find("0x") {
            kept.push_str(&rest[..at]);
            rest = rest[at + 2..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
        }
        kept.push_str(rest);
        if counts {
            kept.retain(|c| !c.is_ascii_digit());
        }
        lines.push(kept);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::error_key;

    #[test]
    pub(crate) fn occurrences_of_one_error_are_the_same() {
        let rows = [
            ("s.lua:3: table: 0x7f01ab", "s.lua:3: table: 0x55dd", true),
            (
                "...(skipping 21809 levels)",
                "...(skipping 21810 levels)",
                true,
            ),
            ("s.lua:3: a", "s.lua:4: a", false),
            ("level 1", "level 2", false),
        ];
        for (one, other, same) in rows {
            assert_eq!(error_key(one) == error_key(other), same, "{one} {other}");
        }
    }
}
