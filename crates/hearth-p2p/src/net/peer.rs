//! One of the other operators, as the network sees it: where it may be, and what connects us.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_types::OperatorIndex;
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::innermost;
use crate::allowance::Allowance;
use crate::config::Timing;
use crate::event::{Event, Mailbox};
use crate::reconnect::Backoff;
use crate::relays::relay_of;

/// One peer as the dial loop sees it.
pub(crate) struct Peer {
    pub(crate) operator: OperatorIndex,
    pub(crate) allowance: Allowance,
    pub(crate) addresses: Vec<Multiaddr>,
    /// Where it says that it is.
    pub(super) told: Vec<Multiaddr>,
    pub(super) backoff: Backoff,
    pub(super) next_dial: Option<Instant>,
    /// When a way without relay is looked for; `None` while there is one, or nobody is connected at all.
    pub(super) next_direct: Option<Instant>,
    /// How often it was looked for in vain.
    pub(super) tries: u32,
    /// When a second way is looked for, independent of the one there is; `None` while there are two, or nobody is connected.
    pub(super) next_spare: Option<Instant>,
    /// How often it was looked for in vain.
    pub(super) spare_tries: u32,
    /// Whether it was told that it is connected, and not yet that it is gone.
    pub(super) is_shown: bool,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
}

pub(super) struct Connection {
    pub(super) address: Multiaddr,
    /// Whether the other side opened it, without a relay.
    pub(super) dialled_in: bool,
    /// Whether a ping came back. One that is refused at the other side's gate looks established for an instant.
    pub(super) proven: bool,
}

impl Connection {
    pub(super) fn is_relayed(&self) -> bool {
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
            next_spare: None,
            spare_tries: 0,
            is_shown: false,
            connections: BTreeMap::new(),
        }
    }

    /// The connection that messages take: one that works, without a relay if there is such a one.
    pub(super) fn best(&self) -> Option<&Connection> {
        let mut newest = self.connections.values().rev().filter(|connection| connection.proven);
        let any = newest.clone().next();
        newest.find(|connection| !connection.is_relayed()).or(any)
    }

    /// Everywhere it may be.
    pub(super) fn all_addresses(&self) -> Vec<Multiaddr> {
        let told = self.told.iter().filter(|address| !self.addresses.contains(*address));
        self.addresses.iter().chain(told).cloned().collect()
    }

    /// Whether it is connected, and through relays only.
    fn is_behind_relays(&self) -> bool {
        !self.connections.is_empty() && self.connections.values().all(Connection::is_relayed)
    }

    /// The ways that there are: through which relay, or through none.
    pub(super) fn ways(&self) -> BTreeSet<Option<PeerId>> {
        self.connections.values().map(|connection| relay_of(&connection.address)).collect()
    }

    /// How many of them are known to work.
    pub(super) fn proven_ways(&self) -> usize {
        let proven = self.connections.values().filter(|connection| connection.proven);
        proven.map(|connection| relay_of(&connection.address)).collect::<BTreeSet<_>>().len()
    }

    /// A connection came or went: begins to look for a way without relay and for a second way, or stops.
    pub(super) fn look_for_ways(&mut self, wait: Duration) {
        if self.ways().len() != 1 {
            (self.next_spare, self.spare_tries) = (None, 0);
        } else if self.next_spare.is_none() {
            self.next_spare = Some(Instant::now() + wait);
        }
        if !self.is_behind_relays() {
            (self.next_direct, self.tries) = (None, 0);
        } else if self.next_direct.is_none() {
            self.next_direct = Some(Instant::now() + wait);
        }
    }

    pub(super) fn dial_failed(&mut self, error: &DialError, timing: &Timing, mailbox: &Mailbox) {
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
