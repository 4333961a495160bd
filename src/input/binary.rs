//! Binary captures and databases: refused by name, with the command that turns them into something readable.

use crate::support::error::{Error, ErrorKind, Result};

/// First bytes, what they say, and what to do.
const KNOWN: &[(&[u8], &str)] = &[
    (b"\x0c\xa5", NFCAPD),
    (b"\xa5\x0c", NFCAPD),
    (b"\xd4\xc3\xb2\xa1", PCAP),
    (b"\xa1\xb2\xc3\xd4", PCAP),
    (b"\x4d\x3c\xb2\xa1", PCAP),
    (b"\xa1\xb2\x3c\x4d", PCAP),
    (b"\x0a\x0d\x0d\x0a", PCAP),
    (b"RRD\0", RRD),
];

const NFCAPD: &str = "a binary capture of nfdump: convert it with 'nfdump -r FILE -o csv-fast', or '-o csv' before 1.7.2";
const PCAP: &str = "a capture of packets: convert it with 'zeek -r FILE', which writes conn.log";
const RRD: &str = "a binary round-robin database: convert it with 'rrdtool xport --json DEF:x=FILE:DS:AVERAGE XPORT:x'";

/// Passes whatever does not start like a known binary format.
///
/// # Errors
/// [`ErrorKind::Unsupported`] with the command that converts the input.
pub(crate) fn refuse(head: &[u8]) -> Result<()> {
    match KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, text)) => Err(Error::new(ErrorKind::Unsupported, *text)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_captures_are_refused_with_the_command_that_converts_them() {
        for (head, command) in [
            (&b"\x0c\xa5\x01\0\0"[..], "nfdump -r"),
            (b"\xd4\xc3\xb2\xa1\x02\0", "zeek -r"),
            (b"\n\r\r\n\x1c\0\0\0", "zeek -r"),
            (b"RRD\x000003\0", "rrdtool xport"),
        ] {
            let error = refuse(head).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(command), "{error}");
        }
        for head in [&b""[..], b"RRD is a text", b"ts,te", b"\n\r\n"] {
            assert!(refuse(head).is_ok());
        }
    }
}
