//! Parse, run, print what stopped the run, exit.

#![warn(clippy::unwrap_used, clippy::expect_used)]

use std::process::ExitCode;

use mimalloc::MiMalloc;

// Threads that allocate columns side by side wait for each other in the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match isoscan::cli::run(std::env::args_os()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            isoscan::cli::console::say(&format!("isoscan: {error}"));
            ExitCode::from(isoscan::cli::exit_code(&error))
        }
    }
}
