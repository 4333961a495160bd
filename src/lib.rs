#![doc = include_str!("../README.md")]
//!
//! # The pipeline
//!
//! Data flows one way: [`input`] finds what can be read, [`mod@format`] reads each into a [`series`],
//! [`detect`] judges it with a [`forest`], [`report`] writes what was found. [`run`] joins the stages;
//! [`cli`] and [`config`] say what is to be done.

// What input can reach ends in an error, never in a panic; tests may.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod detect;
pub mod evaluate;
pub mod forest;
pub mod format;
pub mod generate;
pub mod input;
pub mod report;
pub mod run;
pub mod runtime;
pub mod series;
pub mod state;
pub mod storage;
pub mod support;

pub use runtime::cancel::CancelToken;
pub use support::error::{Error, ErrorKind, Result};
