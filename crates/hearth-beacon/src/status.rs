//! What is known of each node, for choosing among them and for showing.

use hearth_types::{ChainSpec, Epoch, Slot};

use crate::error::BeaconError;
use crate::network::agree_until;
use crate::node::Identity;
use crate::url::RedactedUrl;
use crate::wire::Syncing;

/// One node as it was last seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeStatus {
    /// The node.
    pub url: RedactedUrl,
    /// Its name and version, in its own words.
    pub version: Option<String>,
    /// Whether it answers.
    pub reachable: bool,
    /// Whether it follows the head of the chain, neither catching up nor optimistic.
    pub synced: bool,
    /// Whether it described our chain when it was last looked at. `last_error` tells another chain from
    /// silence.
    pub network_ok: bool,
    /// First epoch of a fork on which it and we know different things; it is not used from there on.
    pub agrees_until: Epoch,
    /// Whether its execution client is there. Without one it is the second choice.
    pub execution_online: bool,
    /// Slot of its head.
    pub head_slot: Option<Slot>,
    /// How long it took to say how far it is.
    pub latency_ms: Option<u64>,
    /// How long after the start of a slot it told of that slot's block, in 19 of the last 20 cases; `None` until it has told
    /// of a few.
    pub head_delay_ms: Option<u64>,
    /// What last went wrong with it; `None` after a check that found nothing wrong.
    pub last_error: Option<String>,
}

impl NodeStatus {
    /// A node of which nothing is known yet.
    pub(crate) fn unknown(url: RedactedUrl) -> Self {
        Self {
            url,
            version: None,
            reachable: false,
            synced: false,
            network_ok: false,
            agrees_until: Epoch::new(0),
            execution_online: false,
            head_slot: None,
            latency_ms: None,
            head_delay_ms: None,
            last_error: None,
        }
    }

    /// What a look at a node shows: what it says about its chain, and how far it says it is.
    pub(crate) fn seen(
        url: RedactedUrl,
        ours: &ChainSpec,
        identity: Result<Identity, BeaconError>,
        syncing: Result<Syncing, BeaconError>,
        latency_ms: u64,
    ) -> Self {
        let silent = |error: &BeaconError| error.problem.is_silence();
        let mut seen = Self::unknown(url.clone());
        seen.reachable = !identity.as_ref().is_err_and(silent) && !syncing.as_ref().is_err_and(silent);
        match syncing {
            Ok(syncing) => {
                seen.synced = !syncing.is_syncing && !syncing.is_optimistic;
                seen.execution_online = !syncing.el_offline;
                seen.head_slot = Some(syncing.head_slot);
                seen.latency_ms = Some(latency_ms);
                if !seen.synced {
                    seen.last_error = Some(format!("{url}: does not follow the head of the chain"));
                }
            }
            Err(error) => seen.last_error = Some(error.to_string()),
        }
        match identity.map(|identity| (agree_until(ours, &identity.spec), identity.version)) {
            Ok((agreement, version)) => {
                seen.version = version;
                match agreement {
                    Ok(epoch) => (seen.network_ok, seen.agrees_until) = (true, epoch),
                    Err(difference) => {
                        seen.last_error = Some(format!("{url}: is on another network: {difference}"));
                    }
                }
            }
            Err(error) => seen.last_error = Some(error.to_string()),
        }
        seen
    }

    /// Whether its answers may be used.
    pub fn usable(&self) -> bool {
        self.reachable && self.synced && self.network_ok
    }

    /// Whether it is on our chain, as far as `epoch` is concerned.
    pub(crate) fn shares_chain_at(&self, epoch: Option<Epoch>) -> bool {
        self.network_ok && epoch.is_none_or(|epoch| epoch < self.agrees_until)
    }

    /// Why its answers about `epoch` may not be used.
    pub(crate) fn complaint(&self, epoch: Option<Epoch>) -> String {
        let Self { url, .. } = self;
        match &self.last_error {
            _ if self.network_ok && !self.shares_chain_at(epoch) => {
                format!("{url}: knows other forks than this node from epoch {} on", self.agrees_until)
            }
            // It names the node already.
            Some(error) => error.clone(),
            None => format!("{url}: not usable"),
        }
    }
}

/// Nodes whose answers about `epoch` may be used, best first: in the given order, but after the others those
/// that have no execution client or whose head stands still more than an epoch behind another node's.
pub(crate) fn ranked(statuses: &[NodeStatus], epoch: Option<Epoch>, slots_per_epoch: u64) -> Vec<usize> {
    let usable = |status: &NodeStatus| status.usable() && status.shares_chain_at(epoch);
    let best_head = statuses.iter().filter(|s| usable(s)).filter_map(|s| s.head_slot).max();
    let second_choice = |status: &NodeStatus| {
        let frozen = status
            .head_slot
            .is_some_and(|head| best_head.is_some_and(|best| head.saturating_add(slots_per_epoch) < best));
        frozen || !status.execution_online
    };
    let mut order: Vec<_> = statuses.iter().enumerate().filter(|(_, status)| usable(status)).collect();
    order.sort_by_key(|(_, status)| second_choice(status)); // Stable: equals keep the owner's order.
    order.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy(head: u64) -> NodeStatus {
        let url = "http://127.0.0.1:1".parse::<crate::NodeUrl>().unwrap().redacted();
        NodeStatus {
            reachable: true,
            synced: true,
            network_ok: true,
            agrees_until: Epoch::FAR_FUTURE,
            execution_online: true,
            head_slot: Some(Slot::new(head)),
            ..NodeStatus::unknown(url)
        }
    }

    #[test]
    fn nodes_are_asked_in_the_owners_order_unless_one_is_worse() {
        let epoch = Some(Epoch::new(5));
        let changed = |change: fn(&mut NodeStatus)| {
            let mut status = healthy(100);
            change(&mut status);
            status
        };
        for (name, first, expected) in [
            ("healthy", healthy(100), vec![0, 1, 2]),
            ("a little behind", healthy(92), vec![0, 1, 2]),
            ("frozen head", healthy(91), vec![1, 2, 0]),
            ("ahead", healthy(101), vec![0, 1, 2]),
            ("no execution client", changed(|s| s.execution_online = false), vec![1, 2, 0]),
            ("silent", changed(|s| s.reachable = false), vec![1, 2]),
            ("syncing", changed(|s| s.synced = false), vec![1, 2]),
            ("other network", changed(|s| s.network_ok = false), vec![1, 2]),
            ("fork at the epoch", changed(|s| s.agrees_until = Epoch::new(5)), vec![1, 2]),
            ("fork after the epoch", changed(|s| s.agrees_until = Epoch::new(6)), vec![0, 1, 2]),
        ] {
            assert_eq!(ranked(&[first, healthy(100), healthy(100)], epoch, 8), expected, "{name}");
        }
    }

    #[test]
    fn a_head_far_ahead_on_another_network_makes_nobody_second_choice() {
        let mut stranger = healthy(1_000_000);
        stranger.network_ok = false;
        let mut offline = healthy(100);
        offline.execution_online = false;
        assert_eq!(ranked(&[stranger, offline, healthy(100)], None, 8), vec![2, 1]);
    }
}
