//! Hides the values of secret variables in what a run tells, before it is shown, kept or sent.

use config::Redactor;
use engine::Event;
use stats::report::RunFacts;
use wire::RunStart;

/// Hides secrets in an event.
pub fn event(redactor: &Redactor, event: &mut Event) {
    if redactor.is_empty() {
        return;
    }
    match event {
        Event::Log { text, .. } | Event::Notice { text } => redactor.hide(text),
        Event::ScriptError { scenario, text, .. } => {
            redactor.hide(scenario);
            redactor.hide(text);
        }
        Event::Exchange(exchange) => {
            redactor.hide(&mut exchange.name);
            redactor.hide(&mut exchange.server);
            let values = exchange.tags.iter_mut().map(|(_, value)| value);
            values.for_each(|value| redactor.hide(value));
            let parts = [
                &mut exchange.request,
                &mut exchange.head,
                &mut exchange.body,
                &mut exchange.wire,
            ];
            parts.into_iter().for_each(|part| redactor.hide_bytes(part));
        }
        Event::Stalled { .. } | Event::First(_) => {}
    }
}

/// Hides secrets in the description of a run.
pub fn facts(redactor: &Redactor, facts: &mut RunFacts) {
    for text in [
        &mut facts.name,
        &mut facts.target,
        &mut facts.script,
        &mut facts.profile,
    ] {
        redactor.hide(text);
    }
    let overrides = facts.overrides.iter_mut();
    let loads = facts.loads.iter_mut().flat_map(|load| {
        let texts = [&mut load.kind, &mut load.scenarios];
        texts.into_iter().chain(&mut load.phases)
    });
    overrides.chain(loads).for_each(|text| redactor.hide(text));
}

/// Hides secrets in what a stats server is told at the start.
pub fn run_start(redactor: &Redactor, start: &mut RunStart) {
    for text in [
        &mut start.project,
        &mut start.name,
        &mut start.target,
        &mut start.profile,
    ] {
        redactor.hide(text);
    }
    let files = start.files.iter_mut().map(|file| &mut file.text);
    let markers = start.markers.iter_mut().map(|marker| &mut marker.label);
    let thresholds = start.thresholds.iter_mut();
    let texts = files.chain(markers).chain(thresholds);
    texts.for_each(|text| redactor.hide(text));
}
