//! What operators send each other about a duty, free of any wire format.

use std::sync::Arc;

use hearth_qbft::{Draft, Message};
use hearth_types::{
    AttestationData, CommitteeIndex, Duty, ShareIndex, SignatureBytes, ValidatorIndex, ValidatorPubkey,
};

/// Names a value in consensus.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(pub [u8; 32]);

/// The signed form of a vote as its author encoded it; carried along in justifications, never looked into here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof(pub Arc<[u8]>);

/// Something to agree on, in the form in which it is hashed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Value {
    /// Its name.
    pub digest: Digest,
    /// Its content in the dialect's encoding.
    pub bytes: Arc<[u8]>,
}

/// A consensus message whose signatures were checked, with every value that it names.
#[derive(Clone, Debug)]
pub struct ConsensusMessage {
    /// The instance it belongs to.
    pub duty: Duty,
    /// The message.
    pub message: Message<Digest, Proof>,
    /// The values it names.
    pub values: Vec<Value>,
}

/// A consensus message of our own, to be signed and sent to all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsensusDraft {
    /// The instance it belongs to.
    pub duty: Duty,
    /// What we say.
    pub draft: Draft<Digest, Proof>,
    /// Every value that it names.
    pub values: Vec<Value>,
}

/// One operator's partial signature of one validator's attestation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartialAttestation {
    /// Group public key.
    pub validator: ValidatorPubkey,
    /// Whose share signed.
    pub share: ShareIndex,
    /// The vote that was signed.
    pub data: AttestationData,
    /// The validator.
    pub validator_index: ValidatorIndex,
    /// Its committee.
    pub committee_index: CommitteeIndex,
    /// The partial signature. Unchecked when it comes from a peer.
    pub signature: SignatureBytes,
}

/// Partial signatures of one operator for one duty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartialSet {
    /// The duty they belong to.
    pub duty: Duty,
    /// One entry a validator.
    pub partials: Vec<PartialAttestation>,
}
