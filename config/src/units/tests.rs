//! Values with units: exact readings and named faults.

use super::*;

#[test]
fn lengths_of_time_are_exact() {
    let check = |text: &str, ns: u64| {
        assert_eq!(duration(text), Ok(Duration::from_nanos(ns)), "{text}");
    };
    check("0s", 0);
    check("1ns", 1);
    check("2us", 2_000);
    check("2µs", 2_000);
    check("250ms", 250_000_000);
    check("10s", 10_000_000_000);
    check("0.1s", 100_000_000);
    check("0.123456789s", 123_456_789);
    check("0.1234567894s", 123_456_789);
    check("0.1234567895s", 123_456_790);
    check("1m", 60_000_000_000);
    check("1m30s", 90_000_000_000);
    check("1.5h", 5_400_000_000_000);
    check("1d2h3m4s5ms6us7ns", 93_784_005_006_007);
    check("1m0.5s", 60_500_000_000);
    check("999999999999999999d", u64::MAX);
}

#[test]
fn rates_are_per_second() {
    let check = |text: &str, per_s: f64| assert_eq!(rate(text), Ok(per_s), "{text}");
    check("100/s", 100.0);
    check("0/s", 0.0);
    check("1.5k/s", 1500.0);
    check("1.1k/s", 1100.0);
    check("4.35k/s", 4350.0);
    check("2M/s", 2e6);
    check("30/m", 0.5);
    check("9/h", 0.0025);
    check("3.6k/h", 1.0);
    check("1e12/s", 1e12);
    check("1E+3/s", 1000.0);
    check("1e3k/s", 1e6);
    check("1e99999999999/s", f64::INFINITY);
}

#[test]
fn faults_are_told_apart() {
    let unit = |text: &str| Fault::Unit(text.to_owned());
    let check = |text: &str, time_fault: Fault, rate_fault: Fault| {
        assert_eq!(
            duration(text),
            Err(time_fault),
            "{text} as a length of time"
        );
        assert_eq!(rate(text), Err(rate_fault), "{text} as a rate");
    };
    check("", Fault::Form, Fault::Form);
    check("s", Fault::Form, Fault::Form);
    check("inf", Fault::Form, Fault::Form);
    check("+1s", Fault::Form, Fault::Form);
    check(" 1s", Fault::Form, Fault::Form);
    check(".5s", Fault::Form, Fault::Form);
    check("5.s", Fault::Form, Fault::Form);
    check("10", Fault::NoUnit, Fault::NoUnit);
    check("1.5", Fault::NoUnit, Fault::NoUnit);
    check("-5s", Fault::Negative, Fault::Negative);
    check("-1/s", Fault::Negative, Fault::Negative);
    check("10 s", unit(" s"), unit(" s"));
    check("10S", unit("S"), unit("S"));
    check("10x", unit("x"), unit("x"));
    check("10KiB", unit("KiB"), unit("KiB"));
    check("1234567890123456789s", Fault::Digits, Fault::Digits);
    check("1ſ", unit("ſ"), unit("ſ"));
    assert_eq!(duration("10/s"), Err(unit("/s")));
    assert_eq!(duration("1m30"), Err(Fault::NoUnit));
    assert_eq!(duration("1s1s"), Err(Fault::Form));
    assert_eq!(duration("1us1µs"), Err(Fault::Form));
    assert_eq!(duration("30s1m"), Err(Fault::Form));
    assert_eq!(duration("1.5m30s"), Err(Fault::Form));
    assert_eq!(duration("1m-30s"), Err(unit("m-")));
    assert_eq!(rate("10s"), Err(unit("s")));
    assert_eq!(rate("10/d"), Err(unit("/d")));
    assert_eq!(rate("10k"), Err(Fault::NoUnit));
    assert_eq!(rate("1e/s"), Err(unit("e/s")));
    assert_eq!(rate("10/s "), Err(unit("/s ")));
}
