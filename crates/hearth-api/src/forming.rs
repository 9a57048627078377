//! A cluster that is being formed: planned, invited to, agreed on, and made in a key ceremony.

use hearth_types::LockHash;
use serde::{Deserialize, Serialize};

use crate::settings::PeerAddresses;

/// Asks for the cluster that is being formed.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct FormingRequest {
    /// With the picture of the invitation to this seat.
    pub code_of: Option<u8>,
}

/// The cluster that is being formed, if one is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FormingReply {
    /// A node forms one at a time.
    pub forming: Option<Forming>,
}

/// How far a cluster is that is being formed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Forming {
    /// What it is waiting for.
    pub stage: FormingStage,
    /// The record of this node, where it waits for a definition that names it; begins with `enr:`.
    pub record: Option<String>,
    /// Whether the operators' wallets have signed the definition.
    pub signed: bool,
    /// Number of this node's seat; the organiser has the first.
    pub me: u8,
    /// What the cluster is to be.
    pub plan: ClusterPlan,
    /// Hash of the definition, once all seats are taken.
    pub definition_hash: Option<String>,
    /// Six words for that hash, which all operators compare. Not a secret.
    pub words: Vec<String>,
    /// All seats, by number.
    pub seats: Vec<FormingSeat>,
    /// Whether the organiser's node answers; of the organiser himself, whether he can be reached at all.
    pub connected: bool,
    /// Where this node is reached in the ceremony.
    pub addresses: Vec<String>,
    /// The last thing that went wrong, for people; `None` once it is over.
    pub trouble: Option<String>,
    /// The step of the ceremony that runs, 0 (finding each other) to 7 (done).
    pub step: Option<u8>,
    /// Key shares written, and to be written, while that goes on.
    pub saving: Option<(u32, u32)>,
    /// What was formed.
    pub formed: Option<FormedCluster>,
    /// Its folder.
    pub folder: String,
}

/// What a cluster that is being formed waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum FormingStage {
    /// For somebody on every seat.
    Inviting,
    /// For a definition that names this node.
    Defining,
    /// For everybody to compare the words.
    Agreeing,
    /// For everybody to be ready, and the organiser to begin.
    Gathering,
    /// For the key ceremony.
    Ceremony,
    /// For nothing: the cluster is there.
    Formed,
    /// For nothing: this node cannot go along, and `trouble` says why.
    Refused,
}

/// What a cluster is to be.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClusterPlan {
    /// Its name.
    pub name: String,
    /// Name of its network, or the fork version of one that is not known.
    pub network: String,
    /// Whether this node knows the network.
    pub network_known: bool,
    /// Whether its stakes are worth money.
    pub real_money: bool,
    /// Number of operators.
    pub operators: u8,
    /// Partial signatures needed.
    pub threshold: u8,
    /// Number of validators.
    pub validators: u32,
    /// Where stakes and rewards go, with checksum.
    pub withdrawal_address: String,
    /// Where payments for blocks go, with checksum.
    pub fee_recipient: String,
    /// Whether rewards are added to the stake.
    pub compounding: bool,
}

/// A seat of a cluster that is being formed.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FormingSeat {
    /// Its number, from one.
    pub number: u8,
    /// What its operator calls himself.
    pub nickname: String,
    /// Whether it is for a node that the organiser has named by its record, and that comes to the ceremony only.
    pub named: bool,
    /// Whether somebody has it.
    pub taken: bool,
    /// Whether he is heard from.
    pub here: bool,
    /// Whether he has found the words the same.
    pub agreed: bool,
    /// Whether he is ready to begin.
    pub ready: bool,
    /// His program and its version.
    pub version: String,
    /// What was checked on his computer.
    pub checks: Vec<SeatCheck>,
    /// His step in the ceremony, while one runs and he is connected.
    pub step: Option<u8>,
    /// The invitation to the seat. Whoever has it can take the seat: it is for one person.
    pub link: Option<String>,
    /// The same as the address of a page that hands it to the app, where this Hearth was published with such a page.
    pub page_link: Option<String>,
    /// The same as a picture, where it was asked for.
    pub code: Option<LinkCode>,
    /// Until when the invitation can be used; Unix milliseconds.
    pub expires_ms: Option<u64>,
}

/// A QR code.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LinkCode {
    /// Modules on a side.
    pub size: u32,
    /// SVG path of the dark modules, each of size one.
    pub path: String,
}

/// Something on an operator's computer that has to be in order before a ceremony.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatCheck {
    /// What was checked.
    pub kind: SeatCheckKind,
    /// Whether it is in order.
    pub good: bool,
    /// What was found.
    pub detail: String,
}

/// What is checked on an operator's computer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SeatCheckKind {
    /// The clock.
    Clock,
    /// Room on the disk.
    Disk,
    /// A free folder that can be written.
    Folder,
    /// The version of Hearth.
    Version,
    /// An address for the others.
    Reach,
}

/// A cluster that was formed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FormedCluster {
    /// Hash of its lock.
    #[cfg_attr(test, ts(type = "string"))]
    pub cluster: LockHash,
    /// Public keys of its validators.
    pub validators: Vec<String>,
    /// Whether the node has to be started again before it performs its duties.
    pub restart_needed: bool,
}

/// Plans a cluster and makes invitations to it. This node is its organiser.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct PlanClusterRequest {
    /// Its name.
    pub name: String,
    /// Name of its network.
    pub network: String,
    /// Number of operators.
    pub operators: u8,
    /// Partial signatures needed; two thirds, rounded up, unless given.
    pub threshold: Option<u8>,
    /// Number of validators.
    pub validators: u32,
    /// Where stakes and rewards go, with checksum.
    pub withdrawal_address: String,
    /// Where payments for blocks go, with checksum.
    pub fee_recipient: String,
    /// Whether rewards are added to the stake.
    pub compounding: bool,
    /// How the organiser is reached.
    pub seat: OwnSeat,
}

/// What is asked of everybody who takes a seat.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct OwnSeat {
    /// What the others see him called.
    pub nickname: String,
    /// Where his node listens for them, `ip:port`; a free port on all addresses unless given.
    pub listen: Option<String>,
    /// Where they reach it, `host:port`; the computer's own address unless given.
    pub address: Option<String>,
    /// A relay through which they reach it as well, `/ip4/…/tcp/…/p2p/<id>`; those of the node's settings are used anyhow.
    pub relay: Option<String>,
}

/// Asks what an invitation says. Nothing is made, and nobody is told.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ReadInviteRequest {
    /// The link, or a message that has one in it.
    pub link: String,
    /// The path of a file that has it, instead.
    pub file: Option<String>,
}

/// What an invitation says.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct InviteReply {
    /// The link by itself: with it the seat is taken.
    pub link: String,
    /// What its sender calls himself. Anybody can call himself anything.
    pub organiser: String,
    /// What the cluster is to be.
    pub plan: ClusterPlan,
    /// The seat that is offered.
    pub seat: u8,
    /// Until when it can be taken; Unix milliseconds.
    pub expires_ms: u64,
    /// Why it cannot be taken, if so.
    pub obstacle: Option<String>,
}

/// Accepts an invitation.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct TakeSeatRequest {
    /// The link.
    pub link: String,
    /// How this node is reached.
    pub seat: OwnSeat,
}

/// Makes a key for a definition that somebody else makes: in Obol's launchpad, say. The answer has its record.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct PrepareRecordRequest {
    /// How this node is reached.
    pub seat: OwnSeat,
}

/// Takes a definition that names this node. It is read and checked; nobody is told.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct SetDefinitionRequest {
    /// The path of its file, or its `https` address. Empty: that which was taken before, with other answers to the rest.
    pub source: String,
    /// Where the other operators are, as far as that is known.
    pub peers: Vec<PeerAddresses>,
    /// Whether the others hold the ceremony as Charon 1.10 does, not 1.11.
    pub charon_1_10: bool,
}

/// Gives a seat to a node that is named by its record: an institution's, say, that runs Charon.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct NameSeatRequest {
    /// The seat.
    pub seat: u8,
    /// The node's record, which begins with `enr:`.
    pub record: String,
    /// What to call its operator.
    pub nickname: String,
    /// Where it listens in the ceremony, `host:port`; may be empty.
    pub address: String,
}

/// Withdraws an invitation, lets whoever sits there go, and makes a new one.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ReopenSeatRequest {
    /// The seat.
    pub seat: u8,
}

/// Writes the invitation to a seat to a file.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct SaveInviteRequest {
    /// The seat.
    pub seat: u8,
    /// Where to write it; nothing is there yet.
    pub path: String,
}

/// Says that the words are the same for everybody.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct AgreeRequest {
    /// Hash of the definition whose words they are.
    pub definition_hash: String,
}

/// Says that this operator is ready for the ceremony, or not after all.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct SetReadyRequest {
    /// Which.
    pub ready: bool,
}

/// The organiser calls everybody to the ceremony.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct BeginCeremonyRequest {}

/// Leaves: the ceremony that runs; or a cluster that is not formed yet, for good; or the page of one that is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct LeaveFormingRequest {
    /// Whether the owner has read what it means and wants it.
    pub confirmed: bool,
}
