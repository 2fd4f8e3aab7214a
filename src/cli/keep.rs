//! Arguments of `mistress serve` on how much it keeps.

use clap::Args;

/// How much a stats server keeps.
#[derive(Args, Debug)]
pub struct KeepArguments {
    /// Most disk space for runs, such as 20GiB: beyond it, the runs that arrived first are deleted,
    /// but no pinned, baseline or live ones
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub keep_size: Option<u64>,
}

/// A size in bytes: a number with a unit.
fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || "expected a number with a unit: 500MiB, 20GiB, 1.5TiB or 20GB".to_owned();
    const UNITS: [(&str, u64); 6] = [
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let mut units = UNITS.iter();
    let unit = units.find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.ok_or_else(expected)?;
    let is_number = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.parse().map_err(|_| expected())?;
    let bytes = number * unit as f64;
    if is_number && bytes >= 1.0 && bytes < u64::MAX as f64 {
        Ok(bytes as u64)
    } else {
        Err(expected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        let rows = [
            ("500MiB", Some(500 << 20)),
            ("20GiB", Some(20 << 30)),
            ("1.5TiB", Some(3 << 39)),
            ("20GB", Some(20_000_000_000)),
            ("20", None),
            ("GiB", None),
            ("0GiB", None),
            ("-1GiB", None),
            ("20 GiB", None),
            ("infGiB", None),
        ];
        for (text, bytes) in rows {
            assert_eq!(parse_size(text).ok(), bytes, "{text:?}");
        }
    }
}
