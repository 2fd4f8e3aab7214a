//! Thresholds: what they become, and what is said of wrong ones.

use std::time::Duration;

use super::*;
use stats::threshold::Comparison::{Above, AtLeast, AtMost, Below};
use stats::threshold::Statistic::{Count, Max, Mean, Min, Percentile, Rate, Share};
use stats::threshold::{Metric, Of, Threshold};

fn thresholds(tables: &str) -> Vec<Threshold> {
    plan(&format!("{RUN}{LOAD}{tables}")).thresholds
}

#[test]
fn each_metric_has_its_figures_and_its_unit() {
    let rows = [
        ("latency", "p99", "< 250ms", Percentile(0.99), Below, 250e3),
        ("latency", "p99.9", "<=1s", Percentile(0.999), AtMost, 1e6),
        ("service_time", "mean", "< 1.5ms", Mean, Below, 1.5e3),
        ("lag", "max", "<5us", Max, Below, 5.0),
        ("first_byte", "min", "> 1ms", Min, Above, 1e3),
        ("connect", "p50", "< 1m", Percentile(0.5), Below, 60e6),
        ("failures", "", "< 1%", Share, Below, 0.01),
        ("failures", "share", "< 0.5 %", Share, Below, 0.005),
        ("failures", "count", "<= 3", Count, AtMost, 3.0),
        ("checks", "", ">= 0.99", Share, AtLeast, 0.99),
        ("rate", "", "> 1.5k/s", Rate, Above, 1500.0),
        ("arrivals", "", ">= 95%", Share, AtLeast, 0.95),
        ("arrivals", "count", "< 5", Count, Below, 5.0),
        ("requests", "", ">= 1000", Count, AtLeast, 1000.0),
        ("iterations", "count", "> 10", Count, Above, 10.0),
        ("iterations", "rate", "> 5/s", Rate, Above, 5.0),
        ("iterations", "share", "> 99%", Share, Above, 0.99),
        ("script_errors", "", "< 1", Count, Below, 1.0),
    ];
    for (metric, stat, is, figure, op, limit) in rows {
        let stat = match stat {
            "" => String::new(),
            stat => format!("stat = \"{stat}\"\n"),
        };
        let table = format!("[[threshold]]\nmetric = \"{metric}\"\n{stat}is = \"{is}\"\n");
        let [threshold] = &thresholds(&table)[..] else {
            panic!("one threshold in {table}");
        };
        let found = (threshold.statistic, threshold.comparison, threshold.limit);
        assert_eq!(found, (figure, op, limit), "{table}");
        assert_eq!((threshold.abort, threshold.over), (false, None), "{table}");
    }
}

#[test]
fn a_threshold_has_a_text() {
    let table = "[[threshold]]\nmetric = \"latency\"\nname = \"log in\"\nstat = \"p99\"\n\
                 is = \"< 250ms\"\nover = \"1m\"\nabort = true\ndelay = \"30s\"\n";
    let expected = Threshold {
        metric: Metric::Latency,
        name: Some("log in".to_owned()),
        tag: None,
        of: Of::Ok,
        statistic: Percentile(0.99),
        comparison: Below,
        limit: 250e3,
        over: Some(Duration::from_secs(60)),
        abort: true,
        delay: Duration::from_secs(30),
        fail_on: None,
        text: "latency p99 of \"log in\" < 250ms over any 60s".to_owned(),
    };
    assert_eq!(thresholds(table), [expected]);
    assert!(thresholds("").is_empty());
}

#[test]
fn a_threshold_may_be_of_a_tag() {
    let tagged = "[[threshold]]\nmetric = \"failures\"\ntag = \"page:/a:1\"\nis = \"< 1%\"\n";
    let found = &thresholds(tagged)[0];
    assert_eq!(
        (&found.name, found.tag.as_deref()),
        (&None, Some("page:/a:1"))
    );
    assert_eq!(found.text, "failures of tag \"page:/a:1\" < 1%");
    let with = |lines: &str, expected: &str| {
        check(&format!("{RUN}{LOAD}[[threshold]]\n{lines}\n"), &[expected]);
    };
    let rate = "metric = \"rate\"\nis = \"> 1/s\"\ntag = ";
    for wrong in ["static", ":static", "kind:"] {
        with(
            &format!("{rate}\"{wrong}\""),
            &format!(
                "11:7: found \"{wrong}\", expected key and value of a tag, such as \
                 \"kind:static\" (`threshold.tag`)"
            ),
        );
    }
    with(
        &format!("{rate}5"),
        "11:7: found the number 5, expected a name in quotes",
    );
    with(
        &format!("{rate}\"a:b\"\nname = \"a\""),
        "11:7: found `name` and `tag`, only one of them is allowed (`threshold.tag`)",
    );
    with(
        "metric = \"checks\"\nis = \"> 1%\"\ntag = \"a:b\"",
        "11:7: `tag` is only allowed with the metrics latency, service_time, lag, first_byte, \
         connect, failures, rate, requests, found checks (`threshold.tag`)",
    );
}

#[test]
fn latency_and_rate_may_be_of_failed_or_all_requests() {
    let rows = [
        (
            "latency\"\nstat = \"p99",
            "< 1s",
            "",
            Of::Ok,
            "latency p99 < 1s",
        ),
        (
            "latency\"\nstat = \"p99",
            "< 1s",
            "ok",
            Of::Ok,
            "latency p99 < 1s",
        ),
        (
            "latency\"\nstat = \"max",
            "< 1s",
            "failed",
            Of::Failed,
            "latency max of failed requests < 1s",
        ),
        (
            "rate\"\nname = \"a",
            "> 5/s",
            "all",
            Of::All,
            "rate of all requests of \"a\" > 5/s",
        ),
        (
            "iterations\"\nstat = \"share",
            "< 1%",
            "failed",
            Of::Failed,
            "iterations share of failed iterations < 1%",
        ),
    ];
    for (metric, is, of, expected, text) in rows {
        let of = match of {
            "" => String::new(),
            of => format!("of = \"{of}\"\n"),
        };
        let table = format!("[[threshold]]\nmetric = \"{metric}\"\n{of}is = \"{is}\"\n");
        let found = thresholds(&table);
        assert_eq!(
            (found[0].of, found[0].text.as_str()),
            (expected, text),
            "{table}"
        );
    }
    let with = |lines: &str, expected: &[&str]| {
        check(&format!("{RUN}{LOAD}[[threshold]]\n{lines}\n"), expected);
    };
    with(
        "metric = \"lag\"\nof = \"ok\"\nstat = \"p99\"\nis = \"< 1s\"",
        &[
            "10:6: `of` is only allowed with the metrics latency, rate, requests and iterations, found \
             lag (`threshold.of`)",
        ],
    );
    with(
        "metric = \"rate\"\nof = \"good\"\nis = \"> 1/s\"",
        &["10:6: found \"good\", expected \"ok\", \"failed\" or \"all\" (`threshold.of`)"],
    );
}

#[test]
fn wrong_thresholds_are_reported_with_what_is_allowed() {
    let with = |lines: &str, expected: &[&str]| {
        check(&format!("{RUN}{LOAD}[[threshold]]\n{lines}\n"), expected);
    };
    let metric = "metric = \"latency\"\nstat = \"p99\"\n";
    with(
        "",
        &[
            "8:1: missing `threshold.metric`",
            "8:1: missing `threshold.is`",
        ],
    );
    with(
        "metric = \"latencie\"\nis = \"< 1s\"",
        &["9:10: found \"latencie\"; did you mean \"latency\"? (`threshold.metric`)"],
    );
    with(
        "metric = \"latency\"\nis = \"< 1s\"",
        &["8:1: missing `threshold.stat`, expected a percentile"],
    );
    for (stat, is) in [
        ("p0", "1s"),
        ("p100", "1s"),
        ("p9e1", "1s"),
        ("p", "1s"),
        ("value", "1s"),
    ] {
        with(
            &format!("metric = \"lag\"\nstat = \"{stat}\"\nis = \"< {is}\""),
            &[&format!("10:8: found \"{stat}\", expected a percentile")],
        );
    }
    for is in ["250ms", "= 250ms", "<", "< 250", "< -1s", "< 1%", "<< 1s"] {
        with(
            &format!("{metric}is = \"{is}\""),
            &[&format!("11:6: found \"{is}\", expected a comparison")],
        );
    }
    for is in ["< 101%", "< 1.5", "< x%", "< 1s"] {
        with(
            &format!("metric = \"failures\"\nis = \"{is}\""),
            &[&format!("10:6: found \"{is}\", expected a comparison")],
        );
    }
    with(
        &format!("{metric}is = \"< 1s\"\nover = \"1500ms\"\nabort = 1\ndelay = 5"),
        &[
            "12:8: found \"1500ms\", expected whole seconds",
            "13:9: found the number 1, expected true or false",
            "14:9: found the number 5 without a unit",
        ],
    );
    with(
        "metric = \"arrivals\"\nname = \"a\"\nis = \"> 1%\"",
        &["10:1: `name` is not allowed with the metric arrivals"],
    );
    with(
        "metric = \"rate\"\nstat = \"p99\"\nis = \"> 1/s\"\ncolour = 1",
        &[
            "10:8: found \"p99\", expected no `stat`",
            "12:1: unknown key `colour`",
        ],
    );
    check(
        &format!("threshold = 1\n{RUN}{LOAD}"),
        &["1:13: found the number 1, expected an array of tables: [[threshold]]"],
    );
}

#[test]
fn rules_that_fail_a_run_are_words() {
    use stats::threshold::FailOn::{FailedChecks, NoSuccess, ScriptErrors};
    let with = |line: &str| plan(&format!("{RUN}{line}\n{LOAD}")).fail_on;
    assert_eq!(with(""), [ScriptErrors, NoSuccess]);
    assert_eq!(with("fail_on = []"), []);
    let twice = "fail_on = [\"failed_checks\", \"script_errors\", \"failed_checks\"]";
    assert_eq!(with(twice), [FailedChecks, ScriptErrors]);
    check(
        &format!("{RUN}fail_on = [\"scripterrors\", 1, \"x\"]\n{LOAD}"),
        &[
            "4:12: found \"scripterrors\"; did you mean \"script_errors\"? (`run.fail_on`)",
            "4:28: found the number 1, expected one of script_errors, no_success",
            "4:31: found \"x\", expected one of script_errors",
        ],
    );
    check(
        &format!("{RUN}fail_on = false\n{LOAD}"),
        &["4:11: found false, expected a list of words (script_errors, "],
    );
    let words = |text: &str| text.parse::<FailOnRules>().map(|rules| rules.0);
    assert_eq!(words("none"), Ok(Vec::new()));
    assert_eq!(
        words("no_success, failed_checks"),
        Ok(vec![NoSuccess, FailedChecks])
    );
    let nearest = "found \"no_sucess\"; did you mean \"no_success\"?";
    assert_eq!(words("no_sucess"), Err(nearest.to_owned()));
    assert!(words("").is_err() && words("none,no_success").is_err());
}
