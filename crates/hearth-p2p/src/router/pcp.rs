//! A router that speaks PCP, or its elder, NAT-PMP.
//!
//! It is asked at every look: a question and an answer of a few bytes for each port, which say at once whether it still has the port,
//! whether it was started again, and what its address is.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    GATEWAY_PORT, GatewayAddress, InternetProtocol, MappingFailure, PortMapping, PortMappingOptions,
    PortMappingType, TimeoutConfig, natpmp, pcp,
};

use super::{Inside, LEASE_S, Opened, Router, address_towards, is_public, outcome};

/// How often a router is asked that does not answer, and how long is waited in all: less than four seconds.
const ASKING: TimeoutConfig =
    TimeoutConfig { initial_timeout: Duration::from_millis(250), max_retries: 3, max_retry_timeout: None };

/// One that may be there.
pub(super) struct Pcp {
    gateway: GatewayAddress,
    here: IpAddr,
    held: BTreeMap<Inside, PortMapping>,
}

/// Why a port is not open.
enum Closed {
    /// Nobody there speaks this language.
    Silent,
    Refused(String),
}

impl Pcp {
    /// One at this address, if we have an address in its network.
    pub(super) fn at(gateway: IpAddr) -> Option<Self> {
        let here = address_towards(SocketAddr::new(gateway, GATEWAY_PORT)).ok()?;
        let gateway = match gateway {
            IpAddr::V4(ip) => GatewayAddress::IpV4(ip),
            IpAddr::V6(ip) => GatewayAddress::IpV6(ip, None),
        };
        Some(Self { gateway, here, held: BTreeMap::new() })
    }

    pub(super) async fn look(&mut self, ports: &[Inside]) -> Router {
        let (mut opened, mut refused) = (Vec::new(), None);
        for inside in ports {
            match self.open(*inside).await {
                Ok(outside) if !is_public(outside.ip()) => return Router::Nested(outside.ip()),
                Ok(outside) => opened.push(Opened { outside, udp: inside.udp }),
                Err(Closed::Refused(reason)) => refused = Some(reason),
                Err(Closed::Silent) => return Router::Silent,
            }
        }
        outcome(opened, refused)
    }

    /// Asks for a port, or for what it gave before. Returns where others find it.
    async fn open(&mut self, inside: Inside) -> Result<SocketAddr, Closed> {
        let port = NonZeroU16::new(inside.port).ok_or(Closed::Silent)?;
        let mapping = match self.held.remove(&inside) {
            Some(mut before) => before.renew().await.map(|()| before),
            None => {
                let options = PortMappingOptions {
                    external_port: Some(port),
                    lifetime_seconds: Some(LEASE_S),
                    timeout_config: Some(ASKING),
                };
                PortMapping::new(self.gateway, self.here, protocol(inside), port, options).await
            }
        };
        let mapping = mapping.map_err(|failure| closed(&failure))?;
        let outside = match mapping.mapping_type() {
            PortMappingType::Pcp { external_ip, .. } => external_ip,
            PortMappingType::NatPmp => {
                let asked = natpmp::external_address(self.gateway, Some(ASKING)).await;
                IpAddr::V4(asked.map_err(|failure| closed(&failure.into()))?)
            }
        };
        let at = SocketAddr::new(outside.to_canonical(), mapping.external_port().get());
        self.held.insert(inside, mapping);
        Ok(at)
    }

    pub(super) async fn give_back(self) {
        for mapping in self.held.into_values() {
            let _ = tokio::time::timeout(Duration::from_secs(1), mapping.try_drop()).await;
        }
    }
}

const fn protocol(inside: Inside) -> InternetProtocol {
    if inside.udp { InternetProtocol::Udp } else { InternetProtocol::Tcp }
}

/// Only what a router says is a refusal; that nobody answers, or in another language, is none.
fn closed(failure: &MappingFailure) -> Closed {
    match failure {
        MappingFailure::NatPmp(
            natpmp::Failure::Socket(_) | natpmp::Failure::Timeout | natpmp::Failure::InvalidResponse(_),
        )
        | MappingFailure::Pcp(
            pcp::Failure::Socket(_)
            | pcp::Failure::Timeout
            | pcp::Failure::Nonce
            | pcp::Failure::InvalidResponse(_),
        ) => Closed::Silent,
        said => Closed::Refused(said.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::{Arc, Mutex};

    use tokio::net::UdpSocket;

    use super::*;

    /// What a router is like.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Manner {
        Pcp,
        /// It knows the elder language only, and says so.
        NatPmp,
        Refuses,
        IsNested,
    }

    struct Gateway {
        ip: Ipv4Addr,
        /// Ports that are open: protocol number and inner port.
        open: Arc<Mutex<Vec<(u8, u16)>>>,
        _serves: tokio_util::task::AbortOnDropHandle<()>,
    }

    const TCP: u8 = 6;
    const UDP: u8 = 17;

    /// A router at an address of loopback, of its own.
    async fn gateway(last: u8, manner: Manner) -> Gateway {
        let ip = Ipv4Addr::new(127, 0, 77, last);
        let socket = UdpSocket::bind((ip, GATEWAY_PORT)).await.expect("a free address of loopback");
        let open: Arc<Mutex<Vec<(u8, u16)>>> = Arc::default();
        let held = Arc::clone(&open);
        let serve = async move {
            let mut bytes = [0; 1_100];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let answer = answer(&bytes[..length], manner, &mut held.lock().unwrap());
                let _ = socket.send_to(&answer, from).await;
            }
        };
        Gateway { ip, open, _serves: tokio_util::task::AbortOnDropHandle::new(tokio::spawn(serve)) }
    }

    /// Source: RFC 6886 (NAT-PMP), RFC 6887 (PCP).
    fn answer(request: &[u8], manner: Manner, open: &mut Vec<(u8, u16)>) -> Vec<u8> {
        let outside = if manner == Manner::IsNested { [192, 168, 9, 9] } else { [203, 0, 113, 7] };
        let number = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        let mut hold = |protocol, port, lease: &[u8]| {
            open.retain(|held| *held != (protocol, port));
            if lease.iter().any(|byte| *byte != 0) {
                open.push((protocol, port));
            }
        };
        match (request[0], manner) {
            (2, Manner::NatPmp) => [&[0, 0x80 | request[1], 0, 1][..], &[0; 4]].concat(),
            (2, Manner::Refuses) => {
                let mut answer = request.to_vec();
                answer[1] |= 0x80;
                answer[3] = 2; // NOT_AUTHORIZED
                answer[8..24].fill(0);
                answer
            }
            (2, _) => {
                let mut answer = request.to_vec();
                (answer[1], answer[3]) = (answer[1] | 0x80, 0);
                answer[8..24].fill(0);
                hold(request[36], number(40), &request[4..8]);
                // The suggested port and address are the ones that are given.
                answer[42..44].copy_from_slice(&4_610_u16.to_be_bytes());
                answer[44..60].copy_from_slice(&Ipv4Addr::from(outside).to_ipv6_mapped().octets());
                answer
            }
            (0, Manner::NatPmp) if request[1] == 0 => [&[0, 0x80, 0, 0, 0, 0, 0, 9][..], &outside].concat(),
            (0, Manner::NatPmp) => {
                let protocol = if request[1] == 1 { UDP } else { TCP };
                hold(protocol, number(4), &request[8..12]);
                let head = [0, 0x80 | request[1], 0, 0, 0, 0, 0, 9];
                [&head[..], &request[4..6], &request[6..8], &request[8..12]].concat()
            }
            _ => [&[0, 0x80 | request[1], 0, 1][..], &[0; 4]].concat(),
        }
    }

    const PORTS: [Inside; 2] = [Inside { port: 3_610, udp: false }, Inside { port: 3_610, udp: true }];

    #[tokio::test]
    async fn a_router_of_either_language_opens_the_ports_keeps_them_and_closes_them() {
        for (last, manner, port) in [(1, Manner::Pcp, 4_610), (2, Manner::NatPmp, 3_610)] {
            let gateway = gateway(last, manner).await;
            let mut router = Pcp::at(gateway.ip.into()).unwrap();
            let outside = SocketAddr::from(([203, 0, 113, 7], port));
            let open = Router::Open([false, true].map(|udp| Opened { outside, udp }).to_vec());
            assert_eq!(router.look(&PORTS).await, open, "{manner:?}");
            // It was started again.
            gateway.open.lock().unwrap().clear();
            assert_eq!(router.look(&PORTS).await, open, "{manner:?}");
            assert_eq!(*gateway.open.lock().unwrap(), [(TCP, 3_610), (UDP, 3_610)], "{manner:?}");
            router.give_back().await;
            assert_eq!(*gateway.open.lock().unwrap(), [], "{manner:?}");
        }
    }

    #[tokio::test]
    async fn a_router_that_refuses_one_behind_another_and_none_at_all_are_told_apart() {
        let strict = gateway(3, Manner::Refuses).await;
        let found = Pcp::at(strict.ip.into()).unwrap().look(&PORTS).await;
        assert!(matches!(&found, Router::Refuses(reason) if reason.contains("Not authorized")), "{found:?}");
        let nested = gateway(4, Manner::IsNested).await;
        let found = Pcp::at(nested.ip.into()).unwrap().look(&PORTS).await;
        assert_eq!(found, Router::Nested([192, 168, 9, 9].into()));
        let nobody = Ipv4Addr::new(127, 0, 77, 5);
        assert_eq!(Pcp::at(nobody.into()).unwrap().look(&PORTS).await, Router::Silent);
    }
}
