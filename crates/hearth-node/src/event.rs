//! What a running node tells whoever watches it: the log, the metrics, a demo, later the window.

use std::collections::BTreeMap;

use hearth_duties::Report;
use hearth_types::{LockHash, OperatorIndex, Slot, UnixMillis};
use serde::Serialize;

/// Something that happened in the node.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NodeEvent {
    /// The node is up and ready for its first duty.
    Started {
        /// Who we are in the cluster.
        operator: OperatorIndex,
        /// Validators of the cluster.
        validators: usize,
        /// Where peers can reach us.
        listening: Vec<String>,
    },
    /// A peer can be talked to.
    PeerConnected {
        /// The peer.
        operator: OperatorIndex,
    },
    /// A peer is gone.
    PeerDisconnected {
        /// The peer.
        operator: OperatorIndex,
    },
    /// What the operators' nodes have in common was agreed on.
    Compared {
        /// When.
        slot: Slot,
        /// Who was heard, ourselves included.
        heard: Vec<OperatorIndex>,
        /// By topic, best first.
        topics: BTreeMap<String, Vec<String>>,
    },
    /// Another program has this node's identity, and nothing is signed; or that is over.
    RunsTwice {
        /// Whether nothing is signed.
        waits: bool,
    },
    /// The node finished the duty under way and closed its database.
    Stopped,
    /// A step on the road of a duty.
    #[serde(untagged)]
    Duty(Report),
}

/// Whoever watches. Called on the node's own tasks: must return at once.
pub trait Observer: Send + Sync {
    /// Takes note of something that happened at `at` in a cluster.
    fn observe(&self, at: UnixMillis, cluster: LockHash, event: &NodeEvent);
}

impl<F: Fn(UnixMillis, LockHash, &NodeEvent) + Send + Sync> Observer for F {
    fn observe(&self, at: UnixMillis, cluster: LockHash, event: &NodeEvent) {
        self(at, cluster, event);
    }
}
