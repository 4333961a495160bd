//! All writing: files that appear whole or not at all, and fingerprints of what files hold.

pub mod atomic;
pub(crate) mod fingerprint;
