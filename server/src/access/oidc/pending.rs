//! Sign-ins that wait for the browser to come back from the provider.

use crate::Error;
use crate::access::limit::network;
use crate::access::secret::{Hash, Secret};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a browser may stay at the provider, in seconds.
pub(super) const PENDING_SECONDS: i64 = 600;
const PENDING: Duration = Duration::from_secs(600);
/// Maximum number of sign-ins that wait; beyond it the oldest are forgotten.
const PENDING_MAX: usize = 5_000;
/// The same of one network, so that none can make those of others be forgotten.
const NETWORK_MAX: usize = 200;

/// What was sent to the provider and must come back, and what stays here.
#[derive(Debug)]
pub(super) struct Started {
    /// Comes back with the browser.
    pub(super) state: String,
    /// Comes back within the ID token.
    pub(super) nonce: String,
    /// Goes with the code; the provider was given its hash (PKCE).
    pub(super) verifier: String,
    /// The path to return to, on this server.
    pub(super) next: String,
}

impl Started {
    /// With fresh random values.
    pub(super) fn new(next: String) -> Result<Started, Error> {
        Ok(Started {
            state: Secret::random()?.text(),
            nonce: Secret::random()?.text(),
            verifier: Secret::random()?.text(),
            next,
        })
    }
}

#[derive(Debug)]
struct Entry {
    hash: Hash,
    network: IpAddr,
    since: Instant,
    started: Started,
}

/// The waiting sign-ins, oldest first, each under the secret in its browser's cookie.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Vec<Entry>>);

impl Pending {
    /// Keeps a sign-in; the secret is for the browser's cookie.
    pub(super) fn add(
        &self,
        started: Started,
        address: IpAddr,
        now: Instant,
    ) -> Result<Secret, Error> {
        let secret = Secret::random()?;
        let network = network(address);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| now.saturating_duration_since(entry.since) < PENDING);
        let of_network = entries.iter().filter(|entry| entry.network == network);
        if of_network.count() >= NETWORK_MAX {
            let oldest = entries.iter().position(|entry| entry.network == network);
            oldest.map(|at| entries.remove(at));
        }
        if entries.len() >= PENDING_MAX {
            entries.remove(0);
        }
        entries.push(Entry {
            hash: secret.hash(),
            network,
            since: now,
            started,
        });
        Ok(secret)
    }

    /// Takes a sign-in out: it counts once.
    pub(super) fn take(&self, hash: Hash, now: Instant) -> Option<Started> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|entry| entry.hash == hash)?;
        let entry = entries.remove(at);
        let is_fresh = now.saturating_duration_since(entry.since) < PENDING;
        is_fresh.then_some(entry.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Started {
        Started::new("/account".to_owned()).expect("random numbers")
    }

    #[test]
    fn a_sign_in_counts_once_and_for_ten_minutes() {
        let (pending, now) = (Pending::default(), Instant::now());
        let address = IpAddr::from([192, 0, 2, 1]);
        let secret = pending.add(started(), address, now).expect("room");
        assert!(pending.take(secret.hash(), now).is_some());
        assert!(pending.take(secret.hash(), now).is_none());
        let secret = pending.add(started(), address, now).expect("room");
        assert!(pending.take(secret.hash(), now + PENDING).is_none());
    }

    #[test]
    fn one_network_does_not_push_out_the_sign_ins_of_others() {
        let (pending, now) = (Pending::default(), Instant::now());
        let other = pending.add(started(), IpAddr::from([192, 0, 2, 1]), now);
        let other = other.expect("room");
        for _ in 0..=NETWORK_MAX {
            let address = IpAddr::from([198, 51, 100, 7]);
            pending.add(started(), address, now).expect("room");
        }
        assert!(pending.take(other.hash(), now).is_some());
        assert_eq!(pending.0.lock().expect("no panic").len(), NETWORK_MAX);
    }
}
