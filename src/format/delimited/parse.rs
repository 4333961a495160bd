//! A block of whole records -> columns of timestamps and values.
//!
//! Two ways give the same rows: a plain one for lines that look like the line before them, and a
//! general one for everything else (quotes, blanks, other column orders, rows that cannot be used).

use crate::format::NAMED_DROPS;
use crate::format::delimited::record::{self, Quotes, RecordEnd};
use crate::format::number::{self, NumberStyle};
use crate::format::timestamp::TimeParser;
use crate::support::error::quoted;

/// Where in a record the wanted columns stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) delimiter: u8,
    /// Fields that the header has.
    pub(crate) fields: usize,
    pub(crate) timestamp: usize,
    pub(crate) values: Vec<usize>,
    /// How the numbers of each value column are written.
    pub(crate) styles: Vec<NumberStyle>,
    /// The header's cells, by which a header repeated among the rows is known.
    pub(crate) header: Vec<Vec<u8>>,
}

impl Layout {
    /// Whether a record of `cells` is a header too, of the same columns at other places: every number
    /// behind it would be taken for another column's.
    fn is_other_header(&self, cells: &[&[u8]]) -> bool {
        let place_of = |field: usize| {
            let name = self.header.get(field)?;
            cells
                .iter()
                .position(|cell| cell.eq_ignore_ascii_case(name))
        };
        let mut moved = false;
        for &field in std::iter::once(&self.timestamp).chain(&self.values) {
            match place_of(field) {
                Some(place) => moved |= place != field,
                None => return false,
            }
        }
        moved
    }

    /// Whether one of the wanted columns' cells goes over a line end, which no time or number does.
    fn wants_line_end(&self, cells: &[&[u8]]) -> bool {
        let mut wanted = std::iter::once(&self.timestamp).chain(&self.values);
        wanted.any(|&field| {
            cells
                .get(field)
                .is_some_and(|cell| memchr::memchr(b'\n', cell).is_some())
        })
    }
}

/// The usable rows of a block, and what became of the others.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) timestamps_us: Vec<i64>,
    pub(crate) values: Vec<Vec<f64>>,
    pub(crate) dropped: u64,
    /// The first dropped rows, up to [`NAMED_DROPS`]; lines counted from 0 at the block's start.
    pub(crate) first_drops: Vec<DroppedRow>,
    /// Line ends in the block.
    pub(crate) lines: u64,
    /// Why the whole text cannot be read without doubt, with the line; counted as in `first_drops`.
    pub(crate) refused: Option<DroppedRow>,
}

/// A row that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DroppedRow {
    /// Line of the input, counted from 1 (in parquet: the row).
    pub line: u64,
    /// The rule and the value found.
    pub reason: String,
}

/// Reads every record of `block`, which holds whole ones.
pub(crate) fn parse_block(block: &[u8], layout: &Layout, time: &mut TimeParser) -> Rows {
    let mut parser = BlockParser {
        layout,
        time,
        rows: Rows {
            values: vec![Vec::new(); layout.values.len()],
            ..Rows::default()
        },
        cells: Vec::new(),
        numbers: vec![0.0; layout.values.len()],
    };
    parser.run(block);
    parser.rows
}

struct BlockParser<'a, 't> {
    layout: &'a Layout,
    time: &'t mut TimeParser,
    rows: Rows,
    cells: Vec<&'a [u8]>,
    numbers: Vec<f64>,
}

impl<'a> BlockParser<'a, '_> {
    fn run(&mut self, block: &'a [u8]) {
        // The shortest line that a guess is worth: room is made once for lines of about this length.
        let guess = block.len() / 24;
        self.rows.timestamps_us.reserve(guess);
        for column in &mut self.rows.values {
            column.reserve(guess);
        }
        let has_quotes = memchr::memchr(b'"', block).is_some();
        let is_pair = self.layout.fields == 2
            && self.layout.timestamp == 0
            && self.layout.values == [1]
            && self.layout.styles == [NumberStyle::Plain]
            && !has_quotes;
        let mut place = 0;
        // Length of the time cell of the line before: most lines have the same.
        let mut time_length = 0;
        while place < block.len() {
            if is_pair && let Some(length) = self.plain_pair(&block[place..], &mut time_length) {
                place += length;
                self.rows.lines += 1;
                continue;
            }
            let rest = &block[place..];
            let end = if has_quotes {
                record::end_of(rest, true)
            } else {
                plain_end(rest)
            };
            let RecordEnd::At {
                length,
                next,
                quotes,
            } = end
            else {
                break;
            };
            let record = &rest[..length];
            let first_line = match quotes {
                Quotes::Closed => memchr::memchr(b'\n', record),
                _ => None,
            };
            if let Some(first_line) = first_line
                && !self.is_one_record(record, first_line)
            {
                self.record(&rest[..first_line], Quotes::Broken);
                self.rows.lines += 1;
                place += first_line + 1;
                continue;
            }
            self.record(record, quotes);
            if is_pair {
                time_length = self.cells.first().map_or(0, |cell| cell.len());
            }
            self.rows.lines += match quotes {
                Quotes::Closed => memchr::memchr_iter(b'\n', &rest[..next]).count() as u64,
                _ => 1,
            };
            place += next;
        }
    }

    /// The fast way for `timestamp,value` lines: the timestamp is as long as the last one, the number
    /// is plain, the line ends behind it. Returns the line's length, or `None` where anything differs.
    #[inline]
    fn plain_pair(&mut self, rest: &[u8], time_length: &mut usize) -> Option<usize> {
        let length = *time_length;
        // A line that starts with a blank may be an empty one, whose end the time's reader would trim.
        if length == 0 || *rest.get(length)? != self.layout.delimiter || rest[0] <= b' ' {
            return None;
        }
        let (value, digits) = number::parse_prefix(&rest[length + 1..], b'\n')?;
        let mut end = length + 1 + digits;
        if rest.get(end) == Some(&b'\r') {
            end += 1;
        }
        if *rest.get(end)? != b'\n' {
            return None;
        }
        // The cell cannot hold a delimiter or a line end: no form of time has either.
        let timestamp = self.time.parse(&rest[..length])?;
        self.rows.timestamps_us.push(timestamp);
        self.rows.values[0].push(value);
        Some(end + 1)
    }

    /// Whether several lines that quotes hold together are one record. They are not where a wanted cell
    /// goes over the line end: then a quote is missing, and the first line alone is lost. Where a cell
    /// that is not wanted holds lines that are rows by themselves, nobody can tell.
    fn is_one_record(&mut self, record: &'a [u8], first_line: usize) -> bool {
        record::split_quoted(record, self.layout.delimiter, &mut self.cells);
        if self.layout.wants_line_end(&self.cells) {
            return false;
        }
        // Its own cells may stand on its first line or on its last, and on no other.
        let last_line = memchr::memrchr(b'\n', record).unwrap_or(first_line);
        let mut inner = record[first_line..last_line].split(|&byte| byte == b'\n');
        if inner.any(|line| self.is_row(line))
            || (self.is_row(&record[..first_line]) && self.is_row(&record[last_line + 1..]))
        {
            self.refuse(|| {
                "a quoted field goes over lines that are rows by themselves: a quote is missing or \
                 out of place"
                    .to_owned()
            });
        }
        true
    }

    /// Whether `line` would be a row if its quotes were none.
    fn is_row(&mut self, line: &'a [u8]) -> bool {
        record::split_plain(line, self.layout.delimiter, &mut self.cells);
        self.row().is_ok()
    }

    /// The general way for any record.
    fn record(&mut self, record: &'a [u8], quotes: Quotes) {
        if let Some(place) = memchr::memchr(0, record) {
            return self.refuse(|| {
                format!(
                    "binary content, no text log: byte {} of the line is NUL",
                    place + 1
                )
            });
        }
        let delimiter = self.layout.delimiter;
        match quotes {
            Quotes::None => record::split_plain(record, delimiter, &mut self.cells),
            Quotes::Closed => record::split_quoted(record, delimiter, &mut self.cells),
            Quotes::Broken => {
                self.cells.clear();
                return self.drop_row(|| format!("a quote is not closed: {}", quoted(record)));
            }
        }
        if self.cells.iter().all(|cell| cell.is_empty()) && self.cells.len() <= 1 {
            return;
        }
        match self.row() {
            Ok(timestamp) => {
                self.rows.timestamps_us.push(timestamp);
                for (column, &number) in self.rows.values.iter_mut().zip(&self.numbers) {
                    column.push(number);
                }
            }
            Err(_) if self.layout.is_other_header(&self.cells) => self.refuse(|| {
                "another header, with the columns at other places: files of two forms are glued together"
                    .to_owned()
            }),
            Err(reason) => self.drop_row(|| reason.text()),
        }
    }

    fn row(&mut self) -> Result<i64, Unusable<'a>> {
        let layout = self.layout;
        if let Some(extra) = self.cells.get(layout.fields..)
            && extra.iter().any(|cell| !cell.is_empty())
        {
            return Err(Unusable::TooManyFields(self.cells.len(), layout.fields));
        }
        let fields = layout.values.iter().zip(&layout.styles);
        for (number, (&field, style)) in self.numbers.iter_mut().zip(fields) {
            let cell = *self
                .cells
                .get(field)
                .ok_or(Unusable::TooFewFields(self.cells.len(), field + 1))?;
            *number = style.parse(cell).ok_or(Unusable::Number(cell))?;
        }
        let cell = *self
            .cells
            .get(layout.timestamp)
            .ok_or(Unusable::TooFewFields(
                self.cells.len(),
                layout.timestamp + 1,
            ))?;
        self.time.parse(cell).ok_or(Unusable::Time(cell))
    }

    fn refuse(&mut self, reason: impl FnOnce() -> String) {
        let line = self.rows.lines;
        self.rows.refused.get_or_insert_with(|| DroppedRow {
            line,
            reason: reason(),
        });
    }

    fn drop_row(&mut self, reason: impl FnOnce() -> String) {
        self.rows.dropped += 1;
        if self.rows.first_drops.len() < NAMED_DROPS {
            self.rows.first_drops.push(DroppedRow {
                line: self.rows.lines,
                reason: reason(),
            });
        }
    }
}

fn plain_end(rest: &[u8]) -> RecordEnd {
    let (end, next) = match memchr::memchr(b'\n', rest) {
        Some(end) => (end, end + 1),
        None => (rest.len(), rest.len()),
    };
    RecordEnd::At {
        length: end - usize::from(rest[..end].last() == Some(&b'\r')),
        next,
        quotes: Quotes::None,
    }
}

/// Why a record gives no row.
enum Unusable<'a> {
    TooManyFields(usize, usize),
    TooFewFields(usize, usize),
    Number(&'a [u8]),
    Time(&'a [u8]),
}

impl Unusable<'_> {
    fn text(&self) -> String {
        match self {
            Self::TooManyFields(found, header) => {
                format!("{found} fields where the header has {header}")
            }
            Self::TooFewFields(found, needed) => {
                format!("{found} fields where {needed} are needed")
            }
            Self::Number(b"") => "the value is empty".to_owned(),
            Self::Number(cell) => format!("the value {} is not a number", quoted(cell)),
            Self::Time(b"") => "the timestamp is empty".to_owned(),
            Self::Time(cell) => {
                format!(
                    "the timestamp {} does not fit the column's form",
                    quoted(cell)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Zone;
    use crate::format::timestamp::TimeForm;
    use proptest::prelude::*;

    fn parse(block: &str, layout: &Layout) -> Rows {
        let form = TimeForm::from_format("iso", Zone::UTC).unwrap();
        parse_block(block.as_bytes(), layout, &mut form.parser())
    }

    fn pair() -> Layout {
        Layout {
            delimiter: b',',
            fields: 2,
            timestamp: 0,
            values: vec![1],
            styles: vec![NumberStyle::Plain; 1],
            header: vec![b"timestamp".to_vec(), b"value".to_vec()],
        }
    }

    #[test]
    fn unusable_rows_are_counted_and_the_first_three_named_with_their_line() {
        let block = "2026-01-01 00:00:00,5\n\
                     2026-01-01 00:00:01,inf\n\
                     \n\
                     2026-01-01 00:00:02\n\
                     2026-02-30 00:00:03,7\n\
                     2026-01-01 00:00:04,8,9\n\
                     2026-01-01 00:00:05,6,\n";
        let rows = parse(block, &pair());
        assert_eq!(rows.values, [[5.0, 6.0]]);
        assert_eq!((rows.dropped, rows.lines), (4, 7));
        let named: Vec<(u64, &str)> = rows
            .first_drops
            .iter()
            .map(|drop| (drop.line, drop.reason.as_str()))
            .collect();
        assert_eq!(
            named,
            [
                (1, "the value \"inf\" is not a number"),
                (3, "1 fields where 2 are needed"),
                (
                    4,
                    "the timestamp \"2026-02-30 00:00:03\" does not fit the column's form"
                ),
            ]
        );
    }

    #[test]
    fn columns_are_taken_by_their_place() {
        let layout = Layout {
            delimiter: b';',
            fields: 4,
            timestamp: 2,
            values: vec![3, 0],
            styles: vec![NumberStyle::Plain; 2],
            header: [&b"out"[..], b"host", b"time", b"in"]
                .map(<[u8]>::to_vec)
                .to_vec(),
        };
        let rows = parse("1;x;2026-01-01;2\r\n3;\"a;b\";2026-01-02;4\r\n", &layout);
        assert_eq!(rows.values, [[2.0, 4.0], [1.0, 3.0]]);
        assert_eq!(
            rows.timestamps_us[1] - rows.timestamps_us[0],
            86_400_000_000
        );
    }

    /// The refusal of rows `host,timestamp,value`, with its line.
    fn refusal(block: &str) -> Option<(u64, String)> {
        let layout = Layout {
            delimiter: b',',
            fields: 3,
            timestamp: 1,
            values: vec![2],
            styles: vec![NumberStyle::Plain; 1],
            header: [&b"host"[..], b"timestamp", b"value"]
                .map(<[u8]>::to_vec)
                .to_vec(),
        };
        let refused = parse(block, &layout).refused?;
        Some((refused.line, refused.reason))
    }

    #[test]
    fn quotes_that_would_swallow_rows_are_never_believed() {
        // Of two columns both are wanted: the line of the lone quote is lost, and no line behind it.
        let rows = parse(
            "2026-01-01,\"1\n2026-01-02,2\n2026-01-03,3\"\n2026-01-04,4\n",
            &pair(),
        );
        assert_eq!(rows.values, [[2.0, 4.0]]);
        assert_eq!((rows.dropped, rows.lines), (2, 4));
        assert_eq!(rows.first_drops[0].line, 0);
        assert_eq!(rows.first_drops[1].line, 2);
        // A column of text may hold lines, but none that are rows.
        assert_eq!(refusal("\"a\nb,c\n\",2026-01-01,1\n"), None);
        let (line, reason) =
            refusal("x,2026-01-01,1\n\"a,2026-01-02,2\nb,2026-01-03,3\nc\",2026-01-04,4\n")
                .unwrap();
        assert_eq!(line, 1);
        assert!(
            reason.starts_with("a quoted field goes over lines"),
            "{reason}"
        );
    }

    #[test]
    fn a_header_in_the_middle_is_a_row_without_number_and_one_of_other_columns_refused() {
        let rows = parse("2026-01-01,1\ntimestamp,value\n2026-01-02,2\n", &pair());
        assert_eq!((rows.values, rows.dropped), (vec![vec![1.0, 2.0]], 1));
        assert_eq!(refusal("a,2026-01-01,1\nhost,timestamp,value\n"), None);
        let (line, reason) = refusal("a,2026-01-01,1\nhost,value,Timestamp\n").unwrap();
        assert_eq!(line, 1);
        assert!(reason.starts_with("another header"), "{reason}");
    }

    #[test]
    fn nul_in_any_row_is_refused_with_its_line() {
        let (line, reason) = refusal("a,2026-01-01,1\nb\0,2026-01-02,2\n").unwrap();
        assert_eq!(
            (line, reason.as_str()),
            (1, "binary content, no text log: byte 2 of the line is NUL")
        );
        assert!(
            parse("2026-01-01,1\n2026-01-02,\x002\n", &pair())
                .refused
                .is_some()
        );
    }

    proptest! {
        /// A quote anywhere in a block sends all of it the general way: both ways must agree on every
        /// line, well formed or not.
        #[test]
        fn the_plain_way_and_the_general_way_give_the_same_rows(
            lines in prop::collection::vec(
                (
                    prop_oneof![
                        8 => "2026-01-0[1-9] 0[0-9]:[0-5][0-9]:[0-5][0-9]",
                        1 => "2026-01-0[1-9]T00:00:00Z",
                        1 => "[0-9:\\- ,]{0,20}",
                    ],
                    prop_oneof![
                        8 => "-?[0-9]{1,9}(\\.[0-9]{0,4})?",
                        1 => "[0-9]{14,20}",
                        1 => "[0-9.eE+\\-, ]{0,8}",
                        1 => Just("nan".to_owned()),
                    ],
                    prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n")],
                ),
                0..40,
            )
        ) {
            let block: String =
                lines.iter().map(|(time, value, end)| format!("{time},{value}{end}")).collect();
            let plain = parse(&block, &pair());
            let general = parse(&format!("{block}\"2026-01-01\",\"1\"\n"), &pair());
            let rows = general.timestamps_us.len() - 1;
            prop_assert_eq!(&plain.timestamps_us[..], &general.timestamps_us[..rows]);
            prop_assert_eq!(&plain.values[0][..], &general.values[0][..rows]);
            prop_assert_eq!(plain.dropped, general.dropped);
            prop_assert_eq!(plain.first_drops, general.first_drops);
            prop_assert_eq!(plain.lines + 1, general.lines);
        }
    }
}
