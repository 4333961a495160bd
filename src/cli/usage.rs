//! What is wrong with the arguments, on one line, with the next thing to try.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind as Usage};

use crate::support::error::{Error, ErrorKind};

/// The error for what clap refused.
pub(super) fn error(refusal: &clap::Error, program: &Command, arguments: &[OsString]) -> Error {
    let text = match refusal.kind() {
        Usage::DisplayHelpOnMissingArgumentOrSubcommand | Usage::MissingSubcommand => {
            "no command: try 'isoscan scan PATH' or 'isoscan --help'".to_owned()
        }
        Usage::UnknownArgument => {
            unknown(refusal, program, arguments).unwrap_or_else(|| one_line(refusal))
        }
        _ => one_line(refusal),
    };
    Error::new(ErrorKind::Setting, text)
}

/// Without clap's heading and its hint at `--help`.
fn one_line(refusal: &clap::Error) -> String {
    let text = refusal.render().to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let joined = lines.join(" ").replace(" tip: ", "; tip: ");
    joined.strip_prefix("error: ").unwrap_or(&joined).to_owned()
}

/// A flag that the command does not have. clap alone would name one flag of several that start alike, and hidden
/// ones.
fn unknown(refusal: &clap::Error, program: &Command, arguments: &[OsString]) -> Option<String> {
    let text = |kind| match refusal.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?;
    let flag = flag.split('=').next()?;
    let command = arguments
        .iter()
        .skip(1)
        .find_map(|name| program.find_subcommand(name.to_str()?));
    let known = |command: &Command| -> Vec<String> {
        let flags = command.get_arguments().filter(|arg| !arg.is_hide_set());
        flags
            .filter_map(|arg| arg.get_long())
            .map(|long| format!("--{long}"))
            .collect()
    };
    let flags = command.map(known).unwrap_or_default();
    let mut similar: Vec<String> = flags
        .iter()
        .filter(|known| flag.len() > 3 && known.starts_with(flag))
        .cloned()
        .collect();
    if similar.is_empty() {
        similar.extend(text(ContextKind::SuggestedArg).filter(|s| flags.contains(s)));
    }
    let elsewhere = program
        .get_subcommands()
        .find(|other| flag.starts_with("--") && known(other).iter().any(|known| known == flag));
    let hint = match (similar.as_slice(), elsewhere, command) {
        ([], Some(other), _) => format!("it is a flag of 'isoscan {}'", other.get_name()),
        ([], None, Some(command)) => format!("see 'isoscan {} --help'", command.get_name()),
        ([], None, None) => "see 'isoscan --help'".to_owned(),
        (similar, ..) => format!("did you mean {}?", similar.join(" or ")),
    };
    Some(format!("unexpected argument '{flag}': {hint}"))
}
