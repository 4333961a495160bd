//! Flow logs of Azure: virtual networks (VNet) and network security groups (NSG, versions 1 and 2).
//!
//! Flows are texts in arrays called `flowTuples`, deep inside an object of up to an hour. They say all that a record needs, so the
//! texts are taken one by one, wherever they stand: one object or one a line, whole or still being written.
//! VNet: `ms,src,dst,sport,dport,protocol,direction,state,encryption,packets,bytes,packets back,bytes back`;
//! NSG: `s,src,dst,sport,dport,T|U,direction,A|D[,state,packets,bytes,packets back,bytes back]`.
//! Source: Microsoft, "VNet flow logs" and "Flow logging for network security groups".

use std::sync::Arc;

use super::fields::{self, Fault};
use super::record::{Family, Layout, Record, RecordFormat, RecordOptions, RecordSink};
use crate::support::error::Result;

/// Flow logs of Azure.
pub(super) struct Azure;

impl RecordFormat for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn recognise(&self, head: &[u8], _: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let is_json = matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
        let is_log = is_json && memchr::memmem::find(head, b"\"flowTuples\"").is_some();
        if !is_log {
            return Ok(None);
        }
        let tuples = texts(head).filter(|(_, text)| is_tuple(text)).take(200);
        let fits = fields::most_fit(tuples.map(|(_, text)| text), |text| flow(text).is_ok());
        Ok(fits.then(|| Arc::new(FlowTuples) as Arc<dyn Layout>))
    }
}

#[derive(Debug)]
struct FlowTuples;

/// The texts of JSON in `block`, which begins outside of one, with their offsets. The last one may lack its closing quote.
fn texts(block: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + memchr::memchr(b'"', block.get(at..)?)? + 1;
        let mut end = start;
        loop {
            match memchr::memchr2(b'"', b'\\', block.get(end..).unwrap_or_default()) {
                Some(found) if block[end + found] == b'"' => {
                    end += found;
                    break;
                }
                Some(found) => end += found + 2,
                None => {
                    end = block.len();
                    break;
                }
            }
        }
        let end = end.min(block.len());
        at = end + 1;
        Some((start, &block[start..end]))
    })
}

/// Whether a text is a flow: a time and at least seven more fields. Names, identifiers and rules are not.
fn is_tuple(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit) && memchr::memchr_iter(b',', text).count() >= 7
}

fn flow(text: &[u8]) -> Result<Record<'_>, Fault<'_>> {
    let mut cells = text.split(|byte| *byte == b',');
    let mut next = || cells.next().unwrap_or_default();
    let mut record = Record::default();
    let time = next();
    record.start_us =
        fields::epoch_us(time).ok_or(Fault::Wrong("time", time.into(), "a number since 1970"))?;
    record.end_us = record.start_us;
    record.src = fields::endpoint(next());
    record.dst = fields::endpoint(next());
    record.src_port = fields::port(next());
    record.dst_port = fields::port(next());
    let proto = next();
    let is_group = matches!(proto, b"T" | b"U");
    record.proto = match proto {
        b"T" | b"6" => b"tcp",
        b"U" | b"17" => b"udp",
        b"1" => b"icmp",
        b"58" => b"ipv6-icmp",
        _ if fields::number(proto).is_some() => proto,
        _ => return Err(Fault::Wrong("protocol", proto.into(), "T, U or a number")),
    };
    let _direction = next();
    let (decision, state) = if is_group {
        (next(), next())
    } else {
        let state = next();
        let _encryption = next();
        (state, state)
    };
    record.failed = decision == b"D";
    let has_amounts = match state {
        // Version 1 of NSG has neither states nor amounts.
        b"" | b"B" | b"D" => false,
        b"C" | b"E" => true,
        _ => return Err(Fault::Wrong("state", state.into(), "B, C, E or D")),
    };
    if has_amounts {
        // The beginning has counted the flow; amounts are those since the last report.
        record.flows = 0;
        let mut number = |name| {
            let text = next();
            match text {
                b"" => Ok(0),
                _ => fields::number(text).ok_or(Fault::Wrong(name, text.into(), "a whole number")),
            }
        };
        record.packets_out = number("number of packets sent")?;
        record.bytes_out = number("number of bytes sent")?;
        record.packets_in = number("number of packets received")?;
        record.bytes_in = number("number of bytes received")?;
    }
    Ok(record)
}

impl Layout for FlowTuples {
    fn describe(&self) -> String {
        "Azure flow log".to_owned()
    }

    fn family(&self) -> Family {
        Family::Flows
    }

    /// Behind the last quote that closes a text which is no key.
    fn cut(&self, block: &[u8]) -> Option<usize> {
        memchr::memrchr_iter(b'"', block).find_map(|quote| {
            let rest = block[quote + 1..].trim_ascii_start();
            let closes = matches!(rest.first(), Some(b',' | b']' | b'}'));
            let is_escaped = quote > 0 && block[quote - 1] == b'\\';
            (closes && !is_escaped).then_some(quote + 1)
        })
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        for (offset, text) in texts(block) {
            let is_cut = offset + text.len() == block.len() && text.contains(&b',');
            if is_cut && text.first().is_some_and(u8::is_ascii_digit) {
                sink.dropped(offset, &|| "it is cut".to_owned());
                continue;
            }
            if !is_tuple(text) {
                continue;
            }
            match flow(text) {
                Ok(record) => sink.record(&record),
                Err(fault) => sink.dropped(offset, &|| fault.reason()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collected;
    use super::*;
    use proptest::prelude::*;

    const VNET: &[u8] = br#"{"records":[{"time":"2026-03-01T10:00:52.5625085Z","flowLogVersion":4,"macAddress":"00224871C205","flowRecords":{"flows":[{"aclID":"0-1","flowGroups":[{"rule":"Allow \"all\", 1,2,3,4,5,6,7,8","flowTuples":["1772359200599,192.0.2.1,10.0.0.1,23956,443,6,I,B,NX,0,0,0,0","1772359201606,192.0.2.1,10.0.0.1,23956,443,6,I,E,NX,22,2217,33,9000","1772359202606,192.0.2.1,10.0.0.1,23957,22,6,I,D,NX,0,0,0,0"]},{"rule":"x","flowTuples":["1772359203000,2001:db8::1,2001:db8::2,5,53,17,O,C,X,1,70,1,90"]}]}]}},
{"time":"2026-03-01T10:01:52Z","flowRecords":{"flows":[]}}]}
"#;
    const NSG: &[u8] = br#"{"records":[{"properties":{"Version":2,"flows":[{"rule":"r","flows":[{"mac":"000D3AF8","flowTuples":["1772359200,192.0.2.1,10.0.0.1,44931,443,T,O,A,B,,,,","1772359260,192.0.2.1,10.0.0.1,44931,443,T,O,A,E,25,3000,20,9000","1772359261,192.0.2.9,10.0.0.1,1,23,U,I,D,B,,,,","1772359262,192.0.2.9,10.0.0.1,1,23,U,I,A"]}]}]}}]}"#;

    #[test]
    fn the_beginning_counts_the_flow_and_later_states_its_amounts() {
        let found = collected::read(&Azure, VNET);
        let rows: Vec<_> = found
            .records
            .iter()
            .map(|record| {
                (
                    record.flows,
                    record.bytes_out,
                    record.bytes_in,
                    record.failed,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                (1, 0, 0, false),
                (0, 2217, 9000, false),
                (1, 0, 0, true),
                (0, 70, 90, false)
            ]
        );
        assert_eq!(found.records[0].start_us, 1_772_359_200_599_000);
        assert_eq!(
            (
                found.records[3].src.as_str(),
                found.records[3].proto.as_str()
            ),
            ("2001:db8::1", "udp")
        );
        assert!(found.dropped.is_empty());
    }

    #[test]
    fn security_groups_write_seconds_letters_and_empty_amounts() {
        let found = collected::read(&Azure, NSG);
        let rows: Vec<_> = found
            .records
            .iter()
            .map(|record| {
                (
                    record.flows,
                    record.packets_out,
                    record.bytes_in,
                    record.failed,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                (1, 0, 0, false),
                (0, 25, 9000, false),
                (1, 0, 0, true),
                (1, 0, 0, false)
            ]
        );
        assert_eq!(found.records[1].start_us, 1_772_359_260_000_000);
    }

    #[test]
    fn the_last_object_may_still_be_open() {
        let end = memchr::memmem::find(VNET, b",D,NX").unwrap();
        let found = collected::read(&Azure, &VNET[..end]);
        assert_eq!(found.records.len(), 2);
        assert_eq!(found.dropped.len(), 1);
        assert_eq!(found.dropped[0].1, "it is cut");
    }

    #[test]
    fn a_wrong_protocol_or_state_drops_the_flow() {
        let text = br#"{"flowTuples":["1772359200,a,b,1,2,X,O,A","1772359200,a,b,1,2,6,O,Z,NX","1772359200,a,b,1,2,6,O,B,NX","1772359200,a,b,1,2,6,O,E,NX,-1"]}"#;
        let mut found = collected::Collected::default();
        FlowTuples.read(text, &mut found);
        let reasons: Vec<&str> = found
            .dropped
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect();
        assert_eq!(
            reasons,
            [
                "the protocol \"X\" is not T, U or a number",
                "the state \"Z\" is not B, C, E or D",
                "the number of packets sent \"-1\" is not a whole number"
            ]
        );
        assert_eq!(found.records.len(), 1);
    }

    proptest! {
        #[test]
        fn blocks_of_any_size_give_the_same_flows(size in 1_usize..400) {
            for sample in [VNET, NSG] {
                let layout = collected::layout(&Azure, sample).unwrap();
                let found = collected::read_in_blocks(layout, sample, size);
                prop_assert_eq!(&found.records, &collected::read(&Azure, sample).records);
                prop_assert_eq!(found.lines(), 4);
            }
        }

        #[test]
        fn arbitrary_and_mutated_bytes_never_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..100),
            at in 0_usize..700,
            bytes in proptest::collection::vec(any::<u8>(), 0..5),
            size in 1_usize..400,
        ) {
            let mut text = VNET.to_vec();
            let at = at.min(text.len());
            text.splice(at..(at + 2).min(text.len()), bytes);
            for text in [text, noise] {
                let _ = Azure.recognise(&text, &collected::OPTIONS);
                let found = collected::read_in_blocks(Arc::new(FlowTuples), &text, size);
                let commas = text.iter().filter(|byte| **byte == b',').count() as u64;
                prop_assert!(found.lines() * 7 <= commas + 7);
                prop_assert!(found.dropped.iter().all(|(offset, _)| *offset < text.len()));
            }
        }
    }
}
