//! Ways to peers: addresses that were given, that they tell, and through relays; and where this host can be reached itself.

use std::collections::BTreeSet;
use std::time::Duration;

use libp2p::multiaddr::Protocol as Part;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::time::Instant;

use super::{Behaviour, Net, RelayNews, innermost};
use crate::address;
use crate::event::Event;
use crate::relays::{Relay, dials, relay_of};
use crate::router::{Inside, Router};

/// Addresses kept of those that a peer says it has.
const TOLD_ADDRESSES: usize = 16;
/// How often the wait between two looks for another way doubles.
const DOUBLINGS: u32 = 8;

impl Net {
    /// Dials peers that are not connected.
    pub(super) fn dial_due(&mut self) {
        let now = Instant::now();
        for (id, peer) in &mut self.peers {
            if peer.next_dial.is_none_or(|due| due > now) {
                continue;
            }
            peer.next_dial = None;
            let addresses = self.standing.best(peer.all_addresses(), now);
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
    pub(super) fn dial_directly_due(&mut self) {
        let now = Instant::now();
        let own = *self.swarm.local_peer_id();
        for (id, peer) in &mut self.peers {
            if peer.next_direct.is_none_or(|due| due > now) {
                continue;
            }
            peer.next_direct = Some(now + longer(self.timing.direct_retry, &mut peer.tries));
            let addresses = self.standing.best(peer.all_addresses(), now);
            let (circuits, direct): (Vec<_>, Vec<_>) =
                addresses.into_iter().partition(|address| relay_of(address).is_some());
            let circuits = if dials(own, *id) { circuits } else { Vec::new() };
            look(&mut self.swarm, *id, direct);
            look(&mut self.swarm, *id, circuits);
        }
    }

    /// Tries to have a second way to peers to whom there is one only: through a relay that the first does not go through. Should
    /// the first break, messages take the other at once.
    pub(super) fn dial_spares_due(&mut self) {
        let now = Instant::now();
        let own = *self.swarm.local_peer_id();
        for (id, peer) in &mut self.peers {
            if peer.next_spare.is_none_or(|due| due > now) {
                continue;
            }
            peer.next_spare = Some(now + longer(self.timing.direct_retry, &mut peer.spare_tries));
            // Of two who know a relay one dials.
            if !dials(own, *id) {
                continue;
            }
            let ways = peer.ways();
            let others = peer.all_addresses().into_iter().filter(|address| {
                let relay = relay_of(address);
                relay.is_some() && !ways.contains(&relay)
            });
            look(&mut self.swarm, *id, self.standing.best(others.collect(), now));
        }
    }

    /// A peer says where it is. Nobody has to believe it: who answers there has to prove who it is.
    pub(super) fn told_where(&mut self, id: PeerId, connection: ConnectionId, addresses: Vec<Multiaddr>) {
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
                peer.next_direct = Some(Instant::now() + self.timing.direct_retry);
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
    pub(super) fn router_is(&mut self, router: Router) {
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
    pub(super) fn reserve_due(&mut self) {
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
    pub(super) fn relay_is_at(&mut self, RelayNews { url, id, addresses }: RelayNews) {
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
}

/// The wait before the next look for another way, each twice the one before.
fn longer(first: Duration, tries: &mut u32) -> Duration {
    *tries = tries.saturating_add(1);
    first * (1 << (*tries).min(DOUBLINGS))
}

/// Looks for another way to a peer that is connected.
fn look(swarm: &mut Swarm<Behaviour>, id: PeerId, addresses: Vec<Multiaddr>) {
    if addresses.is_empty() {
        return;
    }
    let options =
        DialOpts::peer_id(id).addresses(addresses).condition(PeerCondition::Always).allocate_new_port().build();
    if let Err(error) = swarm.dial(options) {
        tracing::trace!(peer = %id, %error, "no other way is looked for now");
    }
}

/// An address without the id of whom it is of.
fn without_id(mut address: Multiaddr, id: PeerId) -> Multiaddr {
    if address.iter().last() == Some(Part::P2p(id)) {
        address.pop();
    }
    address
}
