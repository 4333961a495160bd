//! The wish to stop, heard by everything that takes long.
//!
//! A run that is told to stop abandons the sources in work, keeps what is finished and says so.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::error::{Error, ErrorKind, Result};

/// A flag that is set once and looked at often; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    flag: Arc<AtomicBool>,
    /// The signal that set it, or 0.
    signal: Arc<AtomicUsize>,
    /// Set where one run ends early for reasons of its own.
    cancelled: Arc<AtomicBool>,
}

impl CancelToken {
    /// A flag that nobody has set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks whoever looks at this flag, or at a clone of it, to stop.
    pub fn request(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn requested(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Nothing, or the error of what is abandoned.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`] where somebody asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.requested() || self.cancelled.load(Ordering::Relaxed) {
            Err(Error::new(ErrorKind::Interrupted, "interrupted"))
        } else {
            Ok(())
        }
    }

    /// The same for readers. The kind is not `Interrupted`: that means "try again".
    pub(crate) fn check_io(&self) -> io::Result<()> {
        self.check()
            .map_err(|stopped| io::Error::other(stopped.reason()))
    }

    /// A flag that hears this one, and that [`cancel`](Self::cancel) sets without setting this one.
    pub(crate) fn for_one_run(&self) -> Self {
        Self {
            cancelled: Arc::default(),
            ..self.clone()
        }
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The exit code of a program that was stopped: 128 and the number of the signal, or 130.
    pub fn exit_code(&self) -> u8 {
        match self.signal.load(Ordering::Relaxed) {
            0 => 130,
            signal => u8::try_from(128 + signal).unwrap_or(130),
        }
    }

    /// The flag, and the number of the signal that set it: for a signal handler to set.
    #[cfg(feature = "cli")]
    pub(crate) fn flags(&self) -> (&Arc<AtomicBool>, &Arc<AtomicUsize>) {
        (&self.flag, &self.signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_hear_a_request_and_a_cancelled_run_is_alone() {
        let stop = CancelToken::new();
        let (one, other) = (stop.for_one_run(), stop.for_one_run());
        one.cancel();
        assert!(one.clone().check().is_err());
        assert!(stop.check().is_ok() && other.check().is_ok());
        stop.request();
        assert!(other.requested() && other.check().is_err());
        assert_eq!(stop.exit_code(), 130);
    }
}
