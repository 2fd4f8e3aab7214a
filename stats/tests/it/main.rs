//! What the recorder counts comes out of the summary, whatever happens in between.

mod allocation;
mod meaning;
mod series;
mod short;
mod summary;
mod tags;
mod threshold;
mod verdict;
mod windows;

use mistress_stats::threshold::{Comparison, Metric, Of, Statistic, Threshold};
use mistress_stats::{Aggregator, Model, NameId, Recorder, Sample, WindowSource};
use std::time::Duration;

/// Milliseconds in nanoseconds.
const MS: u64 = 1_000_000;

/// A threshold of the whole run.
fn rule(
    of: Of,
    metric: Metric,
    statistic: Statistic,
    comparison: Comparison,
    limit: f64,
) -> Threshold {
    Threshold {
        metric,
        name: None,
        tag: None,
        of,
        statistic,
        comparison,
        limit,
        over: None,
        abort: false,
        delay: Duration::ZERO,
        fail_on: None,
        text: "a rule".to_owned(),
    }
}

/// A core under test with one request name.
struct Core {
    recorder: Recorder,
    source: WindowSource,
    name: NameId,
}

impl Core {
    fn new(number: u32) -> Self {
        Core::with_flight(number, 3)
    }

    fn with_flight(number: u32, windows_in_flight: usize) -> Self {
        let (mut recorder, source) = Recorder::link(number, windows_in_flight);
        let name = recorder.request_name("GET /");
        Core {
            recorder,
            source,
            name,
        }
    }

    /// `n` requests that went well, each with this latency and lag.
    fn requests(&mut self, n: u64, latency_ns: u64, lag_ns: u64) {
        let service_ns = latency_ns - lag_ns;
        for _ in 0..n {
            self.recorder.sent(self.name);
            let sample = Sample {
                latency_ns,
                service_ns,
                lag_ns,
                status: 200,
                ..Sample::default()
            };
            self.recorder.request(self.name, &sample);
        }
    }

    /// Time of one second: `busy_ns` in turns of 1 ms, the rest idle.
    fn time(&mut self, busy_ns: u64) {
        (0..busy_ns / MS).for_each(|_| self.recorder.turn(MS));
        self.recorder.processor(busy_ns, 1_000 * MS);
    }

    fn deliver(&mut self, aggregator: &mut Aggregator) {
        while let Some(window) = self.source.pop() {
            aggregator.add(&window);
            self.source.give_back(window);
        }
    }

    fn finish(mut self, aggregator: &mut Aggregator) {
        self.deliver(aggregator);
        aggregator.add(&self.recorder.finish());
    }
}

/// All that is left, as at the end of a run.
fn finish(mut aggregator: Aggregator, cores: Vec<Core>) -> mistress_stats::Summary {
    cores
        .into_iter()
        .for_each(|core| core.finish(&mut aggregator));
    while aggregator.take_rest().is_some() {}
    aggregator.summary()
}

fn aggregator(cores: usize) -> Aggregator {
    Aggregator::new(cores, Model::Open)
}
