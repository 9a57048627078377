//! Protobuf messages, field by field as on the wire (package `core.corepb.v1`, proto3).
//!
//! Encoding is deterministic: ascending field numbers, zero scalars omitted, maps sorted by key. Nested messages
//! that are signed or hashed are kept as bytes, because their signatures cover fields that this version may not know.
//!
//! Source: `obol-duties.md` 2.1, 3.4, 3.5, 5.1, 6.1; `obol-p2p.md` 3.6, 6.

use std::collections::BTreeMap;

/// Names a duty.
#[derive(Clone, Copy, Eq, PartialEq, prost::Message)]
pub(crate) struct Duty {
    /// The slot.
    #[prost(uint64, tag = "1")]
    pub(crate) slot: u64,
    /// Number of a `DutyKind`.
    #[prost(int32, tag = "2")]
    pub(crate) kind: i32,
}

/// The signed part of a consensus message.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct QbftMsg {
    /// 1 PRE_PREPARE, 2 PREPARE, 3 COMMIT, 4 ROUND_CHANGE, 5 DECIDED.
    #[prost(int64, tag = "1")]
    pub(crate) kind: i64,
    /// The instance, an encoded [`Duty`]. Required.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) duty: Option<Vec<u8>>,
    /// Zero-based position of the author.
    #[prost(int64, tag = "3")]
    pub(crate) peer_idx: i64,
    /// The round, from 1.
    #[prost(int64, tag = "4")]
    pub(crate) round: i64,
    /// The round of the prepared value; zero for none.
    #[prost(int64, tag = "6")]
    pub(crate) prepared_round: i64,
    /// 65 bytes over the hash of the message without this field.
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) signature: Vec<u8>,
    /// 32 bytes; zeros for none.
    #[prost(bytes = "vec", tag = "11")]
    pub(crate) value_hash: Vec<u8>,
    /// 32 bytes; zeros for none.
    #[prost(bytes = "vec", tag = "12")]
    pub(crate) prepared_value_hash: Vec<u8>,
}

/// A consensus message as it is sent. Received ones are read field by field, so that counts are bounded first.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct QbftConsensusMsg {
    /// An encoded [`QbftMsg`].
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) msg: Vec<u8>,
    /// Encoded [`QbftMsg`]s of other authors, as they signed them.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) justification: Vec<Vec<u8>>,
    /// Every value that the above name.
    #[prost(message, repeated, tag = "3")]
    pub(crate) values: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct Any {
    /// What it holds.
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    /// The encoded message.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `map<string, bytes>`: a value per validator, by group public key.
///
/// Written as the repeated entries that a map is on the wire: both fields of an entry are always present there,
/// even when empty. The maker keeps the entries sorted by key.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct UnsignedDataSet {
    /// The entries.
    #[prost(message, repeated, tag = "1")]
    pub(crate) set: Vec<UnsignedDataEntry>,
}

/// One entry of an [`UnsignedDataSet`].
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct UnsignedDataEntry {
    /// `0x` and 96 lower-case hex digits.
    #[prost(string, optional, tag = "1")]
    pub(crate) key: Option<String>,
    /// In the encoding of the duty.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) value: Option<Vec<u8>>,
}

/// Partial signatures on their way to the other operators.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ParSigExMsg {
    /// The duty. Required.
    #[prost(message, optional, tag = "1")]
    pub(crate) duty: Option<Duty>,
    /// The signatures. Required.
    #[prost(message, optional, tag = "2")]
    pub(crate) data_set: Option<ParSignedDataSet>,
}

/// Partially signed data by group public key.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ParSignedDataSet {
    /// `0x` and 96 lower-case hex digits each.
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) set: BTreeMap<String, ParSignedData>,
}

/// What one share signed.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct ParSignedData {
    /// The signed object in the encoding of the duty, signature included.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data: Vec<u8>,
    /// The same signature again. Senders fill it, receivers ignore it.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) signature: Vec<u8>,
    /// Operator position plus one.
    #[prost(int32, tag = "3")]
    pub(crate) share_idx: i32,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, Eq, PartialEq, prost::Message)]
pub(crate) struct Timestamp {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    /// Nanoseconds of the second, `0..1_000_000_000`.
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// What a node tells others about itself.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct PeerInfo {
    /// The version of Charon whose wire behaviour it has.
    #[prost(string, tag = "1")]
    pub(crate) charon_version: String,
    /// Identity of the cluster, 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) lock_hash: Vec<u8>,
    /// Its clock when it wrote this.
    #[prost(message, optional, tag = "3")]
    pub(crate) sent_at: Option<Timestamp>,
    /// Seven lower-case hex digits, or `unknown`.
    #[prost(string, tag = "4")]
    pub(crate) git_hash: String,
    /// When its process started.
    #[prost(message, optional, tag = "5")]
    pub(crate) started_at: Option<Timestamp>,
    /// Whether it asks builders for blocks.
    #[prost(bool, tag = "6")]
    pub(crate) builder_api_enabled: bool,
    /// At most 32 characters.
    #[prost(string, tag = "7")]
    pub(crate) nickname: String,
    /// The implementation; empty means `charon`.
    #[prost(string, tag = "8")]
    pub(crate) dv_client: String,
    /// Of Hearth only: a signed statement that this life of it is there.
    #[prost(bytes = "vec", tag = "7001")]
    pub(crate) presence: Vec<u8>,
    /// Of Hearth only: the last such statement that was heard of another life of whoever asks.
    #[prost(bytes = "vec", tag = "7002")]
    pub(crate) twin: Vec<u8>,
}

/// What an operator's node prefers.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct PriorityMsg {
    /// The occasion. Required.
    #[prost(message, optional, tag = "1")]
    pub(crate) duty: Option<Duty>,
    /// By topic.
    #[prost(message, repeated, tag = "2")]
    pub(crate) topics: Vec<PriorityTopicProposal>,
    /// Whose they are: the id in libp2p, in base58.
    #[prost(string, tag = "3")]
    pub(crate) peer_id: String,
    /// 65 bytes over the hash of the message without this field.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) signature: Vec<u8>,
}

/// A topic, and what is preferred in it, best first.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct PriorityTopicProposal {
    /// Its name. Required.
    #[prost(message, optional, tag = "1")]
    pub(crate) topic: Option<Any>,
    /// The entries.
    #[prost(message, repeated, tag = "2")]
    pub(crate) priorities: Vec<Any>,
}

/// What the operators agree on.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct PriorityResult {
    /// Encoded [`PriorityMsg`]s.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) msgs: Vec<Vec<u8>>,
    /// What follows from them.
    #[prost(message, repeated, tag = "2")]
    pub(crate) topics: Vec<PriorityTopicResult>,
}

/// Of one topic.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct PriorityTopicResult {
    /// Its name.
    #[prost(message, optional, tag = "1")]
    pub(crate) topic: Option<Any>,
    /// Best first.
    #[prost(message, repeated, tag = "2")]
    pub(crate) priorities: Vec<PriorityScoredResult>,
}

/// An entry and what it has got.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct PriorityScoredResult {
    /// The entry.
    #[prost(message, optional, tag = "1")]
    pub(crate) priority: Option<Any>,
    /// Its score.
    #[prost(int64, tag = "2")]
    pub(crate) score: i64,
}

/// `google.protobuf.Value` with a text in it.
#[derive(Clone, Eq, PartialEq, prost::Message)]
pub(crate) struct StringValue {
    /// The text.
    #[prost(string, tag = "3")]
    pub(crate) string_value: String,
}
