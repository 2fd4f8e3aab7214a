//! A file that keeps some space of the disk free for administration.
//!
//! Deleting a run writes to the list of runs, and signing in writes too. When the disk is full, the
//! file is given up, and no batches are taken until there is room for it again: so they do not
//! take the space that those need.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The least and the most that is kept free, in bytes ...
const BYTES: (u64, u64) = (256 << 10, 4 << 20);
/// ... and which part of the disk in between.
const PART: u64 = 64;

/// The reserve of a store.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    len: u64,
    is_held: AtomicBool,
}

impl Reserve {
    /// The reserve of a folder, not held yet: what opens the store may need its space.
    pub(crate) fn open(data_dir: &Path) -> Reserve {
        let path = data_dir.join("reserve");
        // there may be none
        let _ = std::fs::remove_file(&path);
        let all = rustix::fs::statvfs(data_dir)
            .map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
        Reserve {
            path,
            len: (all / PART).clamp(BYTES.0, BYTES.1),
            is_held: AtomicBool::new(false),
        }
    }

    /// Whether it is held, or could be taken now.
    pub(crate) fn hold(&self) -> bool {
        if self.is_held.load(Ordering::Acquire) {
            return true;
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let free = rustix::fs::statvfs(folder)
            .map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let has_room = free >= 2 * self.len;
        let is_held = has_room
            && match self.write() {
                Ok(()) => true,
                // whatever else prevents it does not prevent batches
                Err(error) => !matches!(
                    error.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded
                ),
            };
        if is_held {
            self.is_held.store(true, Ordering::Release);
        } else {
            let _ = std::fs::remove_file(&self.path);
        }
        is_held
    }

    fn write(&self) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).write(true);
        let mut file: File = file.open(&self.path)?;
        let flags = rustix::fs::FallocateFlags::empty();
        if rustix::fs::fallocate(&file, flags, 0, self.len).is_ok() {
            return Ok(());
        }
        // not every file system can do that
        let zeros = [0; 64 << 10];
        for _ in 0..self.len / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()
    }

    /// Gives the space up.
    pub(crate) fn release(&self) {
        if self.is_held.swap(false, Ordering::AcqRel) {
            tracing::error!(
                folder = self
                    .path
                    .parent()
                    .unwrap_or(&self.path)
                    .display()
                    .to_string()
                    .as_str(),
                "the disk is full: no batches are taken until there is room again; delete runs"
            );
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_space_until_it_is_given_up() {
        let dir = tempfile::tempdir().expect("a folder");
        let reserve = Reserve::open(dir.path());
        let path = dir.path().join("reserve");
        assert!(reserve.hold() && reserve.hold());
        let len = std::fs::metadata(&path).expect("it is there").len();
        assert!((BYTES.0..=BYTES.1).contains(&len), "{len}");
        reserve.release();
        assert!(!path.exists());
        assert!(reserve.hold() && path.exists());
        drop(reserve);
        assert!(!path.exists());
    }
}
