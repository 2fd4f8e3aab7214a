//! Tags: requests count under each of theirs, thresholds look at one, and their number is bounded.

use crate::{Core, MS, aggregator, finish};
use mistress_stats::summary::NameSummary;
use mistress_stats::threshold::{Comparison, Metric, Of, Statistic, Threshold};
use mistress_stats::{
    Aggregator, FailureKind, Model, NameKind, Phase, Recorder, Sample, Summary, Tag, TagsId,
};

fn tags<const N: usize>(pairs: [(&str, &str); N]) -> Vec<Tag> {
    let owned = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    owned.into()
}

fn sample(ms: u64, failure: Option<FailureKind>) -> Sample {
    Sample {
        latency_ns: ms * MS,
        service_ns: ms * MS,
        status: 200,
        failure,
        ..Sample::default()
    }
}

/// Two requests under way of a page, three of an image and one without tags: those of 10 ms are
/// `kind:page`, those of 20 ms `kind:image`, both `area:shop`; one image fails.
fn count(core: &mut Core) {
    let around = core.recorder.tags(
        TagsId::default(),
        &tags([("area", "shop"), ("kind", "page")]),
    );
    let image = core.recorder.tags(around, &tags([("kind", "image")]));
    let own = core.recorder.tags(
        TagsId::default(),
        &tags([("area", "shop"), ("kind", "image")]),
    );
    assert_eq!(
        image, own,
        "a key of one's own takes the place of that around it"
    );
    assert_eq!(core.recorder.tags(around, &[]), around);
    assert_eq!(
        core.recorder.tags_of(image),
        tags([("area", "shop"), ("kind", "image")])
    );
    let rows = [
        (around, 10, None),
        (around, 10, None),
        (image, 20, None),
        (image, 20, None),
        (image, 20, Some(FailureKind::Status)),
        (TagsId::default(), 1, None),
    ];
    for (tags, ms, failure) in rows {
        let id = core.name.with_tags(tags);
        core.recorder.sent(id);
        core.recorder.connected(id, MS);
        core.recorder.request(id, &sample(ms, failure));
    }
}

fn tag<'a>(summary: &'a Summary, name: &str) -> &'a NameSummary {
    let mut names = summary.names.iter();
    let found = names.find(|one| one.kind == NameKind::Tag && one.name == name);
    found.unwrap_or_else(|| panic!("no tag {name}"))
}

#[test]
fn requests_count_under_their_name_and_once_under_each_tag() {
    let (mut one, mut two) = (Core::new(0), Core::new(1));
    count(&mut one);
    one.recorder.roll(1);
    count(&mut one);
    // this core meets the tags in another order
    two.recorder
        .tags(TagsId::default(), &tags([("kind", "image")]));
    count(&mut two);
    let unfinished = two
        .recorder
        .tags(TagsId::default(), &tags([("kind", "image")]));
    let id = two.name.with_tags(unfinished);
    two.recorder.sent(id);
    two.recorder.request_unfinished(id, 5 * MS);
    let summary = finish(aggregator(2), vec![one, two]);
    summary.conservation().unwrap();
    let counts = &summary.totals.counts;
    assert_eq!((counts.sent, counts.ok, counts.failed), (19, 15, 3));
    let kinds: Vec<(NameKind, &str)> = summary
        .names
        .iter()
        .map(|one| (one.kind, one.name.as_str()))
        .collect();
    let expected = [
        (NameKind::Request, "GET /"),
        (NameKind::Tag, "area:shop"),
        (NameKind::Tag, "kind:image"),
        (NameKind::Tag, "kind:page"),
    ];
    assert_eq!(kinds, expected);
    let figures = ["area:shop", "kind:image", "kind:page"].map(|name| {
        let tag = tag(&summary, name);
        let connects = tag.phases.get(Phase::Connect).count;
        (tag.sent, tag.ok, tag.failed, tag.unfinished, connects)
    });
    assert_eq!(
        figures,
        [(15, 12, 3, 0, 15), (10, 6, 3, 1, 9), (6, 6, 0, 0, 6)]
    );
    let page = &tag(&summary, "kind:page").phases.latency;
    assert_eq!((page.count, page.mean_us), (6, 10_000.0));
    assert_eq!(tag(&summary, "kind:image").phases.latency_failed.count, 3);
}

#[test]
fn thresholds_of_a_tag_look_at_its_requests_alone() {
    let rule = |metric, statistic, tag: &str, comparison, limit| Threshold {
        tag: Some(tag.to_owned()),
        text: format!("{metric} of tag {tag:?}"),
        ..crate::rule(Of::Ok, metric, statistic, comparison, limit)
    };
    let (below, above) = (Comparison::Below, Comparison::Above);
    let mean = Statistic::Mean;
    let rules = vec![
        rule(Metric::Latency, mean, "kind:page", below, 10_500.0),
        rule(Metric::Latency, mean, "kind:image", below, 10_500.0),
        rule(
            Metric::Latency,
            Statistic::Percentile(0.99),
            "area:shop",
            above,
            19_000.0,
        ),
        rule(Metric::Failures, Statistic::Share, "kind:image", below, 0.5),
        rule(Metric::Failures, Statistic::Share, "kind:page", below, 0.01),
        rule(Metric::Rate, Statistic::Rate, "kind:image", above, 1.5),
        rule(Metric::Requests, Statistic::Count, "area:shop", above, 3.0),
        rule(Metric::Latency, Statistic::Max, "kind:none", below, 1e9),
        Threshold {
            name: Some("kind:page".to_owned()),
            tag: None,
            ..rule(Metric::Latency, Statistic::Max, "", below, 1e9)
        },
    ];
    let aggregator = Aggregator::new(1, Model::Open).with_thresholds(rules, 1);
    let mut core = Core::new(0);
    count(&mut core);
    core.recorder.load_ended(1_000 * MS);
    let results = finish(aggregator, vec![core]).thresholds;
    let found: Vec<(Option<f64>, bool)> = results.iter().map(|one| (one.value, one.met)).collect();
    assert_eq!(found[0], (Some(10_000.0), true));
    assert_eq!(found[1], (Some(20_000.0), false));
    assert!(found[2].1, "{found:?}");
    assert_eq!(found[3], (Some(1.0 / 3.0), true));
    assert_eq!(found[4], (Some(0.0), true));
    assert_eq!(found[5], (Some(2.0), true));
    assert_eq!(found[6], (Some(4.0), true));
    assert_eq!(found[7..], [(None, false), (None, false)]);
    let json = serde_json::to_value(&results[1]).unwrap();
    assert_eq!(
        (&json["tag"], &json["name"]),
        (&"kind:image".into(), &serde_json::Value::Null)
    );
    assert!(
        serde_json::to_value(&results[8])
            .unwrap()
            .get("tag")
            .is_none()
    );
}

#[test]
fn tags_are_bounded_apart_from_names() {
    let mut core = Core::new(0);
    let extra = 10;
    let none = TagsId::default();
    for k in 0..Recorder::NAMES_MAX + extra {
        let own = tags([("id", &k.to_string()), ("kind", "all")]);
        let id = core.recorder.tags(none, &own);
        assert_eq!(
            id,
            core.recorder.tags(none, &own),
            "the same tags, the same id"
        );
        core.recorder.sent(core.name.with_tags(id));
        core.recorder
            .request(core.name.with_tags(id), &Sample::default());
    }
    let later = core.recorder.request_name("a name that comes later");
    core.recorder.sent(later);
    core.recorder.request(later, &Sample::default());
    let summary = finish(aggregator(1), vec![core]);
    assert!(summary.names_folded);
    // one of the tags that are kept apart is `kind:all`
    assert_eq!(tag(&summary, Recorder::OTHER).sent, extra as u64 + 1);
    assert_eq!(
        tag(&summary, "kind:all").sent,
        (Recorder::NAMES_MAX + extra) as u64
    );
    let later = summary
        .names
        .iter()
        .find(|one| one.name == "a name that comes later");
    assert_eq!(later.map(|one| one.sent), Some(1));
}

#[test]
fn sets_of_tags_are_bounded() {
    let mut core = Core::new(0);
    let none = TagsId::default();
    let sets = 20_000;
    for k in 0..sets + 5 {
        let (a, b) = ((k / 150).to_string(), (k % 150).to_string());
        let id = core.recorder.tags(none, &tags([("a", &a), ("b", &b)]));
        assert_eq!(core.recorder.tags_of(id).is_empty(), k >= sets);
        core.recorder.sent(core.name.with_tags(id));
        core.recorder
            .request(core.name.with_tags(id), &Sample::default());
    }
    let summary = finish(aggregator(1), vec![core]);
    assert!(summary.names_folded);
    assert_eq!(tag(&summary, Recorder::OTHER).sent, 5);
    assert_eq!(tag(&summary, "a:0").sent, 150);
    summary.conservation().unwrap();
}
