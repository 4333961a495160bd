#![doc = include_str!("../README.md")]
//!
//! # The pipeline
//!
//! Data flows one way: inputs are found, [`mod@format`] reads each into a [`series`], [`detect`] judges it with a
//! [`forest`], [`report`] writes what was found. [`run`] joins the stages, and [`config`] says what is to be
//! done: a [`Job`](config::Job) is checked once, and [`run::scan`] does it.
//!
//! Other programs find here the whole scan ([`run`]), the detectors ([`detect`]), the forests ([`forest`]), made-up
//! traffic ([`generate`]) and the measures of a detector ([`evaluate`]). Everything else is internal.

#![warn(missing_docs, unreachable_pub)]
// What input can reach ends in an error, never in a panic; tests may.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod config;
pub mod detect;
pub mod evaluate;
pub mod forest;
pub mod format;
pub mod generate;
pub mod group;
pub(crate) mod input;
pub mod report;
pub mod run;
pub(crate) mod runtime;
pub mod series;
pub(crate) mod state;
pub(crate) mod storage;
pub(crate) mod support;

pub use runtime::cancel::CancelToken;
pub use support::error::{Error, ErrorKind, Result};

/// What isoscan's own benchmarks need of its inside; no promise to anyone else.
#[doc(hidden)]
pub mod benchmarks {
    pub use crate::input::{Location, Source};
    pub use crate::runtime::memory::Memory;
    pub use crate::storage::atomic;
}
