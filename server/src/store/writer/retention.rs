//! Deleting runs by age, number and size.

use super::Writer;
use crate::store::meta::now_us;
use crate::store::{Expiry, run_file};

impl Writer {
    /// Deletes what is beyond the limits of projects and of the store.
    pub(super) fn apply_retention(&mut self) {
        for (id, reason) in self.meta.expired(now_us()).unwrap_or_default() {
            self.expire(&id, reason);
        }
        let Some(most) = self.disk.keep_bytes else {
            return;
        };
        let mut bytes = run_file::bytes_of_all(&self.data_dir);
        if bytes <= most {
            return;
        }
        for id in self.meta.removable().unwrap_or_default() {
            if bytes <= most {
                return;
            }
            bytes = bytes.saturating_sub(run_file::bytes_of(&self.data_dir, &id));
            self.expire(&id, Expiry::Size);
        }
    }

    fn expire(&mut self, id: &str, reason: Expiry) {
        // what fails is tried again
        if self.delete(id).unwrap_or(false) {
            self.watch.expired(id, reason);
        }
    }
}
