//! Rows of data and times of thought.

use mistress_scripting::{Entry, Row, Step};
use serde_json::json;

use crate::world::{check_fails, world};

#[test]
fn a_row_is_a_table_of_its_columns() {
    let world = world("local row = user:row('rows') log(row.name, row.age, row.tags[2], row.none)");
    let cells = [
        ("name", json!("ann")),
        ("age", json!(7)),
        ("tags", json!(["a", "b"])),
    ];
    let row = Row(cells.map(|(name, value)| (name.into(), value)).into());
    world.host.rows.borrow_mut().push(row);
    world.script.attach(0, 0).unwrap();
    assert!(matches!(
        world.script.run(0, Entry::Scenario(0), false),
        Step::Done
    ));
    assert_eq!(*world.host.logs.borrow(), ["ann\t7\tb\tnil"]);
}

#[test]
fn a_user_without_a_row_leaves_and_its_transactions_are_left() {
    let world = world(
        "user:transaction('outer', function()\n\
           user:transaction('inner', function() user:row('rows') end)\n\
         end)\n\
         log('not reached')",
    );
    world.script.attach(0, 0).unwrap();
    assert!(matches!(
        world.script.run(0, Entry::Scenario(0), false),
        Step::Leave
    ));
    assert!(world.host.logs.borrow().is_empty());
    let expected = ["begin outer", "begin inner", "left", "left"];
    assert_eq!(*world.host.transactions.borrow(), expected);
    // The coroutine is as good as before.
    world.host.rows.borrow_mut().push(Row::default());
    assert!(matches!(
        world.script.run(0, Entry::Scenario(0), false),
        Step::Done
    ));
    assert_eq!(*world.host.logs.borrow(), ["not reached"]);
}

#[test]
fn wrong_names_of_data_are_errors_at_the_script_s_line() {
    check_fails(&[
        (
            "user:row('nobody')",
            &["main.lua:1", "user:row: there is no data \"nobody\""],
        ),
        (
            "user:row()",
            &["the name of the data source must be a string, not nil"],
        ),
    ]);
}

/// The seconds that `count` calls of `user:think` with these options sleep.
fn thoughts(options: &str, count: usize) -> Vec<f64> {
    let world = world(&format!(
        "for i = 1, {count} do user:think {{ {options} }} end"
    ));
    world.script.attach(0, 0).unwrap();
    let mut step = world.script.run(0, Entry::Scenario(0), false);
    let mut seconds = Vec::new();
    while let Step::Sleep { min, max } = step {
        assert_eq!(min, max, "drawn by the script");
        seconds.push(min.as_secs_f64());
        step = world.script.wake(0, false);
    }
    assert!(matches!(step, Step::Done), "{step:?}");
    assert_eq!(seconds.len(), count);
    seconds
}

#[test]
fn thoughts_have_the_mean_and_the_spread_they_were_asked_for() {
    // Kind, mean, standard deviation, and that of the estimate of the latter over 20 000 draws,
    // sqrt(kurtosis - 1) / (2 sqrt(n)) of it: 0.2 % for uniform to 8 % for this lognormal.
    let rows = [
        (
            "kind = 'uniform', min = 1, max = 3",
            2.0,
            2.0 / 12f64.sqrt(),
            0.02,
        ),
        ("kind = 'exponential', mean = 2", 2.0, 2.0, 0.06),
        ("kind = 'normal', mean = 5, sd = 0.5", 5.0, 0.5, 0.03),
        ("kind = 'lognormal', mean = 4, sd = 3", 4.0, 3.0, 0.15),
    ];
    for (options, mean, sd, spread) in rows {
        let drawn = thoughts(options, 20_000);
        let n = drawn.len() as f64;
        let found = drawn.iter().sum::<f64>() / n;
        let variance = drawn.iter().map(|x| (x - found).powi(2)).sum::<f64>() / n;
        // Five standard errors.
        assert!(
            (found - mean).abs() < 5.0 * sd / n.sqrt(),
            "{options}: mean {found}"
        );
        let off = (variance.sqrt() - sd).abs();
        assert!(
            off < spread * sd,
            "{options}: deviation {}",
            variance.sqrt()
        );
    }
}

#[test]
fn thoughts_stay_within_their_bounds() {
    let drawn = thoughts("kind = 'normal', mean = 1, sd = 2, max = 3", 1_000);
    assert!(drawn.iter().all(|x| (0.0..=3.0).contains(x)));
    assert!(drawn.contains(&0.0) && drawn.contains(&3.0));
    check_fails(&[
        ("user:think()", &["user:think needs a table such as"]),
        (
            "user:think { mean = 1 }",
            &["kind must be \"uniform\", \"normal\""],
        ),
        (
            "user:think { kind = 'normal', mean = 1 }",
            &["normal needs sd"],
        ),
        (
            "user:think { kind = 'normal', mean = -1, sd = 1 }",
            &["mean must be seconds"],
        ),
        (
            "user:think { kind = 'uniform', min = 2, max = 1 }",
            &["min 2 is more than max 1"],
        ),
        (
            "user:think { kind = 'lognormal', mean = 0, sd = 1 }",
            &["must be above 0"],
        ),
        ("user:think { kind = 'uniform', mni = 2 }", &["mni", "min"]),
    ]);
}
