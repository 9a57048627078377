//! Operators who reach each other only through a relay.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail as tests do"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hearth_p2p::{Event, Events, Host, HostConfig, RelayBounds, RelayEvent, RelayServer, serve_relay};
use support::{NOTE, config, operator, peer, started, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

/// A relay on loopback; gone when dropped.
struct Relay {
    address: String,
    events: mpsc::UnboundedReceiver<RelayEvent>,
    _stop: DropGuard,
}

impl Relay {
    async fn start(key: u8, listen: &str) -> Self {
        Self::start_with(key, listen, false).await
    }

    /// With QUIC, its address is that.
    async fn start_with(key: u8, listen: &str, quic: bool) -> Self {
        let (tell, mut events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let server = RelayServer {
            secret_key: Zeroizing::new([key; 32]),
            listen: vec![listen.into()],
            quic,
            announce: Vec::new(),
            agent: "relay/test".into(),
            bounds: RelayBounds::default(),
        };
        tokio::spawn(serve_relay(server, tell, stop.clone()));
        let address = loop {
            let Some(RelayEvent::Listening(addresses)) = events.recv().await else {
                panic!("it does not listen")
            };
            if let Some(found) = addresses.into_iter().find(|address| address.contains("/quic-v1") == quic) {
                break found;
            }
        };
        Self { address, events, _stop: stop.drop_guard() }
    }

    async fn sees(&mut self, wanted: impl Fn(&RelayEvent) -> bool) {
        loop {
            let event = tokio::time::timeout(support::PATIENCE, self.events.recv()).await.expect("in time");
            if wanted(&event.expect("the relay runs")) {
                return;
            }
        }
    }
}

/// An operator who listens nowhere.
fn hidden(position: u8, other: u8, relays: &[&Relay]) -> HostConfig {
    HostConfig {
        listen: Vec::new(),
        relays: relays.iter().map(|relay| relay.address.clone()).collect(),
        ..config(position, vec![peer(other, &[])])
    }
}

async fn connected_by_relay((host, events): &mut (Host, Events), other: u8) {
    until(events, |event| match event {
        Event::Connected { operator: who, address } if who == operator(other) => Some(address),
        _ => None,
    })
    .await;
    let address = host.links()[&operator(other)].address.clone().expect("a link");
    assert!(address.contains("/p2p-circuit"), "{address}");
}

async fn note((from, _): &(Host, Events), (_, to): &mut (Host, Events), (sender, receiver): (u8, u8)) {
    from.send(operator(receiver), NOTE.id, vec![sender; 100_000]);
    let bytes = until(to, |event| match event {
        Event::Message { from, bytes, .. } if from == operator(sender) => Some(bytes),
        _ => None,
    })
    .await;
    assert_eq!(bytes, vec![sender; 100_000]);
}

#[tokio::test]
async fn two_who_listen_nowhere_meet_at_a_relay_that_both_know() {
    let relay = Relay::start(9, "127.0.0.1:0").await;
    let mut zero = started(hidden(0, 1, &[&relay])).await;
    let mut one = started(hidden(1, 0, &[&relay])).await;
    connected_by_relay(&mut zero, 1).await;
    connected_by_relay(&mut one, 0).await;
    note(&zero, &mut one, (0, 1)).await;
    note(&one, &mut zero, (1, 0)).await;
}

/// Waits until messages to the other operator need no relay any more.
async fn connected_directly((host, events): &mut (Host, Events), other: u8) {
    let direct = |address: &str| !address.contains("/p2p-circuit");
    until(events, |event| match event {
        Event::Connected { operator: who, address } if who == operator(other) && direct(&address) => Some(()),
        _ => None,
    })
    .await;
    assert!(host.links()[&operator(other)].address.as_deref().is_some_and(direct));
}

#[tokio::test]
async fn two_who_meet_at_a_relay_find_a_way_without_it() {
    for quic in [false, true] {
        let relay = Relay::start_with(9, "127.0.0.1:0", quic).await;
        let listening = |position, other| HostConfig {
            relays: vec![relay.address.clone()],
            quic,
            ..config(position, vec![peer(other, &[])])
        };
        let mut zero = started(listening(0, 1)).await;
        let mut one = started(listening(1, 0)).await;
        connected_directly(&mut zero, 1).await;
        connected_directly(&mut one, 0).await;
        // What was between them is not needed any more.
        drop(relay);
        note(&zero, &mut one, (0, 1)).await;
        note(&one, &mut zero, (1, 0)).await;
    }
}

#[tokio::test]
async fn who_is_told_the_way_through_a_relay_needs_no_place_there_himself() {
    let mut relay = Relay::start(9, "127.0.0.1:0").await;
    let mut zero = started(hidden(0, 1, &[&relay])).await;
    relay.sees(|event| matches!(event, RelayEvent::Reserved(_))).await;
    let way = format!("{}/p2p-circuit", relay.address);
    let mut one = started(HostConfig { listen: Vec::new(), ..config(1, vec![peer(0, &[way])]) }).await;
    connected_by_relay(&mut zero, 1).await;
    connected_by_relay(&mut one, 0).await;
    note(&one, &mut zero, (1, 0)).await;
}

/// Waits until there are two ways to the other that do not depend on each other.
async fn reached_in_two_ways((host, events): &mut (Host, Events), other: u8) {
    until(events, |event| match event {
        Event::Ping { .. } => (host.links()[&operator(other)].ways == 2).then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn when_a_relay_dies_they_meet_at_the_other() {
    let (first, second) = (Relay::start(8, "127.0.0.1:0").await, Relay::start(9, "127.0.0.1:0").await);
    let mut zero = started(hidden(0, 1, &[&first, &second])).await;
    let mut one = started(hidden(1, 0, &[&first, &second])).await;
    // Whoever is reached through one relay is looked for through the other as well, before it is needed.
    reached_in_two_ways(&mut zero, 1).await;
    reached_in_two_ways(&mut one, 0).await;
    // What is told from here on happens after that.
    note(&zero, &mut one, (0, 1)).await;
    note(&one, &mut zero, (1, 0)).await;
    let used = zero.0.links()[&operator(1)].address.clone().expect("a link");
    let (dies, stays) = if used.starts_with(&first.address) { (first, second) } else { (second, first) };
    drop(dies);
    for (host, other) in [(&mut zero, 1), (&mut one, 0)] {
        until(&mut host.1, |event| match event {
            Event::Connected { operator: who, address } if who == operator(other) => {
                address.starts_with(&stays.address).then_some(())
            }
            Event::Disconnected { .. } => panic!("the other way was there"),
            _ => None,
        })
        .await;
    }
    note(&zero, &mut one, (0, 1)).await;
    note(&one, &mut zero, (1, 0)).await;
}

/// Something in front of a relay that passes on what it likes: at first everything, then of each connection its beginning.
async fn moody(relay: &str) -> (String, Arc<AtomicBool>) {
    const BEGINNING: usize = 8_000;
    let (place, id) = relay.split_once("/p2p/").expect("an address with an id");
    let port: u16 = place.rsplit('/').next().and_then(|port| port.parse().ok()).expect("a port");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("/ip4/127.0.0.1/tcp/{}/p2p/{id}", listener.local_addr().expect("it is bound").port());
    let bad = Arc::new(AtomicBool::new(false));
    let mood = bad.clone();
    tokio::spawn(async move {
        while let Ok((inside, _)) = listener.accept().await {
            let Ok(outside) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let ((from, to), (back_from, back_to)) = (inside.into_split(), outside.into_split());
            for (mut from, mut to) in [(from, back_to), (back_from, to)] {
                let mood = mood.clone();
                tokio::spawn(async move {
                    let (mut bytes, mut passed) = ([0; 4_096], 0);
                    while let Ok(length @ 1..) = from.read(&mut bytes).await {
                        passed += length;
                        if mood.load(Ordering::Relaxed) && passed > BEGINNING {
                            continue; // Read, and kept.
                        }
                        if to.write_all(&bytes[..length]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
    });
    (address, bad)
}

#[tokio::test]
async fn through_a_relay_that_passes_on_what_it_likes_nobody_goes_while_there_is_another() {
    let relay = Relay::start(8, "127.0.0.1:0").await;
    let (address, bad) = moody(&relay.address).await;
    let place = support::free_address();
    let id = Relay::start(9, "127.0.0.1:0").await.address.split_once("/p2p/").expect("an id").1.to_owned();
    let port = place.rsplit(':').next().expect("a port").to_owned();
    let other = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{id}");
    let knowing = |me, peer| {
        let mut config = HostConfig { relays: vec![address.clone(), other.clone()], ..hidden(me, peer, &[]) };
        config.timing.ping_timeout = Duration::from_secs(1);
        // Only what breaks makes them look for another way.
        config.timing.direct_retry = Duration::from_secs(600);
        config
    };
    let mut zero = started(knowing(0, 1)).await;
    let mut one = started(knowing(1, 0)).await;
    connected_by_relay(&mut zero, 1).await;
    connected_by_relay(&mut one, 0).await;
    note(&zero, &mut one, (0, 1)).await;
    let mut honest = Relay::start(9, &place).await;
    for _ in 0..2 {
        honest.sees(|event| matches!(event, RelayEvent::Reserved(_))).await;
    }
    bad.store(true, Ordering::Relaxed);
    for (host, peer) in [(&mut zero, 1), (&mut one, 0)] {
        until(&mut host.1, |event| match event {
            Event::Connected { operator: who, address } if who == operator(peer) => {
                address.contains(&id).then_some(())
            }
            _ => None,
        })
        .await;
    }
    note(&zero, &mut one, (0, 1)).await;
    note(&one, &mut zero, (1, 0)).await;
}

#[tokio::test]
async fn a_relay_that_comes_back_is_used_again() {
    let address = support::free_address();
    let relay = Relay::start(9, &address).await;
    let mut zero = started(hidden(0, 1, &[&relay])).await;
    let mut one = started(hidden(1, 0, &[&relay])).await;
    connected_by_relay(&mut zero, 1).await;
    drop(relay);
    until(&mut zero.1, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    let _again = loop {
        // The system may hold the port for a moment.
        if std::net::TcpListener::bind(&address).is_ok() {
            break Relay::start(9, &address).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    connected_by_relay(&mut zero, 1).await;
    connected_by_relay(&mut one, 0).await;
    note(&one, &mut zero, (1, 0)).await;
}

#[tokio::test]
async fn a_stranger_is_turned_away_at_the_end_of_the_circuit() {
    let mut relay = Relay::start(9, "127.0.0.1:0").await;
    let mut zero = started(hidden(0, 1, &[&relay])).await;
    relay.sees(|event| matches!(event, RelayEvent::Reserved(_))).await;
    let way = format!("{}/p2p-circuit", relay.address);
    let _stranger = started(HostConfig { listen: Vec::new(), ..config(5, vec![peer(0, &[way])]) }).await;
    let refused = until(&mut zero.1, |event| match event {
        Event::Refused { address, .. } => Some(address),
        _ => None,
    })
    .await;
    assert!(refused.contains("p2p-circuit"), "{refused}");
}

#[tokio::test]
async fn a_relay_given_by_a_page_is_used_where_the_page_says_and_followed_when_it_becomes_another() {
    const PAGE: &str = "https://relay.example";
    let (first, second) = (Relay::start(8, "127.0.0.1:0").await, Relay::start(9, "127.0.0.1:0").await);
    let by_page = |position, other| HostConfig { relays: vec![PAGE.into()], ..hidden(position, other, &[]) };
    let mut zero = started(by_page(0, 1)).await;
    let mut one = started(by_page(1, 0)).await;
    // Among what it offers is a way that these hosts do not go.
    let quic = first.address.replace("/tcp/", "/udp/").replace("/p2p/", "/quic-v1/p2p/");
    for host in [&zero.0, &one.0, &zero.0] {
        host.relay_is_at(PAGE, &[quic.clone(), first.address.clone()]).unwrap();
    }
    connected_by_relay(&mut zero, 1).await;
    connected_by_relay(&mut one, 0).await;
    for host in [&zero.0, &one.0] {
        host.relay_is_at(PAGE, std::slice::from_ref(&second.address)).unwrap();
    }
    drop(first);
    until(&mut zero.1, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    connected_by_relay(&mut zero, 1).await;
    let now = zero.0.links()[&operator(1)].address.clone().expect("a link");
    assert!(now.starts_with(&second.address), "{now}");
    connected_by_relay(&mut one, 0).await;
    note(&zero, &mut one, (0, 1)).await;
}

#[tokio::test]
async fn what_a_page_says_of_no_relay_or_of_two_is_refused() {
    let (first, second) = (Relay::start(8, "127.0.0.1:0").await, Relay::start(9, "127.0.0.1:0").await);
    let (host, _events) = started(hidden(0, 1, &[])).await;
    let websocket = first.address.replace("/p2p/", "/ws/p2p/");
    for (addresses, said) in [
        (vec![], "a relay is given as"),
        (vec!["127.0.0.1:3610".into()], "a relay is given as"),
        (vec![websocket], "only TCP and QUIC"),
        (vec![first.address.clone(), second.address.clone()], "another peer"),
    ] {
        let refused = host.relay_is_at("https://relay.example", &addresses).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}
