//! Relays: hosts at a public address that pass on the bytes of those who have none. What is passed on is encrypted between the
//! operators; a relay sees who talks to whom, and how much.
//!
//! A host that is told of a relay keeps a reservation there, so that others can come to it through the relay, and goes through it to
//! each peer whose id is greater than its own: of two who know the same relay, one dials.
//!
//! Source: spec/obol-p2p.md 2.4.

use std::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use crate::config::Timing;
use crate::reconnect::Backoff;

/// Longest wait before a reservation is tried again. Source: spec/obol-p2p.md 2.4.
const LONGEST: Duration = Duration::from_secs(120);

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
