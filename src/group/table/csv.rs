//! The table of series as CSV.

use std::io::{self, Write};
use std::path::Path;

use super::{Columns, FRONT, VERSION};
use crate::group::log::GroupedLog;
use crate::group::runs::Unit;
use crate::storage::atomic::{Staged, Staging, unwritable};
use crate::support::calendar::format_iso;
use crate::support::error::Result;

/// Writes rows as text. States of distinct counts are hexadecimal.
pub(super) struct CsvWriter {
    file: Staging,
    columns: Columns,
    line: Vec<u8>,
    state: Vec<u8>,
}

impl CsvWriter {
    pub(super) fn create(path: &Path, columns: Columns) -> Result<Self> {
        let mut file = Staging::create(path)?;
        let mut names: Vec<&str> = FRONT.to_vec();
        names.extend(columns.measures.iter().map(|measure| measure.name()));
        names.extend(columns.sketch_names().map(|(_, name)| name));
        let kinds = columns.kinds();
        writeln!(
            file,
            "# isoscan table {VERSION} {kinds}\n{}",
            names.join(",")
        )
        .map_err(|cause| unwritable(path, cause))?;
        Ok(Self {
            file,
            columns,
            line: Vec::new(),
            state: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, log: &GroupedLog, unit: &Unit) -> Result<()> {
        let path = self.file.target().to_path_buf();
        self.write(log, unit)
            .map_err(|cause| unwritable(&path, cause))
    }

    fn write(&mut self, log: &GroupedLog, unit: &Unit) -> io::Result<()> {
        let Self {
            file,
            columns,
            line,
            state,
        } = self;
        let key = &log.keys[unit.key];
        let mut front = Vec::new();
        for text in [log.name.as_bytes(), key.by.name().as_bytes(), &unit.entity] {
            quote(text, &mut front);
            front.push(b',');
        }
        let every = seconds(key.every_us);
        for cell in &unit.cells {
            line.clear();
            line.extend_from_slice(&front);
            format_iso(cell.bucket.saturating_mul(key.every_us), line);
            write!(line, ",{every}")?;
            let is_unknown = cell.is_unknown();
            for measure in &columns.measures {
                line.push(b',');
                if !is_unknown && log.measures.contains(measure) {
                    write!(line, "{}", cell.value(*measure))?;
                }
            }
            for (place, _) in columns.sketch_names() {
                line.push(b',');
                state.clear();
                cell.distinct[place].write(state);
                for byte in state.iter() {
                    write!(line, "{byte:02x}")?;
                }
            }
            line.push(b'\n');
            file.write_all(line)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Staged> {
        self.file.finish()
    }
}

/// A length of time in seconds, with a fraction only where there is one.
fn seconds(us: i64) -> String {
    if us % 1_000_000 == 0 {
        (us / 1_000_000).to_string()
    } else {
        (us as f64 / 1e6).to_string()
    }
}

/// Appends a cell, quoted where it has to be.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    if !text
        .iter()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
    {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
