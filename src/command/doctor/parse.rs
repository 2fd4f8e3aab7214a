//! Parses the kernel's files; reads no file itself.

use std::collections::BTreeMap;

/// The major and minor version of a kernel release such as `6.1.0-18-amd64`.
pub fn release(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-', '+', '_', '~']);
    let major = parts.next()?.trim().parse().ok()?;
    let minor = parts.next()?.trim().parse().ok()?;
    Some((major, minor))
}

/// Parses a file with one number.
pub fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// How a cpu spent its time since boot, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Total time.
    pub total: u64,
    /// Idle, or waiting for a disk.
    pub idle: u64,
    /// Runnable, but the hypervisor ran something else.
    pub steal: u64,
}

impl Ticks {
    /// The difference between two readings.
    pub fn since(self, before: Ticks) -> Ticks {
        Ticks {
            total: self.total.saturating_sub(before.total),
            idle: self.idle.saturating_sub(before.idle),
            steal: self.steal.saturating_sub(before.steal),
        }
    }
}

/// Parses the `cpuN` lines of `/proc/stat`, by N.
pub fn ticks(text: &str) -> BTreeMap<usize, Ticks> {
    text.lines().filter_map(ticks_line).collect()
}

/// `cpuN user nice system idle iowait irq softirq steal guest guest_nice`, see proc(5); guest
/// time is part of user and nice already.
fn ticks_line(line: &str) -> Option<(usize, Ticks)> {
    let (name, rest) = line.split_once(' ')?;
    let cpu = name.strip_prefix("cpu")?.parse().ok()?;
    let fields: Vec<u64> = rest
        .split_whitespace()
        .filter_map(|f| f.parse().ok())
        .collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or(0);
    let total = fields.iter().take(8).sum();
    Some((
        cpu,
        Ticks {
            total,
            idle: field(3) + field(4),
            steal: field(7),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        let rows = [
            ("6.1.0-18-amd64", Some((6, 1))),
            ("6.18.44-fc-v669", Some((6, 18))),
            ("5.15.167.4-microsoft-standard-WSL2", Some((5, 15))),
            ("6.6-rc1", Some((6, 6))),
            ("7.0\n", Some((7, 0))),
            ("6", None),
            ("six.one", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(release(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("4096\n"), Some(4096));
        assert_eq!(number("-1\n"), None);
    }

    const STAT: &str = "cpu  30 0 10 60 0 0 0 0 0 0\n\
        cpu0 10 1 2 30 4 5 6 7 3 0\n\
        cpu12 20 0 8 30 0 0 0 0 0 0\n\
        intr 1760497 0 0\n\
        cpufreq 1 2\n";

    #[test]
    fn ticks_of_each_processor() {
        let found = ticks(STAT);
        // 10+1+2+30+4+5+6+7, guest time left out
        let first = Ticks {
            total: 65,
            idle: 34,
            steal: 7,
        };
        let second = Ticks {
            total: 58,
            idle: 30,
            steal: 0,
        };
        assert_eq!(found, BTreeMap::from([(0, first), (12, second)]));
        assert_eq!(ticks(""), BTreeMap::new());
        // old kernels have fewer columns
        assert_eq!(
            ticks("cpu0 1 2 3 4")[&0],
            Ticks {
                total: 10,
                idle: 4,
                steal: 0
            }
        );
    }

    #[test]
    fn ticks_that_went_backwards_count_as_nothing() {
        let (early, late) = (
            Ticks {
                total: 9,
                idle: 5,
                steal: 1,
            },
            Ticks {
                total: 8,
                idle: 6,
                steal: 1,
            },
        );
        assert_eq!(
            late.since(early),
            Ticks {
                total: 0,
                idle: 1,
                steal: 0
            }
        );
    }
}
