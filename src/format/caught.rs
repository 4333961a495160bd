//! Runs a decoder of others over bytes that nobody vouches for.
//!
//! A corrupt file can make it panic. That is the file's fault, to be told in the file's error line:
//! the panic is caught, and its report on standard error kept back.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns, or the text of the panic that ended it.
///
/// Everything that `work` changes must be thrown away where it panicked.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    result.map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("no reason told").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(caught(|| 5), Ok(5));
        let number = 7;
        let result: Result<(), String> = caught(|| panic!("bad byte {number}"));
        assert_eq!(result, Err("bad byte 7".to_owned()));
        assert_eq!(caught(|| panic!("bad")), Err::<(), _>("bad".to_owned()));
    }
}
