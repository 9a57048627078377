//! What operators send each other: protobuf messages, hashes, signatures, and the duty dialect.
//!
//! A received frame becomes a checked message in one call ([`ConsensusCodec::decode`], [`partial::decode`],
//! [`PeerInfo::decode`]), or an error that names the rule it broke; no call panics, and each states its bounds. The
//! length prefix of a frame belongs to the network and is not part of the bytes here.
//!
//! Source: `obol-duties.md` 2, 3, 5, 6; `obol-p2p.md` 3, 6 to 8.

mod attester;
mod consensus;
mod field;
mod hash;
pub mod partial;
mod payload;
mod peerinfo;
pub mod presence;
pub mod priority;
pub(crate) mod proto;
#[cfg(test)]
#[path = "../../tests/wire/support.rs"]
mod testing;
pub mod timing;
pub mod value;

use hearth_duties::{AgreedValue, Dialect, MalformedValue, Timer, Value};
use hearth_types::{ChainSpec, Duty, DutyKind, OperatorIndex, UnixMillis};

pub use consensus::{ConsensusCodec, ConsensusRejection, DraftRejection, VoteRejection};
pub use hash::proto_hash;
pub use payload::Malformed;
pub use peerinfo::{CLIENT, Incompatible, PeerInfo, PeerInfoRejection, announced_version};
pub use timing::{Gate, Untimely};

/// Protocol of consensus messages; one-way.
pub const CONSENSUS_PROTOCOL: &str = "/charon/consensus/qbft/2.0.0";
/// Protocol of partial signatures; one-way.
pub const PARTIALS_PROTOCOL: &str = "/charon/parsigex/2.0.0";
/// Protocol of peer information; request and response.
pub const PEERINFO_PROTOCOL: &str = "/charon/peerinfo/2.0.0";

/// Bytes of the longest consensus message.
///
/// Source, for all three: `obol-p2p.md` 3.1, 3.7.
pub const CONSENSUS_FRAME_BYTES: usize = 32 << 20;
/// Bytes of the longest message with partial signatures.
pub const PARTIALS_FRAME_BYTES: usize = 128 << 20;
/// Bytes of the longest message with partial signatures that is read in a cluster of so many validators: one entry for each, and
/// the largest thing that one entry can be, which is a block with its blobs. Never more than [`PARTIALS_FRAME_BYTES`].
pub const fn partials_frame_bytes(validators: usize) -> usize {
    let entries = partial::MOST_ENTRY_BYTES.saturating_mul(validators).saturating_add(BLOCK_BYTES);
    if entries < PARTIALS_FRAME_BYTES { entries } else { PARTIALS_FRAME_BYTES }
}

/// Bytes that a signed block with its blobs may take up: what was agreed on fitted in a consensus message.
const BLOCK_BYTES: usize = CONSENSUS_FRAME_BYTES;
/// Bytes of the longest peer information.
pub const PEERINFO_FRAME_BYTES: usize = 1 << 20;

/// Whether this version performs such duties. Partial signatures of others are dropped unread.
pub const fn performs(kind: DutyKind) -> bool {
    matches!(kind, DutyKind::Attester)
}

/// Whether this version agrees on such things with the others. Consensus messages about others are dropped unread.
pub const fn agrees_on(kind: DutyKind) -> bool {
    performs(kind) || matches!(kind, DutyKind::InfoSync)
}

/// The rules of Obol's protocol that the road of a duty depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObolDialect;

impl Dialect for ObolDialect {
    fn first_leader(&self, duty: Duty, operators: u8) -> OperatorIndex {
        timing::first_leader(duty, operators)
    }

    fn round_deadline(&self, spec: &ChainSpec, duty: Duty, timer: Timer) -> UnixMillis {
        timing::round_deadline(spec, duty, timer)
    }

    fn duty_deadline(&self, spec: &ChainSpec, duty: Duty) -> Option<UnixMillis> {
        timing::duty_deadline(spec, duty)
    }

    fn encode_value(&self, value: &AgreedValue) -> Value {
        value::encode(value)
    }

    fn decode_value(&self, duty: Duty, value: &Value) -> Result<AgreedValue, MalformedValue> {
        value::decode(duty, value)
    }
}
