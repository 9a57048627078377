//! Relays: hosts at a public address that pass on the bytes of those who have none. What is passed on is encrypted between the
//! operators; a relay sees who talks to whom, and how much.
//!
//! A host that is told of a relay keeps a reservation there, so that others can come to it through the relay, and goes through it to
//! each peer whose id is greater than its own: of two who know the same relay, one dials.
//!
//! Source: spec/obol-p2p.md 2.4.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use crate::config::Timing;
use crate::reconnect::Backoff;

/// Longest wait before a reservation is tried again. Source: spec/obol-p2p.md 2.4.
const LONGEST: Duration = Duration::from_secs(120);
/// Time without a break after which a relay is as good as any.
const FORGIVEN: Duration = Duration::from_secs(1_200);

/// A relay at which this host can be reached, or tries to be.
pub(crate) struct Relay {
    pub(crate) id: PeerId,
    /// Where it is, without its id; each in turn is tried.
    pub(crate) addresses: Vec<Multiaddr>,
    /// By what URL it is given, if it is.
    pub(crate) url: Option<String>,
    turn: usize,
    backoff: Backoff,
    pub(crate) next_try: Option<Instant>,
    pub(crate) listener: Option<ListenerId>,
}

impl Relay {
    pub(crate) fn new(id: PeerId, addresses: Vec<Multiaddr>, url: Option<String>) -> Self {
        let next_try = Some(Instant::now());
        Self { id, addresses, url, turn: 0, backoff: Backoff::default(), next_try, listener: None }
    }

    /// Where this host listens at the relay.
    pub(crate) fn to_listen_on(&self) -> Option<Multiaddr> {
        let address = self.addresses.iter().cycle().nth(self.turn)?;
        Some(through(self.id, address))
    }

    /// The ways through it.
    pub(crate) fn circuits(&self) -> impl Iterator<Item = Multiaddr> + '_ {
        self.addresses.iter().map(|address| through(self.id, address))
    }

    /// There is a reservation.
    pub(crate) fn reserved(&mut self) {
        self.backoff.reset();
    }

    /// There is none, or none any more.
    pub(crate) fn lost(&mut self, timing: &Timing, chance: f64) -> Duration {
        self.listener = None;
        self.turn = (self.turn + 1) % self.addresses.len().max(1);
        let timing = Timing { redial_longest: timing.redial_longest.max(LONGEST), ..*timing };
        let wait = self.backoff.failed(&timing, chance);
        self.next_try = Some(Instant::now() + wait);
        wait
    }
}

/// How often ways through each relay broke lately. A relay does not see what it passes on, but it can pass on nothing, or only
/// what it likes: then the pings of what goes through it fail, and others are preferred.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    breaks: BTreeMap<PeerId, (u32, Instant)>,
}

impl Standing {
    /// A way through it broke, or could not be had.
    pub(crate) fn broke(&mut self, relay: PeerId, now: Instant) {
        let count = self.count(relay, now).saturating_add(1);
        self.breaks.insert(relay, (count, now));
    }

    /// Of these addresses those that lead through no relay, and those through the relays that broke least.
    pub(crate) fn best(&self, addresses: Vec<Multiaddr>, now: Instant) -> Vec<Multiaddr> {
        let count = |address: &Multiaddr| relay_of(address).map(|relay| self.count(relay, now));
        let least = addresses.iter().filter_map(count).min();
        addresses
            .into_iter()
            .filter(|address| count(address).is_none_or(|breaks| Some(breaks) == least))
            .collect()
    }

    fn count(&self, relay: PeerId, now: Instant) -> u32 {
        let lately = self.breaks.get(&relay).filter(|(_, last)| now.duration_since(*last) < FORGIVEN);
        lately.map_or(0, |(count, _)| *count)
    }
}

/// The circuit through a relay; whoever is at its other end is not in it.
pub(crate) fn through(relay: PeerId, address: &Multiaddr) -> Multiaddr {
    address.clone().with(Part::P2p(relay)).with(Part::P2pCircuit)
}

/// The relay that an address leads through.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let parts: Vec<Part<'_>> = address.iter().collect();
    parts.windows(2).find_map(|pair| match pair {
        [Part::P2p(relay), Part::P2pCircuit] => Some(*relay),
        _ => None,
    })
}

/// Whether `me` dials `peer` through a relay that both know, by the bytes of the ids.
pub(crate) fn dials(me: PeerId, peer: PeerId) -> bool {
    me.to_bytes() < peer.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relays_that_broke_least_are_gone_through_and_direct_ways_are_always_tried() {
        let at = |port: u16| -> Multiaddr { format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap() };
        let [one, other] = [PeerId::random(), PeerId::random()];
        let (direct, first, second) = (at(1), through(one, &at(2)), through(other, &at(3)));
        let all = || vec![direct.clone(), first.clone(), second.clone()];
        let (mut standing, start) = (Standing::default(), Instant::now());
        assert_eq!(standing.best(all(), start), all());
        standing.broke(one, start);
        assert_eq!(standing.best(all(), start), [direct.clone(), second.clone()]);
        assert_eq!(standing.best(vec![first.clone()], start), vec![first.clone()], "better than none");
        standing.broke(other, start);
        assert_eq!(standing.best(all(), start), all(), "one is as bad as the other");
        standing.broke(other, start + FORGIVEN / 2);
        assert_eq!(standing.best(all(), start + FORGIVEN / 2), [direct.clone(), first.clone()]);
        assert_eq!(standing.best(all(), start + FORGIVEN * 2), all(), "forgiven");
        assert_eq!(standing.best(vec![direct.clone()], start), [direct]);
    }
}
