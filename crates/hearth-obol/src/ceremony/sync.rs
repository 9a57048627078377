//! The steps that all operators of a ceremony keep in, ten times a second.
//!
//! Source: `obol-dkg.md` 4, 5.

use hearth_crypto::k1::{self, NodeKey, NodePublicKey};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::proto::{MsgSync, MsgSyncResponse};
use crate::wire::proto::Timestamp;

/// Protocol of the steps; one stream for the whole ceremony, each message behind its length in 8 bytes, little-endian. The
/// slash at its end is a part of it.
pub const SYNC_PROTOCOL: &str = "/charon/dkg/sync/1.0.0/";
/// Bytes of the longest message of it. Charon reads 32 MiB; an honest message has some 200 bytes.
pub const SYNC_FRAME_BYTES: usize = 4_096;

const MOST_NICKNAME_CHARS: usize = 32;
/// Characters of a peer's error that are kept for display.
const MOST_ERROR_CHARS: usize = 300;

/// A moment of the sender's clock, as it is to be echoed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanos: i32,
}

/// How far an operator is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Its clock.
    pub sent_at: Moment,
    /// That it has the same definition as we: see [`sign_definition`].
    pub hash_signature: Vec<u8>,
    /// Whether it leaves.
    pub shutdown: bool,
    /// `v1.11`.
    pub version: String,
    /// Its step.
    pub step: i64,
    /// What its owner calls it.
    pub nickname: String,
}

/// Why a report was refused: both sides give up, and the text is told to the peer.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum SyncRejection {
    /// Not a message of this protocol.
    #[error("not a step report")]
    Undecodable,
    /// It speaks another release.
    #[error("version {theirs} where this ceremony is held with {ours}")]
    Version {
        /// What it says.
        theirs: String,
        /// What we say.
        ours: &'static str,
    },
    /// It has another definition, or does not hold the key of its record.
    #[error("its signature is not over our definition: the two have different ones")]
    Definition,
    /// It did not begin with the others, or began anew.
    #[error("it was at step {before} and is at step {now}: it was started again")]
    Restarted {
        /// The last step that it reported.
        before: i64,
        /// The step that it reports.
        now: i64,
    },
    /// It skipped a step.
    #[error("it went from step {before} to step {now}")]
    Skipped {
        /// The last step that it reported.
        before: i64,
        /// The step that it reports.
        now: i64,
    },
    /// The first step we hear of is none that a ceremony begins with: it goes on with one that we, or it, left.
    #[error("it is at step {0} while we begin: one of the two was started again")]
    LateStart(i64),
}

/// The signature by which an operator shows that it has this definition.
///
/// Of ECDSA over SHA-256 of the hash, in DER: the form of libp2p's keys.
pub fn sign_definition(key: &NodeKey, definition: &[u8; 32]) -> Vec<u8> {
    key.sign_der(&Sha256::digest(definition).into())
}

/// Whether `operator` has the definition with this hash.
pub fn has_definition(operator: &NodePublicKey, definition: &[u8; 32], signature: &[u8]) -> bool {
    k1::verify_der(operator, &Sha256::digest(definition).into(), signature)
}

impl Report {
    /// Writes it. Nicknames are cut to what peers accept.
    pub fn encode(&self) -> Vec<u8> {
        MsgSync {
            timestamp: Some(self.sent_at.into()),
            hash_signature: self.hash_signature.clone(),
            shutdown: self.shutdown,
            version: self.version.clone(),
            step: self.step,
            nickname: self.nickname.chars().take(MOST_NICKNAME_CHARS).collect(),
        }
        .encode_to_vec()
    }

    /// Reads what a peer reports.
    pub fn decode(frame: &[u8]) -> Result<Self, SyncRejection> {
        if frame.len() > SYNC_FRAME_BYTES {
            return Err(SyncRejection::Undecodable);
        }
        let MsgSync { timestamp, hash_signature, shutdown, version, step, nickname } =
            MsgSync::decode(frame).map_err(|_| SyncRejection::Undecodable)?;
        let sent_at = timestamp.ok_or(SyncRejection::Undecodable)?.into();
        let nickname = nickname.chars().take(MOST_NICKNAME_CHARS).collect();
        Ok(Self { sent_at, hash_signature, shutdown, version, step, nickname })
    }
}

/// Writes the answer to a report: an error ends the ceremony on both sides. The moment is always there, because an empty
/// message is no message to Charon.
pub fn encode_answer(to: Moment, error: Option<&str>) -> Vec<u8> {
    let error = error.unwrap_or_default().chars().take(MOST_ERROR_CHARS).collect();
    MsgSyncResponse { sync_timestamp: Some(to.into()), error }.encode_to_vec()
}

/// Reads the answer of a peer: its error, if it has one. To be shown, never to be understood.
pub fn decode_answer(frame: &[u8]) -> Result<Option<String>, SyncRejection> {
    if frame.len() > SYNC_FRAME_BYTES {
        return Err(SyncRejection::Undecodable);
    }
    let MsgSyncResponse { error, .. } =
        MsgSyncResponse::decode(frame).map_err(|_| SyncRejection::Undecodable)?;
    Ok((!error.is_empty()).then(|| error.chars().take(MOST_ERROR_CHARS).collect()))
}

/// Whether two nodes can hold a ceremony together: major and minor are the same, the patch as well where both tell theirs.
pub fn versions_agree(ours: &str, theirs: &str) -> bool {
    let (Some(ours), Some(theirs)) = (numbers(ours), numbers(theirs)) else { return false };
    let patches_agree = match (ours.2, theirs.2) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => true,
    };
    (ours.0, ours.1) == (theirs.0, theirs.1) && patches_agree
}

/// `v<major>.<minor>[.<patch>][-label]`.
fn numbers(version: &str) -> Option<(u32, u32, Option<u32>)> {
    let (core, _) = version.split_once('-').unwrap_or((version, ""));
    let mut parts = core.strip_prefix('v')?.split('.').map(|part| part.parse().ok());
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next());
    if parts.next().is_some() || patch == Some(None) {
        return None;
    }
    Some((major, minor, patch.flatten()))
}

/// The steps that one peer has reported.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Steps {
    last: Option<i64>,
}

impl Steps {
    /// The last one.
    pub const fn last(&self) -> Option<i64> {
        self.last
    }

    /// Hears the next. An operator that was started again has lost what the others still count on.
    pub const fn take(&mut self, now: i64) -> Result<(), SyncRejection> {
        match self.last {
            None if now != 0 && now != 1 => return Err(SyncRejection::LateStart(now)),
            Some(before) if now < before => return Err(SyncRejection::Restarted { before, now }),
            Some(before) if now > before.saturating_add(2) => {
                return Err(SyncRejection::Skipped { before, now });
            }
            _ => self.last = Some(now),
        }
        Ok(())
    }

    /// Whether whoever waits at `step` need not wait for this peer.
    ///
    /// Errors: it is so far ahead that it cannot have waited for us.
    pub const fn has_reached(&self, step: i64) -> Result<bool, SyncRejection> {
        match self.last {
            Some(now) if now > step.saturating_add(1) => Err(SyncRejection::Skipped { before: step, now }),
            Some(now) => Ok(now >= step),
            None => Ok(false),
        }
    }
}

impl From<Timestamp> for Moment {
    fn from(Timestamp { seconds, nanos }: Timestamp) -> Self {
        Self { seconds, nanos }
    }
}

impl From<Moment> for Timestamp {
    fn from(Moment { seconds, nanos }: Moment) -> Self {
        Self { seconds, nanos }
    }
}
