//! Counter-based random numbers: value `k` of stream `stream` under a seed, without any state.
//!
//! The generator is Philox2x64-10 (J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3", SC 2011) with counter (k, stream) and the seed as key. Every
//! (seed, stream, k) is a different block, so streams never overlap and any core can compute any
//! value.

/// The round multiplier of Philox2x64.
const MULTIPLIER: u64 = 0xD2B7_4407_B1CE_6E93;
/// Increment of the key per round (the golden ratio).
const KEY_STEP: u64 = 0x9E37_79B9_7F4A_7C15;
/// Number of rounds; the paper finds 6 sufficient for its tests and recommends 10.
const ROUNDS: u32 = 10;

/// 64 random bits: value `k` of stream `stream` under `seed`.
pub fn bits(seed: u64, stream: u64, k: u64) -> u64 {
    philox(seed, [k, stream])[0]
}

/// A random number in [0, 1), a multiple of 2^-53: value `k` of stream `stream`.
pub fn unit(seed: u64, stream: u64, k: u64) -> f64 {
    const STEP: f64 = 1.0 / (1u64 << 53) as f64;
    (bits(seed, stream, k) >> 11) as f64 * STEP
}

fn philox(mut key: u64, mut counter: [u64; 2]) -> [u64; 2] {
    for _ in 0..ROUNDS {
        let product = u128::from(MULTIPLIER) * u128::from(counter[0]);
        let high = (product >> 64) as u64;
        counter = [high ^ key ^ counter[1], product as u64];
        key = key.wrapping_add(KEY_STEP);
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cipher_gives_the_published_answers() {
        // The vectors for `philox2x64 10` in the Random123 distribution (kat_vectors).
        let check = |key, counter, expected| assert_eq!(philox(key, counter), expected);
        check(0, [0, 0], [0xca00_a045_9843_d731, 0x66c2_4222_c9a8_45b5]);
        check(
            u64::MAX,
            [u64::MAX; 2],
            [0x65b0_21d6_0cd8_310f, 0x4d02_f322_2f86_df20],
        );
        check(
            0xa409_3822_299f_31d0,
            [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344],
            [0x0a5e_742c_2997_341c, 0xb0f8_83d3_8000_de5d],
        );
    }

    #[test]
    fn units_are_uniform() {
        // Mean of n uniform numbers: deviation sqrt(1/12n) = 0.00091 for n = 100 000; 5 of them.
        // A cell of 100 holds 1000 on average, deviation sqrt(990) = 31.5; 5 of them.
        let numbers: Vec<f64> = (0..100_000).map(|k| unit(7, 3, k)).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        assert!((mean - 0.5).abs() < 0.0046, "mean {mean}");
        let mut cells = [0i32; 100];
        numbers
            .iter()
            .for_each(|number| cells[(number * 100.0) as usize] += 1);
        assert!(
            cells.iter().all(|count| (count - 1000).abs() < 158),
            "{cells:?}"
        );
    }

    #[test]
    fn neighbours_are_unlike() {
        // A changed input bit flips each output bit with chance 1/2: the mean distance of 6400
        // pairs is 32 with deviation 4/80 = 0.05; 5 of them.
        let mut flipped = 0;
        for k in 0..100u64 {
            for bit in 0..64 {
                let [seed, stream] = [k * 31, k * 17];
                let changed = match k % 3 {
                    0 => bits(seed ^ (1 << bit), stream, k),
                    1 => bits(seed, stream ^ (1 << bit), k),
                    _ => bits(seed, stream, k ^ (1 << bit)),
                };
                flipped += (bits(seed, stream, k) ^ changed).count_ones();
            }
        }
        let mean = f64::from(flipped) / 6400.0;
        assert!((mean - 32.0).abs() < 0.25, "mean distance {mean}");
    }
}
