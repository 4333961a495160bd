//! The head of a table: its delimiter, the names of its columns, and which of them are wanted.

use super::super::{ReadOptions, find_columns};
use super::parse::Layout;
use super::record::{self, Quotes, RecordEnd};
use crate::format::number::{self, NumberStyle};
use crate::support::error::{Error, ErrorKind, Result};

/// Rows looked at to recognise what the columns hold.
const MAX_SAMPLED_ROWS: usize = 1000;

/// A table's header, found in the head of a text.
pub(super) struct Header {
    pub(super) layout: Layout,
    /// Names of the value columns.
    pub(super) columns: Vec<String>,
    /// Where the first row starts.
    pub(super) end: usize,
    /// What was guessed: for the user to read.
    pub(super) notes: Vec<String>,
}

/// Finds the header in `head`, which is the whole text where `all` is set. Blank lines, a line `sep=;` as spreadsheets
/// write it, and lines that start with `#` stand in front of it, but for one that names the wanted columns.
///
/// # Errors
/// [`ErrorKind::NoUsableRow`] where there are only blank lines, [`ErrorKind::Format`] where the first line has no end,
/// [`ErrorKind::Column`] where a wanted column is missing, with the line of the header.
pub(super) fn read_header(head: &[u8], all: bool, options: &ReadOptions) -> Result<Header> {
    let mut start = 0;
    let mut delimiters: &[u8] = b",;\t|";
    loop {
        let (record, next) = next_record(head, start, all)?;
        let text = record::trim(record);
        if let Some(separator) = separator_line(text) {
            delimiters = separator;
            start = next;
            continue;
        }
        let line = lines_in(&head[..start]) + 1;
        if let Some(comment) = text.strip_prefix(b"#") {
            match columns_of(comment, delimiters, &head[next..], all, options) {
                Ok(header) => return Ok(header.behind(next)),
                Err(error) if next >= head.len() => return Err(error.on_line(line)),
                Err(_) => start = next,
            }
            continue;
        }
        return columns_of(record, delimiters, &head[next..], all, options)
            .map(|header| header.behind(next))
            .map_err(|error| error.on_line(line));
    }
}

impl Header {
    fn behind(self, end: usize) -> Self {
        Self { end, ..self }
    }
}

/// The number of line ends.
pub(super) fn lines_in(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// The next record that is not blank, and the start of the one behind it.
fn next_record(head: &[u8], mut start: usize, all: bool) -> Result<(&[u8], usize)> {
    while start < head.len() {
        match record::end_of(&head[start..], all) {
            RecordEnd::At { length, next, .. } => {
                let record = &head[start..start + length];
                start += next;
                if !record::trim(record).is_empty() {
                    return Ok((record, start));
                }
            }
            RecordEnd::Unknown => break,
        }
    }
    Err(if all {
        Error::new(
            ErrorKind::NoUsableRow,
            "the file has nothing but blank lines",
        )
    } else {
        let length = head.len() >> 10;
        Error::new(
            ErrorKind::Format,
            format!("the first line is longer than {length} KiB: no text log"),
        )
    })
}

/// The delimiter that a line such as `sep=;` names.
fn separator_line(line: &[u8]) -> Option<&[u8]> {
    let start = line.get(..4)?;
    let value = &line[4..];
    (start.eq_ignore_ascii_case(b"sep=") && value.len() == 1).then_some(value)
}

/// Splits a record into its fields.
pub(super) fn split<'a>(
    record: &'a [u8],
    delimiter: u8,
    quotes: Quotes,
    fields: &mut Vec<&'a [u8]>,
) {
    match quotes {
        Quotes::None => record::split_plain(record, delimiter, fields),
        Quotes::Closed | Quotes::Broken => record::split_quoted(record, delimiter, fields),
    }
}

fn columns_of(
    header: &[u8],
    delimiters: &[u8],
    rows: &[u8],
    all: bool,
    options: &ReadOptions,
) -> Result<Header> {
    let quotes = if memchr::memchr(b'"', header).is_some() {
        Quotes::Closed
    } else {
        Quotes::None
    };
    let mut best: Option<(usize, Error)> = None;
    for &delimiter in delimiters {
        let mut fields = Vec::new();
        split(header, delimiter, quotes, &mut fields);
        let names: Vec<String> = fields.iter().map(|field| name_of(field)).collect();
        let is_numeric = |field: usize| {
            let cells = cells_of(rows, all, delimiter, field);
            !cells.is_empty() && cells.iter().all(|cell| number::parse(cell).is_some())
        };
        match find_columns(&names, options, is_numeric) {
            Ok(found) => {
                let styles = found
                    .values
                    .iter()
                    .map(|&field| {
                        let cells = cells_of(rows, all, delimiter, field);
                        NumberStyle::recognise(&cells, options.decimal_comma)
                            .map_err(|text| Error::new(ErrorKind::Column, text))
                    })
                    .collect::<Result<_>>()?;
                return Ok(Header {
                    columns: found.value_names(&names),
                    notes: found.notes(&names),
                    layout: Layout {
                        delimiter,
                        fields: names.len(),
                        timestamp: found.timestamp,
                        values: found.values,
                        styles,
                        header: fields.iter().map(|field| field.to_vec()).collect(),
                    },
                    end: 0,
                });
            }
            // The delimiter that cuts the header into most columns makes the most telling error.
            Err(error) if best.as_ref().is_none_or(|(most, _)| names.len() > *most) => {
                best = Some((names.len(), error));
            }
            Err(_) => {}
        }
    }
    Err(best.map_or_else(
        || Error::new(ErrorKind::Column, "no columns"),
        |(_, error)| error,
    ))
}

/// The cells of one column in the first rows, empty ones left out.
pub(super) fn cells_of(rows: &[u8], all: bool, delimiter: u8, field: usize) -> Vec<&[u8]> {
    let mut cells = Vec::new();
    let mut fields = Vec::new();
    let mut start = 0;
    while start < rows.len() && cells.len() < MAX_SAMPLED_ROWS {
        let RecordEnd::At {
            length,
            next,
            quotes,
        } = record::end_of(&rows[start..], all)
        else {
            break;
        };
        split(&rows[start..start + length], delimiter, quotes, &mut fields);
        if let Some(cell) = fields.get(field)
            && !cell.is_empty()
        {
            cells.push(*cell);
        }
        start += next;
    }
    cells
}

/// A column's name, doubled quotes in it read as one (RFC 4180). Bytes that are not UTF-8 are taken for Latin-1, in which
/// every byte is a character: a name read wrongly is at worst not found, and then shown.
fn name_of(field: &[u8]) -> String {
    let name = match std::str::from_utf8(field) {
        Ok(name) => name.to_owned(),
        Err(_) => field.iter().copied().map(char::from).collect(),
    };
    name.replace("\"\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header> {
        read_header(text.as_bytes(), true, &ReadOptions::default())
    }

    #[test]
    fn lines_of_spreadsheets_and_comments_stand_in_front_of_the_header() {
        let text = "sep=;\n\n# made by a tool\ntimestamp;value\n2026-01-01;1\n";
        let found = header(text).unwrap();
        assert_eq!(
            (found.layout.delimiter, &found.columns[..]),
            (b';', &["value".to_owned()][..])
        );
        assert!(text[found.end..].starts_with("2026-01-01"));
        let commented = header("# timestamp,value\n2026-01-01,1\n").unwrap();
        assert_eq!(commented.layout.values, [1]);
    }

    #[test]
    fn doubled_quotes_in_a_name_are_one() {
        let options = ReadOptions {
            value_columns: vec!["bytes \"in\"".to_owned()],
            ..ReadOptions::default()
        };
        let text = b"timestamp,\"bytes \"\"in\"\"\"\n2026-01-01,1\n";
        let found = read_header(text, true, &options).unwrap();
        assert_eq!(found.columns, ["bytes \"in\""]);
    }

    #[test]
    fn columns_are_guessed_where_there_is_no_doubt_and_that_is_said() {
        let found = header("_time,host,sent\n2026-01-01,a,1\n2026-01-02,b,2\n").unwrap();
        assert_eq!(
            (found.layout.timestamp, &found.layout.values[..]),
            (0, &[2][..])
        );
        assert_eq!(
            found.notes,
            [
                "no column is called \"timestamp\": times are taken from \"_time\"",
                "no column is called \"value\": values are taken from \"sent\", the only column of numbers"
            ]
        );
        let error = header("timestamp,sent,received\n2026-01-01,1,2\n")
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "line 1: no column \"value\": the columns are timestamp, sent, received (choose one with --value-column)"
        );
        assert!(header("ts,time,value\n1,2026-01-01,5\n").is_err());
    }
}
