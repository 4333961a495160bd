//! Access logs as JSON, one object a line, by the names that nginx, Apache, Caddy, Traefik, Fluentd and the Elastic Common Schema use.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::fields::{self, Fault};
use super::super::json::{self, Value};
use super::super::record::{Family, Layout, RecordSink};
use super::super::timestamp::Zone;
use super::{Times, first_client, status, without_port};

/// The layout of JSON.
#[derive(Debug, Clone)]
struct JsonLines {
    zone: Zone,
}

pub(super) fn recognise(lines: &[&[u8]], zone: Zone) -> Option<Arc<dyn Layout>> {
    let mut times = Times::new(zone);
    let mut is_request = |line| {
        request(line, &mut times).is_ok_and(|found| {
            !found.client.is_empty()
                && found.time_us.is_some()
                && (found.has_status || found.path != 0)
        })
    };
    fields::most_fit(lines.iter().copied(), &mut is_request)
        .then(|| Arc::new(JsonLines { zone }) as Arc<dyn Layout>)
}

/// What a field is, by its name with the names of the objects around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Time,
    Client,
    /// Fluentd's `host` is the client; anybody else's the virtual host. The first wins where there is no other client.
    Host,
    Vhost,
    Status,
    BytesSent,
    BytesReceived,
    RequestLine,
    Target,
}

fn key(name: &str) -> Option<Key> {
    Some(match name {
        "time" | "time_local" | "time_iso8601" | "@timestamp" | "timestamp" | "msec" | "ts"
        | "date" | "datetime" | "StartUTC" | "StartLocal" => Key::Time,
        "remote_addr"
        | "remote_ip"
        | "remoteIp"
        | "remoteIP"
        | "client_ip"
        | "clientip"
        | "clientIp"
        | "client"
        | "remote_host"
        | "remote"
        | "ClientHost"
        | "request.remote_ip"
        | "request.client_ip"
        | "request.remote_addr"
        | "source.ip"
        | "source.address"
        | "client.ip"
        | "httpRequest.remoteIp" => Key::Client,
        "host" | "request.host" => Key::Host,
        "server_name" | "http_host" | "vhost" | "virtual_host" | "RequestHost" | "url.domain"
        | "domain" => Key::Vhost,
        "status"
        | "status_code"
        | "response"
        | "code"
        | "DownstreamStatus"
        | "http_status"
        | "response_code"
        | "http.response.status_code"
        | "httpRequest.status" => Key::Status,
        "body_bytes_sent"
        | "bytes_sent"
        | "bytes"
        | "size"
        | "DownstreamContentSize"
        | "response_length"
        | "response_size"
        | "resp_size"
        | "http.response.bytes"
        | "http.response.body.bytes"
        | "httpRequest.responseSize" => Key::BytesSent,
        "request_length"
        | "bytes_received"
        | "request_size"
        | "bytes_read"
        | "RequestContentSize"
        | "http.request.bytes"
        | "httpRequest.requestSize" => Key::BytesReceived,
        "request" | "request_line" => Key::RequestLine,
        "request_uri"
        | "uri"
        | "path"
        | "url"
        | "RequestPath"
        | "request.uri"
        | "url.path"
        | "url.original"
        | "httpRequest.requestUrl" => Key::Target,
        _ => return None,
    })
}

/// A request with its texts.
#[derive(Default)]
struct Request<'a> {
    time_us: Option<i64>,
    /// A time that is there and cannot be read.
    has_wrong_time: bool,
    client: Cow<'a, [u8]>,
    host: Cow<'a, [u8]>,
    vhost: Cow<'a, [u8]>,
    status: u16,
    has_status: bool,
    bytes_out: u64,
    bytes_in: u64,
    path: u64,
    fault: Option<Fault<'a>>,
}

impl<'a> Request<'a> {
    /// Takes a key and its value; objects are walked, to three of them within each other.
    fn take(&mut self, name: &str, value: Value<'a>, times: &mut Times, depth: usize) {
        const MAX_DEPTH: usize = 3;
        if value.is_object() {
            if depth < MAX_DEPTH {
                value.walk(|inner, value| {
                    self.take(&format!("{name}.{inner}"), value, times, depth + 1);
                    true
                });
            }
            return;
        }
        let Some(key) = key(name) else {
            return;
        };
        let text = value.text();
        if text.is_empty() || *text == *b"-" {
            return;
        }
        match key {
            // Logs have the same time in several forms: the first that can be read counts.
            Key::Time => {
                let text = text
                    .strip_prefix(b"[")
                    .and_then(|text| text.strip_suffix(b"]"))
                    .unwrap_or(&text);
                if self.time_us.is_none() {
                    self.time_us = times.parse(text);
                    self.has_wrong_time = self.time_us.is_none();
                }
            }
            Key::Client if self.client.is_empty() => self.client = text,
            Key::Host => self.host = text,
            Key::Vhost if self.vhost.is_empty() => self.vhost = text,
            Key::Status => {
                self.status = status(&text);
                self.has_status = true;
            }
            Key::BytesSent => self.bytes_out = self.number("number of bytes sent", &value),
            Key::BytesReceived => self.bytes_in = self.number("number of bytes received", &value),
            Key::RequestLine => self.path = fields::path_hash(fields::request_target(&text)),
            Key::Target => self.path = fields::path_hash(&text),
            Key::Client | Key::Vhost => {}
        }
    }

    fn number(&mut self, name: &'static str, value: &Value<'a>) -> u64 {
        value.number().unwrap_or_else(|| {
            self.fault = Some(Fault::Wrong(name, value.text(), "a whole number"));
            0
        })
    }
}

fn request<'a>(line: &'a [u8], times: &mut Times) -> Result<Request<'a>, Fault<'a>> {
    let mut found = Request::default();
    json::walk(line, |name, value| {
        found.take(name, value, times, 0);
        true
    })
    .map_err(Fault::Other)?;
    if found.client.is_empty() {
        found.client = std::mem::take(&mut found.host);
    }
    if found.vhost.is_empty() {
        found.vhost = std::mem::take(&mut found.host);
    }
    match found.fault.take() {
        Some(fault) => Err(fault),
        None => Ok(found),
    }
}

impl Layout for JsonLines {
    fn describe(&self) -> String {
        "access log, JSON".to_owned()
    }

    fn family(&self) -> Family {
        Family::Requests
    }

    fn read(&self, block: &[u8], sink: &mut dyn RecordSink) {
        let mut times = Times::new(self.zone);
        for (offset, line) in fields::lines(block) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let found = match request(line, &mut times) {
                Ok(found) => found,
                Err(fault) => {
                    sink.dropped(offset, &|| fault.reason());
                    continue;
                }
            };
            let Some(time_us) = found.time_us else {
                let reason = if found.has_wrong_time {
                    "its time cannot be read"
                } else {
                    "it has no time"
                };
                sink.dropped(offset, &|| reason.to_owned());
                continue;
            };
            if !found.has_status && found.path == 0 && found.client.is_empty() {
                // Servers write other events into the same log.
                sink.other();
                continue;
            }
            sink.record(&super::super::record::Record {
                start_us: time_us,
                end_us: time_us,
                src: fields::endpoint(first_client(&found.client)),
                bytes_out: found.bytes_out,
                bytes_in: found.bytes_in,
                status: found.status,
                vhost: without_port(&found.vhost),
                path: found.path,
                ..Default::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::collected::{OPTIONS, holds_for_any_bytes, layout, read};
    use super::super::super::record::RecordFormat;
    use super::super::Access;
    use super::*;

    const NGINX: &str = r#"{"time_local":"04/May/2026:12:00:00 +0200","remote_addr":"192.0.2.1","remote_user":"me","request":"GET /a?b=c HTTP/1.1","status":"404","body_bytes_sent":"5120","request_length":"90","server_name":"example.org"}"#;

    #[test]
    fn the_names_of_many_servers_are_known() {
        let caddy = r#"{"level":"info","ts":1777888800.0,"request":{"remote_ip":"192.0.2.1","host":"example.org:443","uri":"/a?b=c","headers":{"X":["y"]}},"bytes_read":90,"size":5120,"status":404}"#;
        let traefik = r#"{"ClientHost":"192.0.2.1","DownstreamContentSize":5120,"DownstreamStatus":404,"RequestContentSize":90,"RequestHost":"example.org","RequestPath":"/a?b=c","StartUTC":"2026-05-04T10:00:00Z"}"#;
        let ecs = r#"{"@timestamp":"2026-05-04T10:00:00.000Z","source":{"ip":"192.0.2.1"},"url":{"path":"/a","domain":"example.org"},"http":{"request":{"bytes":90},"response":{"status_code":404,"body":{"bytes":5120}}}}"#;
        let first = read(&Access, NGINX.as_bytes()).records;
        assert_eq!(
            (&*first[0].src, &*first[0].vhost, first[0].status),
            ("192.0.2.1", "example.org", 404)
        );
        assert_eq!(
            (first[0].bytes_out, first[0].bytes_in, first[0].start_us),
            (5120, 90, 1_777_888_800_000_000)
        );
        assert_eq!(first[0].path, fields::path_hash(b"/a"));
        for text in [caddy, traefik, ecs] {
            assert_eq!(read(&Access, text.as_bytes()).records, first, "{text}");
        }
    }

    #[test]
    fn the_host_of_fluentd_is_the_client() {
        let text = r#"{"host":"192.0.2.1","user":"-","method":"GET","path":"/a","code":"200","size":"777","time":"2026-05-04T10:00:00Z"}"#;
        let found = read(&Access, text.as_bytes()).records;
        assert_eq!(
            (
                &*found[0].src,
                &*found[0].vhost,
                found[0].status,
                found[0].bytes_out
            ),
            ("192.0.2.1", "", 200, 777)
        );
    }

    #[test]
    fn events_without_a_request_are_others_and_spoiled_lines_are_dropped() {
        let event = r#"{"ts":1777888800.0,"level":"info","msg":"serving"}"#;
        let wrong = NGINX.replace("04/May", "44/May");
        let text = format!(
            "{0}\n{0}\n{0}\n{0}\n{0}\n{0}\n{0}\n{0}\n{event}\n{wrong}\n{1}",
            NGINX,
            &NGINX[..60]
        );
        let found = read(&Access, text.as_bytes());
        assert_eq!((found.records.len(), found.others), (8, 1));
        let reasons: Vec<&str> = found.dropped.iter().map(|(_, reason)| &**reason).collect();
        assert_eq!(
            reasons,
            [
                "its time cannot be read",
                "the line is cut or not valid JSON"
            ]
        );
    }

    #[test]
    fn other_objects_are_no_access_log() {
        assert_eq!(
            layout(&Access, NGINX.as_bytes()).unwrap().describe(),
            "access log, JSON"
        );
        for text in [
            "{}",
            r#"{"timestamp":1446249499322,"address":"192.0.2.1","requests":{"total":5}}"#,
            r#"{"time":1,"value":2}"#,
        ] {
            assert!(
                Access
                    .recognise(text.as_bytes(), &OPTIONS)
                    .unwrap()
                    .is_none(),
                "{text}"
            );
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        holds_for_any_bytes(&Access, format!("{NGINX}\n{NGINX}\n").as_bytes());
    }
}
