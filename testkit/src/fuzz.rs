//! Mutation fuzzing without instrumentation: seeds, a dictionary, and a corpus of inputs that ended
//! in a new way.
//!
//! In a test it is short and deterministic. With [`SECONDS`] in the environment it runs for that
//! long and also checks that memory stays bounded; `cargo xtask fuzz` does that.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::random::Random;

/// The environment variable with the duration in seconds.
pub const SECONDS: &str = "MISTRESS_FUZZ_SECONDS";
/// The environment variable with a seed.
pub const SEED: &str = "MISTRESS_FUZZ_SEED";

/// Inputs of a run without [`SECONDS`].
const INPUTS: u64 = 4000;
const SEED_USUAL: u64 = 0x6d69_7374;
/// Longest input; seeds are cut to it.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// Inputs kept because they ended in a new way.
const CORPUS_MAX: usize = 4096;
/// Most changes made to one input.
const CHANGES_MAX: u64 = 8;
/// Growth of the peak of resident memory over a long run. The corpus at its bounds has 64 MiB, and
/// one input's own results come on top.
const GROWTH_BYTES_MAX: u64 = 128 << 20;
/// Bytes that are special in most formats.
const EDGES: [u8; 16] = *b"\0\t\n\r \"',;:=\x7f\x80\xff%{";

/// What is fuzzed, and from what.
#[derive(Clone, Debug)]
pub struct Campaign<'a> {
    /// The name in the final line.
    pub name: &'static str,
    /// Valid and invalid inputs.
    pub seeds: Vec<Vec<u8>>,
    /// Tokens of the format.
    pub words: &'a [&'a str],
}

impl Campaign<'_> {
    /// Tries inputs and prints how many. The result of `attempt` says how an input ended: inputs
    /// that end in a new way are mutated further. It may draw from the generator, for example to
    /// split the input.
    ///
    /// # Panics
    /// When an attempt does; the input is printed. When memory grows without bound.
    pub fn run<T: Hash>(&self, mut attempt: impl FnMut(&[u8], &mut Random) -> T) {
        let seconds: Option<u64> = variable(SECONDS);
        let end = seconds.map(|s| Instant::now() + Duration::from_secs(s));
        let seed = variable(SEED).unwrap_or(SEED_USUAL);
        let mut random = Random::new(seed);
        let mut corpus: Vec<Vec<u8>> = self.seeds.iter().map(|s| cut(s)).collect();
        corpus.push(Vec::new());
        let mut seen = HashSet::new();
        let (mut tried, mut slowest) = (0_u64, Duration::ZERO);
        let peak_before = peak_bytes();
        loop {
            let is_over = end.map_or(tried >= INPUTS, |end| Instant::now() >= end);
            if is_over {
                break;
            }
            let input = match corpus.get(tried as usize) {
                Some(seed) if tried < self.seeds.len() as u64 => seed.clone(),
                _ => self.mutated(&corpus, &mut random),
            };
            let begun = Instant::now();
            let ended = catch_unwind(AssertUnwindSafe(|| attempt(&input, &mut random)));
            slowest = slowest.max(begun.elapsed());
            tried += 1;
            let ended = ended.unwrap_or_else(|panic| {
                println!(
                    "{}: input {tried} of seed {seed}: {}",
                    self.name,
                    shown(&input)
                );
                resume_unwind(panic)
            });
            let mut hasher = DefaultHasher::new();
            ended.hash(&mut hasher);
            if seen.insert(hasher.finish()) && corpus.len() < CORPUS_MAX {
                corpus.push(input);
            }
        }
        let grown = peak_bytes().saturating_sub(peak_before);
        println!(
            "fuzz {}: {tried} inputs, {} ways to end, slowest {:.1} ms, peak memory +{:.1} MiB",
            self.name,
            seen.len(),
            slowest.as_secs_f64() * 1e3,
            grown as f64 / f64::from(1 << 20)
        );
        // In a short run other tests of the process use memory, too.
        let is_bounded = seconds.is_none() || grown < GROWTH_BYTES_MAX;
        assert!(is_bounded, "{}: {grown} bytes more memory", self.name);
    }

    /// An input of the corpus with some changes.
    fn mutated(&self, corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
        // Half of them come from the newest, which got furthest.
        let newest = &corpus[corpus.len().saturating_sub(64)..];
        let from = if random.chance(0.5) { newest } else { corpus };
        let mut input = random.pick(from).clone();
        for _ in 0..random.between(1, CHANGES_MAX) {
            self.change(&mut input, corpus, random);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
        let at = random.below(input.len() as u64 + 1) as usize;
        let length = random.between(1, 16).min((input.len() - at) as u64) as usize;
        match random.below(10) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.bits() as u8,
            2 if at < input.len() => input[at] = *random.pick(&EDGES),
            3 => drop(input.drain(at..at + length)),
            4 => {
                let piece = input[at..at + length].to_vec();
                let times = random.between(1, 64) as usize;
                insert(input, at, &piece.repeat(times));
            }
            5 => input.truncate(at),
            6 => {
                let other = random.pick(corpus);
                let from = random.below(other.len() as u64 + 1) as usize;
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            7 => insert(input, at, number(random).as_bytes()),
            _ if !self.words.is_empty() => insert(input, at, random.pick(self.words).as_bytes()),
            _ => insert(input, at, &[random.bits() as u8]),
        }
    }
}

/// Splits an input at random positions, many of them close together.
pub fn pieces<'a>(input: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let longest = if random.chance(0.3) { 3 } else { 600 };
    let mut rest = input;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, left) =
            rest.split_at(random.between(1, longest).min(rest.len() as u64) as usize);
        pieces.push(piece);
        rest = left;
    }
    pieces
}

/// A boundary value of some type, in some base.
fn number(random: &mut Random) -> String {
    let number = (1_i128 << random.below(66)) - 1 + i128::from(random.below(3));
    match random.below(4) {
        0 => format!("{number:x}"),
        1 => format!("-{number}"),
        2 => format!("{number}.{}", random.below(1000)),
        _ => number.to_string(),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if input.len() + piece.len() <= INPUT_BYTES_MAX {
        input.splice(at..at, piece.iter().copied());
    }
}

fn cut(seed: &[u8]) -> Vec<u8> {
    seed[..seed.len().min(INPUT_BYTES_MAX)].to_vec()
}

fn shown(input: &[u8]) -> String {
    let mut text = format!("{:?}, ", String::from_utf8_lossy(input));
    for byte in input {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}: {value:?} is no whole number")))
}

/// The peak resident memory of this process.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_behind_words_and_cuts_is_found() {
        let campaign = Campaign {
            name: "itself",
            seeds: vec![b"begin end".to_vec()],
            words: &["key", "=", "0"],
        };
        let mut found = false;
        campaign.run(|input, random| {
            assert_eq!(pieces(input, random).concat(), input);
            let text = String::from_utf8_lossy(input).into_owned();
            let depth = ["key", "key=", "key=0"].map(|part| text.contains(part));
            found |= depth == [true; 3];
            depth
        });
        assert!(found);
    }

    #[test]
    fn a_panic_is_passed_on() {
        let campaign = Campaign {
            name: "bad",
            seeds: Vec::new(),
            words: &["x"],
        };
        let ended = catch_unwind(|| campaign.run(|input, _| assert!(input.len() < 40)));
        assert!(ended.is_err());
    }
}
