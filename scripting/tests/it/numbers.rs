//! Ids keep their digits: in text, URLs, JSON, comparisons.

use mistress_scripting::{Entry, Row};
use serde_json::json;

use crate::world::{Answer, check_fails, check_logs, world};

const ORDER: &str = r#"{"order":123456789012345,"time_us":1700000000123456,
    "most":9007199254740992,"below":-9007199254740992,"big":2733382000000000049,
    "same":2733382000000000049,"next":2733382000000000050,"negative":-9223372036854775808,
    "unsigned":18446744073709551615,"beyond":18446744073709551616,"fraction":0.1,
    "list":[{"id":2733382000000000049},{"id":2733382000000000050}]}"#;

#[test]
fn whole_numbers_up_to_2_53_become_their_digits() {
    check_logs(&[
        (
            "log('/order/' .. 123456789012345)",
            &["/order/123456789012345"],
        ),
        ("log(1700000000123456 .. '/x')", &["1700000000123456/x"]),
        (
            "log(99999999999999, 100000000000000)",
            &["99999999999999\t100000000000000"],
        ),
        ("log(9007199254740991 + 1)", &["9007199254740992"]),
        ("log(-9007199254740992)", &["-9007199254740992"]),
        ("log(tostring(123456789012345))", &["123456789012345"]),
        (
            "log(('%s|%d'):format(123456789012345, 123456789012345))",
            &["123456789012345|123456789012345"],
        ),
        (
            "log(table.concat({ 123456789012345, 1 }, ','))",
            &["123456789012345,1"],
        ),
        // as before: no whole numbers, or too large to be exact
        ("log(0.1 + 0.2, 1 / 3)", &["0.3\t0.33333333333333"]),
        ("log(123456789012345.5)", &["1.2345678901235e+14"]),
        ("log(2 ^ 53 * 2, 1e300)", &["1.8014398509482e+16\t1e+300"]),
        (
            "log(1e14, 2 ^ 31, -0.5, 0)",
            &["100000000000000\t2147483648\t-0.5\t0"],
        ),
        ("log(1 / 0, -1 / 0)", &["inf\t-inf"]),
        // in a loop that is compiled
        (
            "local id, text = 123456789012000, nil
             for i = 1, 500 do id = id + 1 text = '/order/' .. id end log(text)",
            &["/order/123456789012500"],
        ),
    ]);
}

/// What an expression of `j`, the decoded body, and `r`, the reply, is logged as.
fn check_order(rows: &[(&str, &str)]) {
    for (expression, expected) in rows {
        let body = format!("local r = user:get('/') local j = r:json() log({expression})");
        let world = world(&body);
        world.answers.borrow_mut().push_back(Answer::body(ORDER));
        let ended = world.once();
        assert!(
            ended.is_ok(),
            "{expression}: {}",
            ended.expect_err("it failed")
        );
        assert_eq!(*world.host.logs.borrow(), [*expected], "{expression}");
    }
}

#[test]
fn larger_integers_of_json_keep_their_digits() {
    check_order(&[
        ("'/order/' .. j.order", "/order/123456789012345"),
        (
            "j.most .. ' ' .. j.below",
            "9007199254740992 -9007199254740992",
        ),
        ("type(j.most), type(j.big)", "number\ttable"),
        ("'/x/' .. j.big .. '/' .. 7", "/x/2733382000000000049/7"),
        ("j.big .. j.next", "27333820000000000492733382000000000050"),
        (
            "tostring(j.negative), j.unsigned",
            "-9223372036854775808\t18446744073709551615",
        ),
        ("('%s'):format(j.big)", "2733382000000000049"),
        ("r:json('big') == j.same, j.big == j.next", "true\tfalse"),
        ("j.big == integer('2733382000000000049')", "true"),
        (
            "j.big == 2733382000000000049, j.big == '2733382000000000049'",
            "false\tfalse",
        ),
        ("({ [j.big] = 'found' })[j.same]", "found"),
        (
            "j.big < j.next, j.big >= j.next, j.negative < j.unsigned",
            "true\tfalse\ttrue",
        ),
        (
            "j.big + 1 == j.next, 1 + j.big, j.next - j.big",
            "true\t2733382000000000050\t1",
        ),
        (
            "type(j.next - j.big), j.big % 10, -j.negative",
            "number\t9\t9223372036854775808",
        ),
        (
            "j.unsigned + 1, j.beyond, j.big / 2",
            "1.844674407371e+19\t1.844674407371e+19\t1.366691e+18",
        ),
        (
            "tonumber(j.big) > 5, tonumber('12'), tonumber('ff', 16), tonumber({})",
            "true\t12\t255\tnil",
        ),
        ("integer('12') + 1, integer(5)", "13\t5"),
        ("#r:json('list[?id == 2733382000000000050].id')", "1"),
        (
            "r:json('list[?id > 2733382000000000049].id')[1]",
            "2733382000000000050",
        ),
    ]);
}

#[test]
fn requests_carry_all_digits() {
    let world = world(
        "local j = user:get('/', { keep_body = true }):json()
         user:post('/p/' .. j.big, { json = { id = j.big, ids = { j.order, j.unsigned } },
           query = { id = j.big, o = j.order }, headers = { ['x-id'] = j.big } })
         user:post('/f', { form = { id = j.next, [j.big] = 1 } })",
    );
    world.answers.borrow_mut().push_back(Answer::body(ORDER));
    world.once().unwrap();
    let requests = world.requests.take();
    let [.., json, form] = &requests[..] else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(
        json.url,
        "/p/2733382000000000049?id=2733382000000000049&o=123456789012345"
    );
    let body = br#"{"id":2733382000000000049,"ids":[123456789012345,18446744073709551615]}"#;
    assert_eq!(json.body.as_deref(), Some(&body[..]));
    assert_eq!(
        json.headers,
        [("x-id".to_owned(), b"2733382000000000049".to_vec())]
    );
    let body = b"2733382000000000049=1&id=2733382000000000050";
    assert_eq!(form.body.as_deref(), Some(&body[..]));
}

#[test]
fn rows_of_data_keep_their_digits() {
    let world = world("local row = user:row('rows') log('/' .. row.id, '/' .. row.small)");
    let cells = [
        ("id", json!(2733382000000000049u64)),
        ("small", json!(123456789012345u64)),
    ];
    let row = Row(cells.map(|(name, value)| (name.into(), value)).into());
    world.host.rows.borrow_mut().push(row);
    world.script.attach(0, 0).unwrap();
    world.finish(0, Entry::Scenario(0)).unwrap();
    assert_eq!(
        *world.host.logs.borrow(),
        ["/2733382000000000049\t/123456789012345"]
    );
}

#[test]
fn checks_compare_all_digits() {
    let world = world(
        "local r = user:get('/')
         user:check(r, { json_at = { big = integer('2733382000000000049') } })
         user:check(r, { json_at = { big = integer('2733382000000000050') } })
         user:check(r, { json_at = { big = '2733382000000000049' } })
         user:check(r, { json_at = { time_us = 1700000000123456 } })
         user:check(r, { json_at = { time_us = 1700000000123457 } })",
    );
    world.answers.borrow_mut().push_back(Answer::body(ORDER));
    world.once().unwrap();
    let expected = [
        ("json big is 2733382000000000049", true),
        ("json big is 2733382000000000050", false),
        ("json big is \"2733382000000000049\"", false),
        ("json time_us is 1700000000123456", true),
        ("json time_us is 1700000000123457", false),
    ];
    let checks = world.host.checks.take();
    let found = checks.iter().map(|(name, passed)| (name.as_str(), *passed));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn what_lua_would_round_is_an_error() {
    check_fails(&[
        (
            "integer(2733382000000000049)",
            &["main.lua:1", "integer: 2733382000000000000 is above 2^53"],
        ),
        (
            "integer('12x')",
            &["integer: expected decimal digits of at most 64 bits, not \"12x\""],
        ),
        (
            "integer('18446744073709551616')",
            &["integer: expected decimal digits"],
        ),
        (
            "integer()",
            &["integer: expected decimal digits", "not nil"],
        ),
        (
            "return integer('18446744073709551615') < 5",
            &["attempt to compare"],
        ),
        (
            "return integer('18446744073709551615') + {}",
            &["attempt to perform arithmetic on a table"],
        ),
    ]);
    let body = "local r = user:get('/') user:check(r, { json_at = { big = 2733382000000000049 } })";
    let world = world(body);
    world.answers.borrow_mut().push_back(Answer::body(ORDER));
    let error = world.once().expect_err("a rounded number is no check");
    assert!(
        error
            .to_string()
            .contains("json_at big: Lua rounds numbers above 2^53"),
        "{error}"
    );
}
