//! Metrics of a script's own: names, tags, values, and what is refused.

use crate::world::{check_fails, world};
use mistress_scripting::MetricKind::{Counter, Gauge, Rate, Trend};

#[test]
fn values_reach_their_metric_with_tags_as_part_of_the_name() {
    let world = world(
        "user:count('orders') user:count('orders', 2.5)
         user:count('orders', 1, { country = 'de', size = 3 })
         user:gauge('queue', -4) user:rate('hit', true) user:rate('hit', false)
         user:trend('price', 19.99) user:trend('price', 0, {})",
    );
    world.once().unwrap_or_else(|error| panic!("{error}"));
    let expected = [
        (Counter, "orders", 1.0),
        (Counter, "orders", 2.5),
        (Counter, "orders{country=de,size=3}", 1.0),
        (Gauge, "queue", -4.0),
        (Rate, "hit", 1.0),
        (Rate, "hit", 0.0),
        (Trend, "price", 19.99),
        (Trend, "price", 0.0),
    ];
    let values = world.host.values.take();
    let values: Vec<_> = values
        .iter()
        .map(|(kind, name, value)| (*kind, &**name, *value))
        .collect();
    assert_eq!(values, expected);
}

#[test]
fn what_is_no_value_is_refused() {
    let rows = [
        (
            "user:count('n', -1)",
            "the value must be a number of at least 0, not -1",
        ),
        (
            "user:count('n', 0/0)",
            "the value must be a number of at least 0",
        ),
        (
            "user:count('n', 'x')",
            "the value must be a number of at least 0, not",
        ),
        ("user:count()", "the name must be a string, not nil"),
        ("user:count('')", "the name must be a string, not empty"),
        ("user:gauge('n')", "the value must be a number, not nil"),
        ("user:gauge('n', 1/0)", "the value must be a number"),
        (
            "user:rate('n', 1)",
            "the value must be true or false, not 1",
        ),
        (
            "user:trend('n', -0.5)",
            "the value must be a number of at least 0",
        ),
        ("user:count('n', 1, 'de')", "the tags must be a table"),
        (
            "user:count('n', 1, { 'de' })",
            "the name of a tag must be a string",
        ),
        (
            "user:count('n', 1, { a = {} })",
            "the tag a must be a string or a number",
        ),
        (
            "user.count({}, 'n')",
            "user:count was not called on the running user",
        ),
    ];
    check_fails(
        &rows
            .map(|(call, expected)| (call, [expected]))
            .each_ref()
            .map(|(call, parts)| (*call, &parts[..])),
    );
}
