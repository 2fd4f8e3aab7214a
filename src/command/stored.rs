//! Runs of the local store, as commands name them.

use super::exit::Failure;
use super::store;
use anyhow::anyhow;
use server::{Archive, StoredRun};
use std::path::Path;

/// Runs that are looked through for a name or the beginning of an id.
const LOOKED_AT: u32 = 10_000;
/// The word for the newest run.
const LATEST: &str = "latest";

/// The store in `data`, or where stores are by default.
///
/// # Errors
/// No run was stored there, or the store cannot be read.
pub fn open(data: Option<&Path>) -> Result<Archive, Failure> {
    let data = store::data_dir(data)?;
    if !data.join("meta.sqlite").exists() {
        let place = data.display();
        return Err(Failure::usage(anyhow!(
            "{place}: no run was kept there yet"
        )));
    }
    Archive::open(&data).map_err(Failure::failed)
}

/// All runs, newest first.
///
/// # Errors
/// The store cannot be read.
pub fn all(archive: &Archive) -> Result<Vec<StoredRun>, Failure> {
    archive.runs(LOOKED_AT).map_err(Failure::failed)
}

/// A run by its id or the beginning of it, by its name (the newest of that name), or `latest`.
///
/// # Errors
/// There is no such run, or the store cannot be read.
pub fn find(archive: &Archive, asked: &str) -> Result<StoredRun, Failure> {
    chosen(&all(archive)?, asked).cloned()
}

/// As [`find`], among `runs`, newest first.
///
/// # Errors
/// There is no such run.
pub fn chosen<'r>(runs: &'r [StoredRun], asked: &str) -> Result<&'r StoredRun, Failure> {
    choose(runs, asked).map_err(|e| Failure::usage(anyhow!("{asked}: {e}")))
}

/// Several runs of `runs` (newest first), no two of them the same. Beside `latest`, a name is that
/// of the newest run other than the one that `latest` stands for.
///
/// # Errors
/// There is no such run, or two are the same; then it says what to write instead.
pub fn distinct<'r>(
    runs: &'r [StoredRun],
    asked: &[String],
) -> Result<Vec<&'r StoredRun>, Failure> {
    let latest = runs
        .first()
        .filter(|_| asked.iter().any(|one| one == LATEST));
    let mut found: Vec<&StoredRun> = Vec::new();
    for one in asked {
        let by_name = |run: &&StoredRun| run.name == *one && one != LATEST;
        let run = match latest.filter(by_name) {
            None => chosen(runs, one)?,
            Some(newest) => {
                let older = runs.iter().filter(by_name).find(|run| run.id != newest.id);
                older.ok_or_else(|| {
                    Failure::usage(anyhow!(
                        "{one}: there is one run of this name, which is the latest ({}); run it \
                         once more, or name another run",
                        newest.id
                    ))
                })?
            }
        };
        if let Some(before) = found.iter().position(|known| known.id == run.id) {
            return Err(Failure::usage(anyhow!(same(
                runs,
                run,
                &asked[before],
                one
            ))));
        }
        found.push(run);
    }
    Ok(found)
}

/// Why two arguments that are the same run are refused, and what to write.
fn same(runs: &[StoredRun], run: &StoredRun, first: &str, second: &str) -> String {
    let head = format!("{first} and {second} are the same run, {}", run.id);
    let older = runs.iter().skip_while(|one| one.id != run.id).skip(1);
    match older.into_iter().find(|one| one.name == run.name) {
        Some(older) => format!(
            "{head}; the run of that name before it is {}: write `mistress compare {} {}`",
            older.id, older.id, run.id
        ),
        None => format!("{head}, the first of its name; `mistress runs` lists the others"),
    }
}

fn choose<'r>(runs: &'r [StoredRun], asked: &str) -> Result<&'r StoredRun, String> {
    let fits = |run: &StoredRun| asked == LATEST || run.name == asked;
    if let Some(newest) = runs.iter().find(|run| run.id == asked || fits(run)) {
        return Ok(newest);
    }
    let begins = |run: &&StoredRun| !asked.is_empty() && run.id.starts_with(asked);
    let mut found = runs.iter().filter(begins);
    match (found.next(), found.count()) {
        (Some(run), 0) => Ok(run),
        (Some(_), more) => Err(format!("{} runs have ids that begin so", more + 1)),
        (None, _) => Err("no run has this id or name (or `latest`)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(rows: &[(&str, &str)]) -> Vec<StoredRun> {
        let run = |(id, name): &(&str, &str)| StoredRun {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            ..StoredRun::default()
        };
        rows.iter().map(run).collect()
    }

    const ROWS: [(&str, &str); 4] = [
        ("0198-c", "shop"),
        ("0198-b", "api"),
        ("0197-a", "shop"),
        ("0196-a", "shop"),
    ];

    #[test]
    fn a_run_is_found_by_id_its_beginning_name_or_as_the_latest() {
        let rows = [
            ("latest", Some("0198-c")),
            ("shop", Some("0198-c")),
            ("api", Some("0198-b")),
            ("0197", Some("0197-a")),
            ("0198-b", Some("0198-b")),
            ("0198", None),
            ("none", None),
            ("", None),
        ];
        let runs = runs(&ROWS);
        for (asked, expected) in rows {
            let found = choose(&runs, asked).ok().map(|run| run.id.as_str());
            assert_eq!(found, expected, "{asked:?}");
        }
    }

    #[test]
    fn a_comparison_is_of_different_runs() {
        let runs = runs(&ROWS);
        let ids = |asked: &[&str]| -> Result<Vec<String>, String> {
            let asked: Vec<String> = asked.iter().map(|one| (*one).to_owned()).collect();
            let found = distinct(&runs, &asked).map_err(|failure| failure.to_string())?;
            Ok(found.iter().map(|run| run.id.clone()).collect())
        };
        let both = |a: &str, b: &str| Ok(vec![a.to_owned(), b.to_owned()]);
        assert_eq!(ids(&["shop", "latest"]), both("0197-a", "0198-c"));
        assert_eq!(ids(&["latest", "shop"]), both("0198-c", "0197-a"));
        assert_eq!(ids(&["api", "latest"]), both("0198-b", "0198-c"));
        assert_eq!(ids(&["shop", "0196"]), both("0198-c", "0196-a"));
        let told = ids(&["shop", "0198-c"]).expect_err("the same");
        assert!(told.contains("shop and 0198-c are the same run"), "{told}");
        assert!(told.contains("`mistress compare 0197-a 0198-c`"), "{told}");
        let told = ids(&["latest", "latest"]).expect_err("the same");
        assert!(told.contains("`mistress compare 0197-a 0198-c`"), "{told}");
        let told = ids(&["api", "0198-b"]).expect_err("the same");
        assert!(told.contains("the first of its name"), "{told}");
        let one = &runs[..1];
        let asked = ["shop".to_owned(), "latest".to_owned()];
        let told = distinct(one, &asked).expect_err("there is one").to_string();
        assert!(told.contains("run it once more"), "{told}");
    }
}
