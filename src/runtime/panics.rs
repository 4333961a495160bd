//! The last net: a panic in the work on one input costs that input, and becomes an error that names its place.
//!
//! Two kinds of work are caught. What isoscan does itself is [`guarded`]: a panic there is a fault of isoscan. What
//! a decoder of others does with bytes that nobody vouches for is [`caught`]: a panic there is the file's
//! fault, and its report on standard error is kept back.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

use crate::support::error::{Error, ErrorKind, Result};

/// Panics that happened and were not reported yet: text and place.
static PLACES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
/// Most panics that are remembered; beyond it, the oldest are forgotten.
const MAX_PLACES: usize = 64;

thread_local! {
    /// Whether panics on this thread are the fault of a file.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`; a panic in it becomes an error, on whichever thread it happened.
///
/// # Errors
/// Those of `work`, and [`ErrorKind::Internal`] with the place of the panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    set_hook();
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

/// What `work` returns, or the text of the panic that ended it.
///
/// Everything that `work` changes must be thrown away if it panicked.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    set_hook();
    let before = EXPECTED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    result.map_err(|panic| text_of(&*panic))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}

/// Has the place of every panic remembered that is not expected. A panic may happen on a thread of rayon's and be
/// caught on another, so it is found again by its text.
fn set_hook() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if EXPECTED.get() {
                return;
            }
            let place = info.location().map(ToString::to_string);
            let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
            if places.len() == MAX_PLACES {
                places.remove(0);
            }
            places.push((text_of(info.payload()), place.unwrap_or_default()));
            drop(places);
            // Whoever asks for more gets it.
            if std::env::var_os("RUST_BACKTRACE").is_some() {
                default(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_any_thread_is_an_error_that_names_its_place() {
        for threaded in [false, true] {
            let line = line!() + 1;
            let fail = || -> Result<()> { panic!("number {}", u8::from(threaded)) };
            let error = guarded(|| {
                if threaded {
                    rayon::join(fail, || ()).0
                } else {
                    fail()
                }
            })
            .unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Internal);
            let start = format!("internal error: number {} (", u8::from(threaded));
            assert!(text.starts_with(&start), "{text}");
            assert!(text.contains(&format!("panics.rs:{line}:")), "{text}");
        }
    }

    #[test]
    fn work_that_returns_passes_its_result_on() {
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
        let error = guarded(|| -> Result<()> { Err(Error::new(ErrorKind::Read, "no")) });
        assert_eq!(error.unwrap_err().to_string(), "no");
        assert_eq!(caught(|| 5), Ok(5));
    }

    #[test]
    fn an_expected_panic_becomes_its_text() {
        let number = 7;
        let result: Result<(), String> = caught(|| panic!("bad byte {number}"));
        assert_eq!(result, Err("bad byte 7".to_owned()));
        assert_eq!(caught(|| panic!("bad")), Err::<(), _>("bad".to_owned()));
    }
}
