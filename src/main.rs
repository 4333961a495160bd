//! Parse, run the command, exit.

#![warn(clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsString;
use std::process::ExitCode;

use isoscan::cli::{self, Command};
use mimalloc::MiMalloc;

// Threads that allocate columns side by side wait for each other in the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    cli::exit(|| match cli::parse(&arguments)? {
        Command::Scan(args) => cli::scan::run(&args, &arguments),
        Command::Aggregate(args) => cli::aggregate::run(&args),
        Command::Generate(args) => cli::generate::run(&args),
        Command::Evaluate(args) => cli::evaluate::run(&args),
        Command::Bench(args) => cli::bench::run(&args),
        Command::Help(args) => cli::help(&args),
        Command::Version => cli::version(),
        Command::Print(text) => cli::console::print(&text),
    })
}
