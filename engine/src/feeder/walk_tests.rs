//! Walks against what is promised of them: users, cores, segments, rows and ends of any number.

use super::walk::{Part, Walk};
use crate::pacing::{Segment, Share};
use config::{Load, random};
use std::collections::BTreeSet;
use std::path::Path;

fn load(text: &str) -> Load {
    let profile = format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n[[load]]\nscenarios = \"main\"\n{text}\n"
    );
    config::parse(&profile, Path::new("p.toml")).unwrap().loads[0].clone()
}

fn closed(users: u64) -> Load {
    load(&format!(
        "model = \"closed\"\nphases = [{{ users = {users}, for = \"1s\" }}]"
    ))
}

fn open(arrivals: u64, iterations: u64) -> Load {
    load(&format!(
        "model = \"open\"\narrivals = \"even\"\niterations = {iterations}\n\
         phases = [{{ rate = \"{arrivals}/s\", for = \"1s\" }}]"
    ))
}

/// The walk of each segment, and its users' numbers.
fn segments(load: &Load, users: u64, weights: &[f64], walk: (u64, bool)) -> Vec<(Walk, Vec<u64>)> {
    let one = |index| {
        let segment = Segment::of(index, weights).unwrap();
        let share = Share::new(segment, 0, 1);
        let own = (0..users).filter(|number| share.owns(*number)).collect();
        let part = Part::of(&[load], segment);
        (Walk::new(walk.0, walk.1, part), own)
    };
    (1..=weights.len()).map(one).collect()
}

/// Random whole numbers below a bound.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 += 1;
        (random::unit(11, 5, self.0) * bound as f64) as u64
    }
}

const ROWS: [u64; 9] = [1, 2, 7, 31, 64, 100, 1000, 1024, 3000];
const USERS: [u64; 7] = [1, 2, 3, 16, 64, 1000, 1500];
const WEIGHTS: [&[f64]; 3] = [&[1.0], &[1.0, 1.0], &[3.0, 1.0, 0.5]];

#[test]
fn closed_users_see_every_row_before_any_comes_twice() {
    let mut dice = Dice(0);
    for rows in ROWS {
        for users in USERS {
            let walk = segments(&closed(users), users, &[1.0], (rows, false))
                .remove(0)
                .0;
            let mut counts = vec![0; rows as usize];
            let mut passes = vec![0; users as usize];
            for _ in 0..5 * rows {
                // Some users are quick, and some have not come yet.
                let most = 1 + dice.below(users);
                let user = dice.below(most);
                let wanted = (passes[user as usize] == 0).then_some(user);
                passes[user as usize] += 1;
                let row = walk.next(wanted).unwrap() % rows;
                counts[row as usize] += 1;
            }
            let (least, most) = (counts.iter().min(), counts.iter().max());
            // A user with a number beyond the file may take its row a pass early.
            let early = i32::from(users > rows);
            let apart = most.unwrap() - least.unwrap();
            assert!(apart <= 1 + early, "{users} users, {rows} rows: {apart}");
        }
    }
}

#[test]
fn every_row_is_handed_out_once_before_the_end() {
    let mut dice = Dice(1 << 20);
    for rows in ROWS {
        for users in USERS {
            for weights in WEIGHTS {
                let mut all = BTreeSet::new();
                let mut without = 0;
                for (walk, own) in segments(&closed(users), users, weights, (rows, true)) {
                    if own.is_empty() {
                        without += 1;
                        continue;
                    }
                    let mut given = 0;
                    let mut fresh: BTreeSet<u64> = own.iter().copied().collect();
                    loop {
                        let user = own[dice.below(own.len() as u64) as usize];
                        let wanted = fresh.remove(&user).then_some(user);
                        let Some(row) = walk.next(wanted) else { break };
                        assert!(row < rows && all.insert(row), "{row} of {rows} twice");
                        given += 1;
                    }
                    assert_eq!(walk.own_rows(), given, "{users} users, {rows} rows");
                    assert_eq!(walk.next(Some(0)), None);
                }
                // Each row is a segment's that has users, whatever the number of these.
                assert_eq!(all.len() as u64, rows, "{users} users, {without} without");
            }
        }
    }
}

#[test]
fn who_takes_one_row_takes_that_of_its_number() {
    let mut dice = Dice(2 << 20);
    for (load, users, per_user) in [
        (closed(50), 50, 1),
        (closed(1500), 1500, 1),
        (open(900, 1), 900, 1),
        (open(2000, 3), 2000, 3),
    ] {
        for weights in WEIGHTS {
            for is_finite in [true, false] {
                let rows = users * per_user + 5;
                for (walk, own) in segments(&load, users, weights, (rows, is_finite)) {
                    let pairs = own
                        .iter()
                        .flat_map(|k| (0..per_user).map(move |j| k * per_user + j));
                    let mut wanted: Vec<u64> = pairs.collect();
                    // In any order.
                    for k in (1..wanted.len()).rev() {
                        wanted.swap(k, dice.below(k as u64 + 1) as usize);
                    }
                    for ordinal in wanted {
                        assert_eq!(walk.next(Some(ordinal)), Some(ordinal), "{weights:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn arrivals_take_their_rows_pass_after_pass_on_cores_that_are_not_in_step() {
    for rows in [50, 700, 5000] {
        let walk = segments(&open(20_000, 1), 0, &[1.0], (rows, false))
            .remove(0)
            .0;
        let mut dice = Dice(3 << 20);
        // Two cores, each in order; one may be some arrivals ahead of the other.
        let mut at = [0, 1];
        while at[0] < 20_000 || at[1] < 20_000 {
            let core = dice.below(2) as usize;
            let core = if at[core] > at[1 - core] + 40 {
                1 - core
            } else {
                core
            };
            if at[core] < 20_000 {
                assert_eq!(walk.next(Some(at[core])), Some(at[core]), "{rows} rows");
            }
            at[core] += 2;
        }
    }
}

#[test]
fn rows_of_dropped_arrivals_are_handed_out_in_place_of_later_ones() {
    let (rows, arrivals) = (100, 1000);
    for is_finite in [true, false] {
        let walk = segments(&open(arrivals, 1), 0, &[1.0], (rows, is_finite))
            .remove(0)
            .0;
        // Every third one is dropped.
        let started = (0..arrivals).filter(|k| k % 3 != 1);
        let taken: Vec<u64> = started.map_while(|k| walk.next(Some(k))).collect();
        let first: BTreeSet<u64> = taken.iter().map(|ordinal| ordinal % rows).collect();
        assert_eq!(first.len(), 100);
        if is_finite {
            assert_eq!(taken.len(), 100);
            continue;
        }
        let mut counts = [0_i32; 100];
        for ordinal in taken {
            counts[(ordinal % rows) as usize] += 1;
        }
        let apart = counts.iter().max().unwrap() - counts.iter().min().unwrap();
        assert!(apart <= 2, "{counts:?}");
    }
}

#[test]
fn threads_take_each_ordinal_once() {
    let walk = segments(&closed(4), 4, &[1.0], (40_000, true)).remove(0).0;
    let mut all: Vec<u64> = std::thread::scope(|scope| {
        let one = |user: u64| {
            let walk = &walk;
            move || {
                let mut wanted = Some(user);
                std::iter::from_fn(|| walk.next(wanted.take())).collect::<Vec<u64>>()
            }
        };
        let threads: Vec<_> = (0..4).map(|user| scope.spawn(one(user))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    all.sort_unstable();
    assert_eq!(all, (0..40_000).collect::<Vec<_>>());
}

#[test]
fn a_user_apart_gets_the_last_rows_where_rows_end() {
    let part = || Part::of(&[&closed(3)], Segment::WHOLE);
    let taken = |walk: &Walk| -> Vec<Option<u64>> {
        walk.keep_apart();
        (0..4).map(|_| walk.next(Some(7))).collect()
    };
    let finite = Walk::new(3, true, part());
    assert_eq!(taken(&finite), [Some(2), Some(1), Some(0), None]);
    let endless = Walk::new(3, false, part());
    assert_eq!(taken(&endless), [Some(0), Some(1), Some(2), Some(3)]);
}
