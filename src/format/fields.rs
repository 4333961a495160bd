//! Fields that record logs have in common: lines, addresses, whole numbers, seconds, protocols.
//!
//! In: bytes of one line. Out: numbers and [`Endpoint`]s. Knows no format: which field lies where is for the format to say.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::record::{Endpoint, Identity, Record, RecordSink};
use super::timestamp::decimal_us;
use super::timestamp::digits::{combine, within, word};
use crate::support::error::quoted;

/// The lines of `block` with their offsets, without line ends (`\n`, `\r\n`).
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = block.get(at..).filter(|rest| !rest.is_empty())?;
        let offset = at;
        let (line, length) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], end + 1),
            None => (rest, rest.len()),
        };
        at += length;
        Some((offset, line.strip_suffix(b"\r").unwrap_or(line)))
    })
}

/// Lines of a head that are looked at.
const MAX_HEAD_LINES: usize = 200;

/// The first lines of an input's head that are not blank. The last line of a head may be cut, so it is
/// left out where there are others and it has no line end.
pub(super) fn head_lines(head: &[u8]) -> Vec<&[u8]> {
    let mut found: Vec<&[u8]> = lines(head)
        .map(|(_, line)| line)
        .filter(|line| !line.trim_ascii().is_empty())
        .take(MAX_HEAD_LINES + 1)
        .collect();
    if found.len() > MAX_HEAD_LINES || (found.len() > 1 && !head.ends_with(b"\n")) {
        found.pop();
    }
    found
}

/// Whether at least one of `lines` fits, and 80 % of them do: logs hold noise and lines of other programs.
pub(super) fn most_fit<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    mut fits: impl FnMut(&'a [u8]) -> bool,
) -> bool {
    let (mut all, mut fitting) = (0_usize, 0_usize);
    for line in lines {
        all += 1;
        fitting += usize::from(fits(line));
    }
    fitting > 0 && fitting * 5 >= all * 4
}

/// Why a line cannot be used. Its text is made only for the lines that are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault<'a> {
    /// The field of this name is not there.
    Missing(&'static str),
    /// The field of this name holds this text, which is not what it should be, as `a whole number`.
    Wrong(&'static str, Cow<'a, [u8]>, &'static str),
    /// The line has this many fields, and at least so many are needed.
    Short(usize, usize),
    /// Anything else, as a sentence without its point.
    Other(String),
}

impl Fault<'_> {
    /// The reason for people: `the duration "x" is not a number of seconds`.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Missing(name) => format!("it has no {name}"),
            Self::Wrong(name, text, rule) => format!("the {name} {} is not {rule}", quoted(text)),
            Self::Short(found, needed) => format!("it has {found} fields and {needed} are needed"),
            Self::Other(text) => text.clone(),
        }
    }
}

/// The place of `byte` in `text[from..]`, counted from the start of `text`. For short fields: eight bytes at a time, without
/// the start-up cost of a vectorised search.
#[inline(always)]
pub(super) fn find(text: &[u8], from: usize, byte: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let pattern = LOW * u64::from(byte);
    let text = text.get(from..)?;
    let (words, rest) = text.as_chunks::<8>();
    for (number, bytes) in words.iter().enumerate() {
        let differing = u64::from_le_bytes(*bytes) ^ pattern;
        // The lowest zero byte of `differing` has its high bit set here; higher ones may be wrong.
        let found = differing.wrapping_sub(LOW) & !differing & HIGH;
        if found != 0 {
            return Some(from + number * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let place = rest.iter().position(|&other| other == byte)?;
    Some(from + words.len() * 8 + place)
}

/// Where the cells of a line end. One walk over the line finds all separators, which costs less than a search for each.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// The place of each separator, then the length of the line; what follows is left from longer lines.
    ends: Vec<u32>,
    count: usize,
}

impl Cells {
    /// Finds the cells of `line`, which is shorter than 4 GiB as any block is.
    #[inline]
    pub(super) fn split(&mut self, line: &[u8], separator: u8) {
        const LOW: u64 = 0x0101_0101_0101_0101;
        const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let pattern = LOW * u64::from(separator);
        if self.ends.len() <= line.len() {
            self.ends.resize(line.len() + 1, 0);
        }
        let ends = &mut self.ends[..];
        let mut count = 0;
        let mut put = |end: usize| {
            if let Some(place) = ends.get_mut(count) {
                *place = end as u32;
                count += 1;
            }
        };
        let (words, rest) = line.as_chunks::<8>();
        for (number, bytes) in words.iter().enumerate() {
            let differing = u64::from_le_bytes(*bytes) ^ pattern;
            // The high bit of each byte that does not differ, exactly: no carry leaves a byte.
            let mut found = !(((differing & LOW_BITS) + LOW_BITS) | differing | LOW_BITS);
            while found != 0 {
                put(number * 8 + found.trailing_zeros() as usize / 8);
                found &= found - 1;
            }
        }
        let start = words.len() * 8;
        for (at, byte) in rest.iter().enumerate() {
            if *byte == separator {
                put(start + at);
            }
        }
        put(line.len());
        self.count = count;
    }

    /// How many cells there are.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Start and end of a cell in the line; an empty range at 0 where there is none.
    #[inline(always)]
    pub(super) fn range(&self, cell: usize) -> (usize, usize) {
        if cell >= self.count {
            return (0, 0);
        }
        let start = if cell == 0 {
            0
        } else {
            self.ends[cell - 1] as usize + 1
        };
        (start, self.ends[cell] as usize)
    }
}

/// The whole number in `text`: decimal digits and nothing else, at most `u64::MAX`.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.len() > 19 {
        return long_number(text);
    }
    if text.is_empty() {
        return None;
    }
    let mut number = 0_u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// The same for twenty digits, which may be too many.
#[cold]
fn long_number(text: &[u8]) -> Option<u64> {
    if text.len() > 20 {
        return None;
    }
    let mut number = 0_u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(number)
}

/// The same for `line[start..end]`, without a branch on the number of digits where it has at most eight.
#[inline(always)]
pub(super) fn number_at(line: &[u8], start: usize, end: usize) -> Option<u64> {
    let length = end.wrapping_sub(start);
    if (1..=8).contains(&length) && end >= 8 {
        // What precedes the number is shifted out, and zeros are shifted in as its first digits.
        let digits = word(line, end - 8) ^ u64::from_le_bytes(*b"00000000");
        let place = 8 * (8 - length as u32);
        let digits = (digits >> place) << place;
        return Some(combine(within(digits, &[0; 8], &[9; 8])?));
    }
    number(line.get(start..end)?)
}

/// The port in `text`, 0 to 65535.
#[inline]
pub(super) fn port(text: &[u8]) -> Option<u16> {
    u16::try_from(number(text)?).ok()
}

/// Seconds with or without a fraction as microseconds, rounded towards minus infinity. Takes signs and exponents too.
#[inline]
pub(super) fn seconds_us(text: &[u8]) -> Option<i64> {
    plain_seconds_us(text).or_else(|| decimal_us(text))
}

/// Reads up to nine digits, a point and six digits.
#[inline(always)]
fn plain_seconds_us(text: &[u8]) -> Option<i64> {
    let point = text.len().checked_sub(7)?;
    if text.get(point) != Some(&b'.') || point == 0 || point > 9 {
        return None;
    }
    let whole = number(&text[..point])?;
    let fraction = number_at(text, point + 1, text.len())?;
    Some((whole * 1_000_000 + fraction) as i64)
}

/// A number since 1970 as microseconds, its unit by its size: seconds, milliseconds, microseconds or nanoseconds, also with
/// a fraction.
pub(super) fn epoch_us(text: &[u8]) -> Option<i64> {
    let whole = match number(text) {
        Some(whole) => whole,
        None => {
            let point = memchr::memchr(b'.', text)?;
            number(&text[..point])?
        }
    };
    let number_us = match whole {
        whole if whole < 100_000_000_000 => return seconds_us(text),
        whole if whole < 100_000_000_000_000 => whole.checked_mul(1_000)?,
        whole if whole < 100_000_000_000_000_000 => whole,
        whole => whole / 1_000,
    };
    i64::try_from(number_us).ok()
}

/// The end of a record that starts at `start_us` and lasts `duration_us`.
///
/// An end before the start, and a duration of about 2^32 ms (a difference of -1 ms that some exporters write as a
/// number without a sign), mean a duration of 0; the sink is told.
#[inline]
pub(super) fn end_us(start_us: i64, duration_us: i64, sink: &mut dyn RecordSink) -> i64 {
    const WRAPPED_US: i64 = (1 << 32) * 1_000;
    const NEAR_US: i64 = 60_000_000;
    let is_wrapped = (duration_us - WRAPPED_US)
        .checked_abs()
        .is_none_or(|away| away <= NEAR_US);
    if duration_us < 0 || is_wrapped {
        sink.mended();
        return start_us;
    }
    start_us.saturating_add(duration_us)
}

/// The IPv4 address in `text`: four numbers of one to three digits, 0 to 255.
#[inline]
pub(super) fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut address = [0_u8; 4];
    let (mut part, mut value, mut digits) = (0_usize, 0_u32, 0_u32);
    if text.len() > 15 {
        return None;
    }
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u32::from(digit);
            digits += 1;
            if digits > 3 {
                return None;
            }
        } else if byte == b'.' && digits > 0 && part < 3 {
            address[part] = u8::try_from(value).ok()?;
            (part, value, digits) = (part + 1, 0, 0);
        } else {
            return None;
        }
    }
    if part != 3 || digits == 0 {
        return None;
    }
    address[3] = u8::try_from(value).ok()?;
    Some(address)
}

/// The IPv6 address in `text`, also in brackets or with a zone (`fe80::1%eth0`).
pub(super) fn ipv6(text: &[u8]) -> Option<[u8; 16]> {
    let text = match text {
        [b'[', inner @ .., b']'] => inner,
        _ => text,
    };
    let text = match memchr::memchr(b'%', text) {
        Some(zone) => &text[..zone],
        None => text,
    };
    let address: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.octets())
}

/// Who `text` names: an address, or a name where it is no address. Empty and `-` are unknown. IPv4 addresses mapped into IPv6
/// are IPv4 addresses.
#[inline]
pub(super) fn endpoint(text: &[u8]) -> Endpoint<'_> {
    if let Some(address) = ipv4(text) {
        return Endpoint::V4(address);
    }
    other_endpoint(text)
}

fn other_endpoint(text: &[u8]) -> Endpoint<'_> {
    if matches!(text, b"" | b"-") {
        return Endpoint::Unknown;
    }
    if memchr::memchr(b':', text).is_none() {
        return Endpoint::Name(text);
    }
    match ipv6(text) {
        Some(address) => match Ipv6Addr::from(address).to_ipv4_mapped() {
            Some(mapped) => Endpoint::V4(mapped.octets()),
            None => Endpoint::V6(address),
        },
        None => Endpoint::Name(text),
    }
}

/// Whether `text` is an IPv4 or IPv6 address.
pub(super) fn is_address(text: &[u8]) -> bool {
    matches!(endpoint(text), Endpoint::V4(_) | Endpoint::V6(_))
}

/// A protocol in lower case, by IANA's keyword: from its number or from a name in any case. A number without a common name
/// stays a number.
#[inline]
pub(super) fn protocol(text: &[u8]) -> Cow<'_, [u8]> {
    let known: &[u8] = match text {
        b"tcp" | b"TCP" | b"6" => b"tcp",
        b"udp" | b"UDP" | b"17" => b"udp",
        b"icmp" | b"ICMP" | b"1" => b"icmp",
        b"" | b"-" => b"",
        b"icmp6" | b"ICMP6" | b"ICMPv6" | b"IPv6-ICMP" | b"IPV6-ICMP" | b"58" => b"ipv6-icmp",
        b"2" => b"igmp",
        b"4" => b"ipv4",
        b"41" => b"ipv6",
        b"47" => b"gre",
        b"50" => b"esp",
        b"51" => b"ah",
        b"89" => b"ospf",
        b"103" => b"pim",
        b"112" => b"vrrp",
        b"132" => b"sctp",
        _ if text.iter().any(u8::is_ascii_uppercase) => {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        _ => text,
    };
    Cow::Borrowed(known)
}

/// Hash of the path of a request's target, without its query, fragment, scheme and host; 0 where there is no path.
pub(super) fn path_hash(target: &[u8]) -> u64 {
    let target = match memchr::memmem::find(&target[..target.len().min(16)], b"://") {
        Some(scheme) => {
            let rest = &target[scheme + 3..];
            memchr::memchr(b'/', rest).map_or(&b"/"[..], |root| &rest[root..])
        }
        None => target,
    };
    let path = match memchr::memchr3(b'?', b'#', b';', target) {
        Some(end) => &target[..end],
        None => target,
    };
    if matches!(path, b"" | b"-") {
        return 0;
    }
    xxh3_64(path)
}

/// The target of a request line, `GET /index.html HTTP/1.1`: its second word.
pub(super) fn request_target(request: &[u8]) -> &[u8] {
    let Some(blank) = memchr::memchr(b' ', request) else {
        return b"";
    };
    let rest = &request[blank + 1..];
    memchr::memchr(b' ', rest).map_or(rest, |end| &rest[..end])
}

/// A flow that has an identifier of its own: `id` with its start.
#[inline]
pub(super) fn unique(id: &[u8], start_us: i64) -> Identity {
    Identity::Unique(xxh3_64_with_seed(id, start_us as u64))
}

/// A flow that is told by all that is known of it, reported by `witness` (an interface, an exporter).
#[inline]
pub(super) fn witnessed(record: &Record<'_>, witness: &[u8]) -> Identity {
    let mut all = [0_u8; 96];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = all.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        at += bytes.len();
    };
    for endpoint in [record.src, record.dst] {
        match endpoint {
            Endpoint::Unknown => put(&[0; 16]),
            Endpoint::V4(address) => put(&Ipv4Addr::from(address).to_ipv6_mapped().octets()),
            Endpoint::V6(address) => put(&address),
            Endpoint::Name(name) => put(&u128::from(xxh3_64(name)).to_le_bytes()),
        }
    }
    // A missing port is none of the ports that there are.
    let port = |port: Option<u16>| port.map_or(u32::MAX, u32::from);
    put(&port(record.src_port).to_le_bytes());
    put(&port(record.dst_port).to_le_bytes());
    for number in [
        record.start_us as u64,
        record.end_us as u64,
        record.packets_out,
        record.packets_in,
        record.bytes_out,
        record.bytes_in,
    ] {
        put(&number.to_le_bytes());
    }
    let proto = &record.proto[..record.proto.len().min(8)];
    put(proto);
    Identity::Witnessed {
        flow: xxh3_64(&all),
        witness: xxh3_64(witness),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_end_with_or_without_a_carriage_return_and_the_last_without_both() {
        let found: Vec<(usize, &[u8])> = lines(b"a\r\n\nbc").collect();
        assert_eq!(found, [(0, &b"a"[..]), (3, b""), (4, b"bc")]);
        assert_eq!(lines(b"").count(), 0);
    }

    #[test]
    fn the_cut_last_line_of_a_head_is_not_judged() {
        assert_eq!(head_lines(b"a\n\nb\nc"), [b"a", b"b"]);
        assert_eq!(head_lines(b"a\nb\n"), [b"a", b"b"]);
        assert_eq!(head_lines(b"only"), [b"only"]);
    }

    #[test]
    fn four_of_five_lines_must_fit() {
        let fits = |text: &'static [u8]| most_fit(text.chunks(1), |line| line == b"y");
        assert!(fits(b"yyyyn"));
        assert!(!fits(b"yyynn"));
        assert!(!fits(b"n"));
        assert!(!fits(b""));
    }

    #[test]
    fn addresses_are_told_from_names() {
        assert_eq!(endpoint(b"192.0.2.1"), Endpoint::V4([192, 0, 2, 1]));
        assert_eq!(endpoint(b"::ffff:192.0.2.1"), Endpoint::V4([192, 0, 2, 1]));
        let mut local = [0; 16];
        (local[0], local[1], local[15]) = (0xfe, 0x80, 1);
        for text in [&b"fe80::1"[..], b"[fe80::1]", b"fe80::1%eth0"] {
            assert_eq!(endpoint(text), Endpoint::V6(local));
        }
        for name in [
            "localhost",
            "unix:",
            "192.0.2",
            "192.0.2.256",
            "1.2.3.4.5",
            "2001:db8:1",
            "1..2.3",
        ] {
            assert_eq!(endpoint(name.as_bytes()), Endpoint::Name(name.as_bytes()));
        }
        assert_eq!(endpoint(b"-"), Endpoint::Unknown);
        assert_eq!(endpoint(b""), Endpoint::Unknown);
    }

    #[test]
    fn protocols_have_one_name_whatever_the_exporter_writes() {
        for text in [&b"TCP"[..], b"tcp", b"6"] {
            assert_eq!(&*protocol(text), b"tcp");
        }
        for text in [&b"ICMP6"[..], b"IPv6-ICMP", b"58"] {
            assert_eq!(&*protocol(text), b"ipv6-icmp");
        }
        assert_eq!(&*protocol(b"HOPOPT"), b"hopopt");
        assert_eq!(&*protocol(b"253"), b"253");
        assert_eq!(&*protocol(b"-"), b"");
    }

    #[test]
    fn a_path_is_the_same_with_and_without_query_and_host() {
        let path = path_hash(b"/a/b");
        assert_ne!(path, 0);
        for target in [
            "/a/b?user=1",
            "/a/b#top",
            "http://example.org/a/b",
            "/a/b;jsessionid=1",
        ] {
            assert_eq!(path_hash(target.as_bytes()), path, "{target}");
        }
        assert_eq!(path_hash(b"https://example.org"), path_hash(b"/"));
        assert_eq!(path_hash(b"-"), 0);
        assert_eq!(path_hash(request_target(b"\\x16\\x03")), 0);
        assert_eq!(path_hash(request_target(b"GET /a/b HTTP/1.1")), path);
    }

    #[test]
    fn seconds_become_microseconds() {
        assert_eq!(seconds_us(b"0.000064"), Some(64));
        assert_eq!(seconds_us(b"108.985496"), Some(108_985_496));
        assert_eq!(seconds_us(b"0.20696377754211426"), Some(206_963));
        assert_eq!(seconds_us(b"3"), Some(3_000_000));
        assert_eq!(seconds_us(b"1e-05"), Some(10));
        assert_eq!(seconds_us(b"-0.5"), Some(-500_000));
        for wrong in ["", "-", "x", "1.2.3", "0.00006x", ".", "1.00 000"] {
            assert_eq!(seconds_us(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_since_1970_tell_their_unit_by_their_size() {
        for text in [
            "1777896000.5",
            "1777896000500",
            "1777896000500000",
            "1777896000500000000",
        ] {
            assert_eq!(
                epoch_us(text.as_bytes()),
                Some(1_777_896_000_500_000),
                "{text}"
            );
        }
        assert_eq!(epoch_us(b"1777896000"), Some(1_777_896_000_000_000));
        assert_eq!(epoch_us(b"-"), None);
        assert_eq!(epoch_us(b"99999999999999999999"), None);
    }

    #[test]
    fn flows_are_the_same_from_another_witness_only() {
        let record = Record {
            bytes_out: 7,
            proto: b"tcp",
            ..Record::default()
        };
        let (
            Identity::Witnessed { flow, witness },
            Identity::Witnessed {
                flow: same,
                witness: other,
            },
        ) = (witnessed(&record, b"eth0"), witnessed(&record, b"eth1"))
        else {
            panic!("not witnessed");
        };
        assert_eq!(flow, same);
        assert_ne!(witness, other);
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(text in "[0-9]{0,22}|[ -~]{1,9}") {
            let expected = if text.starts_with('+') { None } else { text.parse::<u64>().ok() };
            prop_assert_eq!(number(text.as_bytes()), expected);
            let line = format!("before  {text}");
            prop_assert_eq!(number_at(line.as_bytes(), 8, line.len()), expected);
        }

        #[test]
        fn addresses_are_written_and_read_again(v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>()) {
            prop_assert_eq!(ipv4(Ipv4Addr::from(v4).to_string().as_bytes()), Some(v4));
            prop_assert_eq!(ipv6(Ipv6Addr::from(v6).to_string().as_bytes()), Some(v6));
        }

        #[test]
        fn cells_are_split_as_the_standard_library_splits_them(line in proptest::collection::vec(prop_oneof![Just(9_u8), 8_u8..11, any::<u8>()], 0..60)) {
            let mut cells = Cells::default();
            cells.split(&line, 9);
            let found: Vec<&[u8]> = (0..cells.count()).map(|cell| {
                let (start, end) = cells.range(cell);
                &line[start..end]
            }).collect();
            let expected: Vec<&[u8]> = line.split(|byte| *byte == 9).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(cells.range(cells.count()), (0, 0));
        }

        #[test]
        fn a_byte_is_found_where_it_first_stands(text in "[a-d\\t\\x00\\u{80}]{0,30}", from in 0_usize..8) {
            let text = text.as_bytes();
            let expected = text.get(from..).and_then(|rest| rest.iter().position(|&b| b == b'\t')).map(|at| at + from);
            prop_assert_eq!(find(text, from, b'\t'), expected);
        }

        #[test]
        fn plain_seconds_agree_with_exact_decimals(text in "[0-9]{1,10}\\.[0-9]{6}") {
            prop_assert_eq!(seconds_us(text.as_bytes()), decimal_us(text.as_bytes()));
        }

        #[test]
        fn any_text_is_some_endpoint(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (endpoint(&text), protocol(&text).len(), path_hash(&text), request_target(&text).len());
        }
    }
}
