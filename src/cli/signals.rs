//! SIGINT and SIGTERM end a run in good order.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::runtime::cancel::CancelToken;
use crate::support::error::{Error, ErrorKind, Result};

/// Sets `token` at SIGINT and SIGTERM; a second signal ends the process at once.
///
/// A file that grows beyond what is allowed (`ulimit -f`) becomes an error of writing; by itself the
/// signal that comes with it would end the process.
///
/// # Errors
/// [`ErrorKind::Internal`] where the system refuses.
pub(super) fn cancel_on_signals(token: &CancelToken) -> Result<()> {
    let refused = |cause: io::Error| {
        Error::new(ErrorKind::Internal, "signals cannot be received").caused_by(cause)
    };
    let (requested, received) = token.flags();
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first signal must find the flag not yet set.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(requested))
            .map_err(refused)?;
        flag::register_usize(signal, Arc::clone(received), signal as usize).map_err(refused)?;
        flag::register(signal, Arc::clone(requested)).map_err(refused)?;
    }
    #[cfg(unix)]
    flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map_err(refused)?;
    Ok(())
}
