//! What reading must keep to whatever the bytes are: every record is counted once, and nothing waits.

use std::io::Cursor;
use std::time::Duration;

use proptest::prelude::*;

use super::super::collected::CountedRows;
use super::*;
use crate::input::blocks::BLOCK_BYTES;

fn text(bytes: &[u8]) -> Result<TextReader> {
    TextReader::new(Vec::new(), Cursor::new(bytes.to_vec()), None)
}

fn read_all(bytes: &[u8]) -> Result<(u64, Dropped)> {
    let mut text = text(bytes)?;
    let form = recognise(&mut text, &ReadOptions::default())?;
    let mut count = CountedRows(0);
    let (dropped, _) = read(text, form, &mut count)?;
    Ok((count.0, dropped))
}

#[test]
fn a_parser_that_panics_ends_the_reading_and_is_not_waited_for() {
    let (done, ended) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        let line = b"2026-01-01 00:00:00,12345\n";
        let mut text = text(&line.repeat((60 * BLOCK_BYTES) / line.len())).unwrap();
        let result = crate::runtime::panics::caught(|| {
            side_by_side(&mut text, |_| {
                // Only the tasks' own threads are quiet that ask for it.
                let text = crate::runtime::panics::caught(|| -> Rows { panic!("no parser") });
                std::panic::resume_unwind(Box::new(text.unwrap_err()))
            })
        });
        done.send(result.err()).unwrap();
    });
    let panic = ended
        .recv_timeout(Duration::from_secs(20))
        .expect("waits for ever");
    assert_eq!(panic.as_deref(), Some("no parser"));
}

#[test]
fn a_quoted_line_end_does_not_end_a_block() {
    let bytes = b"1,\"two\nlines\"\n".repeat(100_000);
    let mut text = text(&bytes).unwrap();
    text.cut_with(whole_records);
    let (mut all, mut block, mut blocks) = (Vec::new(), Vec::new(), 0);
    while !text.at_end() {
        text.next_block(&mut block).unwrap();
        assert!(block.starts_with(b"1,"));
        all.extend_from_slice(&block);
        blocks += 1;
    }
    assert!(blocks > 2);
    assert!(all == bytes);
}

#[test]
fn latin_1_is_read_where_it_does_not_matter_and_in_names() {
    let mut bytes = b"gr\xf6\xdfe,timestamp,value\n".to_vec();
    bytes.extend_from_slice(b"\xfc,2026-01-01 00:00:00,5\n\xe4\xff,2026-01-01 00:00:01,6\n");
    assert_eq!(read_all(&bytes).unwrap().0, 2);
    let mut named = text(&bytes).unwrap();
    let options = ReadOptions {
        value_columns: vec!["größe".to_owned()],
        ..ReadOptions::default()
    };
    assert!(recognise(&mut named, &options).is_ok());
}

/// A line of a log, sound or damaged; none has a quote that closes on another line.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let time = "2026-0[1-9]-[0-3][0-9][ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9]";
    let sound = (time, -1e9..1e9).prop_map(|(time, value)| format!("{time},{value}").into_bytes());
    let damaged = (
        time,
        "[0-9.eE+\\-,; naif]{0,9}",
        any::<prop::sample::Index>(),
        1u8..=255,
    )
        .prop_map(|(time, value, at, byte)| {
            let mut line = format!("{time},{value}").into_bytes();
            let at = at.index(line.len());
            line[at] = byte;
            line.retain(|byte| !b"\n\"".contains(byte));
            line
        });
    let noise = prop::collection::vec(1u8..=255, 0..40).prop_map(|mut line| {
        line.retain(|byte| !b"\n\"".contains(byte));
        line
    });
    prop_oneof![
        8 => sound,
        3 => damaged,
        1 => noise,
        1 => Just(b"timestamp,value".to_vec()),
        1 => Just(Vec::new()),
        1 => Just(b"2026-01-01 00:00:00,\"5".to_vec()),
        1 => Just(b"\"2026-01-01 00:00:00\",\"6\"".to_vec()),
        1 => Just(b"2026-01-01 00:00:00,\"say \\\"7\\\" x\"".to_vec()),
    ]
}

proptest! {
    #[test]
    fn usable_and_dropped_rows_are_all_the_records_of_a_text(
        lines in prop::collection::vec(line(), 1..60),
        crlf in any::<bool>(),
    ) {
        let mut bytes = b"timestamp,value\n2026-01-01 00:00:00,1\n".to_vec();
        let mut records = 1;
        for line in &lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
            records += u64::from(!line.trim_ascii().is_empty());
        }
        let (usable, dropped) = read_all(&bytes).unwrap();
        prop_assert_eq!(usable + dropped.rows, records);
        prop_assert_eq!(dropped.first.len() as u64, dropped.rows.min(3));
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_wait(
        bytes in prop::collection::vec(
            prop_oneof![
                4 => prop::sample::select(b"0123456789-:.,;|\t\"\n\r T".to_vec()),
                1 => any::<u8>(),
            ],
            0..400,
        ),
        with_header in any::<bool>(),
    ) {
        let header: &[u8] = if with_header { b"timestamp,value\n" } else { b"" };
        let _ = read_all(&[header, &bytes].concat());
    }
}
