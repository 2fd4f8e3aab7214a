//! Whole reports.

use super::fixture::{CLOSED, HOSTILE, OPEN, closed, facts, outline, report, troubled};
use super::snapshot;
use crate::render::columns::Columns;
use crate::render::flow::Style;
use crate::render::format::columns;
use crate::render::line::Interval;
use crate::render::live::by_name::{ByName, NameRow};
use crate::render::live::{Size, Stage, View, frame, repaint, rows_of};
use crate::render::{line, text};
use stats::report::Ending;
use stats::second::{CoreSecond, Counts};
use stats::summary::{GeneratorCore, NameSummary};
use stats::threshold::{FailOn, ThresholdResult};
use stats::{NameKind, RunReport, Summary};
use std::time::Duration;

const WIDE: Size = Size {
    width: 80,
    height: 24,
};

#[test]
fn summary_of_a_closed_run() {
    let facts = facts(Ending::Completed, vec![1], 3.0);
    let report = text::render(
        &report(facts, CLOSED, closed()),
        80,
        Style::Plain,
        &Columns::default(),
    );
    assert!(report.contains("CLOSED MODEL"));
    snapshot("summary_closed", &report);
}

#[test]
fn summary_of_a_troubled_run() {
    let facts = facts(Ending::Interrupted, vec![2, 3], 4.5);
    let report = text::render(
        &report(facts, OPEN, troubled()),
        80,
        Style::Plain,
        &Columns::default(),
    );
    snapshot("summary_troubled", &report);
}

#[test]
fn summary_in_colour_is_the_same_text() {
    let facts = facts(Ending::Stopped, vec![2, 3], 4.5);
    let report = report(facts, OPEN, troubled());
    let render = |style| text::render(&report, 80, style, &Columns::default());
    let coloured = render(Style::Colour);
    assert!(coloured.contains("\x1b[33mSUSPECT\x1b[0m"), "{coloured}");
    let codes = [
        "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
    ];
    let bare = codes
        .iter()
        .fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(bare, render(Style::Plain));
}

#[test]
fn reports_stay_within_their_width() {
    let facts = facts(Ending::Completed, vec![2, 3], 4.5);
    let report = report(facts, OPEN, troubled());
    for width in 80..160 {
        let text = text::render(&report, width, Style::Plain, &Columns::default());
        for line in text.lines() {
            assert!(columns(line) <= width, "{width}: {line}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn a_run_without_anything_is_reported_too() {
    let facts = facts(Ending::Failed, vec![0], 0.0);
    let summary = stats::Aggregator::new(1, stats::Model::Open).summary();
    let report = text::render(
        &report(facts, OPEN, summary),
        80,
        Style::Plain,
        &Columns::default(),
    );
    snapshot("summary_empty", &report);
}

#[test]
fn many_cores_are_summed_up() {
    let facts = facts(Ending::Completed, (0..64).collect(), 4.5);
    let mut summary = troubled();
    let two = summary.generator.cores.clone();
    summary
        .generator
        .cores
        .extend((2..64).map(|core| GeneratorCore {
            core,
            ..two[0].clone()
        }));
    let report = text::render(
        &report(facts, OPEN, summary),
        80,
        Style::Plain,
        &Columns::default(),
    );
    // 63 cores at 30 % and one at 40 %
    let expected = "cores busy   mean 30 %  most 40 % (core 1)  turns up to 200ms (core 1)\n";
    assert!(report.contains(expected), "{report}");
}

#[test]
fn lines_per_second() {
    let summary = troubled();
    let shown = |second| line::render(&Interval::of(second));
    let mut lines: Vec<String> = summary.series.iter().map(shown).collect();
    let mut held_up = summary.series[0].clone();
    held_up.seconds = 3;
    held_up.gaps = vec![1];
    lines.push(shown(&held_up));
    let mut long = Interval::of(&summary.series[2]);
    long.wanted_s = 10;
    long.left = Some(Duration::from_secs(170));
    lines.push(line::render(&long));
    let text = lines.join("\n") + "\n";
    snapshot("lines", &text);
    let most = Interval {
        end_s: 86_400,
        seconds: 1,
        ended: 1_234_567,
        failed: 1_234_567,
        dropped: 1_234_567,
        users: 1_000_000,
        p50_us: Some(45_600),
        is_limited: true,
        left: Some(Duration::from_secs(99_999)),
        ..long
    };
    let text = text + &line::render(&most);
    for line in text.lines() {
        assert!(columns(line) <= 80, "{line}");
    }
}

#[test]
fn series_as_csv() {
    let mut summary = troubled();
    summary.series[3].cores.remove(0);
    let facts = facts(Ending::Completed, vec![2, 3], 4.5);
    let table = report(facts, OPEN, summary).to_csv();
    let fields: Vec<usize> = table.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(fields, [39; 5]);
    snapshot("series_csv", &table);
}

#[test]
fn the_json_result_begins_with_the_run() {
    let facts = facts(Ending::Completed, vec![2, 3], 4.5);
    let document = RunReport::new(facts, Vec::new(), troubled()).to_json();
    assert!(document.ends_with("}\n"));
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let keys: Vec<&str> = document
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys[..8],
        [
            "schema",
            "run",
            "notices",
            "model",
            "verdict",
            "totals",
            "throughput",
            "latency"
        ]
    );
    assert_eq!(document["schema"], 2);
    assert_eq!(document["run"]["ended"], "completed");
    assert_eq!(
        document["names"][0]["name"], HOSTILE,
        "JSON keeps names as they are"
    );
    assert_eq!(document["series"].as_array().unwrap().len(), 4);
    assert_eq!(
        document["verdict"]["reasons"][0]["windows"],
        serde_json::json!([[0, 3]])
    );
    let run: Vec<&str> = document["run"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = "name id start duration_s planned_s warmup_s ended seed target script script_sha256 \
                    profile profile_sha256 cores version";
    assert_eq!(run, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let facts = facts(Ending::Completed, vec![2, 3], 4.5);
    let nothing = stats::Aggregator::new(1, stats::Model::Open).summary();
    for mut summary in [troubled(), nothing] {
        summary.series.clear();
        let text = report(facts.clone(), OPEN, summary).to_json();
        let back = RunReport::from_json(&text).expect("its own text");
        assert_eq!(back.to_json(), text);
        // as versions wrote it that told neither notices nor loads
        let old = text.replace("\"notices\":[],", "");
        assert_eq!(
            RunReport::from_json(&old).map(|one| one.to_json()),
            Ok(text.clone())
        );
        let other = text.replace("{\"schema\":2", "{\"schema\":1");
        assert!(RunReport::from_json(&other).is_err());
    }
}

/// Frames of the troubled run at its third second.
fn live(summary: &Summary, size: Size, style: Style, stage: Stage, cores: usize) -> Vec<String> {
    let mut second = summary.series[2].clone();
    let extra = cores.saturating_sub(second.cores.len()) as u32;
    second.cores.extend((0..extra).map(|k| CoreSecond {
        node: None,
        core: 2 + k,
        busy_share: k as f32 / extra as f32,
        waited_share: 0.0,
        turn_max_us: 0,
        generator_limited: false,
    }));
    let view = View {
        first: None,
        outline: &outline(&format!("{OPEN}{CLOSED}")),
        stage,
        elapsed: Duration::from_millis(14_200),
        second: Some(&second),
        so_far: &summary.totals.counts,
        by_name: &ByName::default(),
        keys: "p pause  + - scale  n next phase  q drain",
    };
    frame(&view, size, style)
}

fn text_of(frame: &[String]) -> String {
    frame.join("\n") + "\n"
}

#[test]
fn live_views() {
    let summary = troubled();
    snapshot(
        "live_80",
        &text_of(&live(&summary, WIDE, Style::Plain, Stage::Running, 2)),
    );
    let narrow = Size {
        width: 44,
        height: 40,
    };
    snapshot(
        "live_44",
        &text_of(&live(&summary, narrow, Style::Plain, Stage::Draining, 2)),
    );
    snapshot(
        "live_64_cores",
        &text_of(&live(&summary, WIDE, Style::Plain, Stage::Running, 64)),
    );
    let outline = outline(CLOSED);
    let start = View {
        first: None,
        outline: &outline,
        stage: Stage::Starting,
        elapsed: Duration::ZERO,
        second: None,
        so_far: &Counts::default(),
        by_name: &ByName::default(),
        keys: "p pause",
    };
    snapshot("live_start", &text_of(&frame(&start, WIDE, Style::Plain)));
}

#[test]
fn live_views_fit_any_terminal() {
    let summary = troubled();
    for width in 30..140 {
        for (height, cores) in [(24, 2), (5, 2), (24, 100), (1, 8)] {
            for style in [Style::Plain, Style::Colour] {
                let lines = live(
                    &summary,
                    Size { width, height },
                    style,
                    Stage::Running,
                    cores,
                );
                assert!(lines.len() < height.max(2), "{height}");
                for line in lines {
                    assert!(columns(&line) <= width, "{width}: {line}");
                }
            }
        }
    }
}

/// The troubled run by name, with `more` names besides, and thresholds.
fn by_name(summary: &Summary, more: usize) -> ByName {
    let rows = |kind| -> Vec<NameRow> {
        let names = summary.names.iter().filter(|name| name.kind == kind);
        let row = |name: &NameSummary| NameRow {
            name: name.name.clone(),
            rate: name.per_s,
            ok: name.ok,
            failed: name.failed,
            latency: name.phases.latency,
        };
        names.map(row).collect()
    };
    let mut requests = rows(NameKind::Request);
    for k in 0..more {
        let mut row = requests[0].clone();
        row.name = format!("GET /page/{k}");
        requests.push(row);
    }
    let result = |rule: FailOn, value: Option<f64>| ThresholdResult {
        text: rule.threshold().text,
        metric: rule.threshold().metric,
        name: None,
        tag: None,
        of: None,
        statistic: rule.threshold().statistic,
        limit: 0.0,
        value,
        with_unfinished: None,
        met: value == Some(0.0),
        first_missed_s: None,
        aborted: false,
        fail_on: None,
    };
    ByName {
        requests,
        transactions: rows(NameKind::Transaction),
        tags: rows(NameKind::Tag),
        checks: summary.checks.clone(),
        thresholds: vec![
            result(FailOn::FailedChecks, Some(0.0)),
            result(FailOn::DroppedArrivals, Some(8.0)),
            result(FailOn::NoSuccess, None),
        ],
        script_errors: 8,
    }
}

/// The live view of the troubled run by name.
fn live_by_name(summary: &Summary, more: usize, size: Size, style: Style) -> Vec<String> {
    let view = View {
        outline: &outline(OPEN),
        stage: Stage::Running,
        elapsed: Duration::from_millis(14_200),
        first: None,
        second: Some(&summary.series[2]),
        so_far: &summary.totals.counts,
        by_name: &by_name(summary, more),
        keys: "p pause  + - scale  n next phase  q drain",
    };
    frame(&view, size, style)
}

#[test]
fn live_views_use_the_room_there_is() {
    let summary = troubled();
    for (width, height) in [(40, 10), (80, 24), (120, 40), (200, 50)] {
        let size = Size { width, height };
        let view = live_by_name(&summary, 20, size, Style::Plain);
        snapshot(&format!("live_{width}x{height}"), &text_of(&view));
    }
    for width in 30..220 {
        for height in [1, 2, 5, 9, 10, 16, 17, 18, 19, 20, 24, 40, 60] {
            let size = Size { width, height };
            for style in [Style::Plain, Style::Colour] {
                let lines = live_by_name(&summary, 20, size, style);
                assert!(lines.len() < height.max(2), "{width}x{height}");
                for line in lines {
                    assert!(columns(&line) <= width, "{width}x{height}: {line}");
                }
            }
        }
    }
}

#[test]
fn lines_that_became_too_long_take_more_rows() {
    let lines = [
        String::new(),
        "x".repeat(80),
        "\x1b[31mabc\x1b[0m".to_owned(),
    ];
    assert_eq!(rows_of(&lines, 80), 3);
    assert_eq!(rows_of(&lines, 40), 4);
    assert_eq!(rows_of(&lines, 39), 5);
    assert_eq!(rows_of(&lines, 0), 1 + 80 + 3);
}

#[test]
fn names_have_the_columns_that_were_chosen() {
    let facts = facts(Ending::Completed, vec![2, 3], 4.5);
    let columns: Columns = "rate,p99,failures".parse().expect("columns");
    let report = report(facts, OPEN, troubled());
    let text = text::render(&report, 80, Style::Plain, &columns);
    let line = "transaction   rate    p99  failures";
    assert!(
        text.lines().any(|one| one == line),
        "no {line:?} in\n{text}"
    );
}

#[test]
fn painting_again_goes_up_and_clears_what_is_left() {
    let lines = ["a".to_string(), "b".to_string()];
    assert_eq!(repaint(0, &[]), "");
    assert_eq!(repaint(2, &[]), "\x1b[2A\r\x1b[K\n\x1b[K\n\x1b[2A\r");
    assert_eq!(repaint(0, &lines), "\x1b[Ka\n\x1b[Kb\n\x1b[J");
    assert_eq!(repaint(3, &lines[..1]), "\x1b[3A\r\x1b[Ka\n\x1b[J");
}
