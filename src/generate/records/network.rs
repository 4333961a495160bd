//! A network of hosts, and the flows that they make in a step of time.
//!
//! Workstations follow the working day, servers follow it weakly, sensors report once a step. What a host does in a
//! step depends on the seed, the host and the step alone, so that any part of a log can be made by itself.

use super::{LogFormat, LogSpec, STEP_US};
use crate::generate::TrafficSpec;
use crate::generate::chance::{Stream, Use, exp, subseed, unit_at};
use crate::generate::rhythm::Rhythm;
use crate::support::calendar::{DAY_US, SECOND_US};

/// One flow, or one request: `src` asks `dst`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) src: u32,
    pub(super) dst: u32,
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) service: &'static Service,
    /// Refused or not answered.
    pub(super) failed: bool,
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) packets_out: u64,
    pub(super) packets_in: u64,
    /// Bits of chance, for what a format adds of its own.
    pub(super) bits: u64,
}

/// What flows are about.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) udp: bool,
    /// Share of an ordinary host's flows.
    share: f64,
    internal: bool,
    /// Medians of the bytes, and how far they vary (standard deviation of their logarithm).
    bytes_out: f64,
    bytes_in: f64,
    spread: f64,
    /// Median duration.
    seconds: f64,
}

const fn service(
    name: &'static str,
    port: u16,
    share: f64,
    internal: bool,
    bytes: (f64, f64, f64),
    seconds: f64,
) -> Service {
    Service {
        name,
        port,
        udp: matches!(port, 53 | 123),
        share,
        internal,
        bytes_out: bytes.0,
        bytes_in: bytes.1,
        spread: bytes.2,
        seconds,
    }
}

/// The services of ordinary hosts; their shares add up to 1.
pub(super) static SERVICES: [Service; 6] = [
    service("ssl", 443, 0.48, false, (2_400.0, 14_000.0, 1.1), 4.0),
    service("dns", 53, 0.26, true, (70.0, 160.0, 0.3), 0.02),
    service("smb", 445, 0.12, true, (6_000.0, 18_000.0, 1.2), 12.0),
    service("http", 80, 0.08, false, (700.0, 9_000.0, 1.2), 1.2),
    service("ntp", 123, 0.04, true, (76.0, 76.0, 0.0), 0.03),
    service("ssh", 22, 0.02, true, (5_000.0, 8_000.0, 1.3), 60.0),
];
/// What no service answers to.
pub(super) static NOTHING: Service = service("", 0, 0.0, true, (44.0, 0.0, 0.0), 0.0);
/// Addresses outside of the network that hosts talk to.
const EXTERNAL: u64 = 4_000;
/// 198.18.0.0/15, set aside for benchmarks (RFC 2544): no address of it belongs to anyone.
const EXTERNAL_NET: u32 = 0xC612_0000;
/// 10.0.0.0/8.
const INTERNAL_NET: u32 = 0x0A00_0000;

/// What kind of machine a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Sensor,
    Workstation,
}

#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) address: u32,
    pub(super) role: Role,
    /// Flows in a step of a mean hour.
    pub(super) rate: f64,
    seed: u64,
}

/// A network and what it does on ordinary days.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) hosts: Vec<Host>,
    servers: usize,
    pub(super) rhythm: Rhythm,
    start_us: i64,
    seed: u64,
}

impl Network {
    pub(super) fn new(spec: &LogSpec) -> Self {
        let servers = (spec.hosts / 10).max(2);
        let sensors = (spec.hosts / 20).max(1);
        let mut draws = Stream::new(subseed(spec.seed, Use::Hosts, 0));
        let mut hosts: Vec<Host> = (0..spec.hosts)
            .map(|number| {
                let (role, weight) = if number < servers {
                    (Role::Server, 2.0)
                } else if number < servers + sensors {
                    (Role::Sensor, 0.0)
                } else {
                    (Role::Workstation, 1.0)
                };
                Host {
                    // No host has the address of the network (.0) or of the gateway (.1).
                    address: INTERNAL_NET + (number / 250 * 256 + number % 250 + 2) as u32,
                    role,
                    rate: weight * exp(0.7 * draws.bell()),
                    seed: subseed(spec.seed, Use::Hosts, number as u64 + 1),
                }
            })
            .collect();
        let rhythm = Rhythm::new(&TrafficSpec {
            base_level: 1.0,
            noise: 0.1,
            seed: spec.seed,
            ..TrafficSpec::default()
        });
        // Rates are such that the whole has about as many records as are asked for.
        let steps = spec.steps();
        let sampled = steps.clamp(1, 7 * 288);
        let level = (0..sampled)
            .map(|step| rhythm.level(spec.start_us + (step * steps / sampled) as i64 * STEP_US))
            .sum::<f64>()
            / sampled as f64;
        let flows_a_step =
            spec.records as f64 / steps as f64 / spec.format.records_of_a_flow() - sensors as f64;
        let weights: f64 = hosts
            .iter()
            .map(|host| host.rate * host.role.share_of(level))
            .sum();
        for host in &mut hosts {
            host.rate *= flows_a_step.max(0.0) / weights;
        }
        Self {
            hosts,
            servers,
            rhythm,
            start_us: spec.start_us,
            seed: spec.seed,
        }
    }

    /// Puts the ordinary flows that end in `step` into `flows`, in no order.
    pub(super) fn step(&self, step: u64, flows: &mut Vec<Flow>) {
        flows.clear();
        let start_us = self.start_us + step as i64 * STEP_US;
        let level = self.rhythm.level(start_us + STEP_US / 2);
        let day = start_us.div_euclid(DAY_US) as u64;
        let mut draws = Stream::new(subseed(self.seed, Use::Flows, step));
        for host in &self.hosts {
            if host.role == Role::Sensor {
                flows.push(self.report(host, start_us, &mut draws));
                continue;
            }
            let mood = exp(0.2 * (2.0 * unit_at(host.seed, day) - 1.0));
            let flows_expected = host.rate * host.role.share_of(level) * mood;
            for _ in 0..poisson(flows_expected, &mut draws) {
                flows.push(self.flow(host, start_us, &mut draws));
            }
        }
    }

    /// An ordinary flow of `host` that ends in the step from `start_us` on.
    fn flow(&self, host: &Host, start_us: i64, draws: &mut Stream) -> Flow {
        let mut choice = draws.unit();
        let service = SERVICES.iter().find(|service| {
            choice -= service.share;
            choice < 0.0
        });
        let service = service.unwrap_or(&SERVICES[0]);
        let dst = if service.udp {
            self.hosts[0].address
        } else if service.internal {
            self.hosts[self.favoured(draws)].address
        } else if draws.unit() < 0.8 {
            // Most of it goes to the same twenty services of the host.
            external(unit_at(host.seed, 1_000 + draws.up_to(19)))
        } else {
            external(draws.unit())
        };
        let failed = draws.unit() < 0.015;
        let size = exp(service.spread * draws.bell());
        let seconds = service.seconds * exp(draws.bell());
        let end_us = start_us + (draws.unit() * STEP_US as f64) as i64;
        let out = if failed {
            44.0
        } else {
            service.bytes_out * size
        };
        Flow {
            start_us: end_us - (seconds * 1e6) as i64,
            end_us,
            src: host.address,
            dst,
            src_port: ephemeral(draws),
            dst_port: service.port,
            service,
            failed,
            ..sized(
                out,
                if failed { 0.0 } else { service.bytes_in * size },
                draws,
            )
        }
    }

    /// What a sensor sends once in each step.
    fn report(&self, host: &Host, start_us: i64, draws: &mut Stream) -> Flow {
        let offset = (unit_at(host.seed, 0) * 0.9 * STEP_US as f64) as i64;
        let end_us = start_us + offset + (draws.unit() * 2e6) as i64;
        Flow {
            start_us: end_us - SECOND_US / 5,
            end_us,
            src: host.address,
            dst: self.hosts[self.servers - 1].address,
            src_port: ephemeral(draws),
            dst_port: 443,
            service: &SERVICES[0],
            failed: false,
            ..sized(900.0 * exp(0.05 * draws.bell()), 400.0, draws)
        }
    }

    /// The number of a server, the first ones more often.
    fn favoured(&self, draws: &mut Stream) -> usize {
        let share = draws.unit();
        ((share * share * self.servers as f64) as usize).min(self.servers - 1)
    }

    /// Flows in a step of a mean hour that go to server `number` and no other.
    pub(super) fn rate_to(&self, number: usize) -> f64 {
        let all: f64 = self.hosts.iter().map(|host| host.rate).sum();
        let share: f64 = SERVICES
            .iter()
            .filter(|service| service.internal && !service.udp)
            .map(|service| service.share)
            .sum();
        let servers = self.servers as f64;
        let up_to = |number: usize| (number as f64 / servers).sqrt();
        all * share * (up_to(number + 1) - up_to(number))
    }

    /// Bytes that a host sends in an ordinary flow, on average.
    pub(super) fn mean_bytes_out() -> f64 {
        SERVICES
            .iter()
            .map(|service| {
                // The mean of a log-normal distribution.
                service.share * service.bytes_out * exp(service.spread * service.spread / 2.0)
            })
            .sum()
    }

    /// Numbers of the hosts of a role.
    pub(super) fn numbers_of(&self, role: Role) -> Vec<usize> {
        let numbers = self.hosts.iter().enumerate();
        numbers
            .filter(|(_, host)| host.role == role)
            .map(|(number, _)| number)
            .collect()
    }
}

impl Role {
    /// How much of its mean traffic such a host makes where the network as a whole is at `level`.
    pub(super) fn share_of(self, level: f64) -> f64 {
        match self {
            Self::Server => 0.6 + 0.4 * level,
            Self::Sensor => 1.0,
            Self::Workstation => level,
        }
    }
}

impl LogFormat {
    /// A format that writes each direction by itself has two records of most flows.
    pub(super) fn records_of_a_flow(self) -> f64 {
        match self {
            Self::Vpc | Self::Nfdump => 1.985,
            Self::Zeek | Self::Suricata | Self::Access => 1.0,
        }
    }
}

/// The address outside of the network that `share` in [0, 1) of all traffic does not go beyond: the first ones
/// are the most popular.
pub(super) fn external(share: f64) -> u32 {
    EXTERNAL_NET + (share * share * share * EXTERNAL as f64) as u32
}

pub(super) fn ephemeral(draws: &mut Stream) -> u16 {
    32_768 + draws.up_to(28_231) as u16
}

/// A flow of so many bytes in packets of usual sizes; the rest is to be filled in.
pub(super) fn sized(bytes_out: f64, bytes_in: f64, draws: &mut Stream) -> Flow {
    let packets = |bytes: f64| match bytes {
        0.0 => 0,
        bytes => 1 + (bytes / 900.0) as u64,
    };
    // Each packet has a head of 40 bytes or so.
    let whole = |bytes: f64| bytes as u64 + 40 * packets(bytes);
    Flow {
        start_us: 0,
        end_us: 0,
        src: 0,
        dst: 0,
        src_port: 0,
        dst_port: 0,
        service: &NOTHING,
        failed: false,
        bytes_out: whole(bytes_out),
        bytes_in: whole(bytes_in),
        packets_out: packets(bytes_out),
        packets_in: packets(bytes_in),
        bits: draws.bits(),
    }
}

/// A number from the Poisson distribution; from 18 on by the normal one.
pub(super) fn poisson(mean: f64, draws: &mut Stream) -> u64 {
    if mean > 18.0 {
        return (mean + mean.sqrt() * draws.bell() + 0.5).max(0.0) as u64;
    }
    let limit = exp(-mean);
    let mut product = draws.unit();
    let mut count = 0;
    while product > limit {
        product *= draws.unit();
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_services_add_up_to_one() {
        let sum: f64 = SERVICES.iter().map(|service| service.share).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn counts_have_the_mean_and_the_variance_of_the_poisson_distribution() {
        for mean in [0.3, 4.0, 17.0, 200.0] {
            let mut draws = Stream::new(3);
            let counts: Vec<f64> = (0..20_000)
                .map(|_| poisson(mean, &mut draws) as f64)
                .collect();
            let found = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|c| (c - found).powi(2)).sum::<f64>() / 20_000.0;
            // Six standard errors, sqrt(mean / n) and about mean * sqrt(3 / n).
            assert!(
                (found - mean).abs() < 6.0 * (mean / 20_000.0).sqrt(),
                "{mean}: {found}"
            );
            assert!(
                (variance - mean).abs() < 0.1 * mean + 0.02,
                "{mean}: {variance}"
            );
        }
    }
}
