//! Cost of reading record logs: lines to records, by format.
//!
//! Watches what a line costs beyond finding its end: the cells of TSV and of blank-separated text, the keys of JSON, the parts of an access
//! log. The sink only adds up, so that nothing but the reader is measured; 20,000 lines lie in a core's cache together with what is
//! made of them, so that memory plays no part.

use std::fmt::Write as _;

use divan::counter::{BytesCount, ItemsCount};
use isoscan::format::recognise_records;
use isoscan::format::record::{Record, RecordOptions, RecordSink};
use isoscan::format::timestamp::Zone;

fn main() {
    divan::main();
}

const LINES: u64 = 20_000;

#[derive(Default)]
struct Sum {
    records: u64,
    bytes: u64,
    dropped: u64,
    other: u64,
}

impl RecordSink for Sum {
    fn record(&mut self, record: &Record<'_>) {
        self.records += 1;
        self.bytes = self
            .bytes
            .wrapping_add(record.bytes_out ^ record.start_us as u64);
    }

    fn dropped(&mut self, _: usize, _: &dyn Fn() -> String) {
        self.dropped += 1;
    }

    fn other(&mut self) {
        self.other += 1;
    }

    fn mended(&mut self) {}

    fn unknown(&mut self, _: i64, _: i64) {}
}

/// A log of [`LINES`] lines behind `head`, each made by `line` from its number.
fn log(head: &str, line: impl Fn(&mut String, u64)) -> String {
    let mut text = head.to_owned();
    for number in 0..LINES {
        line(&mut text, number);
        text.push('\n');
    }
    text
}

fn bench(bencher: divan::Bencher<'_, '_>, text: &str, others: u64) {
    let options = RecordOptions {
        zone: Zone::UTC,
        year: 2026,
        last_month: None,
    };
    let head = &text.as_bytes()[..64 << 10];
    let layout = recognise_records(head, None, &options)
        .unwrap()
        .unwrap()
        .layout;
    let mut once = Sum::default();
    layout.read(text.as_bytes(), &mut once);
    assert_eq!(
        (once.records, once.dropped, once.other),
        (LINES - others, 0, others)
    );
    bencher
        .counter(BytesCount::new(text.len()))
        .counter(ItemsCount::new(LINES))
        .bench(|| {
            let mut sum = Sum::default();
            layout.read(divan::black_box(text.as_bytes()), &mut sum);
            sum.bytes
        });
}

const ZEEK: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n";

#[divan::bench]
fn zeek_tsv(bencher: divan::Bencher<'_, '_>) {
    let text = log(ZEEK, |text, n| {
        let (host, peer, bytes) = (n % 251, n % 241, n * 7919 % 100_003);
        let _ = write!(
            text,
            "{}.{:06}\tCHhAvVGS1DHF{n:06}\t10.1.{host}.9\t{}\t198.51.100.{peer}\t443\ttcp\tssl\t{}.{:06}\t{bytes}\t{}\tSF\tT\tF\t0\tShADadFf\t{}\t{}\t{}\t{}\t-",
            1_777_896_000 + n / 10,
            n * 31 % 1_000_000,
            1024 + n % 60_000,
            n % 30,
            n * 17 % 1_000_000,
            bytes * 3,
            bytes / 700 + 1,
            bytes + 400,
            bytes / 300 + 1,
            bytes * 3 + 500,
        );
    });
    bench(bencher, &text, 0);
}

#[divan::bench]
fn zeek_json(bencher: divan::Bencher<'_, '_>) {
    let text = log("", |text, n| {
        let (host, peer, bytes) = (n % 251, n % 241, n * 7919 % 100_003);
        let _ = write!(
            text,
            r#"{{"ts":{}.{:06},"uid":"CHhAvVGS1DHF{n:06}","id.orig_h":"10.1.{host}.9","id.orig_p":{},"id.resp_h":"198.51.100.{peer}","id.resp_p":443,"proto":"tcp","service":"ssl","duration":{}.{:06},"orig_bytes":{bytes},"resp_bytes":{},"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":{},"orig_ip_bytes":{},"resp_pkts":{},"resp_ip_bytes":{}}}"#,
            1_777_896_000 + n / 10,
            n * 31 % 1_000_000,
            1024 + n % 60_000,
            n % 30,
            n * 17 % 1_000_000,
            bytes * 3,
            bytes / 700 + 1,
            bytes + 400,
            bytes / 300 + 1,
            bytes * 3 + 500,
        );
    });
    bench(bencher, &text, 0);
}

/// A third of the lines is of another kind, as in a live log.
#[divan::bench]
fn eve(bencher: divan::Bencher<'_, '_>) {
    let text = log("", |text, n| {
        let (host, peer, bytes) = (n % 251, n % 241, n * 7919 % 100_003);
        let front = format!(
            r#"{{"timestamp":"2026-05-04T12:{:02}:{:02}.{n:06}+0000","flow_id":{},"in_iface":"eth0","event_type":"#,
            n / 60 % 60,
            n % 60,
            n * 7919
        );
        let ends = format!(
            r#""src_ip":"10.1.{host}.9","src_port":{},"dest_ip":"198.51.100.{peer}","dest_port":443,"proto":"TCP""#,
            1024 + n % 60_000
        );
        let _ = if n % 3 == 0 {
            write!(
                text,
                r#"{front}"dns",{ends},"dns":{{"type":"query","rrname":"www.example.org","rrtype":"A"}}}}"#
            )
        } else {
            write!(
                text,
                r#"{front}"flow",{ends},"app_proto":"tls","flow":{{"pkts_toserver":{},"pkts_toclient":{},"bytes_toserver":{bytes},"bytes_toclient":{},"start":"2026-05-04T11:{:02}:{:02}.{n:06}+0000","end":"2026-05-04T11:{:02}:59.999999+0000","age":3,"state":"closed","reason":"timeout","alerted":false}},"tcp":{{"tcp_flags":"1b","syn":true,"fin":true,"ack":true,"state":"closed"}}}}"#,
                bytes / 700 + 1,
                bytes / 300 + 1,
                bytes * 3,
                n / 60 % 60,
                n % 60,
                n / 60 % 60,
            )
        };
    });
    bench(bencher, &text, LINES.div_ceil(3));
}

#[divan::bench]
fn vpc(bencher: divan::Bencher<'_, '_>) {
    let text = log("", |text, n| {
        let (host, peer, bytes) = (n % 251, n % 241, n * 7919 % 100_003);
        let start = 1_777_896_000 + n / 10;
        let _ = write!(
            text,
            "2 123456789012 eni-0123456789abcdef{} 10.1.{host}.9 198.51.100.{peer} {} 443 6 {} {bytes} {start} {} ACCEPT OK",
            n % 10,
            1024 + n % 60_000,
            bytes / 700 + 1,
            start + 59,
        );
    });
    bench(bencher, &text, 0);
}

#[divan::bench]
fn access(bencher: divan::Bencher<'_, '_>) {
    let text = log("", |text, n| {
        let _ = write!(
            text,
            r#"198.51.100.{} - - [04/May/2026:{:02}:{:02}:{:02} +0000] "GET /static/img/{}.png?v={n} HTTP/1.1" {} {} "https://www.example.org/page/{}" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36""#,
            n % 241,
            n / 3600 % 24,
            n / 60 % 60,
            n % 60,
            n % 5000,
            [200, 304, 404, 500][n as usize % 4],
            n * 7919 % 100_003,
            n % 300,
        );
    });
    bench(bencher, &text, 0);
}
