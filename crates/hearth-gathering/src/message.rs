//! What a guest reports, about once a second, and what the organiser answers. CBOR, with numbers for names: what a later version adds
//! an earlier one skips.

use hearth_crypto::k1::{NodeKey, NodePublicKey, verify_compact};
use hearth_obol::enr::Enr;
use hearth_types::Root;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::{MOST_OPERATORS, NAME_BYTES};

/// Name of the protocol on the wire.
pub const PROTOCOL: &str = "/hearth/gathering/1.0.0";
/// Longest message, bytes: a definition of 1,000 validators has some 200 KiB.
pub const FRAME_BYTES: usize = 1 << 20;
/// Longest address, bytes: a multiaddr through a relay has some 150.
pub(crate) const ADDRESS_BYTES: usize = 300;
/// Most addresses of one operator.
pub(crate) const MOST_ADDRESSES: usize = 8;
/// Longest record, version or reason, bytes.
const TEXT_BYTES: usize = 512;
/// Most results of checks.
const MOST_CHECKS: usize = 16;

const PROVED: &[u8] = b"hearth gathering 1";

/// Something that has to be in order before a ceremony.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(index_only)]
pub enum CheckKind {
    /// The computer's clock.
    #[n(0)]
    Clock,
    /// Room on the disk.
    #[n(1)]
    Disk,
    /// A folder for the keys, free and writable.
    #[n(2)]
    Folder,
    /// The version of Hearth.
    #[n(3)]
    Version,
    /// Whether the others can reach it.
    #[n(4)]
    Reach,
}

/// How one of them is.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Check {
    /// What was checked.
    #[n(0)]
    pub kind: CheckKind,
    /// Whether a ceremony can be held.
    #[n(1)]
    pub good: bool,
    /// What was found, for people.
    #[n(2)]
    pub detail: String,
}

/// How far an operator is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Standing {
    /// What he calls himself.
    #[n(0)]
    pub nickname: String,
    /// His program and its version.
    #[n(1)]
    pub version: String,
    /// Where his node will listen in the ceremony.
    #[n(2)]
    pub addresses: Vec<String>,
    /// Hash of the definition whose words he has found the same.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub agreed: Option<[u8; 32]>,
    /// Whether he is ready to begin.
    #[n(4)]
    pub ready: bool,
    /// What was checked on his computer.
    #[n(5)]
    pub checks: Vec<Check>,
    /// Number of the newest ceremony that he has gone to.
    #[n(6)]
    pub gone_to: u32,
    /// How that ended, if it did.
    #[n(7)]
    pub outcome: Option<Outcome>,
}

/// How a ceremony ended for one operator.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub enum Outcome {
    /// He has the files of a cluster with this hash.
    #[n(0)]
    Formed(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]),
    /// He has none.
    #[n(1)]
    Failed(#[n(0)] String),
}

/// What a guest says.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Report {
    /// The record of his node.
    #[n(0)]
    pub record: String,
    /// That the node is his: its key's signature over the organiser's identity and the seat's.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub proof: [u8; 64],
    /// How far he is.
    #[n(2)]
    pub standing: Standing,
    /// Hash of the definition that he has.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub has: Option<[u8; 32]>,
    /// His clock; Unix milliseconds.
    #[n(4)]
    pub sent_ms: u64,
    /// Whether he gives his seat up.
    #[n(5)]
    pub leaving: bool,
}

/// Who sits on a seat, or who may.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// The organiser.
    #[n(0)]
    Organiser,
    /// Somebody who was invited.
    #[n(1)]
    Invited,
    /// Somebody whose node the organiser has named by its record, and who comes to the ceremony only.
    #[n(2)]
    Named,
}

/// A seat as all may see it.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SeatState {
    /// Who may sit there.
    #[n(0)]
    pub kind: Kind,
    /// Whether anybody does.
    #[n(1)]
    pub taken: bool,
    /// Whether the organiser hears from him.
    #[n(2)]
    pub here: bool,
    /// How far he is.
    #[n(3)]
    pub standing: Standing,
}

/// Why a guest is not let sit down.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// Somebody else has used the invitation.
    #[n(0)]
    Used,
    /// The invitation's time is over.
    #[n(1)]
    Expired,
    /// His node has another seat.
    #[n(2)]
    SeatedTwice,
    /// What he says of himself is not so.
    #[n(3)]
    Unproven,
    /// The gathering was given up.
    #[n(4)]
    Over,
    /// There is no such seat (any more).
    #[n(5)]
    NoSeat,
}

impl Refusal {
    /// What it means, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Used => "somebody else has used this invitation; ask for a new one",
            Self::Expired => "this invitation has expired; ask for a new one",
            Self::SeatedTwice => "this node has another seat in the cluster already",
            Self::Unproven => "the organiser's node did not accept the proof of who this node is",
            Self::Over => "the organiser has given this cluster up",
            Self::NoSeat => "the organiser has withdrawn this invitation",
        }
    }
}

/// What the organiser answers.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
pub enum Answer {
    /// No.
    #[n(0)]
    Refused(#[n(0)] Refusal),
    /// How things stand.
    #[n(1)]
    #[cbor(map)]
    Seated {
        /// All seats, the organiser's first.
        #[n(0)]
        seats: Vec<SeatState>,
        /// Hash of the definition, once all seats are taken.
        #[cbor(n(1), with = "minicbor::bytes")]
        hash: Option<[u8; 32]>,
        /// The definition, for a guest who does not have it: JSON.
        #[n(2)]
        definition: Option<String>,
        /// Number of the ceremony that everybody is to go to; zero before the first.
        #[n(3)]
        ceremony: u32,
        /// The organiser's clock; Unix milliseconds.
        #[n(4)]
        now_ms: u64,
    },
}

/// That whoever holds a seat's secret also has the node's key.
pub(crate) fn prove(node: &NodeKey, organiser: &NodePublicKey, door: &NodePublicKey) -> [u8; 64] {
    let signature = node.sign(&statement(organiser, door));
    let mut proof = [0; 64];
    proof.iter_mut().zip(signature).for_each(|(to, from)| *to = from);
    proof
}

/// The node's key, if the report proves it.
pub(crate) fn proven(
    report: &Report,
    organiser: &NodePublicKey,
    door: &NodePublicKey,
) -> Option<NodePublicKey> {
    let key = *Enr::parse(&report.record).ok()?.public_key();
    verify_compact(&key, &statement(organiser, door), &report.proof).then_some(key)
}

fn statement(organiser: &NodePublicKey, door: &NodePublicKey) -> [u8; 32] {
    let hash = Sha256::new().chain_update(PROVED).chain_update(organiser.to_bytes());
    hash.chain_update(door.to_bytes()).finalize().into()
}

impl Report {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        // Encoding into a vector cannot fail.
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Reads one; `None` if it is none, or says more than any does.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let report: Self = minicbor::decode(bytes).ok()?;
        (report.record.len() <= TEXT_BYTES && report.standing.is_bounded()).then_some(report)
    }
}

impl Answer {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Reads one; `None` if it is none, or says more than any does.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let answer: Self = minicbor::decode(bytes).ok()?;
        let bounded = match &answer {
            Self::Refused(_) => true,
            Self::Seated { seats, .. } => {
                seats.len() <= usize::from(MOST_OPERATORS)
                    && seats.iter().all(|seat| seat.standing.is_bounded())
            }
        };
        bounded.then_some(answer)
    }
}

impl Standing {
    fn is_bounded(&self) -> bool {
        let Self { nickname, version, addresses, checks, outcome, .. } = self;
        let said = match outcome {
            Some(Outcome::Failed(why)) => why.len(),
            _ => 0,
        };
        nickname.len() <= NAME_BYTES
            && version.len() <= TEXT_BYTES
            && said <= TEXT_BYTES
            && addresses.len() <= MOST_ADDRESSES
            && addresses.iter().all(|address| address.len() <= ADDRESS_BYTES)
            && checks.len() <= MOST_CHECKS
            && checks.iter().all(|check| check.detail.len() <= TEXT_BYTES)
    }

    /// Whether he agrees to the definition with this hash.
    pub fn agrees(&self, hash: Option<Root>) -> bool {
        hash.is_some_and(|hash| self.agreed == Some(*hash.as_bytes()))
    }

    /// Cuts what would be refused.
    pub(crate) fn trim(&mut self) {
        cut(&mut self.nickname, NAME_BYTES);
        cut(&mut self.version, TEXT_BYTES);
        self.addresses.retain(|address| address.len() <= ADDRESS_BYTES);
        self.addresses.truncate(MOST_ADDRESSES);
        self.checks.truncate(MOST_CHECKS);
        self.checks.iter_mut().for_each(|check| cut(&mut check.detail, TEXT_BYTES));
        if let Some(Outcome::Failed(why)) = &mut self.outcome {
            cut(why, TEXT_BYTES);
        }
    }
}

fn cut(text: &mut String, most: usize) {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
}
