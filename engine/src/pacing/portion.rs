//! How a limit of the run is split over its segments: in whole numbers whose sum is the limit, and
//! to those that have users to reach it.

use super::{Purpose, SHARDS, Segment, place_of, stream};
use config::{Curve, Model, Plan, random};

/// Poisson arrivals are counted shard by shard up to so many; of more, every shard has its share
/// on average.
const COUNTED_MAX: f64 = 1e6;

/// What the shards of a run have to do, in the order of their places.
type Weights = Vec<u64>;

/// The part of `limit` iterations or requests that falls to `segment`. The parts of segments that
/// make up a run add up to `limit`, and none has a part without users of its own:
///
/// - open loads: in proportion to the planned iterations;
/// - closed loads: in proportion to the time for which users are present;
/// - both: each segment its planned iterations of open loads, the rest to closed users. Of a limit
///   below the planned iterations nothing is left for segments with closed users only.
pub(crate) fn part_of_limit(plan: &Plan, segment: Segment, limit: u64) -> u64 {
    if segment == Segment::WHOLE {
        return limit;
    }
    let (open, closed) = (weights(plan, false), weights(plan, true));
    let planned: u64 = open.iter().sum();
    let has_closed = closed.iter().any(|weight| *weight > 0);
    if has_closed && limit > planned {
        let own = (segment.first..segment.end).map(|index| open[index as usize]);
        return own.sum::<u64>() + split(&closed, segment, limit - planned);
    }
    split(&open, segment, limit)
}

/// `whole` by weight: the difference of two rounded sums, so that parts leave nothing out.
fn split(weights: &Weights, segment: Segment, whole: u64) -> u64 {
    let total: u64 = weights.iter().sum();
    if total == 0 {
        return 0;
    }
    let below = |index: u64| {
        let sum: u64 = weights[..index as usize].iter().sum();
        (u128::from(whole) * u128::from(sum) / u128::from(total)) as u64
    };
    below(segment.end) - below(segment.first)
}

/// The weights of all closed loads together (milliseconds of users), or of all open ones
/// (iterations).
fn weights(plan: &Plan, of_closed: bool) -> Weights {
    let mut weights = vec![0; SHARDS as usize];
    for (index, load) in plan.loads.iter().enumerate() {
        match &load.model {
            Model::Closed { users, .. } if of_closed => add_users(&mut weights, users),
            Model::Open {
                arrivals,
                rate,
                iterations,
                ..
            } if !of_closed => {
                let total = rate.total();
                let counts = |shard| match arrivals {
                    config::Arrivals::Poisson => poisson(plan.seed, index, shard, total),
                    _ => in_turn(total, shard),
                };
                for shard in 0..SHARDS {
                    weights[place_of(shard) as usize] += counts(shard) * u64::from(*iterations);
                }
            }
            _ => {}
        }
    }
    weights
}

fn add_users(weights: &mut Weights, users: &Curve) {
    let end = users.duration();
    for number in 0..users.max().ceil() as u64 {
        let present = users.crossings(number as f64).into_iter();
        let present = present.map(|(from, until)| until.unwrap_or(end).saturating_sub(from));
        let ms: u64 = present.map(|time| (time.as_millis() as u64).max(1)).sum();
        weights[place_of(number) as usize] += ms;
    }
}

/// How many of evenly spaced arrivals are a shard's.
fn in_turn(total: f64, shard: u64) -> u64 {
    (total.ceil() as u64).saturating_sub(shard).div_ceil(SHARDS)
}

/// How many Poisson arrivals of a load a shard has.
fn poisson(seed: u64, load: usize, shard: u64, total: f64) -> u64 {
    if total > COUNTED_MAX {
        return (total / SHARDS as f64) as u64;
    }
    let key = stream(Purpose::Gaps, load, shard);
    let (mut sum, mut count) = (0.0, 0);
    loop {
        sum += -(1.0 - random::unit(seed, key, count)).ln();
        if sum * SHARDS as f64 >= total {
            return count;
        }
        count += 1;
    }
}
