//! Limits sign-in attempts per address, and per address and account.
//!
//! An account is not limited over all addresses: then anybody could lock its owner out. Passwords
//! are checked two at a time, which limits guesses from many addresses.
//!
//! The generic cell rate algorithm (ATM Forum, 1996; a leaky bucket stored as one time per key):
//! each attempt moves its key's time ahead, and an attempt that would move it too far is refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Burst of attempts for one account from one address.
const ACCOUNT_BURST: u32 = 6;
/// After the burst, one attempt per interval.
const ACCOUNT_EVERY: Duration = Duration::from_secs(30);
/// Burst of attempts from one address.
const ADDRESS_BURST: u32 = 20;
/// After the burst, one attempt per interval.
const ADDRESS_EVERY: Duration = Duration::from_secs(10);
/// Maximum number of keys; beyond it, those that expire soonest are dropped.
const KEYS_MAX: usize = 20_000;
/// Addresses beyond which those without an attempt are forgotten.
const LOCKS_MAX: usize = 1_000;

/// What attempts are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum LimitKey {
    Address(IpAddr),
    Account(IpAddr, String),
}

/// The times of all keys.
#[derive(Debug, Default)]
pub(crate) struct RateLimit(Mutex<HashMap<LimitKey, Instant>>);

impl RateLimit {
    /// Counts an attempt; `Err` is the time to wait before the next one can succeed.
    pub(crate) fn attempt(
        &self,
        now: Instant,
        address: IpAddr,
        account: &str,
    ) -> Result<(), Duration> {
        let mut times = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        let network = network(address);
        let keys = [
            (LimitKey::Address(network), ADDRESS_BURST, ADDRESS_EVERY),
            (
                LimitKey::Account(network, clipped(account)),
                ACCOUNT_BURST,
                ACCOUNT_EVERY,
            ),
        ];
        let wait = keys.iter().filter_map(|(key, burst, every)| {
            let ahead = times.get(key)?.saturating_duration_since(now);
            let allowed = *every * (burst - 1);
            ahead.checked_sub(allowed).filter(|wait| !wait.is_zero())
        });
        if let Some(wait) = wait.max() {
            return Err(wait);
        }
        for (key, _, every) in keys {
            let time = times.entry(key).or_insert(now);
            *time = (*time).max(now) + every;
        }
        if times.len() > KEYS_MAX {
            forget(&mut times, now);
        }
        Ok(())
    }

    /// Removes the attempt again, because it succeeded.
    pub(crate) fn succeeded(&self, address: IpAddr, account: &str) {
        let mut times = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        let network = network(address);
        times.remove(&LimitKey::Account(network, clipped(account)));
        if let Some(time) = times.get_mut(&LimitKey::Address(network)) {
            *time = time.checked_sub(ADDRESS_EVERY).unwrap_or(*time);
        }
    }
}

/// Allows one sign-in attempt per address at a time, so that many guesses from few addresses do not
/// fill the queue for password hashing.
#[derive(Debug, Default)]
pub(crate) struct AddressLocks(Mutex<HashMap<IpAddr, Weak<AddressLock>>>);

type AddressLock = tokio::sync::Mutex<()>;

impl AddressLocks {
    /// The lock that an attempt from this address holds while it is made.
    pub(crate) fn of(&self, address: IpAddr) -> Arc<AddressLock> {
        let mut locks = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        if locks.len() > LOCKS_MAX {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let entry = locks.entry(network(address)).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let lock = Arc::default();
            *entry = Arc::downgrade(&lock);
            lock
        })
    }
}

#[cfg(test)]
impl RateLimit {
    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().map_or(0, |times| times.len())
    }
}

/// Makes room: drops expired keys first, then the half that expires soonest.
fn forget(times: &mut HashMap<LimitKey, Instant>, now: Instant) {
    times.retain(|_, time| *time > now);
    if times.len() > KEYS_MAX {
        let mut sorted: Vec<Instant> = times.values().copied().collect();
        sorted.sort_unstable();
        let middle = sorted[sorted.len() / 2];
        times.retain(|_, time| *time > middle);
    }
}

/// An IPv6 host has a whole /64 of addresses.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        address => address,
    }
}

/// Account names are short, but what is typed need not be.
fn clipped(account: &str) -> String {
    account.chars().take(64).collect()
}
