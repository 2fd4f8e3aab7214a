//! Steal time: cpu time that the hypervisor gave to other machines.

use std::fs;

/// Measures the steal time of the cpus that generate load. The kernel counts in ticks (proc(5),
/// `/proc/stat`: the eighth number of a cpu's line), usually of 10 ms.
pub struct StealMeter {
    cpus: Vec<usize>,
    before: Vec<Ticks>,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Ticks {
    stolen: u64,
    all: u64,
}

impl StealMeter {
    /// For these cpus, in the order of the cores of the run.
    pub fn new(cpus: Vec<usize>) -> StealMeter {
        let mut meter = StealMeter {
            cpus,
            before: Vec::new(),
        };
        meter.sample();
        meter
    }

    /// By core, the share of time stolen since the last call, 0 to 1; empty where the kernel does
    /// not say.
    pub fn sample(&mut self) -> Vec<f64> {
        let Ok(text) = fs::read_to_string("/proc/stat") else {
            return Vec::new();
        };
        let now: Vec<Ticks> = self.cpus.iter().map(|cpu| ticks(&text, *cpu)).collect();
        let part = |(now, before): (&Ticks, &Ticks)| {
            let all = now.all.saturating_sub(before.all).max(1);
            now.stolen.saturating_sub(before.stolen).min(all) as f64 / all as f64
        };
        let parts = now.iter().zip(&self.before).map(part).collect();
        self.before = now;
        parts
    }
}

/// The ticks of one cpu; all zero if it has no line.
fn ticks(text: &str, cpu: usize) -> Ticks {
    let name = format!("cpu{cpu} ");
    let Some(line) = text.lines().find_map(|line| line.strip_prefix(&name)) else {
        return Ticks::default();
    };
    let numbers: Vec<u64> = line
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    Ticks {
        stolen: numbers.get(7).copied().unwrap_or(0),
        // The two numbers after it, guest time, are part of the first two.
        all: numbers.iter().take(8).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_those_of_the_processor() {
        let text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 4 5 6 7 8 100 100\n\
                    cpu1 10 0 0 80 0 0 0 10\ncpu10 1 1 1 1\nintr 5\n";
        assert_eq!(ticks(text, 0), Ticks { stolen: 8, all: 36 });
        assert_eq!(
            ticks(text, 1),
            Ticks {
                stolen: 10,
                all: 100
            }
        );
        assert_eq!(ticks(text, 10), Ticks { stolen: 0, all: 4 });
        assert_eq!(ticks(text, 2), Ticks::default());
    }

    #[test]
    fn shares_of_this_machine_are_shares() {
        let mut meter = StealMeter::new(engine::allowed_cpus());
        assert!(meter.sample().iter().all(|part| (0.0..=1.0).contains(part)));
    }
}
