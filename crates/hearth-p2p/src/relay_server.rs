//! Being a relay: for anybody, within bounds. It has no secret but its own identity, and understands nothing of what it passes on.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use libp2p::multiaddr::Protocol as Part;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, connection_limits, identify, ping, relay, swarm};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::address::{self, InvalidAddress};
use crate::config::Timing;
use crate::host::{PROTOCOL_VERSION, StartError};
use crate::identity::keypair;
use crate::net::innermost;
use crate::transport;

/// What a relay is told at its start.
pub struct RelayServer {
    /// Its identity: secp256k1 scalar, big-endian.
    pub secret_key: Zeroizing<[u8; 32]>,
    /// Where it listens, `ip:port`.
    pub listen: Vec<String>,
    /// Whether it listens for QUIC as well, at the same ports by UDP.
    pub quic: bool,
    /// Where others reach it, `host:port`; where it listens, if empty.
    pub announce: Vec<String>,
    /// How it calls itself.
    pub agent: String,
    /// What it gives to whom.
    pub bounds: RelayBounds,
}

/// What a relay gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RelayBounds {
    /// Hosts that can be reached through it at once.
    pub reservations: usize,
    /// Conversations at once.
    pub circuits: usize,
    /// How long one lasts before it has to be opened again.
    pub circuit_time: Duration,
    /// Bytes of one, in each direction, before it has to be opened again.
    pub circuit_bytes: u64,
}

impl Default for RelayBounds {
    fn default() -> Self {
        Self {
            reservations: 128,
            circuits: 256,
            // A cluster talks all day; a new conversation costs it a second.
            circuit_time: Duration::from_secs(24 * 3_600),
            circuit_bytes: 4 << 30,
        }
    }
}

/// What happens at a relay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RelayEvent {
    /// It can be used at these addresses, each with its id.
    Listening(Vec<String>),
    /// A host, by its peer id, can be reached through it.
    Reserved(String),
    /// A host cannot any more.
    Released(String),
    /// Two hosts talk.
    Joined(String, String),
    /// They do not any more.
    Parted(String, String),
    /// It did not do what was asked, for this reason.
    Refused(String, String),
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    relay: relay::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// Connections at once. A host behind one needs one.
const CONNECTIONS: u32 = 1_024;
/// Between two questions whether a host is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(5);
/// How long a connection may be idle that has no reservation and no circuit.
const IDLE: Duration = Duration::from_secs(60);

/// Is a relay until `stop` is cancelled.
pub async fn serve_relay(
    config: RelayServer,
    tell: mpsc::UnboundedSender<RelayEvent>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let RelayServer { secret_key, listen, quic, announce, agent, bounds } = config;
    let keys = keypair(&secret_key).ok_or(StartError::InvalidSecretKey)?;
    let own_id = keys.public().to_peer_id();
    let listen: Vec<(String, Multiaddr)> = listen
        .iter()
        .map(|text| Ok((text.clone(), address::listen(text)?)))
        .collect::<Result<_, InvalidAddress>>()?;
    let announce: Vec<Multiaddr> =
        announce.iter().map(|text| address::of_peer(text, own_id)).collect::<Result<_, _>>()?;
    let timing = Timing::default();
    let relay_config = relay::Config {
        max_reservations: bounds.reservations,
        max_circuits: bounds.circuits,
        max_circuits_per_peer: 32,
        max_circuit_duration: bounds.circuit_time,
        max_circuit_bytes: bounds.circuit_bytes,
        ..relay::Config::default()
    };
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS))
        .with_max_established_per_peer(Some(8))
        .with_max_pending_incoming(Some(128));
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        relay: relay::Behaviour::new(own_id, relay_config),
        identify: identify::Behaviour::new(
            identify::Config::new(PROTOCOL_VERSION.to_owned(), keys.public()).with_agent_version(agent),
        ),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING).with_timeout(PING)),
    };
    let transport = transport::of_relay(&keys, &timing)?;
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE);
    let mut swarm: Swarm<Behaviour> = Swarm::new(transport, behaviour, own_id, config);
    for (text, address) in &listen {
        swarm
            .listen_on(address.clone())
            .map_err(|error| StartError::Listen { address: text.clone(), reason: innermost(&error) })?;
    }
    if quic {
        for address in listen.iter().filter_map(|(_, address)| address::quic_beside(address)) {
            // Where UDP is taken or forbidden, TCP does.
            if let Err(error) = swarm.listen_on(address.clone()) {
                tracing::warn!(%address, reason = innermost(&error), "not listening for QUIC");
            }
        }
    }
    for address in &announce {
        let beside = address::quic_beside(address).filter(|_| quic);
        for address in std::iter::once(address.clone()).chain(beside) {
            swarm.add_external_address(address);
        }
    }
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            event = swarm.select_next_some() => event,
        };
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                if announce.is_empty() {
                    swarm.add_external_address(address);
                }
                // In order, those of TCP before those of QUIC.
                let shown: BTreeSet<String> =
                    swarm.external_addresses().map(|address| with_id(address, own_id)).collect();
                let _unheard = tell.send(RelayEvent::Listening(shown.into_iter().collect()));
            }
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                let address = listen.first().map(|(text, _)| text.clone()).unwrap_or_default();
                return Err(StartError::Listen { address, reason: error.to_string() });
            }
            // Whoever came back from another address has a place on a connection that leads nowhere; others would be sent there.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { connection, result: Err(_), .. })) => {
                swarm.close_connection(connection);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Relay(event)) => {
                if let Some(event) = told(event) {
                    let _unheard = tell.send(event);
                }
            }
            _ => {}
        }
    }
}

fn told(event: relay::Event) -> Option<RelayEvent> {
    let name = |peer: PeerId| peer.to_base58();
    Some(match event {
        relay::Event::ReservationReqAccepted { src_peer_id, renewed: false } => {
            RelayEvent::Reserved(name(src_peer_id))
        }
        relay::Event::ReservationClosed { src_peer_id } | relay::Event::ReservationTimedOut { src_peer_id } => {
            RelayEvent::Released(name(src_peer_id))
        }
        relay::Event::ReservationReqDenied { src_peer_id, status } => {
            RelayEvent::Refused(name(src_peer_id), format!("{status:?}"))
        }
        relay::Event::CircuitReqAccepted { src_peer_id, dst_peer_id } => {
            RelayEvent::Joined(name(src_peer_id), name(dst_peer_id))
        }
        relay::Event::CircuitReqDenied { src_peer_id, status, .. } => {
            RelayEvent::Refused(name(src_peer_id), format!("{status:?}"))
        }
        relay::Event::CircuitClosed { src_peer_id, dst_peer_id, .. } => {
            RelayEvent::Parted(name(src_peer_id), name(dst_peer_id))
        }
        _ => return None,
    })
}

fn with_id(address: &Multiaddr, id: PeerId) -> String {
    address.clone().with(Part::P2p(id)).to_string()
}
