//! Operators made of seeds, hosts on loopback, and waiting for events.
#![allow(dead_code, reason = "every test file uses its own part of the helpers")]

pub(crate) mod raw;

use std::{collections::BTreeMap, net::TcpListener, time::Duration};

use hearth_p2p::{Event, Events, Host, HostConfig, Limits, Pattern, PeerConfig, Protocol, Timing, start};
use hearth_types::OperatorIndex;
use libp2p::identity;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

pub(crate) const NOTE: Protocol =
    Protocol { id: "/test/note/1", max_frame_bytes: 32 << 20, pattern: Pattern::OneWay };
pub(crate) const ASK: Protocol =
    Protocol { id: "/test/ask/1", max_frame_bytes: 1 << 20, pattern: Pattern::RequestResponse };
/// Known to a host only where a test says so.
pub(crate) const RARE: Protocol =
    Protocol { id: "/test/rare/1", max_frame_bytes: 1 << 10, pattern: Pattern::OneWay };

/// Far more than anything takes; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn operator(position: u8) -> OperatorIndex {
    OperatorIndex::new(position).unwrap()
}

pub(crate) fn secret(position: u8) -> [u8; 32] {
    [position + 1; 32]
}

pub(crate) fn keypair(position: u8) -> identity::Keypair {
    let secret = identity::secp256k1::SecretKey::try_from_bytes(secret(position)).unwrap();
    identity::secp256k1::Keypair::from(secret).into()
}

pub(crate) fn public_key(position: u8) -> [u8; 33] {
    keypair(position).public().try_into_secp256k1().unwrap().to_bytes()
}

pub(crate) fn peer(position: u8, addresses: &[String]) -> PeerConfig {
    PeerConfig { operator: operator(position), public_key: public_key(position), addresses: addresses.to_vec() }
}

/// Operator `position`, listening on a free port of loopback.
pub(crate) fn config(position: u8, peers: Vec<PeerConfig>) -> HostConfig {
    HostConfig {
        secret_key: Zeroizing::new(secret(position)),
        listen: vec!["127.0.0.1:0".into()],
        quic: false,
        map_ports: false,
        peers,
        relays: Vec::new(),
        protocols: vec![NOTE, ASK],
        agent: "hearth/test".into(),
        timing: Timing {
            ping_interval: Duration::from_millis(100),
            redial_first: Duration::from_millis(50),
            redial_longest: Duration::from_millis(200),
            direct_retry: Duration::from_millis(500),
            ..Timing::default()
        },
        limits: Limits { reports_per_peer: 4096, ..Limits::default() },
    }
}

pub(crate) async fn started(config: HostConfig) -> (Host, Events) {
    start(config, CancellationToken::new()).await.unwrap()
}

/// Operators 0 and 1, connected; 1 dialled 0.
pub(crate) async fn pair() -> [(Host, Events); 2] {
    let mut zero = started(config(0, vec![peer(1, &[])])).await;
    let mut one = started(config(1, vec![peer(0, &zero.0.listen_addresses())])).await;
    connected(&mut zero.1, &[1]).await;
    connected(&mut one.1, &[0]).await;
    [zero, one]
}

/// A port that was free a moment ago, for hosts that must know each other's address before they start.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Takes events until one is chosen.
pub(crate) async fn until<T>(events: &mut Events, mut choose: impl FnMut(Event) -> Option<T>) -> T {
    let mut seen = Vec::new();
    let wait = async {
        loop {
            let event = events.recv().await.expect("the host runs");
            if !matches!(event, Event::Ping { .. }) {
                seen.push(format!("{event:?}"));
            }
            if let Some(chosen) = choose(event) {
                return chosen;
            }
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, wait).await;
    outcome.unwrap_or_else(|_| panic!("waited in vain; seen: {seen:#?}"))
}

/// Waits until all of `positions` are connected.
pub(crate) async fn connected(events: &mut Events, positions: &[u8]) {
    let mut state: BTreeMap<OperatorIndex, bool> =
        positions.iter().map(|position| (operator(*position), false)).collect();
    until(events, |event| {
        match event {
            Event::Connected { operator, .. } => drop(state.insert(operator, true)),
            Event::Disconnected { operator } => drop(state.insert(operator, false)),
            _ => {}
        }
        state.values().all(|connected| *connected).then_some(())
    })
    .await;
}

/// The next one-way message: who sent it, and what it is.
pub(crate) async fn message(events: &mut Events) -> (OperatorIndex, Vec<u8>) {
    until(events, |event| match event {
        Event::Message { from, bytes, .. } => Some((from, bytes)),
        _ => None,
    })
    .await
}
