//! The last net: a panic in one source's work costs that source, and is told as an error with its place.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

use crate::support::error::{Error, ErrorKind, Result};

/// Panics that have happened and not been told: what they said, and where.
static PLACES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
/// Of more, the oldest are forgotten.
const REMEMBERED: usize = 64;

/// Does `work`; a panic in it becomes an error, wherever it happened.
///
/// # Errors
/// Those of `work`, and [`ErrorKind::Internal`] with the place of the panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    remember_places();
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = text_of(&*panic);
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match places.iter().position(|(said, _)| *said == text) {
            Some(at) => format!(" ({})", places.swap_remove(at).1),
            None => String::new(),
        };
        Err(Error::new(
            ErrorKind::Internal,
            format!("internal error: {text}{place}"),
        ))
    })
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}

/// Has the place of every panic remembered. A panic may happen on a thread of rayon's and be caught on
/// another, so it is found again by what it says.
fn remember_places() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            let place = about.location().map(ToString::to_string);
            let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
            if places.len() == REMEMBERED {
                places.remove(0);
            }
            places.push((text_of(about.payload()), place.unwrap_or_default()));
            drop(places);
            // Whoever asks for more gets it.
            if std::env::var_os("RUST_BACKTRACE").is_some() {
                usual(about);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_any_thread_is_an_error_that_tells_its_place() {
        for threaded in [false, true] {
            let line = line!() + 1;
            let fail = || -> Result<()> { panic!("number {}", u8::from(threaded)) };
            let error = guarded(|| match threaded {
                true => rayon::join(fail, || ()).0,
                false => fail(),
            })
            .unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Internal);
            let said = format!("internal error: number {} (", u8::from(threaded));
            assert!(text.starts_with(&said), "{text}");
            assert!(text.contains(&format!("panics.rs:{line}:")), "{text}");
        }
    }

    #[test]
    fn what_ends_well_or_with_an_error_passes() {
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
        let error = guarded(|| -> Result<()> { Err(Error::new(ErrorKind::Read, "no")) });
        assert_eq!(error.unwrap_err().to_string(), "no");
    }
}
