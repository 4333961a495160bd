//! The command line: arguments in, exit code out.
//!
//! [`args`] holds what can be typed; each command has a runner in a file of its own, which makes a
//! [`Job`](crate::config::Job) of the arguments, runs it and prints what it gave.

pub mod aggregate;
pub mod args;
pub mod bench;
pub mod console;
pub mod evaluate;
pub mod generate;
pub mod scan;
mod settings;
mod signals;
mod usage;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::args::{Cli, HelpArgs};
use self::console::{print, say};
use crate::runtime::{limits, panics};
use crate::support::error::{Error, ErrorKind, Result};

pub use self::args::Command;

/// The command that `arguments` ask for; the first of them is the program's name.
///
/// # Errors
/// [`ErrorKind::Setting`] with the argument and the rule, on one line.
pub fn parse(arguments: &[OsString]) -> Result<Command> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};

    match Cli::try_parse_from(arguments) {
        Ok(cli) => Ok(cli.command),
        Err(answer) if answer.kind() == DisplayHelp => {
            Ok(Command::Print(answer.render().ansi().to_string()))
        }
        Err(answer) if answer.kind() == DisplayVersion => Ok(Command::Version),
        Err(refusal) => Err(usage::error(&refusal, &Cli::command(), arguments)),
    }
}

/// Runs `command` and gives the exit code that it returns. What stops it, a panic included, is printed as one
/// line.
pub fn exit(command: impl FnOnce() -> Result<u8>) -> ExitCode {
    match panics::guarded(command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(exit_code(&error))
        }
    }
}

/// 2 for wrong usage, 1 for any other error.
fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Setting => 2,
        _ => 1,
    }
}

/// Prints the help of the program or of one of its commands.
///
/// # Errors
/// [`ErrorKind::Setting`] where there is no such command.
pub fn help(args: &HelpArgs) -> Result<u8> {
    let mut command = Cli::command();
    command.build();
    let mut found = &mut command;
    for name in &args.command {
        found = found.find_subcommand_mut(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Setting,
                format!("no command \"{name}\"; see 'isoscan help'"),
            )
        })?;
    }
    print(&found.render_long_help().ansi().to_string())
}

/// Prints name and version.
///
/// # Errors
/// [`ErrorKind::Write`] where standard output cannot be written.
pub fn version() -> Result<u8> {
    print(&format!("isoscan {}\n", env!("CARGO_PKG_VERSION")))
}

/// Threads of rayon's pool for each processor, at most: beyond, they only wait for each other.
const MAX_THREADS_A_PROCESSOR: usize = 4;

/// Sets the number of threads of rayon's pool; 0 leaves it to the machine.
fn use_threads(threads: usize) {
    if threads > 0 {
        let most = MAX_THREADS_A_PROCESSOR * limits::processors();
        // A pool that is already there, as in a test, stays as it is.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.min(most))
            .build_global();
    }
}
