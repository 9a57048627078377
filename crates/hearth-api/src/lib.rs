//! What a node says and what it is asked: one view, one list of commands, and the local socket between a node and
//! whoever looks at it (command line, window, tray).
//!
//! This crate deliberately does not know how anything is done: it has no duty to perform, no key, no file of the
//! node, and of the other Hearth crates only the words. The node fills in a [`NodeView`] and implements [`Handler`];
//! the rest is here, for both sides.
//!
//! ```text
//! view.rs        what there is to see of a node
//! health.rs      the one flame and the one sentence on it
//! alerts.rs      troubles with a beginning and an end; alerts/ decides when
//! duty.rs        what became of a duty, with the reason in a sentence
//! history.rs     the duties of the last days, added up
//! channels.rs    where alerts go beside the screen
//! cluster.rs     what a cluster is
//! forming.rs     a cluster that is being formed
//! deposit.rs     what is deposited for it
//! slashing.rs    the record of signed messages, and files of it
//! commands.rs    the one list of what can be asked
//! error.rs       what went wrong, in four lines
//! publish.rs     where the node puts its view
//! follow.rs      the view, then what changed
//! message.rs     what travels; hello and versions
//! frame.rs       how a message lies on a stream
//! place.rs       where a node's socket is
//! local.rs       the socket, on each system
//! server.rs      the node's side of it
//! client.rs      the other side
//! typescript.rs  the same types for the screens (tests only)
//! ```
//!
//! What always holds:
//!
//! - **One verdict.** Flame and sentence are concluded in one place, when a view is published. No surface concludes.
//! - **Nobody who watches can be felt.** [`Publisher::publish`] never waits. Nothing is queued for an observer.
//! - **Nothing is applied to the wrong view.** An update names the view that it changes; else the whole is sent.
//! - **A length is checked before it is believed**, and no input from outside leads to a panic.
//! - **Only the node's owner is heard** (and the system's administrator): a folder of mode 0700, a socket of mode
//!   0600, and the other side's user is known before a byte is read.
//! - **Secrets go one way.** A passphrase that the owner types travels to the node; no answer has a place for a secret. Links of
//!   invitations are no such thing: they are there to be given away, and only who may act sees them.

mod alerts;
mod channels;
mod checks;
mod client;
mod cluster;
mod commands;
mod deposit;
mod duty;
mod error;
mod follow;
mod forming;
mod frame;
mod health;
mod history;
mod keys;
mod local;
mod message;
mod place;
mod publish;
mod secret;
mod server;
mod settings;
mod slashing;
#[cfg(test)]
mod typescript;
mod view;

pub use alerts::{
    Alert, AlertEngine, AlertKind, Herald, Hush, News, Rest, Severity, SnoozeRequest, Transition,
};
pub use channels::{
    ChannelKind, ChannelTarget, ChannelView, ChannelsReply, ChannelsRequest, Delivery, MailSecurity,
    MuteKindRequest, QuietHours, RemoveChannelRequest, SetChannelRequest, SetDigestRequest,
    SetQuietHoursRequest, Telling, TestChannelRequest,
};
pub use checks::{
    Check, ChecksReply, ChecksRequest, ClockSource, FindBeaconsReply, FindBeaconsRequest, FoundBeacon, Grade,
    Machine, Measured, PowerSource, SleepSetting, checks,
};
pub use client::{Client, Subscription};
pub use cluster::{ClusterReply, ClusterRequest, OperatorDetail, ValidatorDetail, ValidatorStage};
pub use commands::{
    AlertsReply, AlertsRequest, DEFAULT_DUTIES, DutiesReply, DutiesRequest, DutyUnderWay, Handler, MOST_DUTIES,
    Request, StatusRequest, StopReply, StopRequest,
};
pub use deposit::{DepositDetail, DepositFile, DepositReply, DepositRequest};
pub use duty::{DutyOutcome, DutyRecord, DutyStage, Miss, OnChain, Trace};
pub use error::{ErrorCode, UiError};
pub use follow::{Change, Gap, Update, ViewEvent, apply, difference};
pub use forming::{
    AgreeRequest, BeginCeremonyRequest, ClusterPlan, FormedCluster, Forming, FormingReply, FormingRequest,
    FormingSeat, FormingStage, InviteReply, LeaveFormingRequest, LinkCode, NameSeatRequest, OwnSeat,
    PlanClusterRequest, PrepareRecordRequest, ReadInviteRequest, ReopenSeatRequest, SaveInviteRequest,
    SeatCheck, SeatCheckKind, SetDefinitionRequest, SetReadyRequest, TakeSeatRequest,
};
pub use frame::{Decoder, FrameError, MAX_FRAME_BYTES, encode};
pub use health::{Facts, Flame, Health, flame, headline, seen_at, sentence, without_this_node};
pub use history::{
    Effectiveness, HistoryReply, HistoryRequest, OperatorTally, Period, Step, Tally, ValidatorTally,
};
pub use keys::{
    BackUpRequest, BackupReply, BringBackRequest, KeyShare, KeysReply, KeysRequest, MoveInRequest,
    NewClusterReply, PractiseRestoreRequest,
};
pub use local::ListenError;
pub use message::{ClientMessage, Hello, PROTOCOL, Role, ServerMessage, check_versions};
pub use place::place_of;
pub use publish::{Publisher, Watcher};
pub use secret::Secret;
pub use server::{Desk, MOST_CONNECTIONS, Server};
pub use settings::{ChangeSettingsRequest, NodeSettings, PeerAddresses, SettingsReply, SettingsRequest};
pub use slashing::{
    ImportedValidator, RecordKeys, RecordReach, RecordedValidator, SlashingExportReply, SlashingExportRequest,
    SlashingImportReply, SlashingImportRequest, SlashingReply, SlashingRequest,
};
pub use view::{
    BeaconState, BeaconView, ClusterStage, ClusterView, DutyMark, HEARTBEAT_MS, LeftOut, Mark, Mode,
    NetworkView, NextDuty, NodeInfo, NodeState, NodeView, Reach, RouterState, STALE_MS, STRIP_DUTIES,
    SeatState, SeatView, plain,
};
