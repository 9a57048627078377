//! Consensus messages: from bytes of a peer to a checked message, from a draft of our own to signed bytes.
//!
//! A node key signs the hash of a vote's deterministic form without its signature, fields unknown to this version
//! included. Votes of others are therefore kept as their deterministic form with all their fields ([`Proof`]) and
//! passed on as such. What any encoder writes is in that form already, so its bytes stay as they are.
//!
//! Source: `obol-duties.md` 5.1 to 5.3.

use std::collections::BTreeMap;

use hearth_crypto::k1::{self, InvalidNodeSignature, NodeKey, NodePublicKey};
use hearth_crypto::{Unverified, Verified, Verify};
use hearth_duties::{ConsensusDraft, ConsensusMessage, Digest, Proof, Round, Speech};
use hearth_qbft::{Kind, Message, Signed, Vote};
use hearth_types::{Duty, DutyKind, OperatorIndex, Slot};
use prost::Message as _;
use thiserror::Error;

use super::field::{Field, fields};
use super::hash::proto_hash;
use super::proto::{self, QbftConsensusMsg, QbftMsg};
use super::timing::{Gate, Untimely};
use super::value::{self, ValueRejection};
use super::{CONSENSUS_FRAME_BYTES, agrees_on};

/// Bytes of one signed vote. Real ones have about 150; the rest is room for fields of later versions. Without a bound
/// one operator could stuff its votes until nobody's justifications fit a frame, or a memory.
const MOST_VOTE_BYTES: usize = 1_024;

/// Why a consensus message was refused. The caller adds which peer delivered it.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum ConsensusRejection {
    /// Longer than a frame.
    #[error("{bytes} bytes are more than a frame holds")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not a message of this protocol at all.
    #[error("not a consensus message")]
    Undecodable,
    /// There is no message in it.
    #[error("the message is missing")]
    Missing,
    /// The message itself breaks a rule.
    #[error("the message {0}")]
    Message(VoteRejection),
    /// Not the time for this duty.
    #[error(transparent)]
    Untimely(#[from] Untimely),
    /// Nothing is wrong with it, but this version does not perform such duties.
    #[error("this version does not perform duty {0}")]
    NotPerformed(Duty),
    /// More justifications than `2n`.
    #[error("more than {most} justifications")]
    TooManyJustifications {
        /// The bound.
        most: usize,
    },
    /// More values than twice the number of votes.
    #[error("more than {most} values")]
    TooManyValues {
        /// The bound.
        most: usize,
    },
    /// A justification breaks a rule.
    #[error("justification {position} {reason}")]
    Justification {
        /// Its position, from 0.
        position: usize,
        /// The rule.
        reason: VoteRejection,
    },
    /// A justification is about another duty than the message.
    #[error("justification {position} is about duty {duty}")]
    ForeignJustification {
        /// Its position, from 0.
        position: usize,
        /// What it is about.
        duty: Duty,
    },
    /// A value breaks a rule.
    #[error("value {position} is {reason}")]
    Value {
        /// Its position, from 0.
        position: usize,
        /// The rule.
        reason: ValueRejection,
    },
    /// A vote names a value that did not come along.
    #[error("the value 0x{} is named but missing", hex::encode(.0.0))]
    ValueMissing(Digest),
}

/// Why one signed vote was refused.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum VoteRejection {
    /// Longer than any vote.
    #[error("is longer than {MOST_VOTE_BYTES} bytes")]
    TooLong,
    /// Not a vote.
    #[error("is no vote")]
    Undecodable,
    /// Says nothing about a duty.
    #[error("names no duty")]
    NoDuty,
    /// A duty type that does not exist.
    #[error("names duty type {0}, which does not exist")]
    DutyKind(i32),
    /// A message type that does not exist.
    #[error("is of type {0}, which does not exist")]
    Kind(i64),
    /// Rounds count from 1.
    #[error("is for round {0}")]
    Round(i64),
    /// Prepared rounds count from 0, which means none.
    #[error("names prepared round {0}")]
    PreparedRound(i64),
    /// Nobody has this position in the cluster.
    #[error("claims position {0} in the cluster")]
    Author(i64),
    /// Nobody can have made the signature.
    #[error("of {author} has no valid signature: {reason}")]
    Signature {
        /// Who is said to have signed.
        author: OperatorIndex,
        /// What is wrong with it.
        reason: InvalidNodeSignature,
    },
    /// Another key than the author's made the signature.
    #[error("is not signed by its author, {author}")]
    ForeignSignature {
        /// Who is said to have signed.
        author: OperatorIndex,
    },
}

/// Why a draft of our own cannot be sent.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum DraftRejection {
    /// Peers would drop it: a bound of the protocol.
    #[error("{what}: {count} where peers take {most}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much there is.
        count: usize,
        /// How much peers accept.
        most: usize,
    },
    /// A round that does not fit the wire.
    #[error("round {0} does not fit the wire")]
    Round(Round),
    /// An author that is not of this cluster, or a key that is not the author's.
    #[error("our own vote {0}")]
    Vote(VoteRejection),
}

/// Reads, checks, signs and writes the consensus messages of one cluster.
#[derive(Clone, Debug)]
pub struct ConsensusCodec {
    operators: Vec<NodePublicKey>,
}

impl ConsensusCodec {
    /// A codec for the operators with these keys, in the order of the cluster definition.
    pub const fn new(operators: Vec<NodePublicKey>) -> Self {
        Self { operators }
    }

    /// Checks everything that can be checked about a received message without knowing its instance: form, duty,
    /// every signature, and that exactly the values that it names come along.
    ///
    /// Costs at most `2n + 1` signature checks and one hash over the frame.
    pub fn decode(
        &self,
        frame: &[u8],
        gate: &Gate<'_>,
    ) -> Result<Verified<ConsensusMessage>, ConsensusRejection> {
        if frame.len() > CONSENSUS_FRAME_BYTES {
            return Err(ConsensusRejection::TooLong { bytes: frame.len() });
        }
        let most_justifications = 2 * self.operators.len();
        let Parts { message, justifications, values } = Parts::read(frame, most_justifications)?;

        let message = self.claim(message).map_err(ConsensusRejection::Message)?;
        gate.admit_consensus(message.duty)?;
        if !agrees_on(message.duty.kind) {
            return Err(ConsensusRejection::NotPerformed(message.duty));
        }
        let message = self.verify(message).map_err(ConsensusRejection::Message)?;
        let mut checked = Vec::with_capacity(justifications.len());
        for (position, vote) in justifications.into_iter().enumerate() {
            let refused = |reason| ConsensusRejection::Justification { position, reason };
            let vote = self.claim(vote).map_err(refused)?;
            if vote.duty != message.duty {
                return Err(ConsensusRejection::ForeignJustification { position, duty: vote.duty });
            }
            checked.push(self.verify(vote).map_err(refused)?);
        }

        let mut by_digest = BTreeMap::new();
        for (position, any) in values.into_iter().enumerate() {
            let value = value::unwrap(message.duty.kind, any)
                .map_err(|reason| ConsensusRejection::Value { position, reason })?;
            by_digest.insert(value.digest, value);
        }
        let mut named = BTreeMap::new();
        let votes = std::iter::once(&message).chain(&checked).map(|claim| &claim.signed.vote);
        for digest in votes.flat_map(|vote| [vote.value, vote.prepared_value]).flatten() {
            let value = by_digest.get(&digest).ok_or(ConsensusRejection::ValueMissing(digest))?;
            named.insert(digest, value.clone());
        }

        let justification = checked.into_iter().map(|claim| claim.into_inner().signed).collect();
        let values = named.into_values().collect();
        Ok(message.map(|claim| ConsensusMessage {
            duty: claim.duty,
            message: Message { signed: claim.signed, justification },
            values,
        }))
    }

    /// Signs a draft: the bytes for every other operator, and the message as it comes back to ourselves.
    ///
    /// The draft's justifications were checked when they arrived. Its own signature is checked against the author's
    /// key, so a node that holds the wrong key notices at its first vote.
    /// Errors: [`DraftRejection`] when peers would drop it.
    pub fn encode(
        &self,
        speech: &Speech,
        key: &NodeKey,
    ) -> Result<(Vec<u8>, Verified<ConsensusMessage>), DraftRejection> {
        let ConsensusDraft { duty, draft, values } = speech.draft();
        let justification = &draft.justification;
        for (what, count, most) in [
            ("justifications", justification.len(), 2 * self.operators.len()),
            ("values", values.len(), most_values(justification.len())),
        ] {
            if count > most {
                return Err(DraftRejection::TooMuch { what, count, most });
            }
        }
        let vote = sign(*duty, &draft.vote, key)?;
        let message = self.claim(&vote).and_then(|claim| self.verify(claim)).map_err(DraftRejection::Vote)?;
        let bytes = QbftConsensusMsg {
            msg: message.signed.proof.0.to_vec(),
            justification: justification.iter().map(|signed| signed.proof.0.to_vec()).collect(),
            values: values.iter().map(|value| value::wrap(duty.kind, value)).collect(),
        }
        .encode_to_vec();
        if bytes.len() > CONSENSUS_FRAME_BYTES {
            let (count, most) = (bytes.len(), CONSENSUS_FRAME_BYTES);
            return Err(DraftRejection::TooMuch { what: "bytes", count, most });
        }
        let message = message.map(|claim| ConsensusMessage {
            duty: claim.duty,
            message: Message { signed: claim.signed, justification: justification.clone() },
            values: values.clone(),
        });
        Ok((bytes, message))
    }

    /// Reads one signed vote and checks all of it but its signature.
    fn claim(&self, bytes: &[u8]) -> Result<SignedVote, VoteRejection> {
        let RawVote { fields, duty, unknown } = RawVote::read(bytes)?;
        let kind = read_kind(fields.kind).ok_or(VoteRejection::Kind(fields.kind))?;
        let duty_kind =
            DutyKind::from_number(duty.kind.into()).map_err(|_| VoteRejection::DutyKind(duty.kind))?;
        let from = u8::try_from(fields.peer_idx)
            .ok()
            .filter(|position| usize::from(*position) < self.operators.len())
            .and_then(OperatorIndex::new)
            .ok_or(VoteRejection::Author(fields.peer_idx))?;
        let round = u64::try_from(fields.round).ok().and_then(Round::new);
        let round = round.ok_or(VoteRejection::Round(fields.round))?;
        let prepared_round = u64::try_from(fields.prepared_round).map(Round::new);
        let prepared_round = prepared_round.map_err(|_| VoteRejection::PreparedRound(fields.prepared_round))?;
        let vote = Vote {
            kind,
            from,
            round,
            value: read_hash(&fields.value_hash),
            prepared_round,
            prepared_value: read_hash(&fields.prepared_value_hash),
        };
        let proof = Proof([fields.encode_to_vec(), unknown.clone()].concat().into());
        let signature = fields.signature.clone();
        Ok(SignedVote {
            duty: Duty { slot: Slot::new(duty.slot), kind: duty_kind },
            signed: Signed { vote, proof },
            digest: signed_digest(fields, &unknown),
            signature,
        })
    }

    fn verify(&self, claim: SignedVote) -> Result<Verified<SignedVote>, VoteRejection> {
        Unverified::new(claim).verify(&self.operators)
    }
}

/// The parts of a received message, counted before anything is spent on them.
struct Parts<'a> {
    message: &'a [u8],
    justifications: Vec<&'a [u8]>,
    values: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn read(frame: &'a [u8], most_justifications: usize) -> Result<Self, ConsensusRejection> {
        let (mut message, mut justifications, mut values) = (None, Vec::new(), Vec::new());
        for field in fields(frame) {
            let Field { number, payload, .. } = field.map_err(|_| ConsensusRejection::Undecodable)?;
            match (number, payload) {
                (1, Some(vote)) if message.is_none() => message = Some(vote),
                (2, Some(vote)) => justifications.push(vote),
                (3, Some(value)) => values.push(value),
                (1..=3, _) => return Err(ConsensusRejection::Undecodable),
                // Fields of later versions.
                _ => {}
            }
            if justifications.len() > most_justifications {
                return Err(ConsensusRejection::TooManyJustifications { most: most_justifications });
            }
            // Values may stand before the justifications that allow for them.
            if values.len() > most_values(most_justifications) {
                return Err(ConsensusRejection::TooManyValues { most: most_values(most_justifications) });
            }
        }
        let most = most_values(justifications.len());
        if values.len() > most {
            return Err(ConsensusRejection::TooManyValues { most });
        }
        Ok(Self { message: message.ok_or(ConsensusRejection::Missing)?, justifications, values })
    }
}

/// Every vote names at most two values.
const fn most_values(justifications: usize) -> usize {
    2 * (justifications + 1)
}

/// A vote as it was received, its known fields in their deterministic form.
struct RawVote {
    fields: QbftMsg,
    duty: proto::Duty,
    unknown: Vec<u8>,
}

impl RawVote {
    fn read(bytes: &[u8]) -> Result<Self, VoteRejection> {
        if bytes.len() > MOST_VOTE_BYTES {
            return Err(VoteRejection::TooLong);
        }
        let refused = |_| VoteRejection::Undecodable;
        let mut known = QbftMsg::decode(bytes).map_err(|_| VoteRejection::Undecodable)?;
        let (mut duty, mut unknown) = (None, Vec::new());
        for field in fields(bytes) {
            match field.map_err(refused)? {
                Field { number: 2, payload: Some(payload), .. } if duty.is_none() => duty = Some(payload),
                // Two would have to be merged; no encoder writes two.
                Field { number: 2, .. } => return Err(VoteRejection::Undecodable),
                Field { number: 1 | 3 | 4 | 6 | 8 | 11 | 12, .. } => {}
                Field { raw, .. } => unknown.extend_from_slice(raw),
            }
        }
        let bytes = duty.ok_or(VoteRejection::NoDuty)?;
        let duty = proto::Duty::decode(bytes).map_err(|_| VoteRejection::Undecodable)?;
        let mut deterministic = duty.encode_to_vec();
        for field in fields(bytes) {
            match field.map_err(refused)? {
                Field { number: 1 | 2, .. } => {}
                Field { raw, .. } => deterministic.extend_from_slice(raw),
            }
        }
        known.duty = Some(deterministic);
        Ok(Self { fields: known, duty, unknown })
    }
}

/// A vote whose form is in order, and who is said to have signed it.
struct SignedVote {
    duty: Duty,
    signed: Signed<Digest, Proof>,
    digest: [u8; 32],
    signature: Vec<u8>,
}

impl Verify for SignedVote {
    /// Keys of the operators by position.
    type Context = [NodePublicKey];
    type Error = VoteRejection;

    fn check(&self, operators: &[NodePublicKey]) -> Result<(), VoteRejection> {
        let author = self.signed.vote.from;
        let signer = k1::recover(&self.digest, &self.signature)
            .map_err(|reason| VoteRejection::Signature { author, reason })?;
        match operators.get(author.position()) {
            Some(key) if *key == signer => Ok(()),
            _ => Err(VoteRejection::ForeignSignature { author }),
        }
    }
}

/// What a node key signs: the hash of the vote without its signature, unknown fields last.
fn signed_digest(mut fields: QbftMsg, unknown: &[u8]) -> [u8; 32] {
    fields.signature = Vec::new();
    let mut content = fields.encode_to_vec();
    content.extend_from_slice(unknown);
    proto_hash(&content)
}

fn sign(duty: Duty, vote: &Vote<Digest>, key: &NodeKey) -> Result<Vec<u8>, DraftRejection> {
    let number = |round: Round| i64::try_from(round.get()).map_err(|_| DraftRejection::Round(round));
    let hash = |digest: Option<Digest>| digest.map_or([0; 32], |digest| digest.0).to_vec();
    let duty = proto::Duty { slot: duty.slot.get(), kind: duty.kind.number().into() };
    let mut fields = QbftMsg {
        kind: write_kind(vote.kind),
        duty: Some(duty.encode_to_vec()),
        peer_idx: u8::from(vote.from).into(),
        round: number(vote.round)?,
        prepared_round: vote.prepared_round.map_or(Ok(0), number)?,
        signature: Vec::new(),
        value_hash: hash(vote.value),
        prepared_value_hash: hash(vote.prepared_value),
    };
    fields.signature = key.sign(&signed_digest(fields.clone(), &[])).to_vec();
    Ok(fields.encode_to_vec())
}

/// Zeros, and anything that is not 32 bytes, stand for no value.
fn read_hash(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().filter(|hash| *hash != [0; 32]).map(Digest)
}

fn read_kind(number: i64) -> Option<Kind> {
    [Kind::PrePrepare, Kind::Prepare, Kind::Commit, Kind::RoundChange, Kind::Decided]
        .into_iter()
        .find(|kind| write_kind(*kind) == number)
}

const fn write_kind(kind: Kind) -> i64 {
    match kind {
        Kind::PrePrepare => 1,
        Kind::Prepare => 2,
        Kind::Commit => 3,
        Kind::RoundChange => 4,
        Kind::Decided => 5,
    }
}
