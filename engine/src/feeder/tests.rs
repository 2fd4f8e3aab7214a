//! What users are handed: rows by order and user, the end, and the permutation of shuffled ones.

use super::cursor::permuted;
use super::*;
use config::random;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// `users` closed users who draw from `rows` rows, their numbers, on one core.
fn feeder(rows: u64, users: u32, order: &str) -> Feeder {
    let dir = tempfile::tempdir().unwrap();
    let text = "id\n".to_owned() + &(0..rows).map(|n| format!("{n}\n")).collect::<String>();
    std::fs::write(dir.path().join("rows.csv"), text).unwrap();
    let profile = format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n[[load]]\nmodel = \"closed\"\n\
         scenarios = \"main\"\nphases = [{{ users = {users}, for = \"1s\" }}]\n\
         [data.rows]\nfile = \"rows.csv\"\n{order}\n"
    );
    let plan = config::parse(&profile, &dir.path().join(Path::new("p.toml"))).unwrap();
    Feeder::new(Arc::new(Sources::open(&plan, Segment::WHOLE).unwrap()), 7)
}

/// The row that a user gets in a pass, as a number; `None` at the end.
fn draw(feeder: &mut Feeder, number: u64, pass: u32, chance: u64) -> Option<u64> {
    let asker = Asker {
        load: 0,
        number,
        pass,
    };
    let row = feeder.row("rows", asker, chance).unwrap()?;
    Some(row.0[0].1.as_str().unwrap().parse().unwrap())
}

#[test]
fn one_user_reads_a_file_in_its_order_and_again() {
    for rows in [1, 2, 64, 100, 128, 1000, 1024, 1025] {
        let mut feeder = feeder(rows, 1, "");
        for k in 0..2 * rows + 1 {
            assert_eq!(draw(&mut feeder, 0, k as u32, 0), Some(k % rows), "{rows}");
        }
    }
}

#[test]
fn one_user_gets_every_row_before_the_end() {
    for rows in [1, 64, 100, 1025] {
        for order in ["sequential", "shuffled", "unique"] {
            let text = format!("order = \"{order}\"\nat_end = \"stop\"");
            let mut feeder = feeder(rows, 1, &text);
            let seen: HashSet<u64> = (0..rows)
                .map(|k| draw(&mut feeder, 0, k as u32, 0).unwrap())
                .collect();
            assert_eq!(seen.len() as u64, rows, "{order}");
            assert_eq!(draw(&mut feeder, 0, rows as u32, 0), None, "{order}");
        }
    }
}

#[test]
fn the_end_is_an_error_where_the_profile_says_so() {
    let mut feeder = feeder(2, 3, "at_end = \"error\"");
    assert_eq!(draw(&mut feeder, 1, 0, 0), Some(1));
    assert_eq!(draw(&mut feeder, 2, 0, 0), Some(0));
    let asker = Asker {
        load: 0,
        number: 0,
        pass: 0,
    };
    let error = feeder.row("rows", asker, 0).unwrap_err();
    assert!(error.starts_with("all 2 rows of \"rows\" ("), "{error}");
    assert!(error.ends_with("rows.csv) have been handed out"), "{error}");
    let unknown = feeder.row("accounts", asker, 0).unwrap_err();
    assert!(
        unknown.contains("\"accounts\"; the profile has rows"),
        "{unknown}"
    );
}

#[test]
fn random_rows_follow_the_bits_they_are_drawn_with() {
    let mut feeder = feeder(4, 9, "order = \"random\"");
    // Whoever is alone has nothing to skip.
    feeder.skip_to(0, 7);
    feeder.keep_apart(0);
    for (bits, id) in [(0, 0), (1 << 62, 1), (1 << 63, 2), (u64::MAX, 3)] {
        assert_eq!(draw(&mut feeder, 5, 0, bits), Some(id));
    }
}

#[test]
fn a_user_alone_goes_on_from_its_own_row() {
    let mut feeder = feeder(10, 9, "");
    feeder.skip_to(0, 7);
    let rows: Vec<_> = (0..5).map(|pass| draw(&mut feeder, 7, pass, 0)).collect();
    assert_eq!(rows, [7, 8, 9, 0, 1].map(Some));
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
