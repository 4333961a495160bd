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
        match self.requested() || self.cancelled.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
            false => Ok(()),
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

    /// Sets the flag at SIGINT and SIGTERM; a second signal ends the process at once.
    ///
    /// A file that grows beyond what is allowed (`ulimit -f`) becomes an error of writing; by itself the
    /// signal that comes with it would end the process.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the system refuses.
    pub fn on_signals(&self) -> Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;
        let refused = |cause: io::Error| {
            Error::new(ErrorKind::Internal, "signals cannot be heard").caused_by(cause)
        };
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first signal must find the flag not yet set.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&self.flag))
                .map_err(refused)?;
            flag::register_usize(signal, Arc::clone(&self.signal), signal as usize)
                .map_err(refused)?;
            flag::register(signal, Arc::clone(&self.flag)).map_err(refused)?;
        }
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map_err(refused)?;
        Ok(())
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
