//! Tags are names of a kind of their own: with their own figures, in no total, bounded apart.

use crate::nodes::{Outcome, await_state, batch, end, get, post, second, serve, start};
use serde_json::Value;
use stats::Recorder;
use wire::{Kind, NameRow, SecondRow};

const LENGTH_S: u64 = 4;
/// A request and a tag may have the same text.
const BOTH: [&str; 2] = ["kind:a", "kind:a"];

/// A second whose second name is a tag.
fn tagged(time_s: u64) -> SecondRow {
    let mut row = second(0, time_s, &BOTH);
    row.names[1].kind = Kind::Tag.into();
    row
}

fn sum(column: &Value) -> f64 {
    let steps = column.as_array().into_iter().flatten();
    steps.filter_map(Value::as_f64).sum()
}

#[test]
fn a_tag_has_its_own_figures_and_is_in_no_total() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let mut whole = batch("tags", 0, 1);
    whole.start = Some(Box::new(start()));
    whole.seconds = (0..LENGTH_S).map(tagged).collect();
    let sent =
        |place: usize| -> u64 { whole.seconds.iter().map(|row| row.names[place].sent).sum() };
    let (request, tag) = (sent(0), sent(1));
    assert_ne!(request, tag);
    whole.end = Some(Box::new(end(LENGTH_S)));
    assert_eq!(post(server.addr(), &whole)?.0, 200);
    await_state(server.addr(), "tags", "done")?;
    let run = "/api/v1/runs/tags";
    let names = get(server.addr(), &format!("{run}/names"))?;
    let rows: Vec<(&str, Option<u64>)> = (names["names"].as_array().into_iter().flatten())
        .map(|row| {
            (
                row["kind"].as_str().unwrap_or_default(),
                row["sent"].as_u64(),
            )
        })
        .collect();
    assert_eq!(rows, [("request", Some(request)), ("tag", Some(tag))]);
    let window = get(server.addr(), &format!("{run}/window"))?;
    assert_eq!(window["totals"]["sent"], request);
    for (kind, expected) in [("request", request), ("tag", tag)] {
        let series = get(
            server.addr(),
            &format!("{run}/series?kind={kind}&name=kind:a"),
        )?;
        assert_eq!(sum(&series["sent"]), expected as f64, "{kind}");
        let path = format!("{run}/distribution?kind={kind}&name=kind:a&of=all");
        assert_eq!(get(server.addr(), &path)?["count"], expected, "{kind}");
    }
    Ok(())
}

#[test]
fn tags_are_bounded_apart_from_names() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let names = |kind: Kind, from: usize| {
        let row = move |k| NameRow {
            kind: kind.into(),
            name: format!("n:{k}"),
            sent: 1,
            ok: 1,
            ..NameRow::default()
        };
        (from..from + Recorder::NAMES_MAX).map(row)
    };
    let mut whole = batch("many", 0, 1);
    whole.start = Some(Box::new(start()));
    // more than are kept apart come in the second one
    whole.seconds = [0, 5]
        .map(|from| SecondRow {
            time_s: from as u64,
            seconds: 1,
            names: names(Kind::Request, from)
                .chain(names(Kind::Tag, from))
                .collect(),
            ..SecondRow::default()
        })
        .to_vec();
    whole.end = Some(Box::new(end(6)));
    assert_eq!(post(server.addr(), &whole)?.0, 200);
    await_state(server.addr(), "many", "done")?;
    let answer = get(server.addr(), "/api/v1/runs/many/names")?;
    let rows: Vec<&Value> = answer["names"].as_array().into_iter().flatten().collect();
    for kind in ["request", "tag"] {
        let of_kind = rows.iter().filter(|row| row["kind"] == kind);
        assert_eq!(of_kind.count(), Recorder::NAMES_MAX + 1, "{kind}");
        let other = rows
            .iter()
            .find(|row| row["kind"] == kind && row["name"] == Recorder::OTHER);
        assert_eq!(other.map(|row| &row["sent"]), Some(&5.into()), "{kind}");
    }
    Ok(())
}
