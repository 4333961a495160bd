//! What happens at single hosts: where events are placed, and what they do to the flows of a step.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::network::{Flow, NOTHING, Network, Role, SERVICES, ephemeral, external, poisson, sized};
use super::{LogFormat, LogSpec, STEP_US};
use crate::generate::chance::{Stream, Use, subseed};
use crate::generate::setting;
use crate::support::calendar::{DAY_US, HOUR_US, MINUTE_US};
use crate::support::error::Error;

/// What happens at a host, as it stands in the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HostEventKind {
    /// A server gets forty times its usual flows for twenty minutes, small ones from all over the world.
    Flood,
    /// In two hours of a night, a host sends thirty times what it sends in a whole night, in few flows.
    Exfiltration,
    /// For half an hour, a host tries twenty to four hundred addresses or ports a minute, in vain.
    Scan,
    /// A host that is always there sends and gets nothing for eight hours.
    Silence,
}

impl HostEventKind {
    /// Every kind, in the order of this documentation.
    pub const ALL: [Self; 4] = [Self::Flood, Self::Exfiltration, Self::Scan, Self::Silence];

    /// The name of the kind in labels and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Exfiltration => "exfiltration",
            Self::Scan => "scan",
            Self::Silence => "silence",
        }
    }

    fn duration_us(self) -> i64 {
        match self {
            Self::Flood => 20 * MINUTE_US,
            Self::Exfiltration => 2 * HOUR_US,
            Self::Scan => 30 * MINUTE_US,
            Self::Silence => 8 * HOUR_US,
        }
    }
}

impl fmt::Display for HostEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HostEventKind {
    type Err = Error;

    /// Reads a kind by its name.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting) where there is no such kind.
    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            setting(format!(
                "event kind \"{name}\" of a record log is not one of {known}"
            ))
        })
    }
}

/// How many times a server's usual flows a flood has.
const FLOOD: f64 = 40.0;
/// The same where all requests go to one server.
const FLOOD_OF_REQUESTS: f64 = 10.0;
/// How many times the bytes of a night an exfiltration sends.
const EXFILTRATION: f64 = 30.0;
/// How many times the flows of the whole network a scan has, and the bounds of its flows in a step.
const SCAN: f64 = 20.0;
const SCANNED_IN_A_STEP: (f64, f64) = (100.0, 2_000.0);

/// An event at a host.
#[derive(Debug, Clone)]
pub(super) struct HostEvent {
    pub(super) kind: HostEventKind,
    /// The number of the host.
    pub(super) host: usize,
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    /// Flows, or bytes, in a step.
    amount: f64,
    /// In a log of requests there is one server: floods and silences are of all of it.
    of_all: bool,
    seed: u64,
}

/// Places the events of `spec` in the second half of the log, each at a host of its own.
pub(super) fn place(spec: &LogSpec, network: &Network) -> Vec<HostEvent> {
    let mut draws = Stream::new(subseed(spec.seed, Use::Placing, 0));
    let mut taken = Vec::new();
    let span_us = spec.steps() as i64 * STEP_US;
    let events = spec.events.iter().zip(0..).map(|(&kind, number)| {
        let of_all = spec.format == LogFormat::Access
            && matches!(kind, HostEventKind::Flood | HostEventKind::Silence);
        // A silence shows at a host that is never silent; a flood hits a server.
        let roles = match kind {
            HostEventKind::Silence => [Role::Sensor, Role::Server],
            HostEventKind::Flood => [Role::Server, Role::Server],
            _ => [Role::Workstation, Role::Workstation],
        };
        let free: Vec<usize> = roles
            .iter()
            .flat_map(|&role| network.numbers_of(role))
            // The first server resolves all names: without it there is no network.
            .filter(|&host| host != 0 && !taken.contains(&host))
            .collect();
        let of_role = |role| free.iter().find(|&&h| network.hosts[h].role == role);
        let host = match free.len() {
            0 => 1,
            _ if kind == HostEventKind::Silence => {
                of_role(Role::Sensor).copied().unwrap_or(free[0])
            }
            count => free[draws.up_to(count as u64 - 1) as usize],
        };
        taken.push(host);
        let duration_us = kind.duration_us().min(span_us / 4);
        let latest = spec.start_us + span_us - duration_us - span_us / 50;
        let drawn = draws.between((spec.start_us + span_us / 2) as f64, latest as f64) as i64;
        let start_us = match kind {
            // At two in the morning, where the log has such an hour in its second half.
            HostEventKind::Exfiltration => {
                let night = drawn.div_euclid(DAY_US) * DAY_US + 2 * HOUR_US;
                let night = if night < spec.start_us + span_us / 2 {
                    night + DAY_US
                } else {
                    night
                };
                if night <= latest { night } else { drawn }
            }
            _ => drawn,
        };
        let start_us = start_us.div_euclid(STEP_US) * STEP_US;
        let rate = &network.hosts[host].rate;
        let amount = match kind {
            HostEventKind::Flood if of_all => {
                let all: f64 = network.hosts.iter().map(|host| host.rate).sum();
                FLOOD_OF_REQUESTS * all
            }
            HostEventKind::Flood => (FLOOD * network.rate_to(host)).max(200.0),
            HostEventKind::Exfiltration => {
                let night: f64 = (0..6 * HOUR_US / STEP_US)
                    .map(|step| {
                        let day = start_us.div_euclid(DAY_US) * DAY_US;
                        let level = network.rhythm.level(day + step * STEP_US);
                        network.hosts[host].role.share_of(level)
                    })
                    .sum();
                let steps = (duration_us / STEP_US).max(1) as f64;
                EXFILTRATION * (rate * night).max(20.0) * Network::mean_bytes_out() / steps
            }
            HostEventKind::Scan => {
                let all: f64 = network.hosts.iter().map(|host| host.rate).sum();
                (SCAN * all).clamp(SCANNED_IN_A_STEP.0, SCANNED_IN_A_STEP.1)
            }
            HostEventKind::Silence => 0.0,
        };
        HostEvent {
            kind,
            host,
            start_us,
            end_us: start_us + (duration_us / STEP_US).max(1) * STEP_US,
            amount,
            of_all,
            seed: subseed(spec.seed, Use::Event, number),
        }
    });
    let mut events: Vec<HostEvent> = events.collect();
    events.sort_by_key(|event| (event.start_us, event.host));
    events
}

impl HostEvent {
    /// The key of the entity that it happens to: `src`, `dst`, `client` or `total`.
    pub(super) fn by(&self, format: LogFormat) -> &'static str {
        match self.kind {
            _ if self.of_all => "total",
            HostEventKind::Flood => "dst",
            _ if format == LogFormat::Access => "client",
            _ => "src",
        }
    }

    /// Whether it happens to the log as a whole.
    pub(super) fn is_of_all(&self) -> bool {
        self.of_all
    }

    /// Adds its flows to those of the step from `start_us` on, or takes away what it silences.
    pub(super) fn apply(&self, network: &Network, start_us: i64, flows: &mut Vec<Flow>) {
        if self.kind == HostEventKind::Silence {
            let address = network.hosts[self.host].address;
            flows.retain(|flow| {
                let concerned = self.of_all || flow.src == address || flow.dst == address;
                let during = flow.end_us >= self.start_us && flow.start_us < self.end_us;
                !(concerned && during)
            });
            return;
        }
        if start_us < self.start_us || start_us >= self.end_us {
            return;
        }
        let step = (start_us - self.start_us) / STEP_US;
        let mut draws = Stream::new(subseed(self.seed, Use::Event, step as u64));
        let host = network.hosts[self.host].address;
        match self.kind {
            HostEventKind::Flood => {
                for _ in 0..poisson(self.amount, &mut draws) {
                    let flow = sized(60.0, 0.0, &mut draws);
                    let src = external(draws.unit());
                    flows.push(self.timed(flow, src, host, 443, start_us, 0.1, &mut draws));
                }
            }
            HostEventKind::Exfiltration => {
                let peer = external(0.9);
                let flow = sized(self.amount, self.amount / 60.0, &mut draws);
                let flow = Flow {
                    service: &SERVICES[0],
                    failed: false,
                    ..self.timed(flow, host, peer, 443, start_us, 200.0, &mut draws)
                };
                flows.push(flow);
            }
            HostEventKind::Scan => {
                // Half of the scans look for one port on many addresses, half for the ports of one host.
                let many_ports = self.seed.is_multiple_of(2);
                let tried = self.amount as u64;
                for number in 0..tried {
                    let target = step as u64 * tried + number;
                    let (dst, port) = if many_ports {
                        (network.hosts[1].address, 1 + (target % 65_000) as u16)
                    } else {
                        (0x0A00_0000 + (target % 65_000) as u32, 445)
                    };
                    let flow = sized(44.0, 0.0, &mut draws);
                    flows.push(self.timed(flow, host, dst, port, start_us, 0.01, &mut draws));
                }
            }
            HostEventKind::Silence => {}
        }
    }

    /// A failed flow of at most so many seconds within the step.
    #[allow(clippy::too_many_arguments)]
    fn timed(
        &self,
        flow: Flow,
        src: u32,
        dst: u32,
        dst_port: u16,
        start_us: i64,
        seconds: f64,
        draws: &mut Stream,
    ) -> Flow {
        let duration_us = (seconds * 1e6 * draws.unit()) as i64;
        let room = (STEP_US - duration_us) as f64;
        let flow_start = start_us + (draws.unit() * room) as i64;
        Flow {
            start_us: flow_start,
            end_us: flow_start + duration_us,
            src,
            dst,
            src_port: ephemeral(draws),
            dst_port,
            service: &NOTHING,
            failed: true,
            ..flow
        }
    }
}
