//! The memory that a run may take for rows, shared by all sources that are in work.
//!
//! Rows that do not fit go to a scratch file in the output folder, which has no name and so is gone
//! when the process ends, however it ends.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result};

/// A budget of bytes for rows, the folder for what goes beyond it, and the flag that stops the work on
/// them.
#[derive(Debug)]
pub struct Memory {
    limit: u64,
    used: AtomicU64,
    scratch_folder: PathBuf,
    stop: CancelToken,
}

impl Memory {
    /// A budget of `limit` bytes; scratch files lie in `scratch_folder`, which must exist by the time
    /// that the first is needed.
    pub fn new(limit: u64, scratch_folder: impl Into<PathBuf>) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
            scratch_folder: scratch_folder.into(),
            stop: CancelToken::new(),
        }
    }

    /// The same, its rows given up when `stop` is set.
    #[must_use]
    pub fn stopped_by(self, stop: &CancelToken) -> Self {
        Self {
            stop: stop.clone(),
            ..self
        }
    }

    /// The flag that work on the rows is to look at.
    pub fn stop(&self) -> &CancelToken {
        &self.stop
    }

    /// The whole budget in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// No limit: nothing ever goes to a scratch file.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, PathBuf::new())
    }

    /// Takes `bytes` of the budget, or nothing where there are not so many left.
    pub fn try_reserve(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    /// Gives back `bytes` that were reserved.
    pub fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Opens a scratch file without a name.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] with the folder's path.
    pub(crate) fn scratch_file(&self) -> Result<File> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch_folder.join(format!(
            ".isoscan-{}-scratch-{number}.part",
            std::process::id()
        ));
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|file| match std::fs::remove_file(&path) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause),
                _ => Ok(file),
            })
            .map_err(|cause| {
                Error::new(ErrorKind::Write, "no scratch file can be made here")
                    .at(&self.scratch_folder)
                    .caused_by(cause)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_no_more_than_it_has() {
        let memory = Memory::new(100, "");
        assert!(memory.try_reserve(60));
        assert!(!memory.try_reserve(60));
        memory.release(60);
        assert!(memory.try_reserve(100));
        assert!(!Memory::new(10, "").try_reserve(u64::MAX));
        assert!(Memory::unlimited().try_reserve(1 << 60));
    }

    #[test]
    fn a_scratch_file_has_no_name() {
        let folder = std::env::temp_dir().join(format!("isoscan-scratch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let _file = Memory::new(0, &folder).scratch_file().unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
