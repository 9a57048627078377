//! Protobuf messages of the ceremony, field by field as on the wire (package `dkg.dkgpb.v1`, proto3).
//!
//! Source: `obol-dkg.md` 5, 6, 7.2, 10.

use crate::wire::proto::{Any, Timestamp};

/// Whose entry, and for whom.
#[derive(Clone, Copy, Eq, PartialEq, prost::Message)]
pub(super) struct FrostMsgKey {
    /// Counted from zero.
    #[prost(uint32, tag = "1")]
    pub(super) val_idx: u32,
    /// Share index.
    #[prost(uint32, tag = "2")]
    pub(super) source_id: u32,
    /// Share index; zero for everybody.
    #[prost(uint32, tag = "3")]
    pub(super) target_id: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FrostRound1Casts {
    #[prost(message, repeated, tag = "1")]
    pub(super) casts: Vec<FrostRound1Cast>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FrostRound1Cast {
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<FrostMsgKey>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) wi: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) ci: Vec<u8>,
    /// The secret's first.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(super) commitments: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FrostRound1P2P {
    #[prost(message, repeated, tag = "1")]
    pub(super) shares: Vec<FrostRound1ShamirShare>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FrostRound1ShamirShare {
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<FrostMsgKey>,
    /// Share index of the receiver.
    #[prost(uint32, tag = "2")]
    pub(super) id: u32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FrostRound2Casts {
    #[prost(message, repeated, tag = "1")]
    pub(super) casts: Vec<FrostRound2Cast>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FrostRound2Cast {
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<FrostMsgKey>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) verification_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) vk_share: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MsgNodeSig {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) signature: Vec<u8>,
    /// Counted from zero.
    #[prost(uint32, tag = "2")]
    pub(super) peer_index: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BCastSigRequest {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "3")]
    pub(super) message: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BCastSigResponse {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BCastMessage {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) message: Option<Any>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(super) signatures: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MsgSync {
    #[prost(message, optional, tag = "1")]
    pub(super) timestamp: Option<Timestamp>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) hash_signature: Vec<u8>,
    #[prost(bool, tag = "3")]
    pub(super) shutdown: bool,
    #[prost(string, tag = "4")]
    pub(super) version: String,
    #[prost(int64, tag = "5")]
    pub(super) step: i64,
    #[prost(string, tag = "6")]
    pub(super) nickname: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MsgSyncResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) sync_timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    pub(super) error: String,
}

/// The key of an operator for a ceremony of the other kind (`obol-dkg.md` 13).
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NodePubKeyMessage {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) session_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) public_key: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(super) shares: Option<NodePubKeyShares>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NodePubKeyShares {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) public_key_shares: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PedersenDealBundle {
    #[prost(uint32, tag = "1")]
    pub(super) dealer_index: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) deals: Vec<PedersenDeal>,
    /// The secret's point first.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(super) public: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) session_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PedersenDeal {
    #[prost(uint32, tag = "1")]
    pub(super) share_index: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) encrypted_share: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PedersenResponseBundle {
    #[prost(uint32, tag = "1")]
    pub(super) share_index: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) responses: Vec<PedersenResponse>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) session_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) signature: Vec<u8>,
}

#[derive(Clone, Copy, Eq, PartialEq, prost::Message)]
pub(super) struct PedersenResponse {
    #[prost(uint32, tag = "1")]
    pub(super) dealer_index: u32,
    #[prost(bool, tag = "2")]
    pub(super) status: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PedersenJustificationBundle {
    #[prost(uint32, tag = "1")]
    pub(super) dealer_index: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) justifications: Vec<PedersenJustification>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) session_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) signature: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PedersenJustification {
    #[prost(uint32, tag = "1")]
    pub(super) share_index: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) share: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ValidatorPubKeyShareMessage {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) session_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) public_key_share: Vec<u8>,
}
