//! Lines of comma-separated cells.

use std::io::{self, Write};

use crate::support::calendar::TimeWriter;

/// Writes lines of comma-separated cells.
pub(super) struct Line {
    bytes: Vec<u8>,
    time: TimeWriter,
    number: ryu::Buffer,
    csv_safe: bool,
    /// Whether the line has a cell, which may be empty.
    begun: bool,
}

impl Line {
    pub(super) fn new(csv_safe: bool) -> Self {
        Self {
            bytes: Vec::with_capacity(128),
            time: TimeWriter::new(),
            number: ryu::Buffer::new(),
            csv_safe,
            begun: false,
        }
    }

    fn next_cell(&mut self) {
        if self.begun {
            self.bytes.push(b',');
        }
        self.begun = true;
    }

    /// A text, quoted where it must be (RFC 4180). With `csv_safe`, a text that a spreadsheet would
    /// run as a formula gets an apostrophe before it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.next_cell();
        let formula = self.csv_safe && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let safe = if formula { &format!("'{text}") } else { text };
        if safe.is_empty() || safe.contains([',', '"', '\n', '\r']) {
            self.bytes.push(b'"');
            self.bytes
                .extend_from_slice(safe.replace('"', "\"\"").as_bytes());
            self.bytes.push(b'"');
        } else {
            self.bytes.extend_from_slice(safe.as_bytes());
        }
        self
    }

    pub(super) fn plain(&mut self, text: &str) -> &mut Self {
        self.next_cell();
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn number(&mut self, number: f64) -> &mut Self {
        self.next_cell();
        let text = self.number.format(number);
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// A number, or an empty cell where there is none.
    pub(super) fn number_if(&mut self, number: Option<f64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.plain(""),
        }
    }

    pub(super) fn count(&mut self, count: u64) -> &mut Self {
        self.plain(&count.to_string())
    }

    /// `2026-01-31 23:59:59`, as the original script wrote it; UTC.
    pub(super) fn blank_time(&mut self, timestamp_us: i64) -> &mut Self {
        self.next_cell();
        self.time.write_utc(timestamp_us, &mut self.bytes);
        self
    }

    /// `2026-01-31T23:59:59Z`.
    pub(super) fn iso_time(&mut self, timestamp_us: i64) -> &mut Self {
        self.next_cell();
        self.time.write_iso(timestamp_us, &mut self.bytes);
        self
    }

    pub(super) fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.bytes.push(b'\n');
        let written = out.write_all(&self.bytes);
        self.bytes.clear();
        self.begun = false;
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cells_are_quoted_and_formulas_made_safe_when_asked() {
        let mut out = Vec::new();
        Line::new(false)
            .text("a,\"b\"")
            .text("=1+1")
            .end(&mut out)
            .unwrap();
        Line::new(true)
            .text("=1+1")
            .text("x-1")
            .end(&mut out)
            .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a,\"\"b\"\"\",=1+1\n'=1+1,x-1\n"
        );
    }

    #[test]
    fn what_is_not_known_is_an_empty_cell() {
        let mut out = Vec::new();
        Line::new(false)
            .number_if(None)
            .number_if(Some(1.5))
            .number_if(None)
            .end(&mut out)
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), ",1.5,\n");
    }
}
