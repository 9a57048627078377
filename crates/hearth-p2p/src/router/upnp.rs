//! A router that speaks UPnP.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};
use tokio::time::{Instant, timeout};

use super::{Inside, LEASE_S, Opened, PATIENCE, Router, address_towards, is_public, outcome};

/// What the router's page shows beside the open port.
const DESCRIPTION: &str = "Hearth";

/// One that answered.
pub(super) struct Upnp {
    gateway: Gateway<Tokio>,
    /// When the ports were opened last, at which address, and which they are.
    opened: Option<(Instant, IpAddr, Vec<Opened>)>,
}

impl Upnp {
    /// Calls for one.
    pub(super) async fn find(search: SearchOptions) -> Option<Self> {
        let gateway = timeout(PATIENCE, search_gateway(search)).await.ok()?.ok()?;
        Some(Self { gateway, opened: None })
    }

    pub(super) async fn look(&mut self, ports: &[Inside], renew: Duration) -> Router {
        let Ok(Ok(outside)) = timeout(PATIENCE, self.gateway.get_external_ip()).await else {
            return Router::Silent;
        };
        if !is_public(outside) {
            return Router::Nested(outside);
        }
        match &self.opened {
            Some((at, ip, opened)) if *ip == outside && at.elapsed() < renew => {
                return Router::Open(opened.clone());
            }
            _ => {}
        }
        let Ok(here) = address_towards(self.gateway.addr) else { return Router::Silent };
        let (mut opened, mut refused) = (Vec::new(), None);
        for inside in ports {
            match timeout(PATIENCE, open(&self.gateway, here, *inside)).await {
                Ok(Ok(port)) => {
                    opened.push(Opened { outside: SocketAddr::new(outside, port), udp: inside.udp });
                }
                Ok(Err(reason)) => refused = Some(reason),
                Err(_) => return Router::Silent,
            }
        }
        let found = outcome(opened, refused);
        if let Router::Open(opened) = &found {
            self.opened = Some((Instant::now(), outside, opened.clone()));
        }
        found
    }

    pub(super) async fn give_back(self) {
        let Some((_, _, opened)) = self.opened else { return };
        for Opened { outside, udp } in opened {
            let _ =
                timeout(Duration::from_secs(1), self.gateway.remove_port(protocol(udp), outside.port())).await;
        }
    }
}

const fn protocol(udp: bool) -> PortMappingProtocol {
    if udp { PortMappingProtocol::UDP } else { PortMappingProtocol::TCP }
}

/// Opens the port of the same number, or another where that is taken.
async fn open(gateway: &Gateway<Tokio>, here: IpAddr, inside: Inside) -> Result<u16, String> {
    let (protocol, local) = (protocol(inside.udp), SocketAddr::new(here, inside.port));
    let same = |lease| gateway.add_port(protocol, inside.port, local, lease, DESCRIPTION);
    let outcome = match same(LEASE_S).await {
        Err(AddPortError::OnlyPermanentLeasesSupported) => same(0).await,
        outcome => outcome,
    };
    match outcome {
        Ok(()) => Ok(inside.port),
        Err(AddPortError::PortInUse) => {
            gateway.add_any_port(protocol, local, LEASE_S, DESCRIPTION).await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}
