//! What is said on the terminal: lines on standard error, and a bar while a run lasts.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::run::progress::Progress;
use crate::state::outcome::Outcome;

/// Writes a line on standard error. Where nobody listens, or nothing can be written, the run goes on.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A bar over the sources on standard error, with rate and time left. It draws only where standard
/// error is a terminal, and is wiped when the run is over.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that is not yet drawn.
    pub fn new() -> Self {
        // indicatif draws nothing where standard error is no terminal.
        Self(ProgressBar::with_draw_target(
            None,
            ProgressDrawTarget::stderr_with_hz(10),
        ))
    }

    /// Writes a line above the bar.
    pub fn line(&self, text: &str) {
        if self.0.is_hidden() {
            say(text);
        } else {
            self.0.suspend(|| say(text));
        }
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

/// Files a second, to three digits.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    let decimals = usize::from(rate < 100.0);
    // The bar's text is a string, which takes everything.
    let _ = write!(out, "{rate:.decimals$} files/s");
}

impl Progress for Bar {
    fn started(&self, sources: u64) {
        let template = "{bar:24.blue} {pos}/{len} files  {rate}  {eta} left  {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.with_key("rate", rate));
        }
        self.0.set_length(sources);
        self.0.enable_steady_tick(Duration::from_millis(200));
    }

    fn source_ended(&self, outcome: &Outcome) {
        if let Outcome::Done(done) = outcome {
            self.0
                .set_message(crate::support::error::printable(&done.source.name()));
        }
        self.0.inc(1);
    }

    fn ended(&self) {
        self.0.finish_and_clear();
    }
}
