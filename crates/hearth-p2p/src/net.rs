//! The task that owns the swarm: it carries out commands, keeps peers connected and tells what happens.

mod peer;
mod ways;

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
    dcutr, identify, ping, relay,
    swarm::{ConnectionDenied, ConnectionId, DialError, ListenError, NetworkBehaviour, SwarmEvent},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    allowance::Allowance,
    config::Timing,
    event::{Event, Mailbox},
    gate::{Gate, KnownRelays, NotAnOperator},
    pipe::{Outgoing, Pipes},
    relays::{Relay, Standing, relay_of},
    router::Router,
};
use peer::Connection;
pub(crate) use peer::Peer;

/// Everything that runs on a connection. The gate is asked first: a stranger meets no other behaviour.
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
    /// How many ways to it there are that do not depend on each other: directly, and through each of the relays.
    pub ways: usize,
}

/// The swarm and what is known about its peers.
pub(crate) struct Net {
    swarm: Swarm<Behaviour>,
    peers: BTreeMap<PeerId, Peer>,
    relays: Vec<Relay>,
    known_relays: KnownRelays,
    standing: Standing,
    /// Where the router at home lets others in.
    outside: BTreeSet<Multiaddr>,
    /// Reports about nobody we know.
    strangers: Allowance,
    timing: Timing,
    mailbox: Mailbox,
    snapshot: watch::Sender<Snapshot>,
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
        let standing = Standing::default();
        Self { swarm, peers, relays, known_relays, standing, outside, strangers, timing, mailbox, snapshot }
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
            let dials = self
                .peers
                .values()
                .flat_map(|peer| [peer.next_dial, peer.next_direct, peer.next_spare])
                .flatten();
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
                    self.dial_spares_due();
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

    fn note(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    let dialled_in = endpoint.is_listener() && !endpoint.is_relayed();
                    let address = address_of(endpoint);
                    peer.connections.insert(connection_id, Connection { address, dialled_in, proven: false });
                    peer.next_dial = None;
                    peer.look_for_ways(self.timing.direct_retry);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                if cause.is_some() {
                    self.broke(peer_id, connection_id);
                }
                self.closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer_id), error, .. } => {
                if let DialError::Transport(failures) = &error {
                    let relays = failures.iter().filter_map(|(address, _)| relay_of(address));
                    relays.for_each(|relay| self.standing.broke(relay, Instant::now()));
                }
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
        let (dialled_in, through) = (proof.dialled_in, relay_of(&proof.address));
        if is_new && through.is_some() {
            // A circuit that was opened to try once more takes the place of the one before.
            let same = |at: &Connection| relay_of(&at.address) == through;
            let older = peer.connections.iter().filter(|(other, at)| **other < connection && same(at));
            for (older, _) in older {
                self.swarm.close_connection(*older);
            }
        }
        peer.backoff.reset();
        let operator = peer.operator;
        // The pings of a connection that carries nothing say nothing of the one that does.
        let Some(best) = peer.best().map(|best| best.address.to_string()) else { return };
        let ways = peer.proven_ways();
        let carries = peer.connections.get(&connection).is_some_and(|at| at.address.to_string() == best);
        let mut changed = false;
        self.snapshot.send_modify(|snapshot| {
            let link = snapshot.links.entry(operator).or_default();
            changed = link.address.as_ref() != Some(&best);
            link.address = Some(best.clone());
            link.ways = ways;
            if carries || link.rtt.is_none() {
                link.rtt = Some(rtt);
            }
        });
        if changed {
            peer.is_shown = true;
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
        self.broke(id, connection);
        // That of a relay as well: where a router forgot it, the place at the relay is asked for again.
        self.swarm.close_connection(connection);
    }

    /// A connection did not end as its ends wanted it. If it went through a relay, others are preferred for a while.
    fn broke(&mut self, id: PeerId, connection: ConnectionId) {
        let connection = self.peers.get(&id).and_then(|peer| peer.connections.get(&connection));
        if let Some(relay) = connection.and_then(|connection| relay_of(&connection.address)) {
            self.standing.broke(relay, Instant::now());
        }
    }

    fn closed(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.connections.remove(&connection);
        let operator = peer.operator;
        let address = peer.best().map(|connection| connection.address.to_string());
        let ways = peer.proven_ways();
        let mut changed = false;
        self.snapshot.send_modify(|snapshot| {
            let link = snapshot.links.entry(operator).or_default();
            changed = link.address != address;
            link.rtt = link.rtt.filter(|_| address.is_some());
            link.address.clone_from(&address);
            link.ways = ways;
        });
        match address {
            Some(address) if changed => {
                self.mailbox.report(Event::Connected { operator, address }, peer.allowance.report());
            }
            // One that is not proven yet may be the one that took this one's place.
            None if peer.is_shown && peer.connections.is_empty() => {
                peer.is_shown = false;
                self.mailbox.report(Event::Disconnected { operator }, peer.allowance.report());
            }
            _ => {}
        }
        peer.look_for_ways(self.timing.direct_retry);
        if peer.connections.is_empty() {
            peer.next_dial = Some(Instant::now() + peer.backoff.failed(&self.timing, rand::random()));
        }
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

pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
