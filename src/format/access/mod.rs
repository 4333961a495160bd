//! Access logs of web servers and proxies: common and combined, with a virtual host or a list of clients in front, with the time first,
//! and JSON.
//!
//! A request counts at the time of its line. The client is the first address behind the virtual host; it may be a host name. The
//! request line, its query and the user never leave the reader: a path leaves as a hash.
//! Source: Apache HTTP Server, "Log Files" and `mod_log_config`; nginx, `ngx_http_log_module`.

mod json_lines;
mod text;

use std::sync::Arc;

use super::fields;
use super::record::{Layout, RecordFormat, RecordOptions};
use super::timestamp::{TimeForm, TimeParser, Zone};
use crate::support::error::Result;

/// Access logs. Their layout is free but for a core, so that they are tried after all others.
pub(super) struct Access;

impl RecordFormat for Access {
    fn name(&self) -> &'static str {
        "access"
    }

    fn recognise(&self, head: &[u8], options: &RecordOptions) -> Result<Option<Arc<dyn Layout>>> {
        let lines = fields::head_lines(head);
        let first = lines
            .first()
            .and_then(|line| line.trim_ascii_start().first());
        Ok(match first {
            Some(b'{') => json_lines::recognise(&lines, options.zone),
            Some(_) => text::recognise(&lines, options.zone),
            None => None,
        })
    }
}

/// Reads the times of access logs: `31/Jan/2026:12:00:00 +0100`, ISO 8601, or seconds and milliseconds since 1970.
struct Times {
    log: TimeParser,
    iso: TimeParser,
}

impl Times {
    fn new(zone: Zone) -> Self {
        Self {
            log: TimeForm::access_log(zone).parser(),
            iso: TimeForm::iso(zone).parser(),
        }
    }

    #[inline]
    fn parse(&mut self, text: &[u8]) -> Option<i64> {
        match (text.get(2), text.get(4)) {
            (Some(b'/'), _) => self.log.parse_fast(text),
            (_, Some(b'-')) => self.iso.parse_fast(text),
            // Shorter numbers are parts of names in brackets.
            _ if text.len() >= 10 => fields::epoch_us(text),
            _ => None,
        }
    }
}

/// A host without its port: `example.org:443`, `[2001:db8::1]:443`.
fn without_port(host: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', host) {
        Some(colon) if colon > 0 && fields::port(&host[colon + 1..]).is_some() => &host[..colon],
        _ => host,
    }
}

/// A client without the others of a forwarded list, and without the port that an IPv4 address may have.
fn first_client(list: &[u8]) -> &[u8] {
    let first = memchr::memchr(b',', list).map_or(list, |comma| &list[..comma]);
    let first = first.trim_ascii();
    let bare = without_port(first);
    if bare.len() < first.len() && fields::ipv4(bare).is_some() {
        bare
    } else {
        first
    }
}

/// A status of HTTP, three digits; `-` and anything else are 0.
fn status(text: &[u8]) -> u16 {
    match text {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] => fields::port(text).unwrap_or(0),
        _ => 0,
    }
}
