//! What the simulated nodes measure: log-normal times, each name with a median of its own.
//!
//! Medians from 2 to 80 ms, sigma 0.3 (the 99th percentile is twice the median), one request in
//! a hundred five times as long; lag exponential with a mean of 30 µs.

use prost::Message;
use stats::Histogram;
use wire::{Batch, CoreRow, Kind, NameRow, RunEnd, RunStart, SecondRow, StatusCount, VERSION};

/// Seeded numbers (Marsaglia's xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Evenly from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal: the sum of four even ones, scaled to a deviation of 1.
    fn normal(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.unit()).sum();
        (sum - 2.0) * 3.0_f64.sqrt()
    }
}

/// One second of a node: `requests` of each of `names` names.
pub fn second(random: &mut Random, time_s: u64, names: u64, requests: u64) -> SecondRow {
    let rows = (0..names).map(|name| {
        let index = name as f64 / names as f64;
        let median_us = 2_000.0 * 40_f64.powf(index);
        let mut phases = [const { None }; 4].map(|_: Option<()>| Histogram::new());
        for _ in 0..requests {
            let slow = if random.unit() < 0.01 { 5.0 } else { 1.0 };
            let service = median_us * (0.3 * random.normal()).exp() * slow;
            let lag = -30.0 * (1.0 - random.unit()).ln();
            let first_byte = service * (0.9 + 0.1 * random.unit());
            let values = [service + lag, service, lag, first_byte];
            for (phase, value) in phases.iter_mut().zip(values) {
                phase.record(value as u64);
            }
        }
        let texts = ["latency", "service_time", "lag", "first_byte"];
        let histograms = texts.iter().zip(&phases);
        NameRow {
            kind: Kind::Request as i32,
            name: format!("GET /page/{name}"),
            sent: requests,
            ok: requests,
            bytes_in: requests * 2_000,
            bytes_out: requests * 150,
            statuses: vec![StatusCount {
                status: 200,
                count: requests,
            }],
            histograms: histograms.map(|(text, phase)| phase.to_row(text)).collect(),
            ..NameRow::default()
        }
    });
    SecondRow {
        time_s,
        seconds: 1,
        planned: names * requests,
        started: names * requests,
        users_min: 90,
        users_max: 110,
        connections_min: 90,
        connections_max: 110,
        cores: vec![
            CoreRow {
                busy_share: 0.5,
                turn_max_us: 300,
                ..CoreRow::default()
            };
            2
        ],
        names: rows.collect(),
        ..SecondRow::default()
    }
}

/// Seconds of one batch of [`whole_run`].
const GROUP: u64 = 20;

/// The batches of the run `bench` of one node: `requests` of each of `names` names in each second.
pub fn whole_run(
    random: &mut Random,
    length_s: u64,
    names: u64,
    requests: u64,
) -> impl Iterator<Item = std::io::Result<Vec<u8>>> + '_ {
    (0..length_s / GROUP).map(move |group| {
        let times = group * GROUP..(group + 1) * GROUP;
        let rows = times.map(|time_s| second(random, time_s, names, requests));
        let rows = rows.collect();
        batch(0, group + 1, rows, (group + 1) * GROUP == length_s)
    })
}

/// A batch of the run `bench`, as [`batch_of`] has it.
pub fn batch(
    node: u32,
    sequence: u64,
    rows: Vec<SecondRow>,
    is_last: bool,
) -> std::io::Result<Vec<u8>> {
    batch_of("bench", node, sequence, rows, is_last)
}

/// A batch of a run, compressed. The first has the start of the run, the last its end.
pub fn batch_of(
    run: &str,
    node: u32,
    sequence: u64,
    rows: Vec<SecondRow>,
    is_last: bool,
) -> std::io::Result<Vec<u8>> {
    let length_s = rows.last().map_or(0, |row| row.time_s + 1);
    let start = (sequence == 1).then(|| {
        Box::new(RunStart {
            project: "bench".to_owned(),
            name: run.to_owned(),
            model: "open".to_owned(),
            started_us: 1_700_000_000_000_000,
            ..RunStart::default()
        })
    });
    let end = is_last.then(|| {
        Box::new(RunEnd {
            ended: "completed".to_owned(),
            duration_s: length_s as f64,
            verdict: "clean".to_owned(),
            ..RunEnd::default()
        })
    });
    let batch = Batch {
        version: VERSION,
        run_id: run.to_owned(),
        node,
        node_name: format!("node-{node}"),
        epoch: 1,
        sequence,
        start,
        seconds: rows,
        end,
        ..Batch::default()
    };
    zstd::bulk::compress(&batch.encode_to_vec(), 3)
}
