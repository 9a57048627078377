//! What nodes tell each other about themselves. Observability only: nothing here excludes a peer.
//!
//! Source: `obol-p2p.md` 6, 8.

use hearth_types::{LockHash, UnixMillis};
use prost::Message as _;
use thiserror::Error;

use super::PEERINFO_FRAME_BYTES;
use super::proto::{self, Timestamp};

/// The line of Charon whose wire behaviour this version has; goes up together with what is implemented.
const WIRE_VERSION: &str = "v1.11.0";
/// The oldest minor version that we can speak with. Newer ones than ours are for the peer to judge.
const OLDEST_MINOR: (u64, u64) = (1, 0);
/// Our name among the implementations.
pub const CLIENT: &str = "hearth";
const CHARON: &str = "charon";

/// Characters of a nickname.
const MOST_NICKNAME_CHARS: usize = 32;
/// Characters of any other text that are kept for display.
const MOST_TEXT_CHARS: usize = 64;
/// Clock offsets beyond an hour are shown as an hour.
const MOST_OFFSET_MS: i64 = 3_600_000;

/// The version that we announce: parses as Charon's, tells ours behind it.
pub fn announced_version() -> String {
    format!("{WIRE_VERSION}-{CLIENT}.{}", env!("CARGO_PKG_VERSION"))
}

/// What one node says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerInfo {
    /// Version in Charon's numbering.
    pub version: String,
    /// The implementation.
    pub client: String,
    /// Seven lower-case hex digits, or `unknown`.
    pub git_hash: String,
    /// The cluster that it serves; `None` if that is not even a hash.
    pub lock_hash: Option<LockHash>,
    /// Its clock when it wrote this.
    pub sent_at: UnixMillis,
    /// When its process started.
    pub started_at: UnixMillis,
    /// Whether it asks builders for blocks.
    pub builder_api: bool,
    /// What its owner calls it. At most 32 characters.
    pub nickname: String,
    /// Its statement that it is there, to be read with [`super::presence::Presence::read`]; empty of another program.
    pub presence: Vec<u8>,
    /// The last such statement that it heard of another life of whoever it is told to; empty if it heard none.
    pub twin: Vec<u8>,
}

impl PeerInfo {
    /// The version of its program: of a Hearth, what stands behind the version of Charon's that it announces.
    pub fn own_version(&self) -> &str {
        let own = self.version.split_once('-').and_then(|(_, own)| own.strip_prefix(CLIENT)?.strip_prefix('.'));
        own.unwrap_or(&self.version)
    }
}

/// Why what a peer says about itself was refused.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum PeerInfoRejection {
    /// Not a message of this protocol.
    #[error("not a peer's information")]
    Undecodable,
    /// A moment that must be there is missing or before 1970.
    #[error("{0} is missing or not a moment")]
    Moment(&'static str),
    /// Neither seven lower-case hex digits nor `unknown`.
    #[error("the git hash is not seven lower-case hex digits")]
    GitHash,
}

/// A peer whose wire behaviour may not fit ours.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Incompatible {
    /// Not a version.
    #[error("{0:?} is not a version")]
    Unreadable(String),
    /// Older than anything that we can speak with.
    #[error("version {0} is not supported")]
    Unsupported(String),
}

impl PeerInfo {
    /// Writes it for the wire. Nicknames are cut to what peers accept.
    pub fn encode(&self) -> Vec<u8> {
        proto::PeerInfo {
            charon_version: self.version.clone(),
            lock_hash: self.lock_hash.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default(),
            sent_at: Some(write_moment(self.sent_at)),
            git_hash: self.git_hash.clone(),
            started_at: Some(write_moment(self.started_at)),
            builder_api_enabled: self.builder_api,
            nickname: shortened(&self.nickname, MOST_NICKNAME_CHARS),
            dv_client: self.client.clone(),
            presence: self.presence.clone(),
            twin: self.twin.clone(),
        }
        .encode_to_vec()
    }

    /// Reads an answer or a request.
    pub fn decode(frame: &[u8]) -> Result<Self, PeerInfoRejection> {
        if frame.len() > PEERINFO_FRAME_BYTES {
            return Err(PeerInfoRejection::Undecodable);
        }
        let read = proto::PeerInfo::decode(frame).map_err(|_| PeerInfoRejection::Undecodable)?;
        let moment = |moment, name| read_moment(moment).ok_or(PeerInfoRejection::Moment(name));
        let (sent_at, started_at) = (moment(read.sent_at, "sent_at")?, moment(read.started_at, "started_at")?);
        let is_hash =
            read.git_hash.len() == 7 && read.git_hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hash && read.git_hash != "unknown" {
            return Err(PeerInfoRejection::GitHash);
        }
        let client = Some(shortened(&read.dv_client, MOST_TEXT_CHARS)).filter(|name| !name.is_empty());
        Ok(Self {
            version: shortened(&read.charon_version, MOST_TEXT_CHARS),
            client: client.unwrap_or_else(|| CHARON.into()),
            git_hash: read.git_hash,
            lock_hash: read.lock_hash.try_into().ok().map(LockHash::new),
            sent_at,
            started_at,
            builder_api: read.builder_api_enabled,
            nickname: shortened(&read.nickname, MOST_NICKNAME_CHARS),
            presence: read.presence,
            twin: read.twin,
        })
    }

    /// How far the peer's clock runs ahead of ours, in milliseconds, held within an hour. `received_at` is our clock
    /// at the answer, `rtt_ms` the time since the question.
    pub fn clock_offset_ms(&self, received_at: UnixMillis, rtt_ms: u64) -> i64 {
        let ours = received_at.saturating_sub(rtt_ms / 2);
        let ahead = i64::try_from(self.sent_at.millis_since(ours)).unwrap_or(i64::MAX);
        let behind = i64::try_from(ours.millis_since(self.sent_at)).unwrap_or(i64::MAX);
        (ahead - behind).clamp(-MOST_OFFSET_MS, MOST_OFFSET_MS)
    }

    /// Whether the peer's wire behaviour fits ours. Only Charon's numbering says anything about it.
    pub fn compatibility(&self) -> Result<(), Incompatible> {
        if self.client != CHARON {
            return Ok(());
        }
        let version = minor_of(&self.version).ok_or_else(|| Incompatible::Unreadable(self.version.clone()))?;
        (version >= OLDEST_MINOR).then_some(()).ok_or_else(|| Incompatible::Unsupported(self.version.clone()))
    }
}

/// Major and minor number of `v<major>.<minor>[.<patch>][-<pre-release>]`; `None` for any other text.
fn minor_of(version: &str) -> Option<(u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let (numbers, pre_release) =
        rest.split_once('-').map_or((rest, None), |(numbers, pre)| (numbers, Some(pre)));
    if pre_release == Some("") {
        return None;
    }
    let mut numbers = numbers.split('.').map(|digits| {
        let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        all_digits.then(|| digits.parse().ok()).flatten()
    });
    let (major, minor) = (numbers.next()??, numbers.next()??);
    match (numbers.next(), numbers.next()) {
        (None, _) | (Some(Some(_)), None) => Some((major, minor)),
        _ => None,
    }
}

/// The first characters of a text, without those that could disturb a screen or a log.
fn shortened(text: &str, most_chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most_chars).collect()
}

fn write_moment(moment: UnixMillis) -> Timestamp {
    let (seconds, millis) = (moment.get() / 1_000, moment.get() % 1_000);
    Timestamp { seconds: seconds as i64, nanos: millis as i32 * 1_000_000 }
}

fn read_moment(moment: Option<Timestamp>) -> Option<UnixMillis> {
    let Timestamp { seconds, nanos } = moment?;
    let millis = u64::try_from(nanos).ok().filter(|_| nanos < 1_000_000_000)? / 1_000_000;
    u64::try_from(seconds).ok()?.checked_mul(1_000)?.checked_add(millis).map(UnixMillis::new)
}
