//! The queue of messages that wait for an attempt: bounded, and one attempt per webhook at a time.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of waiting messages of one webhook.
const PER_WEBHOOK_MAX: usize = 100;
/// Maximum number of waiting messages of all webhooks.
const ALL_MAX: usize = 2_000;
/// How long a thread waits while there is nothing to do.
const IDLE: Duration = Duration::from_secs(3_600);

/// A message on its way to one webhook.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) webhook: i64,
    /// Its delivery in the store.
    pub(super) delivery: i64,
    pub(super) id: String,
    pub(super) body: Arc<str>,
    /// Attempts made so far.
    pub(super) attempts: u32,
    /// When it is tried next.
    pub(super) due: Instant,
}

#[derive(Debug, Default)]
struct Messages {
    waiting: Vec<Message>,
    /// Webhooks that an attempt is under way for.
    busy: HashSet<i64>,
    is_stopped: bool,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: Mutex<Messages>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; false when too many are waiting.
    pub(super) fn add(&self, message: Message) -> bool {
        let mut messages = self.lock();
        let waiting = &messages.waiting;
        let own = waiting.iter().filter(|one| one.webhook == message.webhook);
        if own.count() >= PER_WEBHOOK_MAX || waiting.len() >= ALL_MAX {
            return false;
        }
        messages.waiting.push(message);
        drop(messages);
        self.changed.notify_all();
        true
    }

    /// The next message that is due, once there is one; `None` when the queue was stopped. Its
    /// webhook gets no other until [`Queue::done`].
    pub(super) fn take(&self) -> Option<Message> {
        let mut messages = self.lock();
        loop {
            if messages.is_stopped {
                return None;
            }
            let waiting = messages.waiting.iter().enumerate();
            let free = waiting.filter(|(_, one)| !messages.busy.contains(&one.webhook));
            let next = free.min_by_key(|(_, one)| (one.due, one.delivery));
            let now = Instant::now();
            let wait = match next {
                Some((index, one)) if one.due <= now => {
                    let message = messages.waiting.remove(index);
                    messages.busy.insert(message.webhook);
                    return Some(message);
                }
                Some((_, one)) => one.due.saturating_duration_since(now),
                None => IDLE,
            };
            let waited = self.changed.wait_timeout(messages, wait);
            messages = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// An attempt for the webhook has ended; `again` is its message if it is to be tried again.
    pub(super) fn done(&self, webhook: i64, again: Option<Message>) {
        let mut messages = self.lock();
        messages.busy.remove(&webhook);
        messages.waiting.extend(again);
        drop(messages);
        self.changed.notify_all();
    }

    /// Waits until nothing is due or under way, for at most `patience`, then ends all takers.
    pub(super) fn stop(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut messages = self.lock();
        loop {
            let now = Instant::now();
            let is_due = messages.waiting.iter().any(|one| one.due <= now);
            if now >= end || (!is_due && messages.busy.is_empty()) {
                break;
            }
            let waited = self.changed.wait_timeout(messages, end - now);
            messages = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        messages.is_stopped = true;
        drop(messages);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(webhook: i64, delivery: i64) -> Message {
        Message {
            webhook,
            delivery,
            id: String::new(),
            body: "{}".into(),
            attempts: 0,
            due: Instant::now(),
        }
    }

    #[test]
    fn a_slow_webhook_holds_up_no_other_and_its_messages_are_bounded() {
        let queue = Queue::default();
        for delivery in 0..PER_WEBHOOK_MAX as i64 {
            assert!(queue.add(message(1, delivery)));
        }
        assert!(!queue.add(message(1, 999)));
        assert!(queue.add(message(2, 500)));
        let taken = [queue.take(), queue.take()].map(|one| one.map(|one| one.delivery));
        assert_eq!(taken, [Some(0), Some(500)]);
        queue.done(1, None);
        assert_eq!(queue.take().map(|one| one.delivery), Some(1));
        queue.stop(Duration::from_millis(1));
        assert!(queue.take().is_none());
    }
}
