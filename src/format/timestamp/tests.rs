//! Forms against chrono, cell by cell and at random.

use chrono::{
    DateTime, FixedOffset, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike,
};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::support::calendar::{
    DAY_S, DAY_US, EARLIEST_US, LATEST_US, SECOND_US, TimeWriter, format_iso, format_utc,
};
use crate::support::error::ErrorKind;

fn zone(text: &str) -> Zone {
    text.parse().unwrap()
}

fn form(format: &str) -> TimeForm {
    TimeForm::from_format(format, Zone::UTC).unwrap()
}

fn recognised(samples: &[&str]) -> Option<TimeForm> {
    TimeForm::recognise(samples.iter().map(|text| text.as_bytes()), Zone::UTC)
}

/// Reads `cell` with a parser that remembers nothing, then with one that has just read it, which must agree.
fn read(form: &TimeForm, cell: impl AsRef<[u8]>) -> Option<i64> {
    let mut parser = form.parser();
    let cell = cell.as_ref();
    let anew = parser.parse(cell);
    assert_eq!(
        parser.parse_fast(cell),
        anew,
        "{:?}",
        cell.escape_ascii().to_string()
    );
    anew
}

/// chrono's reading of an RFC 3339 text.
fn instant(text: &str) -> Option<i64> {
    Some(
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_micros(),
    )
}

#[test]
fn iso_cells_are_read_whatever_they_spell_out() {
    let cases = [
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31 12:34", "2026-01-31T12:34:00Z"),
        ("2026-01-31T12:34Z", "2026-01-31T12:34:00Z"),
        ("2026-01-31T12:34+01:00", "2026-01-31T12:34:00+01:00"),
        ("2026-01-31 12:34:56", "2026-01-31T12:34:56Z"),
        ("2026-01-31T12:34:56", "2026-01-31T12:34:56Z"),
        ("2026-01-31t12:34:56z", "2026-01-31T12:34:56Z"),
        ("2026-01-31   12:34:56", "2026-01-31T12:34:56Z"),
        (" 2026-01-31 12:34:56\t\r", "2026-01-31T12:34:56Z"),
        ("2026-01-31 12:34:56 ", "2026-01-31T12:34:56Z"),
        ("2026-01-31 12:34:56 UTC", "2026-01-31T12:34:56Z"),
        ("2026-01-31 12:34:56 Z", "2026-01-31T12:34:56Z"),
        ("2026-01-31 12:34:56 GMT", "2026-01-31T12:34:56Z"),
        ("2026-01-31 12:34:56+02:00", "2026-01-31T12:34:56+02:00"),
        ("2026-01-31 12:34:56 +0200", "2026-01-31T12:34:56+02:00"),
        ("2026-01-31 12:34:56+02", "2026-01-31T12:34:56+02:00"),
        ("2026-01-31T12:34:56-09:30", "2026-01-31T12:34:56-09:30"),
        ("2026-01-31T12:34:56-00:00", "2026-01-31T12:34:56Z"),
        ("2026-01-31T12:34:56.5Z", "2026-01-31T12:34:56.5Z"),
        ("2026-01-31 12:34:56,250", "2026-01-31T12:34:56.250Z"),
        (
            "2026-01-31T12:34:56.123456+05:45",
            "2026-01-31T12:34:56.123456+05:45",
        ),
        (
            "2026-01-31T12:34:56.123456789 UTC",
            "2026-01-31T12:34:56.123456Z",
        ),
        ("2026-01-31 12:34:56.7-03", "2026-01-31T12:34:56.7-03:00"),
        ("2024-02-29 23:59:59", "2024-02-29T23:59:59Z"),
        ("0001-01-01 00:00:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        (
            "1969-12-31 23:59:59.999999999",
            "1969-12-31T23:59:59.999999Z",
        ),
        ("2026-01-31 24:00:00", "2026-02-01T00:00:00Z"),
        ("2026-12-31T24:00", "2027-01-01T00:00:00Z"),
        ("2026-12-31T24:00:00.000Z", "2027-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31 23:59:60.5", "2017-01-01T00:00:00.5Z"),
    ];
    for (cell, expected) in cases {
        assert_eq!(read(&form("iso"), cell), instant(expected), "{cell}");
        let sample = recognised(&[cell]).unwrap();
        assert_eq!(read(&sample, cell), instant(expected), "{cell}");
        let slashed = cell.replacen('-', "/", 2);
        let sample = recognised(&[&slashed]).unwrap();
        assert_eq!(read(&sample, &slashed), instant(expected), "{slashed}");
        assert_eq!(read(&form("iso"), &slashed), None, "{slashed}");
    }
}

#[test]
fn cells_that_name_no_time_are_refused() {
    let cells = [
        "",
        " ",
        "-",
        "NaN",
        "null",
        "2026",
        "2026-01",
        "2026-1-31 00:00:00",
        "26-01-31 00:00:00",
        "2025-02-29 00:00:00",
        "1900-02-29",
        "2026-13-01 00:00:00",
        "2026-00-01",
        "2026-01-00",
        "2026-04-31",
        "0000-01-01 00:00:00",
        "10000-01-01 00:00:00",
        "2026-01-31T",
        "2026-01-31 ab",
        "2026-01-31x12:34:56",
        "2026-01-3112:34:56",
        "2026-01-31 1:34:56",
        "2026-01-31 12:34:5",
        "2026-01-31 12:34:",
        "2026-01-31 12:60:00",
        "2026-01-31 12:34:61",
        "2026-01-31 24:00:01",
        "2026-01-31 24:01",
        "2026-01-31 24:00:00.000001",
        "2026-01-31 24:00:60",
        "2026-01-31 25:00:00",
        "2026-01-31 12:34:56.",
        "2026-01-31 12:34:56.Z",
        "2026-01-31 12:34:56.1234567890",
        "2026-01-31 12:34:56.12a",
        "2026-01-31 12:34.5",
        "2026-01-31 12:34:56 CET",
        "2026-01-31 12:34:56+24:00",
        "2026-01-31 12:34:56+02:60",
        "2026-01-31 12:34:56+2",
        "2026-01-31 12:34:56+020",
        "2026-01-31 12:34:56+02:",
        "2026-01-31 12:34:56Z0",
        "2026-01-31 12:34:56 ZZ",
        "2026-01-31Z",
        "2026-01/31 12:34:56",
        "2026-01-31 12-34-56",
        "1767225600",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T24:00:00",
        "9999-12-31T23:59:60",
        "２０26-01-31 12:34:56",
    ];
    for cell in cells {
        assert_eq!(read(&form("iso"), cell), None, "{cell}");
        // Nor when the date before it is remembered.
        let mut parser = form("iso").parser();
        assert!(parser.parse(b"2026-01-31 00:00:00").is_some());
        assert_eq!(parser.parse(cell.as_bytes()), None, "{cell}");
    }
}

#[test]
fn access_log_times_are_read_bare_and_bracketed() {
    let cases = [
        ("01/Jan/2026:00:00:00 +0000", "2026-01-01T00:00:00Z"),
        ("[10/Oct/2000:13:55:36 -0700]", "2000-10-10T13:55:36-07:00"),
        ("29/FEB/2024:23:59:59 +05:30", "2024-02-29T23:59:59+05:30"),
        ("[29/feb/2024:23:59:59.125]", "2024-02-29T23:59:59.125Z"),
        (" [ 31/Dec/1999:24:00:00 ] ", "2000-01-01T00:00:00Z"),
    ];
    let form = recognised(&[cases[0].0]).unwrap();
    for (cell, expected) in cases {
        assert_eq!(read(&form, cell), instant(expected), "{cell}");
    }
    for cell in [
        "[01/Jan/2026:00:00:00",
        "01/Jan/2026:00:00:00]",
        "01/Foo/2026:00:00:00",
        "1/Jan/2026:00:00:00",
        "30/Feb/2024:00:00:00 +0000",
        "01/Jan/2026 00:00:00",
        "01/Jan/2026",
        "01/Jan/2026:",
        "[]",
        "[",
        "2026-01-01 00:00:00",
        "01/01/2026:00:00:00",
    ] {
        assert_eq!(read(&form, cell), None, "{cell}");
    }
}

#[test]
fn the_unit_of_epoch_numbers_follows_the_median_magnitude() {
    let cases: [(&[&str], &str, i64); 10] = [
        (&["1767225600"], "epoch seconds", 1_767_225_600_000_000),
        (&["1767225600.25"], "epoch seconds", 1_767_225_600_250_000),
        (
            &["1591367999.305988"],
            "epoch seconds",
            1_591_367_999_305_988,
        ),
        (&["1.3969E9"], "epoch seconds", 1_396_900_000_000_000),
        (&["0"], "epoch seconds", 0),
        (&["-86400"], "epoch seconds", -DAY_US),
        (
            &["1767225600123", "7", "1767225600124"],
            "epoch milliseconds",
            1_767_225_600_123_000,
        ),
        (
            &["1767225600123456"],
            "epoch microseconds",
            1_767_225_600_123_456,
        ),
        (
            &["1767225600123456789"],
            "epoch nanoseconds",
            1_767_225_600_123_456,
        ),
        (
            &["-1767225600123.5"],
            "epoch milliseconds",
            -1_767_225_600_123_500,
        ),
    ];
    for (samples, description, expected) in cases {
        let form = recognised(samples).unwrap();
        assert_eq!(form.describe(), description);
        assert_eq!(read(&form, samples[0]), Some(expected), "{samples:?}");
    }
}

#[test]
fn epoch_numbers_are_exact_and_rounded_towards_the_past() {
    let cases = [
        ("epoch_s", "0.0000019", Some(1)),
        ("epoch_s", "-0.0000011", Some(-2)),
        (
            "epoch_s",
            "-0.0000000000000000000000000000000000000000000000001",
            Some(-1),
        ),
        ("epoch_s", "+1.5e3", Some(1_500_000_000)),
        ("epoch_s", "15000e-1", Some(1_500_000_000)),
        ("epoch_s", "1.7672256E+09", Some(1_767_225_600_000_000)),
        ("epoch_s", ".5", Some(500_000)),
        ("epoch_s", "5.", Some(5_000_000)),
        ("epoch_s", " 5 ", Some(5_000_000)),
        (
            "epoch_s",
            "00000000000000000000000000000000000000005",
            Some(5_000_000),
        ),
        ("epoch_s", "0e999999999999", Some(0)),
        (
            "epoch_s",
            "1767225600.1234567891",
            Some(1_767_225_600_123_456),
        ),
        ("epoch_s", "253402300799.999999", Some(LATEST_US)),
        ("epoch_s", "253402300800", None),
        ("epoch_s", "-62135596800", Some(EARLIEST_US)),
        ("epoch_s", "-62135596800.0000001", None),
        ("epoch_s", "1e999", None),
        ("epoch_s", "1e-999", Some(0)),
        ("epoch_ms", "253402300799999", Some(LATEST_US / 1000 * 1000)),
        ("epoch_ms", "253402300800000", None),
        ("epoch_us", "253402300799999999", Some(LATEST_US)),
        ("epoch_us", "253402300800000000", None),
        ("epoch_us", "1.9", Some(1)),
        ("epoch_ns", "1999", Some(1)),
        ("epoch_ns", "-1", Some(-1)),
        ("epoch_ns", "-1000", Some(-1)),
        (
            "epoch_ns",
            "9999999999999999999",
            Some(9_999_999_999_999_999),
        ),
        (
            "epoch_ns",
            "99999999999999999999",
            Some(99_999_999_999_999_999),
        ),
        ("epoch_s", "", None),
        ("epoch_s", ".", None),
        ("epoch_s", "-", None),
        ("epoch_s", "1e", None),
        ("epoch_s", "1e+", None),
        ("epoch_s", "1.2.3", None),
        ("epoch_s", "1,5", None),
        ("epoch_s", "--1", None),
        ("epoch_s", "nan", None),
        ("epoch_s", "inf", None),
        ("epoch_s", "0x10", None),
        ("epoch_s", "1767225600.", Some(1_767_225_600_000_000)),
        ("epoch_s", "1767225600.5e1", Some(17_672_256_005_000_000)),
        ("epoch_s", "2026-01-01 00:00:00", None),
    ];
    for (format, cell, expected) in cases {
        assert_eq!(read(&form(format), cell), expected, "{format} {cell}");
    }
}

#[test]
fn the_majority_decides_the_form_and_the_first_seen_a_tie() {
    let form = recognised(&["2026-01-31", "17", "18", "x", "", "19"]).unwrap();
    assert_eq!(form.describe(), "epoch seconds");
    let form = recognised(&["time", "2026/01/31", "17"]).unwrap();
    assert_eq!(form.describe(), "date with slashes, e.g. %Y/%m/%d");
    assert!(recognised(&["", "x", "12:00", "1.2.3.4", "nan"]).is_none());
    assert!(recognised(&[]).is_none());
}

#[test]
fn fourteen_digits_of_date_and_clock_are_no_milliseconds() {
    let form = recognised(&["20260131123456"]).unwrap();
    assert_eq!(form.describe(), "format %Y%m%d%H%M%S");
    assert_eq!(
        read(&form, "20260131123456"),
        instant("2026-01-31T12:34:56Z")
    );
    assert_eq!(
        recognised(&["20261331123456"]).unwrap().describe(),
        "epoch milliseconds"
    );
}

#[test]
fn a_form_describes_itself_by_a_sample() {
    let cases = [
        ("2026-01-31", "ISO 8601, e.g. %Y-%m-%d"),
        ("2026-01-31 12:00", "ISO 8601, e.g. %Y-%m-%d %H:%M"),
        (
            "2026-01-31  12:00:00,5 UTC",
            "ISO 8601, e.g. %Y-%m-%d %H:%M:%S%.f UTC",
        ),
        (
            "2026-01-31T12:00:00.123Z",
            "ISO 8601, e.g. %Y-%m-%dT%H:%M:%S%.fZ",
        ),
        (
            "2026-01-31T12:00:00+01:00",
            "ISO 8601, e.g. %Y-%m-%dT%H:%M:%S%:z",
        ),
        (
            "[31/Jan/2026:12:00:00 +0100]",
            "access log, e.g. %d/%b/%Y:%H:%M:%S %z",
        ),
    ];
    for (sample, expected) in cases {
        assert_eq!(recognised(&[sample]).unwrap().describe(), expected);
    }
    let local = TimeForm::recognise([&b"2026-01-31"[..]], zone("europe/berlin")).unwrap();
    assert_eq!(
        local.describe(),
        "ISO 8601, e.g. %Y-%m-%d, in Europe/Berlin where no zone is given"
    );
}

#[test]
fn zones_are_read_by_name_and_offset() {
    for (text, shown) in [
        ("UTC", "UTC"),
        ("utc", "UTC"),
        ("Z", "UTC"),
        ("+00:00", "UTC"),
        ("+02:00", "+02:00"),
        ("-0930", "-09:30"),
        ("+05", "+05:00"),
        (" Europe/Berlin ", "Europe/Berlin"),
        ("america/new_york", "America/New_York"),
    ] {
        assert_eq!(zone(text).to_string(), shown);
    }
    for text in ["", "Berlin", "+24:00", "+2", "Mars/Olympus", "\u{1b}[31m"] {
        let error = text.parse::<Zone>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().starts_with("--timezone \""), "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    assert_eq!(Zone::default(), Zone::UTC);
}

#[test]
fn the_zone_applies_to_naive_times_only() {
    for (format, naive, zoned) in [
        ("iso", "2026-01-31 12:00:00", "2026-01-31 12:00:00Z"),
        ("%d/%b/%Y:%H:%M:%S", "31/Jan/2026:12:00:00", ""),
        ("%s", "", "1769860800"),
        ("epoch_s", "", "1769860800"),
        ("%Y-%m-%d %H:%M:%SZ", "", "2026-01-31 12:00:00Z"),
    ] {
        let form = TimeForm::from_format(format, zone("+02:00")).unwrap();
        if !naive.is_empty() {
            assert_eq!(
                read(&form, naive),
                instant("2026-01-31T10:00:00Z"),
                "{naive}"
            );
        }
        if !zoned.is_empty() {
            assert_eq!(
                read(&form, zoned),
                instant("2026-01-31T12:00:00Z"),
                "{zoned}"
            );
        }
    }
}

#[test]
fn clocks_set_forward_leave_a_gap_and_set_back_mean_the_earlier_instant() {
    let cases = [
        (
            "Europe/Berlin",
            "2026-03-29 01:59:59",
            Some("2026-03-29T00:59:59Z"),
        ),
        ("Europe/Berlin", "2026-03-29 02:00:00", None),
        ("Europe/Berlin", "2026-03-29 02:59:59.999", None),
        (
            "Europe/Berlin",
            "2026-03-29 03:00:00",
            Some("2026-03-29T01:00:00Z"),
        ),
        (
            "Europe/Berlin",
            "2026-03-29 02:30:00Z",
            Some("2026-03-29T02:30:00Z"),
        ),
        (
            "Europe/Berlin",
            "2026-10-25 01:59:59",
            Some("2026-10-24T23:59:59Z"),
        ),
        (
            "Europe/Berlin",
            "2026-10-25 02:00:00",
            Some("2026-10-25T00:00:00Z"),
        ),
        (
            "Europe/Berlin",
            "2026-10-25 02:59:59",
            Some("2026-10-25T00:59:59Z"),
        ),
        (
            "Europe/Berlin",
            "2026-10-25 03:00:00",
            Some("2026-10-25T02:00:00Z"),
        ),
        (
            "America/New_York",
            "2026-03-08 01:59:59",
            Some("2026-03-08T06:59:59Z"),
        ),
        ("America/New_York", "2026-03-08 02:30:00", None),
        (
            "America/New_York",
            "2026-03-08 03:00:00",
            Some("2026-03-08T07:00:00Z"),
        ),
        (
            "America/New_York",
            "2026-11-01 01:30:00",
            Some("2026-11-01T05:30:00Z"),
        ),
        (
            "America/New_York",
            "2026-11-01 02:00:00",
            Some("2026-11-01T07:00:00Z"),
        ),
        // The clocks of Apia jumped over a whole day.
        ("Pacific/Apia", "2011-12-30 12:00:00", None),
        (
            "Pacific/Apia",
            "2011-12-31 00:00:00",
            Some("2011-12-30T10:00:00Z"),
        ),
    ];
    for (place, cell, expected) in cases {
        let form = TimeForm::from_format("iso", zone(place)).unwrap();
        assert_eq!(
            read(&form, cell),
            expected.and_then(instant),
            "{place} {cell}"
        );
    }
}

#[test]
fn bytes_that_are_no_date_never_pass_for_the_remembered_one() {
    for place in ["UTC", "Europe/Berlin"] {
        for (day, rest) in [
            ("2026-03-29 12:00:00", "29 12:00:00"),
            ("2026-03-30 12:00:00", "30 12:00:00"),
        ] {
            for head in [[0; 8], [0xff; 8], *b"\0\0\0\0\0\0\0-"] {
                let form = TimeForm::from_format("iso", zone(place)).unwrap();
                let cell = [&head[..], rest.as_bytes()].concat();
                let mut parser = form.parser();
                assert_eq!(parser.parse(&cell), None);
                assert!(parser.parse(day.as_bytes()).is_some());
                assert_eq!(parser.parse(&cell), None);
            }
        }
    }
}

/// chrono's reading of a local time.
fn local_instant(place: Tz, local: NaiveDateTime) -> Option<i64> {
    place
        .from_local_datetime(&local)
        .earliest()
        .map(|time| time.timestamp_micros())
}

#[test]
fn every_minute_around_a_change_of_clocks_agrees_with_chrono() {
    for place in [
        Tz::Europe__Berlin,
        Tz::America__New_York,
        Tz::Australia__Lord_Howe,
    ] {
        let form = TimeForm::from_format("iso", zone(place.name())).unwrap();
        let mut parser = form.parser();
        let mut local = NaiveDate::from_ymd_opt(2026, 1, 1)
            .unwrap()
            .and_hms_opt(0, 0, 0)
            .unwrap();
        for _ in 0..365 * 24 * 12 {
            for text in [
                local.format("%Y-%m-%d %H:%M:%S").to_string(),
                local.format("%Y-%m-%dT%H:%M").to_string(),
            ] {
                assert_eq!(
                    parser.parse_fast(text.as_bytes()),
                    local_instant(place, local),
                    "{text}"
                );
            }
            local += TimeDelta::minutes(5);
        }
    }
}

#[test]
fn a_day_with_equal_offsets_at_both_ends_has_no_other_between() {
    for place in [
        Tz::Europe__Berlin,
        Tz::Europe__London,
        Tz::America__New_York,
        Tz::Africa__Casablanca,
        Tz::Asia__Kolkata,
        Tz::Pacific__Apia,
        Tz::Antarctica__Troll,
        Tz::America__Caracas,
    ] {
        let offset = |local_s| {
            let local = DateTime::from_timestamp(local_s, 0).unwrap().naive_utc();
            place
                .offset_from_local_datetime(&local)
                .single()
                .map(|offset| offset.fix())
        };
        for day in -36_500..36_500 {
            let first = offset(day * DAY_S);
            if first.is_some() && first == offset(day * DAY_S + DAY_S - 1) {
                for hour in 1..24 {
                    assert_eq!(offset(day * DAY_S + hour * 3600), first, "{place} {day}");
                }
            }
        }
    }
}

#[test]
fn formats_of_the_user_are_read_as_chrono_reads_them() {
    let cases = [
        (
            "%d.%m.%Y %H:%M:%S",
            "31.01.2026 12:34:56",
            Some("2026-01-31T12:34:56Z"),
        ),
        (
            "%d.%m.%Y %H:%M",
            "31.01.2026 12:34",
            Some("2026-01-31T12:34:00Z"),
        ),
        (
            "%d.%m.%Y %H:%M",
            "1.1.2026 2:34",
            Some("2026-01-01T02:34:00Z"),
        ),
        (
            "%m/%d/%Y %I:%M:%S %p",
            "01/31/2026 12:34:56 AM",
            Some("2026-01-31T00:34:56Z"),
        ),
        ("%m/%d/%y", "01/31/26", Some("2026-01-31T00:00:00Z")),
        ("%Y-%m-%d %H", "2026-01-31 07", Some("2026-01-31T07:00:00Z")),
        (
            "%Y%m%dT%H%M%SZ",
            "20260131T123456Z",
            Some("2026-01-31T12:34:56Z"),
        ),
        (
            "%d/%b/%Y:%H:%M:%S %z",
            "31/Jan/2026:12:34:56 +0100",
            Some("2026-01-31T12:34:56+01:00"),
        ),
        (
            "[%d/%b/%Y:%H:%M:%S %z]",
            "[31/Jan/2026:12:34:56 -0100]",
            Some("2026-01-31T12:34:56-01:00"),
        ),
        (
            "%a %b %e %H:%M:%S %Y",
            "Sat Jan 31 12:34:56 2026",
            Some("2026-01-31T12:34:56Z"),
        ),
        ("%a %b %e %H:%M:%S %Y", "Sun Jan 31 12:34:56 2026", None),
        (
            "%Y-%m-%dT%H:%M:%S%.f",
            "2026-01-31T12:34:56.7",
            Some("2026-01-31T12:34:56.7Z"),
        ),
        (
            "%Y-%m-%dT%H:%M:%S%.f",
            "2026-01-31T12:34:56",
            Some("2026-01-31T12:34:56Z"),
        ),
        (
            "%Y-%m-%d %H:%M:%S.%f",
            "2026-01-31 12:34:56.7",
            Some("2026-01-31T12:34:56.7Z"),
        ),
        ("%s", "1769862896", Some("2026-01-31T12:34:56Z")),
        (
            "%+",
            "2026-01-31T12:34:56+02:00",
            Some("2026-01-31T12:34:56+02:00"),
        ),
        ("%F %T", "2026-01-31 12:34:56", Some("2026-01-31T12:34:56Z")),
        (
            "%Y-%m-%d %H:%M:%S",
            " 2026-01-31 12:34:56 ",
            Some("2026-01-31T12:34:56Z"),
        ),
        ("%Y-%m-%d %H:%M:%S", "2026-01-31T12:34:56", None),
        ("%Y-%m-%d %H:%M:%S", "2026-01-31 12:34:56Z", None),
        ("%Y-%m-%d %H:%M:%S", "2026-01-31 24:00:00", None),
        ("%Y-%m-%d %H:%M:%S", "2025-02-29 12:00:00", None),
        (
            "%Y-%m-%d %H:%M:%S",
            "2016-12-31 23:59:60",
            Some("2017-01-01T00:00:00Z"),
        ),
        ("%Y-%m-%d %H:%M:%S", "\u{e9}", None),
    ];
    for (format, cell, expected) in cases {
        assert_eq!(
            read(&form(format), cell),
            expected.and_then(instant),
            "{format} {cell}"
        );
    }
    assert_eq!(form("%d.%m.%Y").describe(), "format %d.%m.%Y");
}

#[test]
fn a_format_that_names_no_time_is_refused_by_name() {
    for format in [
        "",
        "isoo",
        "yyyy-MM-dd",
        "%Q",
        "%Y-%m",
        "%H:%M:%S",
        "%b %d %H:%M:%S",
        "%Y-%m-%d %I:%M",
        "%",
        "%Y-%m-%d %",
    ] {
        let error = TimeForm::from_format(format, Zone::UTC).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Setting);
        let start = format!("--timestamp-format \"{format}\" ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

/// What chrono makes of an ISO cell of our grammar, after rewriting it as RFC 3339.
fn chrono_iso(cell: &str) -> Option<i64> {
    let text = cell.replace(',', ".");
    let naive = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
    ];
    for format in naive {
        if let Ok(time) = NaiveDateTime::parse_from_str(&text, format) {
            return Some(micros(time));
        }
        let zoned = [format!("{format}%#z"), format!("{format} UTC")];
        if let Ok(time) = DateTime::<FixedOffset>::parse_from_str(&text, &zoned[0]) {
            return Some(
                micros(time.naive_local()) - i64::from(time.offset().local_minus_utc()) * SECOND_US,
            );
        }
        if let Ok(time) = NaiveDateTime::parse_from_str(&text, &zoned[1]) {
            return Some(micros(time));
        }
    }
    let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?;
    Some(micros(date.and_hms_opt(0, 0, 0)?))
}

fn micros(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp() * SECOND_US + i64::from(time.nanosecond() / 1000)
}

/// ISO cells that mostly name a time, some of them just beside one.
fn iso_cell() -> impl Strategy<Value = String> {
    let date = (1_u32..=9999, 1_u32..=12, 1_u32..=31)
        .prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"));
    let clock = (0_u32..24, 0_u32..61, 0_u32..61)
        .prop_map(|(hour, minute, second)| format!("{hour:02}:{minute:02}:{second:02}"));
    let tail = prop_oneof![
        3 => Just(String::new()),
        1 => Just("Z".to_owned()),
        1 => Just(" UTC".to_owned()),
        2 => "[+-](0[0-9]|1[0-4]):?[0-5][0-9]",
        1 => "[+-](0[0-9]|1[0-4])",
    ];
    let fraction = prop_oneof![2 => Just(String::new()), 3 => "[.,][0-9]{1,9}"];
    (
        date,
        prop_oneof![Just("T"), Just(" ")],
        clock,
        fraction,
        tail,
    )
        .prop_map(|(date, joint, clock, fraction, tail)| {
            format!("{date}{joint}{clock}{fraction}{tail}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_written_reads_back(times in proptest::collection::vec(EARLIEST_US..=LATEST_US, 1..8), step in 0..3 * DAY_US) {
        let mut writer = TimeWriter::new();
        let mut parser = form("iso").parser();
        for start in times {
            for us in [start, start.saturating_add(step).min(LATEST_US)] {
                let us = us.max(EARLIEST_US);
                for scale in [1, 1_000, SECOND_US] {
                    let us = (us / scale * scale).max(EARLIEST_US);
                    let mut text = Vec::new();
                    writer.write_utc(us, &mut text);
                    prop_assert_eq!(parser.parse_fast(&text), Some(us));
                    text.clear();
                    writer.write_iso(us, &mut text);
                    prop_assert_eq!(parser.parse_fast(&text), Some(us));
                    let (mut utc, mut iso) = (Vec::new(), Vec::new());
                    format_utc(us, &mut utc);
                    format_iso(us, &mut iso);
                    prop_assert_eq!(&iso, &text);
                    prop_assert_eq!(parser.parse(&utc), Some(us));
                }
            }
        }
    }

    #[test]
    fn iso_cells_agree_with_chrono(cell in iso_cell()) {
        let range = EARLIEST_US..=LATEST_US;
        let expected = chrono_iso(&cell).filter(|us| range.contains(us));
        prop_assert_eq!(read(&form("iso"), &cell), expected, "{}", cell);
    }

    #[test]
    fn a_short_cut_never_accepts_what_the_full_grammar_refuses(
        cell in iso_cell(),
        place in 0_usize..40,
        byte in prop_oneof![any::<u8>(), proptest::sample::select(&b"0123456789:-/.TZ +"[..])],
        zone in proptest::sample::select(vec!["UTC", "+02:00", "Europe/Berlin", "America/New_York"]),
    ) {
        let form = TimeForm::from_format("iso", zone.parse().unwrap()).unwrap();
        let mut bytes = cell.clone().into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        // A parser that knows the date of the unspoilt cell takes the short cuts; a new one cannot.
        let mut seasoned = form.parser();
        seasoned.parse(cell.as_bytes());
        prop_assert_eq!(seasoned.parse_fast(&bytes), form.parser().parse(&bytes));
        prop_assert_eq!(seasoned.parse_fast(cell.as_bytes()), form.parser().parse(cell.as_bytes()));
        let naive = !bytes.iter().skip(11).any(|b| b"+-Z".contains(b));
        if zone == "UTC" && naive && let Some(us) = form.parser().parse(&bytes) {
            prop_assert!((EARLIEST_US..=LATEST_US).contains(&us));
        }
    }

    #[test]
    fn access_log_cells_agree_with_chrono(us in EARLIEST_US + DAY_US..LATEST_US - DAY_US, offset_min in -840_i32..=840) {
        let offset = FixedOffset::east_opt(offset_min * 60).unwrap();
        let time = DateTime::from_timestamp(us.div_euclid(SECOND_US), 0).unwrap().with_timezone(&offset);
        let cell = time.format("%d/%b/%Y:%H:%M:%S %z").to_string();
        let expected = Some(time.timestamp_micros());
        let form = recognised(&[&cell]).unwrap();
        prop_assert_eq!(read(&form, &cell), expected);
        prop_assert_eq!(read(&form, format!("[{cell}]")), expected);
    }

    #[test]
    fn local_times_agree_with_chrono(local_s in -2_000_000_000_i64..4_000_000_000, name in 0..TZ_COUNT) {
        let place = chrono_tz::TZ_VARIANTS[name];
        let form = TimeForm::from_format("iso", zone(place.name())).unwrap();
        let local = DateTime::from_timestamp(local_s, 0).unwrap().naive_utc();
        let cell = local.format("%Y-%m-%d %H:%M:%S").to_string();
        prop_assert_eq!(read(&form, cell), local_instant(place, local));
    }

    #[test]
    fn epoch_numbers_agree_with_integer_arithmetic(number in any::<i64>(), digits in 1_u32..19) {
        let number = number % 10_i64.pow(digits);
        for (format, scale, divisor) in [("epoch_s", 1_000_000, 1), ("epoch_ms", 1_000, 1), ("epoch_us", 1, 1), ("epoch_ns", 1, 1_000)] {
            let expected = (i128::from(number) * scale).div_euclid(divisor);
            let expected = i64::try_from(expected).ok().filter(|us| (EARLIEST_US..=LATEST_US).contains(us));
            prop_assert_eq!(read(&form(format), number.to_string()), expected, "{} {}", format, number);
        }
    }

    #[test]
    fn decimal_seconds_agree_with_integer_arithmetic(us in EARLIEST_US..=LATEST_US, zeros in 0_usize..3) {
        let sign = if us < 0 { "-" } else { "" };
        let size = us.unsigned_abs();
        let cell = format!("{sign}{}.{:06}{}", size / 1_000_000, size % 1_000_000, "0".repeat(zeros));
        prop_assert_eq!(read(&form("epoch_s"), &cell), Some(us), "{}", cell);
        let cell = format!("{sign}{}.{:06}{}1", size / 1_000_000, size % 1_000_000, "0".repeat(zeros));
        let expected = Some(us - i64::from(us < 0)).filter(|us| *us >= EARLIEST_US);
        prop_assert_eq!(read(&form("epoch_s"), &cell), expected, "{}", cell);
    }

    #[test]
    fn fields_of_fixed_width_agree_with_chrono(
        which in 0..FORMATS.len(),
        us in EARLIEST_US..=LATEST_US,
        place in 0_usize..40,
        byte in proptest::sample::select(&b"0123456789:-/.TZ +\xff"[..]),
    ) {
        let time = DateTime::from_timestamp_micros(us).unwrap();
        let format = Format::compile(FORMATS[which]).unwrap();
        let mut bytes = time.format(FORMATS[which]).to_string().into_bytes();
        prop_assert_eq!(format.reads_alike(&bytes), Some(true));
        let place = place % bytes.len();
        bytes[place] = byte;
        let mutated = bytes.trim_ascii();
        prop_assert_ne!(format.reads_alike(mutated), Some(false), "{:?}", mutated.escape_ascii().to_string());
        let form = form(FORMATS[which]);
        read(&form, mutated);
    }

    #[test]
    fn no_cell_makes_a_parser_panic(cells in proptest::collection::vec(any::<Vec<u8>>(), 1..6), text in "\\PC{0,12}|[0-9:/.+ TZeE\\-]{0,36}") {
        let formats = ["iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "%s", "%d/%b/%Y:%H:%M:%S %z", "%c", "%+"];
        let mut forms: Vec<_> = formats.iter().map(|format| form(format)).collect();
        forms.push(recognised(&["[01/Jan/2026:00:00:00 +0000]"]).unwrap());
        forms.push(TimeForm::recognise([&b"2026/01/01"[..]], zone("Asia/Kolkata")).unwrap());
        let mut samples: Vec<&[u8]> = cells.iter().map(Vec::as_slice).collect();
        samples.push(text.as_bytes());
        forms.extend(TimeForm::recognise(samples.iter().copied(), Zone::UTC));
        for form in &forms {
            form.describe();
            let mut parser = form.parser();
            for cell in &samples {
                if let Some(us) = parser.parse(cell) {
                    prop_assert!((EARLIEST_US..=LATEST_US).contains(&us));
                }
            }
        }
        let _ = TimeForm::from_format(&text, Zone::UTC);
        let _ = TimeForm::from_format(&format!("%Y{text}%m%d"), Zone::UTC);
        let _ = text.parse::<Zone>();
    }
}

const TZ_COUNT: usize = chrono_tz::TZ_VARIANTS.len();

const FORMATS: [&str; 9] = [
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%dT%H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%Y%m%d%H%M%S",
    "%Y-%m-%dT%H:%M:%S%.6fZ",
    "%Y-%m-%d %H:%M:%S%.f %z",
    "%d/%b/%Y:%H:%M:%S %:z",
    "%F",
    "%H:%M %d %Y%m",
];
