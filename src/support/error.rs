//! The one error type of the crate: what went wrong, where, and why.
//!
//! Its text fits on one line and names the input, the line if known, the rule and the value found.

use std::fmt;
use std::path::{Path, PathBuf};

use super::text::path_text;
pub(crate) use super::text::{printable, quoted};

/// What kind of thing went wrong: decides nothing about the text, but lets a caller tell cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is outside its range or contradicts another one.
    Setting,
    /// A path does not exist, matches nothing, or leads to nothing that can be scanned.
    NotFound,
    /// The operating system refused to read an input.
    Read,
    /// An input's bytes are not what its form demands: binary data, a corrupt archive, a broken header.
    Format,
    /// An input is recognised as something that cannot be scanned: a binary capture, another program's report.
    Unsupported,
    /// A column that was asked for is not there.
    Column,
    /// No row of an input can be used.
    NoUsableRow,
    /// The rows given to a forest do not have the columns that it was fitted on.
    ColumnMismatch,
    /// An output could not be written.
    Write,
    /// The run was stopped from outside.
    Interrupted,
    /// A fault of isoscan or of a library below it, caught before it cost more than one input.
    Internal,
}

/// An error with its place: the path and the line where they are known, and the cause below it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    path: Option<PathBuf>,
    line: Option<u64>,
    message: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` is one line, without the path.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            path: None,
            line: None,
            message: message.into(),
            cause: None,
        }
    }

    /// Adds the path that the error is about; a path already there stays.
    #[must_use]
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path.get_or_insert_with(|| path.as_ref().to_path_buf());
        self
    }

    /// Adds the line of the input, counted from 1.
    #[must_use]
    pub fn on_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// Adds the error that led to this one.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The path that the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The line of the input, counted from 1, where it is known.
    pub fn line(&self) -> Option<u64> {
        self.line
    }

    /// The text without the path: line, rule, value found and cause.
    pub fn reason(&self) -> String {
        let mut text = String::new();
        if let Some(line) = self.line {
            text.push_str(&format!("line {line}: "));
        }
        text.push_str(&self.message);
        if let Some(cause) = &self.cause {
            text.push_str(&format!(": {cause}"));
        }
        one_line(&text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", printable(&path_text(path)))?;
        }
        f.write_str(&self.reason())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

fn one_line(text: &str) -> String {
    let joined: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    printable(&joined.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_one_line_that_names_path_line_rule_and_cause() {
        let error = Error::new(ErrorKind::Read, "cannot be read")
            .at("logs/a.csv")
            .on_line(7)
            .caused_by("first\nsecond");
        assert_eq!(
            error.to_string(),
            "logs/a.csv: line 7: cannot be read: first; second"
        );
    }
}
