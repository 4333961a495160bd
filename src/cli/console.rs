//! What is said on the terminal: results on standard output, everything else on standard error, and a bar
//! while a run lasts.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstream::ColorChoice;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::args::{ColorWhen, TalkArgs};
use crate::report::outcome::{Outcome, ScannedLog};
use crate::run::progress::Progress;

use crate::support::error::{Error, ErrorKind, Result, printable};

/// Writes a line on standard error, with the program's name in front. Where nobody listens, or nothing can be
/// written, the run goes on.
pub fn say(text: &str) {
    tell(&format!("isoscan: {text}"));
}

/// Writes text on standard error as it stands, and a line end. Escape sequences reach only a terminal that knows
/// color.
pub fn tell(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes text on standard output; gives exit code 0.
///
/// # Errors
/// [`ErrorKind::Write`] where it cannot be written.
pub fn print(text: &str) -> Result<u8> {
    let mut out = anstream::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(0)
}

/// The result of writing to standard output; a reader that has gone away is no error.
pub(super) fn printed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Write, "standard output cannot be written").caused_by(cause))
        }
        _ => Ok(()),
    }
}

/// Tells the person at the terminal how a scan goes.
#[derive(Debug)]
pub struct Console {
    bar: Option<Bar>,
    verbose: bool,
    quiet: bool,
    notices: Mutex<Notices>,
}

impl Console {
    /// A console that says as much as `args` ask for.
    pub fn new(args: &TalkArgs) -> Self {
        match args.color {
            // anstream looks at NO_COLOR, TERM and whether it is a terminal.
            ColorWhen::Auto => ColorChoice::Auto,
            ColorWhen::Always => ColorChoice::AlwaysAnsi,
            ColorWhen::Never => ColorChoice::Never,
        }
        .write_global();
        Self {
            bar: (!args.quiet).then(Bar::new),
            verbose: args.verbose,
            quiet: args.quiet,
            notices: Mutex::default(),
        }
    }

    /// Whether everything is to be told.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether nothing but errors is to be told.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes a line on standard error, above the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.above(|| say(text)),
            None => say(text),
        }
    }

    /// What was recognised and dropped.
    fn say_details(&self, name: &str, log: &ScannedLog) {
        if log.reused {
            self.say(&format!("{name}: scanned before and unchanged"));
        }
        let above = match log.series.as_slice() {
            [one] => format!(" above {:.4}", one.findings.threshold),
            _ => String::new(),
        };
        self.say(&format!(
            "{name}: {}; {} rows, {} dropped, {} anomalies{above}",
            log.form,
            log.rows(),
            log.dropped.rows,
            log.anomalies(),
        ));
        for row in &log.dropped.first {
            let (line, reason) = (row.line, &row.reason);
            self.say(&format!("{name}: line {line}: dropped: {reason}"));
        }
    }
}

impl Progress for Console {
    fn started(&self, sources: u64) {
        if let Some(bar) = &self.bar {
            bar.started(sources);
        }
    }

    fn source_ended(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { error, .. } => self.say(&error.to_string()),
            Outcome::Scanned(log) => {
                let name = printable(&log.source.name());
                if self.verbose {
                    self.say_details(&name, log);
                    for note in log.notes() {
                        self.say(&format!("{name}: {note}"));
                    }
                } else if !self.quiet {
                    let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
                    log.notes().for_each(|note| notices.add(&name, &note));
                }
                if let Some(bar) = &self.bar {
                    bar.0.set_message(name);
                }
            }
        }
        if let Some(bar) = &self.bar {
            bar.0.inc(1);
        }
    }

    fn ended(&self) {
        if let Some(bar) = &self.bar {
            bar.0.finish_and_clear();
        }
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        for line in notices.lines() {
            say(&line);
        }
    }
}

/// Notices about inputs: what holds for many of them is one line with a count.
#[derive(Debug, Default)]
struct Notices(Vec<Notice>);

#[derive(Debug)]
struct Notice {
    /// The text without its numbers: `has 288 rows` and `has 12 rows` are alike.
    kind: String,
    first: String,
    files: u64,
}

impl Notices {
    fn add(&mut self, name: &str, text: &str) {
        let kind = text.replace(|c: char| c.is_ascii_digit(), "");
        match self.0.iter_mut().find(|notice| notice.kind == kind) {
            Some(notice) => notice.files += 1,
            None => self.0.push(Notice {
                kind,
                first: format!("{name}: {text}"),
                files: 1,
            }),
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|notice| match notice.files {
            1 => notice.first.clone(),
            files => format!("{} (and {} more like it; see -v)", notice.first, files - 1),
        })
    }
}

/// A bar over the inputs on standard error, with rate and time left. It draws only where standard error
/// is a terminal that can move its cursor, and is wiped when the run is over.
#[derive(Debug)]
struct Bar(ProgressBar);

impl Bar {
    /// A bar that is not yet drawn.
    fn new() -> Self {
        let target = if std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb") {
            ProgressDrawTarget::hidden()
        } else {
            // indicatif draws nothing where standard error is not a terminal.
            ProgressDrawTarget::stderr_with_hz(10)
        };
        Self(ProgressBar::with_draw_target(None, target))
    }

    fn started(&self, inputs: u64) {
        let color = match anstream::AutoStream::choice(&io::stderr()) {
            ColorChoice::Never => "",
            _ => ".blue",
        };
        let template = format!(
            "{{bar:24{color}}} {{pos}}/{{len}} files  {{rate}}  {{eta}} left  {{wide_msg}}"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.0.set_style(style.with_key("rate", rate));
        }
        self.0.set_length(inputs);
        self.0.enable_steady_tick(Duration::from_millis(200));
    }

    /// Lets `write` write lines above the bar.
    fn above(&self, write: impl FnOnce()) {
        if self.0.is_hidden() {
            write();
        } else {
            self.0.suspend(write);
        }
    }
}

/// Files a second, to three digits.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    let decimals = usize::from(rate < 100.0);
    // The bar's text is a string, which takes everything.
    let _ = write!(out, "{rate:.decimals$} files/s");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_that_holds_for_many_files_is_one_line_with_a_count() {
        let mut notices = Notices::default();
        for number in 0..90 {
            notices.add(&format!("{number}.csv"), &format!("has {number} rows"));
        }
        notices.add("x.csv", "all values are equal");
        let lines: Vec<String> = notices.lines().collect();
        let many = "0.csv: has 0 rows (and 89 more like it; see -v)";
        assert_eq!(lines, [many, "x.csv: all values are equal"]);
    }
}
