//! Drives the isoscan program as a person or a cron job does, and looks at all that comes out.
//!
//! One binary: each one links polars anew. Every test works in a folder of its own, which goes away with it.

mod architecture;
mod bad_input;
mod detecting;
mod discovering;
mod evaluating;
#[cfg(unix)]
mod faults;
mod generating;
mod graphs;
mod hostile;
mod incidents;
mod outputs;
mod reading;
mod terminal;
mod traffic;
mod workdir;
