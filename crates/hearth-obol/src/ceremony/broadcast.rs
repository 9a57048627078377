//! The reliable broadcast: a message that all operators have signed, so that nobody can tell different things to different peers.
//!
//! Source: `obol-dkg.md` 6.

use std::collections::BTreeMap;

use hearth_crypto::k1::{self, NodePublicKey};
use hearth_types::OperatorIndex;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::Release;
use super::proto::{BCastMessage, BCastSigRequest, BCastSigResponse};
use crate::wire::proto::Any;

const PREFIX: &str = "type.googleapis.com/";

/// What is broadcast in a ceremony.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Topic {
    /// Commitments and proofs.
    RoundOne,
    /// The keys that came out.
    RoundTwo,
    /// The operator's key of a ceremony after Pedersen.
    NodeKey,
    /// The operator's signature over the lock.
    NodeSignature,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RoundOne, Self::RoundTwo, Self::NodeKey, Self::NodeSignature];

    /// Its name on the wire.
    pub const fn id(self) -> &'static str {
        match self {
            Self::RoundOne => "/charon/dkg/frost/2.0.0/round1/cast",
            Self::RoundTwo => "/charon/dkg/frost/2.0.0/round2/cast",
            Self::NodeKey => super::pedersen::NODE_KEYS,
            Self::NodeSignature => "/charon/dkg/node_sig",
        }
    }

    const fn type_name(self) -> &'static str {
        match self {
            Self::RoundOne => "dkg.dkgpb.v1.FrostRound1Casts",
            Self::RoundTwo => "dkg.dkgpb.v1.FrostRound2Casts",
            Self::NodeKey => "dkg.dkgpb.v1.NodePubKeyMessage",
            Self::NodeSignature => "dkg.dkgpb.v1.MsgNodeSig",
        }
    }

    fn of(id: &str) -> Result<Self, BroadcastRejection> {
        Self::ALL.into_iter().find(|topic| topic.id() == id).ok_or(BroadcastRejection::UnknownTopic)
    }
}

/// What is said, in the very bytes in which it was said: repeated entries have no fixed order, so that writing it anew would
/// change its hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// What it is about.
    pub topic: Topic,
    type_url: String,
    /// The message.
    pub value: Vec<u8>,
}

/// Why a part of a broadcast was refused. Completes the sentence "operator 3 sent …".
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum BroadcastRejection {
    /// Longer than any message of this ceremony.
    #[error("{bytes} bytes where {most} are enough")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not a message of this protocol.
    #[error("something that is no broadcast")]
    Undecodable,
    /// Nothing that is broadcast in this ceremony.
    #[error("a broadcast about something that is not broadcast here")]
    UnknownTopic,
    /// An answer about something else.
    #[error("a signature for another broadcast than was asked for")]
    OtherTopic,
    /// The content is of another type than its topic calls for.
    #[error("a broadcast of the wrong type")]
    WrongType,
    /// Not one signature for each operator.
    #[error("{found} signatures where there are {wanted} operators")]
    Signatures {
        /// Signatures.
        found: usize,
        /// Operators.
        wanted: usize,
    },
    /// A signature is not its operator's.
    #[error("a broadcast that operator {} has not signed", .0.share())]
    NotSigned(OperatorIndex),
    /// It said something else before.
    #[error("two different broadcasts about one thing")]
    Equivocation,
    /// It delivers what it never asked us to sign, or not that.
    #[error("another broadcast than the one that we signed for it")]
    NotWhatWasSigned,
}

impl Content {
    /// Our own.
    pub fn new(topic: Topic, value: Vec<u8>) -> Self {
        Self { topic, type_url: format!("{PREFIX}{}", topic.type_name()), value }
    }

    fn read(topic: Topic, any: Option<Any>) -> Result<Self, BroadcastRejection> {
        let Any { type_url, value } = any.ok_or(BroadcastRejection::Undecodable)?;
        // Only the part behind the last slash names the type.
        if type_url.rsplit('/').next() != Some(topic.type_name()) {
            return Err(BroadcastRejection::WrongType);
        }
        Ok(Self { topic, type_url, value })
    }

    fn any(&self) -> Any {
        Any { type_url: self.type_url.clone(), value: self.value.clone() }
    }
}

/// The ceremony in which something is broadcast.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// How it is done.
    pub release: Release,
    /// Hash of the definition.
    pub definition: [u8; 32],
}

impl Session {
    /// What all operators sign.
    pub fn digest(&self, content: &Content) -> [u8; 32] {
        let Content { topic, type_url, value } = content;
        let mut hash = Sha256::new();
        match self.release {
            Release::V1_10 => {
                hash.update(type_url);
                hash.update(value);
            }
            Release::V1_11 => {
                let fields: [&[u8]; 4] = [&self.definition, topic.id().as_bytes(), type_url.as_bytes(), value];
                for field in fields {
                    hash.update((field.len() as u64).to_be_bytes());
                    hash.update(field);
                }
            }
        }
        hash.finalize().into()
    }
}

/// Writes what another operator is asked to sign.
pub fn encode_request(content: &Content) -> Vec<u8> {
    BCastSigRequest { id: content.topic.id().into(), message: Some(content.any()) }.encode_to_vec()
}

/// Reads what we are asked to sign; `most` bounds its length.
pub fn decode_request(frame: &[u8], most: usize) -> Result<Content, BroadcastRejection> {
    let BCastSigRequest { id, message } = read(frame, most)?;
    Content::read(Topic::of(&id)?, message)
}

/// Writes our signature for whoever asked for it.
pub fn encode_response(topic: Topic, signature: &[u8; 65]) -> Vec<u8> {
    BCastSigResponse { id: topic.id().into(), signature: signature.to_vec() }.encode_to_vec()
}

/// Reads the answer of one operator, and holds it against what was asked.
pub fn decode_response(
    frame: &[u8],
    topic: Topic,
    digest: &[u8; 32],
    (operator, key): (OperatorIndex, &NodePublicKey),
) -> Result<[u8; 65], BroadcastRejection> {
    let BCastSigResponse { id, signature } = read(frame, 1_024)?;
    if Topic::of(&id)? != topic {
        return Err(BroadcastRejection::OtherTopic);
    }
    is_signed(&signature, digest, key).ok_or(BroadcastRejection::NotSigned(operator))
}

/// Writes what all have signed, in the order of the operators.
pub fn encode_message(content: &Content, signatures: &[[u8; 65]]) -> Vec<u8> {
    BCastMessage {
        id: content.topic.id().into(),
        message: Some(content.any()),
        signatures: signatures.iter().map(|signature| signature.to_vec()).collect(),
    }
    .encode_to_vec()
}

/// Reads what all have signed: every signature is checked, in the order of the `operators`. `most` bounds the content.
pub fn decode_message(
    frame: &[u8],
    most: usize,
    session: &Session,
    operators: &[NodePublicKey],
) -> Result<Content, BroadcastRejection> {
    let BCastMessage { id, message, signatures } = read(frame, most + operators.len() * 80)?;
    let content = Content::read(Topic::of(&id)?, message)?;
    if signatures.len() != operators.len() {
        return Err(BroadcastRejection::Signatures { found: signatures.len(), wanted: operators.len() });
    }
    let digest = session.digest(&content);
    let everybody = OperatorIndex::all(u8::try_from(operators.len()).unwrap_or(u8::MAX));
    for ((operator, key), signature) in everybody.zip(operators).zip(&signatures) {
        is_signed(signature, &digest, key).ok_or(BroadcastRejection::NotSigned(operator))?;
    }
    Ok(content)
}

fn is_signed(signature: &[u8], digest: &[u8; 32], key: &NodePublicKey) -> Option<[u8; 65]> {
    let signer = k1::recover(digest, signature).ok()?;
    (signer == *key).then_some(())?;
    signature.try_into().ok()
}

fn read<M: prost::Message + Default>(frame: &[u8], most: usize) -> Result<M, BroadcastRejection> {
    if frame.len() > most {
        return Err(BroadcastRejection::TooLong { bytes: frame.len(), most });
    }
    M::decode(frame).map_err(|_| BroadcastRejection::Undecodable)
}

/// Remembers what was signed for whom: one thing for each operator and topic.
#[derive(Clone, Debug, Default)]
pub struct Notary {
    signed: BTreeMap<(OperatorIndex, Topic), [u8; 32]>,
}

impl Notary {
    /// Whether what this operator asks for may be signed: the first of its kind, or the same again. The caller has checked that
    /// the content is the requester's own.
    pub fn admit(
        &mut self,
        from: OperatorIndex,
        topic: Topic,
        digest: [u8; 32],
    ) -> Result<(), BroadcastRejection> {
        let first = *self.signed.entry((from, topic)).or_insert(digest);
        if first == digest { Ok(()) } else { Err(BroadcastRejection::Equivocation) }
    }

    /// Whether what this operator delivers is what was signed for it: the hash names no sender, so that two who work together
    /// could have each other's content signed.
    pub fn confirm(
        &self,
        from: OperatorIndex,
        topic: Topic,
        digest: &[u8; 32],
    ) -> Result<(), BroadcastRejection> {
        match self.signed.get(&(from, topic)) {
            Some(signed) if signed == digest => Ok(()),
            _ => Err(BroadcastRejection::NotWhatWasSigned),
        }
    }
}
