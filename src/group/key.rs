//! Keys and measures: whom series are about, and what is summed or counted for each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::record::Family;
use crate::support::error::{Error, ErrorKind, quoted};

/// What the records of a log are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum By {
    /// Nothing: the log as a whole.
    Total,
    /// The originator of a flow.
    Src,
    /// The responder of a flow.
    Dst,
    /// The responder's port.
    Port,
    /// The protocol, as `tcp`.
    Proto,
    /// The application protocol, as `dns`.
    Service,
    /// The interface or exporter that saw the record.
    Interface,
    /// The virtual host of a request.
    Vhost,
    /// The client of a request.
    Client,
    /// The status of a request.
    Status,
    /// A label column of that name.
    Label(String),
}

impl By {
    /// Its name on the command line and in tables: `src`, `label:rack`.
    pub fn name(&self) -> String {
        match self {
            Self::Total => "total".to_owned(),
            Self::Src => "src".to_owned(),
            Self::Dst => "dst".to_owned(),
            Self::Port => "port".to_owned(),
            Self::Proto => "proto".to_owned(),
            Self::Service => "service".to_owned(),
            Self::Interface => "interface".to_owned(),
            Self::Vhost => "vhost".to_owned(),
            Self::Client => "client".to_owned(),
            Self::Status => "status".to_owned(),
            Self::Label(name) => format!("label:{name}"),
        }
    }

    /// The keys that a log has unless the user names others. Requests without a virtual host have no `vhost` series.
    pub fn defaults(family: Family) -> Vec<Self> {
        match family {
            Family::Flows => vec![Self::Total, Self::Src, Self::Dst],
            Family::Requests => vec![Self::Total, Self::Vhost, Self::Client],
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for By {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const NAMED: [By; 10] = [
            By::Total,
            By::Src,
            By::Dst,
            By::Port,
            By::Proto,
            By::Service,
            By::Interface,
            By::Vhost,
            By::Client,
            By::Status,
        ];
        if let Some(name) = text.strip_prefix("label:")
            && !name.is_empty()
        {
            return Ok(Self::Label(name.to_owned()));
        }
        NAMED.into_iter().find(|by| by.name() == text).ok_or_else(|| {
            Error::new(
                ErrorKind::Setting,
                format!(
                    "{} is not a key: one of total, src, dst, port, proto, service, interface, vhost, client, status, label:NAME",
                    quoted(text.as_bytes())
                ),
            )
        })
    }
}

impl TryFrom<String> for By {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<By> for String {
    fn from(by: By) -> Self {
        by.name()
    }
}

/// What is summed or counted over the records of an entity in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Flows.
    Flows,
    /// Requests.
    Requests,
    /// Bytes in both directions; of requests, bytes sent to the client.
    Bytes,
    /// Bytes that the entity sent; for a key that is no host, those of the originator.
    BytesOut,
    /// Bytes that the entity received.
    BytesIn,
    /// Packets in both directions.
    Packets,
    /// Flows that were refused or not answered.
    Failed,
    /// Requests answered with a status from 400 to 499.
    #[serde(rename = "status_4xx")]
    Status4xx,
    /// Requests answered with a status from 500 to 599.
    #[serde(rename = "status_5xx")]
    Status5xx,
    /// Distinct peers: destinations of a source, paths of a client, sources of everything else.
    Peers,
    /// Distinct destination ports.
    Ports,
}

/// Sums that a cell keeps.
pub(crate) const SUMS: usize = 5;
/// Place of the number of flows or requests among a cell's sums.
pub(crate) const RECORDS: usize = 0;
/// Place of the bytes that the entity sent; of requests, of the bytes sent to the client.
pub(crate) const OUT: usize = 1;
/// Place of the bytes that the entity received.
pub(crate) const IN: usize = 2;
/// Place of the packets of flows and of the status 4xx of requests.
pub(crate) const PACKETS_OR_4XX: usize = 3;
/// Place of the failed flows and of the status 5xx of requests.
pub(crate) const FAILED_OR_5XX: usize = 4;
/// Distinct counts that a cell keeps.
pub(crate) const COUNTS: usize = 2;
/// Place of the distinct peers.
pub(crate) const PEERS: usize = 0;
/// Place of the distinct ports.
pub(crate) const PORTS: usize = 1;

/// Where a measure stands in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// One of the sums.
    Sum(usize),
    /// Out and in together.
    Both,
    /// One of the distinct counts.
    Distinct(usize),
}

impl Measure {
    /// All measures of a family, in the order of a table's columns.
    pub fn all(family: Family) -> &'static [Self] {
        match family {
            Family::Flows => &[
                Self::Flows,
                Self::Bytes,
                Self::BytesOut,
                Self::BytesIn,
                Self::Packets,
                Self::Failed,
                Self::Peers,
                Self::Ports,
            ],
            Family::Requests => &[
                Self::Requests,
                Self::Bytes,
                Self::Status4xx,
                Self::Status5xx,
                Self::Peers,
            ],
        }
    }

    /// The measures by which the series of a key are judged unless the user names others.
    pub fn judged(family: Family, by: &By) -> &'static [Self] {
        match (family, by) {
            (Family::Flows, By::Src) => &[Self::BytesOut, Self::Flows, Self::Peers, Self::Ports],
            (Family::Flows, By::Dst) => &[Self::BytesIn, Self::Flows, Self::Peers, Self::Failed],
            (Family::Flows, _) => &[
                Self::Bytes,
                Self::Flows,
                Self::Failed,
                Self::Peers,
                Self::Ports,
            ],
            (Family::Requests, By::Client) => &[Self::Requests, Self::Peers],
            (Family::Requests, _) => &[
                Self::Requests,
                Self::Bytes,
                Self::Status4xx,
                Self::Status5xx,
            ],
        }
    }

    /// Its name on the command line and in tables: `bytes_out`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flows => "flows",
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::BytesOut => "bytes_out",
            Self::BytesIn => "bytes_in",
            Self::Packets => "packets",
            Self::Failed => "failed",
            Self::Status4xx => "status_4xx",
            Self::Status5xx => "status_5xx",
            Self::Peers => "peers",
            Self::Ports => "ports",
        }
    }

    pub(crate) fn place(self) -> Place {
        match self {
            Self::Flows | Self::Requests => Place::Sum(RECORDS),
            Self::Bytes => Place::Both,
            Self::BytesOut => Place::Sum(OUT),
            Self::BytesIn => Place::Sum(IN),
            Self::Packets | Self::Status4xx => Place::Sum(PACKETS_OR_4XX),
            Self::Failed | Self::Status5xx => Place::Sum(FAILED_OR_5XX),
            Self::Peers => Place::Distinct(PEERS),
            Self::Ports => Place::Distinct(PORTS),
        }
    }
}

impl FromStr for Measure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Family::Flows, Family::Requests]
            .into_iter()
            .flat_map(Self::all);
        all.copied().find(|measure| measure.name() == text).ok_or_else(|| {
            Error::new(
                ErrorKind::Setting,
                format!(
                    "{} is not a measure: one of flows, bytes, bytes_out, bytes_in, packets, failed, peers, ports, requests, status_4xx, status_5xx",
                    quoted(text.as_bytes())
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_measures_read_back_from_their_names() {
        for name in ["total", "src", "vhost", "status", "label:rack"] {
            assert_eq!(name.parse::<By>().unwrap().name(), name);
        }
        for family in [Family::Flows, Family::Requests] {
            for measure in Measure::all(family) {
                assert_eq!(measure.name().parse::<Measure>().unwrap(), *measure);
            }
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_known_ones() {
        let error = "source".parse::<By>().unwrap_err().to_string();
        assert!(
            error.starts_with("\"source\" is not a key: one of total, src"),
            "{error}"
        );
        assert!("label:".parse::<By>().is_err());
        assert!("rows".parse::<Measure>().is_err());
    }
}
