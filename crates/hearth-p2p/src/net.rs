//! The task that owns the swarm: it carries out commands, keeps peers connected and tells what happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    time::Duration,
};

use futures::StreamExt;
use hearth_types::OperatorIndex;
use libp2p::{
    Multiaddr, PeerId, Swarm, connection_limits,
    core::ConnectedPoint,
    dcutr, identify,
    multiaddr::Protocol as Part,
    ping, relay,
    swarm::{
        ConnectionDenied, ConnectionId, DialError, ListenError, NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    address,
    allowance::Allowance,
    config::Timing,
    event::{Event, Mailbox},
    gate::{Gate, KnownRelays, NotAnOperator},
    pipe::{Outgoing, Pipes},
    reconnect::Backoff,
    relays::{Relay, dials, relay_of},
    router::{Inside, Router},
};

/// Addresses kept of those that a peer says it has.
const TOLD_ADDRESSES: usize = 16;
/// How often the wait between two looks for a direct way doubles.
const DIRECT_DOUBLINGS: u32 = 5;
/// How soon a direct way is looked for after a connection through a relay: its two ends first try to get through both routers.
const FIRST_DIRECT: Duration = Duration::from_secs(10);

/// Everything that runs on a connection. The gate is asked first: a stranger meets no other behaviour.
///
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) relay: relay::client::Behaviour,
    pub(crate) punching: dcutr::Behaviour,
    pub(crate) pipes: Pipes,
}

/// A message on its way from a handle to the task.
pub(crate) struct Command {
    pub(crate) to: OperatorIndex,
    pub(crate) outgoing: Outgoing,
}

/// Where a relay is that is given by a URL.
pub(crate) struct RelayNews {
    pub(crate) url: String,
    pub(crate) id: PeerId,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// What can be read off the host at any time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) listening: BTreeSet<String>,
    pub(crate) links: BTreeMap<OperatorIndex, Link>,
}

/// How things stand with one peer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Link {
    /// Where the peer is connected from or to, a multiaddr; `None` while it is not connected.
    pub address: Option<String>,
    /// How long its last ping took; `None` while it is not connected.
    pub rtt: Option<Duration>,
}

/// The swarm and what is known about its peers.
pub(crate) struct Net {
    swarm: Swarm<Behaviour>,
    peers: BTreeMap<PeerId, Peer>,
    relays: Vec<Relay>,
    known_relays: KnownRelays,
    /// Where the router at home lets others in.
    outside: BTreeSet<Multiaddr>,
    /// Reports about nobody we know.
    strangers: Allowance,
    timing: Timing,
    mailbox: Mailbox,
    snapshot: watch::Sender<Snapshot>,
}

/// One peer as the dial loop sees it.
pub(crate) struct Peer {
    pub(crate) operator: OperatorIndex,
    pub(crate) allowance: Allowance,
    pub(crate) addresses: Vec<Multiaddr>,
    /// Where it says that it is.
    told: Vec<Multiaddr>,
    backoff: Backoff,
    next_dial: Option<Instant>,
    /// When a way without relay is looked for; `None` while there is one, or nobody is connected at all.
    next_direct: Option<Instant>,
    /// How often it was looked for in vain.
    tries: u32,
    connections: BTreeMap<ConnectionId, Connection>,
}

struct Connection {
    address: Multiaddr,
    /// Whether the other side opened it, without a relay.
    dialled_in: bool,
    /// Whether a ping came back. One that is refused at the other side's gate looks established for an instant.
    proven: bool,
}

impl Connection {
    fn is_relayed(&self) -> bool {
        relay_of(&self.address).is_some()
    }
}

impl Peer {
    pub(crate) fn new(operator: OperatorIndex, allowance: Allowance, addresses: Vec<Multiaddr>) -> Self {
        Self {
            operator,
            allowance,
            addresses,
            told: Vec::new(),
            backoff: Backoff::default(),
            next_dial: Some(Instant::now()),
            next_direct: None,
            tries: 0,
            connections: BTreeMap::new(),
        }
    }

    fn is_connected(&self) -> bool {
        self.best().is_some()
    }

    /// The connection that messages take: one that works, without a relay if there is such a one.
    fn best(&self) -> Option<&Connection> {
        let mut newest = self.connections.values().rev().filter(|connection| connection.proven);
        let any = newest.clone().next();
        newest.find(|connection| !connection.is_relayed()).or(any)
    }

    /// Everywhere it may be without a relay.
    fn direct_addresses(&self) -> Vec<Multiaddr> {
        let known = self.addresses.iter().filter(|address| relay_of(address).is_none());
        let told = self.told.iter().filter(|address| !self.addresses.contains(*address));
        known.chain(told).cloned().collect()
    }

    /// Whether it is connected, and through relays only.
    fn is_behind_relays(&self) -> bool {
        !self.connections.is_empty() && self.connections.values().all(Connection::is_relayed)
    }

    /// A connection came or went: begins to look for a way without relay, or stops.
    fn look_for_a_direct_way(&mut self, wait: Duration) {
        if !self.is_behind_relays() {
            (self.next_direct, self.tries) = (None, 0);
        } else if self.next_direct.is_none() {
            self.next_direct = Some(Instant::now() + wait);
        }
    }
}

impl Net {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        (peers, relays, known_relays): (BTreeMap<PeerId, Peer>, Vec<Relay>, KnownRelays),
        strangers: Allowance,
        timing: Timing,
        mailbox: Mailbox,
        snapshot: watch::Sender<Snapshot>,
    ) -> Self {
        snapshot.send_modify(|snapshot| {
            snapshot.links = peers.values().map(|peer| (peer.operator, Link::default())).collect();
        });
        let outside = BTreeSet::new();
        Self { swarm, peers, relays, known_relays, outside, strangers, timing, mailbox, snapshot }
    }

    /// Runs until `stop` is cancelled or every handle is dropped, then lets what was taken leave and closes.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut relay_news: mpsc::UnboundedReceiver<RelayNews>,
        mut router: watch::Receiver<Router>,
        stop: CancellationToken,
        connections: TaskTracker,
    ) {
        let mut router_tells = true;
        loop {
            let dials = self.peers.values().flat_map(|peer| [peer.next_dial, peer.next_direct]).flatten();
            let due = dials.chain(self.relays.iter().filter_map(|relay| relay.next_try)).min();
            tokio::select! {
                () = stop.cancelled() => break,
                command = commands.recv() => match command {
                    Some(command) => self.send(command),
                    None => break,
                },
                Some(news) = relay_news.recv() => self.relay_is_at(news),
                changed = router.changed(), if router_tells => match changed {
                    Ok(()) => {
                        let now = router.borrow_and_update().clone();
                        self.router_is(now);
                    }
                    Err(_) => router_tells = false,
                },
                event = self.swarm.select_next_some() => self.note(event),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.dial_due();
                    self.dial_directly_due();
                    self.reserve_due();
                }
            }
        }
        commands.close();
        let patience = self.timing.farewell;
        let farewell = async {
            while let Some(command) = commands.recv().await {
                self.send(command);
            }
            while !self.swarm.behaviour().pipes.is_idle() {
                let event = self.swarm.select_next_some().await;
                self.note(event);
            }
            let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
            for peer in peers {
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            while self.swarm.connected_peers().next().is_some() {
                let event = self.swarm.select_next_some().await;
                self.note(event);
            }
        };
        if timeout(patience, farewell).await.is_err() {
            tracing::debug!("connections were cut while messages were still under way");
        }
        drop(self.swarm); // Ends the tasks of the connections.
        connections.close();
        connections.wait().await;
    }

    /// Waits until every listener has said where it listens, so that [`crate::Host::listen_addresses`] is whole.
    pub(crate) async fn settle(&mut self, listeners: usize) {
        while self.swarm.listeners().count() < listeners {
            let event = self.swarm.select_next_some().await;
            self.note(event);
        }
    }

    fn send(&mut self, command: Command) {
        self.swarm.behaviour_mut().pipes.send(command.to, command.outgoing);
    }

    fn dial_due(&mut self) {
        let now = Instant::now();
        for (id, peer) in &mut self.peers {
            if peer.next_dial.is_none_or(|due| due > now) {
                continue;
            }
            peer.next_dial = None;
            let mut addresses = peer.addresses.clone();
            addresses.extend(peer.told.iter().filter(|told| !peer.addresses.contains(*told)).cloned());
            if addresses.is_empty() || !peer.connections.is_empty() {
                continue; // Without an address the peer has to come to us.
            }
            // A port of its own: were both sides to dial each other from the ports they listen on, the two
            // attempts would meet as one TCP connection without a listener.
            let options = DialOpts::peer_id(*id)
                .addresses(addresses)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(options) {
                peer.dial_failed(&error, &self.timing, &self.mailbox);
            }
        }
    }

    /// Tries to reach peers directly that are connected through a relay: at every address known, and through both routers once
    /// more. Its two ends try that when a circuit is opened, with what they know then of their addresses.
    fn dial_directly_due(&mut self) {
        let now = Instant::now();
        let own = *self.swarm.local_peer_id();
        for (id, peer) in &mut self.peers {
            if peer.next_direct.is_none_or(|due| due > now) {
                continue;
            }
            peer.tries = peer.tries.saturating_add(1);
            peer.next_direct = Some(now + self.timing.direct_retry * (1 << peer.tries.min(DIRECT_DOUBLINGS)));
            let circuits =
                peer.addresses.iter().filter(|address| dials(own, *id) && relay_of(address).is_some());
            for addresses in [peer.direct_addresses(), circuits.cloned().collect()] {
                if addresses.is_empty() {
                    continue;
                }
                let options = DialOpts::peer_id(*id)
                    .addresses(addresses)
                    .condition(PeerCondition::Always)
                    .allocate_new_port()
                    .build();
                if let Err(error) = self.swarm.dial(options) {
                    tracing::trace!(peer = %id, %error, "no direct way is looked for now");
                }
            }
        }
    }

    /// A peer says where it is. Nobody has to believe it: who answers there has to prove who it is.
    fn told_where(&mut self, id: PeerId, connection: ConnectionId, addresses: Vec<Multiaddr>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let here = peer.connections.get(&connection).is_some_and(|at| address::is_loopback(&at.address));
        let worth = addresses
            .into_iter()
            .map(|address| without_id(address, id))
            .filter(|address| address::is_worth_dialling(address, here));
        let told: BTreeSet<Multiaddr> = worth.take(TOLD_ADDRESSES).collect();
        if told.iter().ne(&peer.told) {
            peer.told = told.into_iter().collect();
            if peer.next_direct.is_some() {
                peer.next_direct = Some(Instant::now() + FIRST_DIRECT.min(self.timing.direct_retry));
            }
        }
    }

    /// The ports that a router would have to lead to.
    pub(crate) fn ports_inside(&self) -> Vec<Inside> {
        let listening = self.swarm.listeners().filter(|address| !address::is_loopback(address));
        let ports: BTreeSet<Inside> = listening.filter_map(address::port_of).collect();
        ports.into_iter().collect()
    }

    /// The router at home opened ports, or closed them, or has another address: peers are told where this host is now.
    fn router_is(&mut self, router: Router) {
        let opened = if let Router::Open(opened) = &router { opened.as_slice() } else { &[] };
        let outside: BTreeSet<Multiaddr> =
            opened.iter().map(|at| address::from_port(at.outside, at.udp)).collect();
        let before = std::mem::replace(&mut self.outside, outside.clone());
        if before != outside {
            before.difference(&outside).for_each(|gone| self.swarm.remove_external_address(gone));
            outside.difference(&before).for_each(|new| self.swarm.add_external_address(new.clone()));
            let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
            self.swarm.behaviour_mut().identify.push(peers);
        }
        self.mailbox.report(Event::Router(router), self.strangers.report());
    }

    /// Asks relays for a place.
    fn reserve_due(&mut self) {
        let now = Instant::now();
        for relay in &mut self.relays {
            if relay.next_try.is_none_or(|due| due > now) {
                continue;
            }
            relay.next_try = None;
            let Some(address) = relay.to_listen_on() else { continue };
            match self.swarm.listen_on(address) {
                Ok(listener) => relay.listener = Some(listener),
                Err(error) => {
                    let retry_in = relay.lost(&self.timing, rand::random());
                    tracing::warn!(relay = %relay.id, reason = innermost(&error), ?retry_in, "no place at a relay");
                }
            }
        }
    }

    /// A relay that is given by a URL is there now. The one that was there before is used no more; connections through it end by
    /// themselves.
    fn relay_is_at(&mut self, RelayNews { url, id, addresses }: RelayNews) {
        let own = *self.swarm.local_peer_id();
        let same = |relay: &Relay| relay.url.as_ref() == Some(&url);
        let before = self.relays.iter().position(same).map(|at| self.relays.swap_remove(at));
        if let Some(before) = before {
            if before.id == id && before.addresses == addresses {
                return self.relays.push(before);
            }
            if let Some(listener) = before.listener {
                self.swarm.remove_listener(listener);
            }
            let gone: BTreeSet<Multiaddr> = before.circuits().collect();
            for (_, known) in self.peers.iter_mut().filter(|(peer, _)| dials(own, **peer)) {
                known.addresses.retain(|address| !gone.contains(address));
            }
            // Others may be known to be behind it all the same.
            let ways = self.peers.values().flat_map(|peer| &peer.addresses).filter_map(relay_of);
            if self.relays.iter().map(|relay| relay.id).chain(ways).all(|relay| relay != before.id) {
                self.known_relays.remove(&before.id);
            }
        }
        let relay = Relay::new(id, addresses, Some(url));
        self.known_relays.insert(id);
        for (peer, known) in self.peers.iter_mut().filter(|(peer, _)| dials(own, **peer)) {
            known.addresses.extend(relay.circuits());
            if known.connections.is_empty() && known.next_dial.is_none() {
                known.next_dial = Some(Instant::now());
            }
            tracing::debug!(%peer, relay = %id, "another way to a peer");
        }
        self.relays.push(relay);
    }

    fn note(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    let dialled_in = endpoint.is_listener() && !endpoint.is_relayed();
                    let address = address_of(endpoint);
                    peer.connections.insert(connection_id, Connection { address, dialled_in, proven: false });
                    peer.next_dial = None;
                    peer.look_for_a_direct_way(self.timing.direct_retry.min(FIRST_DIRECT));
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                self.closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer_id), error, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.dial_failed(&error, &self.timing, &self.mailbox);
                }
            }
            SwarmEvent::IncomingConnectionError {
                local_addr,
                send_back_addr,
                error: ListenError::Denied { cause },
                ..
            } => {
                let endpoint = ConnectedPoint::Listener { local_addr, send_back_addr };
                self.refused(cause, &address_of(endpoint));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, connection, result })) => {
                match result {
                    Ok(rtt) => self.answered(peer, connection, rtt),
                    Err(failure) => self.unanswered(peer, connection, &failure),
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                info,
            })) => self.told_where(peer_id, connection_id, info.listen_addrs),
            SwarmEvent::Behaviour(BehaviourEvent::Punching(dcutr::Event { remote_peer_id, result })) => {
                self.punched(remote_peer_id, &result);
            }
            SwarmEvent::NewListenAddr { address, listener_id } => {
                if let Some(relay) = self.relays.iter_mut().find(|relay| relay.listener == Some(listener_id)) {
                    relay.reserved();
                }
                self.snapshot.send_modify(|snapshot| {
                    snapshot.listening.insert(address.to_string());
                });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.snapshot.send_modify(|snapshot| {
                    snapshot.listening.remove(&address.to_string());
                });
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                self.snapshot.send_modify(|snapshot| {
                    for address in &addresses {
                        snapshot.listening.remove(&address.to_string());
                    }
                });
                match self.relays.iter_mut().find(|relay| relay.listener == Some(listener_id)) {
                    Some(relay) => {
                        let retry_in = relay.lost(&self.timing, rand::random());
                        tracing::debug!(relay = %relay.id, ?reason, ?retry_in, "no place at a relay");
                    }
                    None => tracing::warn!(?addresses, ?reason, "no longer listening"),
                }
            }
            _ => {}
        }
    }

    /// Both ends of a connection through a relay have tried to get through their routers at the same moment.
    fn punched(&self, id: PeerId, result: &Result<ConnectionId, dcutr::Error>) {
        let (Some(peer), Err(error)) = (self.peers.get(&id), result) else { return };
        tracing::debug!(peer = %id, %error, "no way through both routers");
        self.mailbox.report(Event::NoWayThrough { operator: peer.operator }, peer.allowance.report());
    }

    fn refused(&self, cause: ConnectionDenied, from: &Multiaddr) {
        match cause.downcast::<NotAnOperator>() {
            Ok(NotAnOperator(stranger)) => {
                let event = Event::Refused { peer_id: stranger.to_base58(), address: from.to_string() };
                self.mailbox.report(event, self.strangers.report());
            }
            Err(limit) => tracing::debug!(%from, reason = innermost(&limit), "connection refused"),
        }
    }

    fn answered(&mut self, id: PeerId, connection: ConnectionId, rtt: Duration) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(proof) = peer.connections.get_mut(&connection) else { return };
        let is_new = !std::mem::replace(&mut proof.proven, true);
        let (dialled_in, is_relayed) = (proof.dialled_in, proof.is_relayed());
        if is_new && is_relayed {
            // A circuit that was opened to try once more takes the place of the one before.
            let older = peer.connections.iter().filter(|(other, at)| **other < connection && at.is_relayed());
            for (older, _) in older {
                self.swarm.close_connection(*older);
            }
        }
        peer.backoff.reset();
        let operator = peer.operator;
        // The pings of a connection that carries nothing say nothing of the one that does.
        let Some(best) = peer.best().map(|best| best.address.to_string()) else { return };
        let carries = peer.connections.get(&connection).is_some_and(|at| at.address.to_string() == best);
        let mut changed = false;
        self.snapshot.send_modify(|snapshot| {
            let link = snapshot.links.entry(operator).or_default();
            changed = link.address.as_ref() != Some(&best);
            link.address = Some(best.clone());
            if carries || link.rtt.is_none() {
                link.rtt = Some(rtt);
            }
        });
        if changed {
            self.mailbox.report(Event::Connected { operator, address: best }, peer.allowance.report());
        }
        if !carries && !dialled_in {
            return;
        }
        self.mailbox.report(Event::Ping { operator, rtt, dialled_in }, peer.allowance.report());
    }

    fn unanswered(&mut self, id: PeerId, connection: ConnectionId, failure: &ping::Failure) {
        if let Some(peer) = self.peers.get(&id) {
            let event = Event::PingFailed { operator: peer.operator, reason: failure.to_string() };
            self.mailbox.report(event, peer.allowance.report());
        }
        // That of a relay as well: where a router forgot it, the place at the relay is asked for again.
        self.swarm.close_connection(connection);
    }

    fn closed(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let was_connected = peer.is_connected();
        peer.connections.remove(&connection);
        let operator = peer.operator;
        let address = peer.best().map(|connection| connection.address.to_string());
        if was_connected && address.is_none() {
            self.mailbox.report(Event::Disconnected { operator }, peer.allowance.report());
        }
        self.snapshot.send_modify(|snapshot| {
            let link = snapshot.links.entry(operator).or_default();
            link.rtt = link.rtt.filter(|_| address.is_some());
            link.address = address;
        });
        peer.look_for_a_direct_way(self.timing.direct_retry.min(FIRST_DIRECT));
        if peer.connections.is_empty() {
            peer.next_dial = Some(Instant::now() + peer.backoff.failed(&self.timing, rand::random()));
        }
    }
}

impl Peer {
    fn dial_failed(&mut self, error: &DialError, timing: &Timing, mailbox: &Mailbox) {
        let already_there =
            matches!(error, DialError::DialPeerConditionFalse(_)) || !self.connections.is_empty();
        if already_there {
            return;
        }
        let retry_in = self.backoff.failed(timing, rand::random());
        self.next_dial = Some(Instant::now() + retry_in);
        let event = Event::DialFailed { operator: self.operator, reason: reason(error), retry_in };
        mailbox.report(event, self.allowance.report());
    }
}

fn address_of(endpoint: ConnectedPoint) -> Multiaddr {
    match endpoint {
        ConnectedPoint::Dialer { address, .. } => address,
        // Of who comes through a relay the other end says no more than who he is.
        ConnectedPoint::Listener { local_addr, .. } if relay_of(&local_addr).is_some() => local_addr,
        ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
    }
}

/// An address without the id of whom it is of.
fn without_id(mut address: Multiaddr, id: PeerId) -> Multiaddr {
    if address.iter().last() == Some(Part::P2p(id)) {
        address.pop();
    }
    address
}

/// The innermost causes, one per address: what a person can act on.
fn reason(error: &DialError) -> String {
    match error {
        DialError::Transport(failures) => {
            let causes: Vec<_> =
                failures.iter().map(|(at, error)| format!("{at}: {}", innermost(error))).collect();
            causes.join("; ")
        }
        DialError::WrongPeerId { obtained, address } => format!("{address}: answered by {obtained} instead"),
        other => innermost(other),
    }
}

pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
