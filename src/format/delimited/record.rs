//! Records of delimited text: where one ends, and which fields it has.
//!
//! A record is a line, or several where a quoted field goes on behind a line end (RFC 4180). A quote
//! that is not closed by the rules costs its own line and never the lines behind it.

/// A quoted field that is not closed within this many bytes is taken for a lone quote.
const LONGEST_QUOTED_FIELD: usize = 64 << 10;

/// Where a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordEnd {
    At {
        /// Length of the record without its line end.
        length: usize,
        /// Where the next record starts.
        next: usize,
        quotes: Quotes,
    },
    /// More bytes are needed to tell.
    Unknown,
}

/// What a record's quotes are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    None,
    /// Every quoted field is closed.
    Closed,
    /// Some quote is not: the record is its line, and cannot be trusted.
    Broken,
}

/// Finds the end of the record at the front of `bytes`; `last` says that nothing follows them.
pub(crate) fn end_of(bytes: &[u8], last: bool) -> RecordEnd {
    let mut quotes = Quotes::None;
    let mut place = 0;
    loop {
        let Some(found) = memchr::memchr2(b'\n', b'"', &bytes[place..]) else {
            return match last {
                true => at(bytes, bytes.len(), bytes.len(), quotes),
                false => RecordEnd::Unknown,
            };
        };
        place += found;
        if bytes[place] == b'\n' {
            return at(bytes, place, place + 1, quotes);
        }
        if !opens_field(&bytes[..place]) {
            // A quote inside a bare field stands for itself, as in `19" rack`.
            place += 1;
            continue;
        }
        match closing_quote(bytes, place + 1, last) {
            Closing::At(close) => {
                quotes = Quotes::Closed;
                place = close + 1;
            }
            Closing::Never => return first_line(bytes, last),
            Closing::Unknown => return RecordEnd::Unknown,
        }
    }
}

fn at(bytes: &[u8], end: usize, next: usize, quotes: Quotes) -> RecordEnd {
    let length = match bytes[..end].last() {
        Some(b'\r') => end - 1,
        _ => end,
    };
    RecordEnd::At {
        length,
        next,
        quotes,
    }
}

fn first_line(bytes: &[u8], last: bool) -> RecordEnd {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => at(bytes, end, end + 1, Quotes::Broken),
        None if last => at(bytes, bytes.len(), bytes.len(), Quotes::Broken),
        None => RecordEnd::Unknown,
    }
}

fn opens_field(before: &[u8]) -> bool {
    matches!(
        before.iter().rev().find(|&&byte| byte != b' '),
        None | Some(b',' | b';' | b'\t' | b'|' | b'\n')
    )
}

enum Closing {
    At(usize),
    Never,
    Unknown,
}

/// The quote that closes the field opened before `from`; a doubled quote stands for one.
fn closing_quote(bytes: &[u8], from: usize, last: bool) -> Closing {
    let limit = bytes.len().min(from + LONGEST_QUOTED_FIELD);
    let mut place = from;
    while let Some(found) = memchr::memchr(b'"', &bytes[place..limit]) {
        place += found;
        match bytes.get(place + 1) {
            Some(b'"') => place += 2,
            None if !last => return Closing::Unknown,
            None | Some(b',' | b';' | b'\t' | b'|' | b'\n' | b'\r' | b' ') => {
                return Closing::At(place);
            }
            Some(_) => return Closing::Never,
        }
        if place > limit {
            break;
        }
    }
    if last || limit < bytes.len() {
        Closing::Never
    } else {
        Closing::Unknown
    }
}

/// Splits a record with closed quotes into fields, outer blanks and quotes taken off.
///
/// A doubled quote inside a field stays doubled: no time or number has one.
pub(crate) fn split_quoted<'a>(record: &'a [u8], delimiter: u8, fields: &mut Vec<&'a [u8]>) {
    fields.clear();
    let mut start = 0;
    loop {
        let blanks = record[start..]
            .iter()
            .take_while(|&&b| b == b' ' && b != delimiter)
            .count();
        let quoted = record.get(start + blanks) == Some(&b'"');
        let mut end = start;
        if quoted {
            let open = start + blanks + 1;
            if let Closing::At(close) = closing_quote(record, open, true) {
                fields.push(&record[open..close]);
                end = close;
            }
        }
        let next = memchr::memchr(delimiter, &record[end..]).map(|found| end + found);
        if end == start {
            fields.push(trim(&record[start..next.unwrap_or(record.len())]));
        }
        match next {
            Some(place) => start = place + 1,
            None => return,
        }
    }
}

/// Splits a record without quotes into fields, outer blanks taken off.
pub(crate) fn split_plain<'a>(record: &'a [u8], delimiter: u8, fields: &mut Vec<&'a [u8]>) {
    fields.clear();
    let mut start = 0;
    for end in memchr::memchr_iter(delimiter, record) {
        fields.push(trim(&record[start..end]));
        start = end + 1;
    }
    fields.push(trim(&record[start..]));
}

/// `field` without blanks around it.
pub(crate) fn trim(field: &[u8]) -> &[u8] {
    field.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(text: &str) -> (usize, usize, Quotes) {
        match end_of(text.as_bytes(), true) {
            RecordEnd::At {
                length,
                next,
                quotes,
            } => (length, next, quotes),
            RecordEnd::Unknown => panic!("the end is known where nothing follows"),
        }
    }

    #[test]
    fn a_record_ends_at_its_line_end() {
        assert_eq!(record("a,b\nc"), (3, 4, Quotes::None));
        assert_eq!(record("a,b\r\nc"), (3, 5, Quotes::None));
        assert_eq!(record("a,b"), (3, 3, Quotes::None));
    }

    #[test]
    fn a_quoted_field_may_hold_delimiters_line_ends_and_doubled_quotes() {
        assert_eq!(record("a,\"b,\n\"\"c\"\nd"), (10, 11, Quotes::Closed));
    }

    #[test]
    fn a_quote_that_is_not_closed_costs_its_own_line_alone() {
        assert_eq!(record("a,\"b\nc,d\n"), (4, 5, Quotes::Broken));
        assert_eq!(
            record("a,\"b \\\"c\\\" d\"\nc,d\n"),
            (13, 14, Quotes::Broken)
        );
    }

    #[test]
    fn a_quote_within_a_bare_field_stands_for_itself() {
        assert_eq!(record("19\" rack,5\nc"), (10, 11, Quotes::None));
    }

    #[test]
    fn fields_lose_blanks_and_quotes_around_them() {
        let mut fields = Vec::new();
        split_quoted(b" \"a,b\" , c,\"\",", b',', &mut fields);
        let wanted: [&[u8]; 4] = [b"a,b", b"c", b"", b""];
        assert_eq!(fields, wanted);
        split_plain(b" a ,b,", b',', &mut fields);
        let wanted: [&[u8]; 3] = [b"a", b"b", b""];
        assert_eq!(fields, wanted);
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut_into_records_that_cover_them(bytes in "[a,\"\n\r ]{0,80}") {
            let bytes = bytes.as_bytes();
            let mut place = 0;
            while place < bytes.len() {
                let RecordEnd::At { length, next, quotes } = end_of(&bytes[place..], true) else {
                    return Err(TestCaseError::fail("unknown end"));
                };
                prop_assert!(next > 0 && length <= next);
                let mut fields = Vec::new();
                if quotes == Quotes::Closed {
                    split_quoted(&bytes[place..place + length], b',', &mut fields);
                }
                place += next;
            }
            prop_assert_eq!(place, bytes.len());
        }

        #[test]
        fn more_bytes_do_not_change_an_end_already_known(bytes in "[a,\"\n ]{0,60}", more in "[a,\"\n ]{0,20}") {
            if let end @ RecordEnd::At { .. } = end_of(bytes.as_bytes(), false) {
                let longer = format!("{bytes}{more}");
                prop_assert_eq!(end_of(longer.as_bytes(), false), end);
            }
        }
    }
}
