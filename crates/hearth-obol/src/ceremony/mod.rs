//! What operators send each other while they make their keys: messages, the reliable broadcast, the steps that they keep in.
//!
//! Bytes in, checked values out, and back; nothing here waits or sends. A received message becomes a value in one call, or an error
//! that names the rule it broke; no call panics, and what is read is bounded by the ceremony's own size. That a message is its
//! sender's is the network's word (`hearth-p2p`); that its content is the sender's is checked here.
//!
//! Source: `obol-dkg.md` 2 to 10, the checks that it marks MUST-H among them.

pub mod broadcast;
mod conduct;
mod drafts;
mod failure;
pub mod frost;
pub mod pedersen;
mod proto;
mod sequence;
pub mod signatures;
pub mod sync;

pub use conduct::{Ceremony, Formed, Message, Output};
pub use failure::{Failure, Reason};

/// The release of Charon whose ceremonies the cluster speaks. All operators of a ceremony speak one; it is never guessed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Release {
    /// 1.10: broadcasts do not name the ceremony, so that an old message of a peer can be used again.
    V1_10,
    /// 1.11, from its third release candidate on.
    #[default]
    V1_11,
}

impl Release {
    /// What a node says of itself in the handshake.
    pub const fn version(self) -> &'static str {
        match self {
            Self::V1_10 => "v1.10",
            Self::V1_11 => "v1.11",
        }
    }

    /// Protocol by which an operator is asked to sign a broadcast; request and response.
    pub const fn signature_protocol(self) -> &'static str {
        match self {
            Self::V1_10 => "/charon/dkg/bcast/1.0.0/sig",
            Self::V1_11 => "/charon/dkg/bcast/2.0.0/sig",
        }
    }

    /// Protocol of a broadcast that all have signed; one-way.
    pub const fn message_protocol(self) -> &'static str {
        match self {
            Self::V1_10 => "/charon/dkg/bcast/1.0.0/msg",
            Self::V1_11 => "/charon/dkg/bcast/2.0.0/msg",
        }
    }
}
