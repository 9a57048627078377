//! The cluster as its duties see it: who signs with what, and how many are needed.

use std::collections::BTreeMap;

use hearth_crypto::PublicKey;
use hearth_types::{OperatorIndex, ShareIndex, Threshold, ValidatorPubkey};

/// One validator of the cluster.
#[derive(Clone, Debug)]
pub struct ClusterValidator {
    /// Key that the chain knows.
    pub group: PublicKey,
    /// Public keys of the shares, in the order of the operators.
    pub shares: Vec<PublicKey>,
}

impl ClusterValidator {
    /// The public key of one share; `None` if the cluster has no such operator.
    pub fn share_key(&self, share: ShareIndex) -> Option<PublicKey> {
        self.shares.get(share.operator().position()).copied()
    }
}

/// The cluster, seen from one of its operators. Taken from a verified lock.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// This operator.
    pub me: OperatorIndex,
    /// Number of operators.
    pub operators: u8,
    /// Partial signatures needed.
    pub threshold: Threshold,
    /// Validators by group public key.
    pub validators: BTreeMap<ValidatorPubkey, ClusterValidator>,
}

impl Cluster {
    /// Every operator but this one.
    pub fn peers(&self) -> impl Iterator<Item = OperatorIndex> + '_ {
        OperatorIndex::all(self.operators).filter(|operator| *operator != self.me)
    }
}
