//! The one list of what a node can be asked.
//!
//! From it come the request, the [`Handler`] that the node implements, the routing to it, the typed calls of the
//! client, and the list for TypeScript. A command without a handler does not compile; a command that is not here
//! does not exist.

use std::sync::Arc;

use hearth_types::{DutyKind, LockHash, Slot, ValidatorIndex};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alerts::{Alert, SnoozeRequest};
use crate::channels::{
    ChannelsReply, ChannelsRequest, MuteKindRequest, RemoveChannelRequest, SetChannelRequest, SetDigestRequest,
    SetQuietHoursRequest, TestChannelRequest,
};
use crate::checks::{ChecksReply, ChecksRequest, FindBeaconsReply, FindBeaconsRequest};
use crate::cluster::{ClusterReply, ClusterRequest};
use crate::deposit::{DepositReply, DepositRequest};
use crate::duty::DutyRecord;
use crate::error::{ErrorCode, UiError};
use crate::forming::{
    AgreeRequest, BeginCeremonyRequest, FormingReply, FormingRequest, InviteReply, LeaveFormingRequest,
    NameSeatRequest, PlanClusterRequest, PrepareRecordRequest, ReadInviteRequest, ReopenSeatRequest,
    SaveInviteRequest, SetDefinitionRequest, SetReadyRequest, TakeSeatRequest,
};
use crate::history::{HistoryReply, HistoryRequest};
use crate::keys::{
    BackUpRequest, BackupReply, BringBackRequest, KeysReply, KeysRequest, MoveInRequest, NewClusterReply,
    PractiseRestoreRequest,
};
use crate::message::Role;
use crate::settings::{ChangeSettingsRequest, SettingsReply, SettingsRequest};
use crate::slashing::{
    SlashingExportReply, SlashingExportRequest, SlashingImportReply, SlashingImportRequest, SlashingReply,
    SlashingRequest,
};
use crate::view::{Mark, NodeView};

/// Who may ask for it: everybody ...
const LOOKS: bool = false;
/// ... or only who [`Role::may_act`].
const ACTS: bool = true;

macro_rules! commands {
    ($($(#[$doc:meta])* $grade:ident $name:ident: $variant:ident($request:ty) -> $reply:ty;)*) => {
        /// Something that the node is asked.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$doc])* $variant($request),)*
        }

        impl Request {
            /// Names of all commands.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// What a call asks for.
            ///
            /// Errors: [`ErrorCode::UnknownCommand`], [`ErrorCode::NotAllowed`], [`ErrorCode::BadRequest`].
            pub(crate) fn read(role: Role, command: &str, request: Value) -> Result<Self, UiError> {
                match command {
                    $(stringify!($name) => {
                        if $grade == ACTS && !role.may_act() {
                            return Err(UiError::because(ErrorCode::NotAllowed, command));
                        }
                        let request = serde_json::from_value(request);
                        request.map(Self::$variant).map_err(|error| UiError::because(ErrorCode::BadRequest, error))
                    })*
                    _ => Err(UiError::because(ErrorCode::UnknownCommand, crate::view::plain(command, 100))),
                }
            }
        }

        /// What answers: the node, or a fake of it.
        ///
        /// Runs beside the duties, never on their way: an answer that takes long delays only who asked. Its future is
        /// dropped when whoever asked has left.
        pub trait Handler: Send + Sync + 'static {
            $($(#[$doc])* fn $name(
                &self,
                request: $request,
            ) -> impl Future<Output = Result<$reply, UiError>> + Send;)*
        }

        /// Hands a request to the handler.
        pub(crate) async fn route<H: Handler>(handler: Arc<H>, request: Request) -> Result<Value, UiError> {
            let reply = match request {
                $(Request::$variant(request) => serde_json::to_value(handler.$name(request).await?),)*
            };
            reply.map_err(|error| UiError::because(ErrorCode::Internal, error))
        }

        impl crate::client::Client {
            $($(#[$doc])* pub async fn $name(&mut self, request: $request) -> Result<$reply, UiError> {
                self.call(stringify!($name), &request).await
            })*
        }

        /// Name, request, reply and whether it acts, for TypeScript.
        #[cfg(test)]
        pub(crate) fn for_typescript(list: &mut impl crate::typescript::List) {
            $(list.command::<$request, $reply>(stringify!($name), $grade);)*
        }
    };
}

commands! {
    /// Everything that a surface shows of the node, as it is now.
    LOOKS status: Status(StatusRequest) -> NodeView;
    /// What became of recent duties, newest first.
    LOOKS duties: Duties(DutiesRequest) -> DutiesReply;
    /// The duties of the last day, week or month, added up.
    LOOKS history: History(HistoryRequest) -> HistoryReply;
    /// What a cluster is: its operators and validators, as its lock and the chain say.
    LOOKS cluster: Cluster(ClusterRequest) -> ClusterReply;
    /// What needs attention, and what did lately.
    LOOKS alerts: Alerts(AlertsRequest) -> AlertsReply;
    /// Measures clock, disk, sleep and the rest again; what was measured last is in the view.
    ACTS checks: Checks(ChecksRequest) -> ChecksReply;
    /// Looks for beacon nodes on this computer, or at given addresses.
    ACTS find_beacons: FindBeacons(FindBeaconsRequest) -> FindBeaconsReply;
    /// What the owner decided about the node.
    LOOKS settings: Settings(SettingsRequest) -> SettingsReply;
    /// Changes what the owner decided.
    ACTS change_settings: ChangeSettings(ChangeSettingsRequest) -> SettingsReply;
    /// Where alerts go, without what is secret.
    LOOKS channels: Channels(ChannelsRequest) -> ChannelsReply;
    /// Adds a channel for alerts, or changes one.
    ACTS set_channel: SetChannel(SetChannelRequest) -> ChannelsReply;
    /// Removes one.
    ACTS remove_channel: RemoveChannel(RemoveChannelRequest) -> ChannelsReply;
    /// Sends a message through one, now.
    ACTS test_channel: TestChannel(TestChannelRequest) -> ChannelsReply;
    /// Sets the hours in which only what is critical is told.
    ACTS set_quiet_hours: SetQuietHours(SetQuietHoursRequest) -> ChannelsReply;
    /// Turns the daily digest on or off.
    ACTS set_digest: SetDigest(SetDigestRequest) -> ChannelsReply;
    /// Mutes a kind of alerts, or tells it again.
    ACTS mute_kind: MuteKind(MuteKindRequest) -> ChannelsReply;
    /// Lets an alert rest for a while, or wakes it.
    ACTS snooze: Snooze(SnoozeRequest) -> AlertsReply;
    /// The key shares that the node holds, and when they were backed up.
    LOOKS keys: Keys(KeysRequest) -> KeysReply;
    /// Writes a backup: one encrypted file.
    ACTS back_up: BackUp(BackUpRequest) -> BackupReply;
    /// Opens a backup in memory and proves each key share in it. Writes nothing.
    ACTS practise_restore: PractiseRestore(PractiseRestoreRequest) -> BackupReply;
    /// Takes the cluster of a backup in.
    ACTS bring_back: BringBack(BringBackRequest) -> NewClusterReply;
    /// Takes the cluster of a folder of Charon in.
    ACTS move_in: MoveIn(MoveInRequest) -> NewClusterReply;
    /// The deposit files of a cluster, checked.
    LOOKS deposit: Deposit(DepositRequest) -> DepositReply;
    /// The cluster that is being formed.
    ACTS forming: Forming(FormingRequest) -> FormingReply;
    /// Plans a cluster and invites to it.
    ACTS plan_cluster: PlanCluster(PlanClusterRequest) -> FormingReply;
    /// What an invitation says.
    ACTS read_invite: ReadInvite(ReadInviteRequest) -> InviteReply;
    /// Accepts one.
    ACTS take_seat: TakeSeat(TakeSeatRequest) -> FormingReply;
    /// Makes a key for a definition that somebody else makes.
    ACTS prepare_record: PrepareRecord(PrepareRecordRequest) -> FormingReply;
    /// Takes that definition.
    ACTS set_definition: SetDefinition(SetDefinitionRequest) -> FormingReply;
    /// Writes an invitation to a file.
    ACTS save_invite: SaveInvite(SaveInviteRequest) -> FormingReply;
    /// Gives a seat to a node that is named by its record.
    ACTS name_seat: NameSeat(NameSeatRequest) -> FormingReply;
    /// Withdraws an invitation and makes a new one.
    ACTS reopen_seat: ReopenSeat(ReopenSeatRequest) -> FormingReply;
    /// Says that the words are the same for everybody.
    ACTS agree: Agree(AgreeRequest) -> FormingReply;
    /// Says that this operator is ready, or not.
    ACTS set_ready: SetReady(SetReadyRequest) -> FormingReply;
    /// Calls everybody to the ceremony.
    ACTS begin_ceremony: BeginCeremony(BeginCeremonyRequest) -> FormingReply;
    /// Leaves the ceremony, or what is not formed yet.
    ACTS leave_forming: LeaveForming(LeaveFormingRequest) -> FormingReply;
    /// How far the record of signed messages reaches, per validator.
    LOOKS slashing: Slashing(SlashingRequest) -> SlashingReply;
    /// Writes the record to a file for another program.
    ACTS slashing_export: SlashingExport(SlashingExportRequest) -> SlashingExportReply;
    /// What a file of another program would add to the record; and, confirmed, to add it.
    ACTS slashing_import: SlashingImport(SlashingImportRequest) -> SlashingImportReply;
    /// What stopping the node would mean; and, confirmed, to stop it.
    ACTS stop: Stop(StopRequest) -> StopReply;
}

/// Asks for the view.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct StatusRequest {}

/// Which duties.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct DutiesRequest {
    /// Of this cluster only.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
    /// Of this validator only.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub validator: Option<ValidatorIndex>,
    /// Only those that were missed.
    pub only_misses: bool,
    /// Only those of earlier slots: the rest of a list, where the last one ended.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub before: Option<Slot>,
    /// How many at most; [`DEFAULT_DUTIES`] unless given, never more than [`MOST_DUTIES`].
    pub limit: Option<u32>,
}

/// Duties in an answer unless another number is asked for.
pub const DEFAULT_DUTIES: usize = 100;
/// Duties in an answer, at most: together they stay below the longest message.
pub const MOST_DUTIES: usize = 500;

/// The duties that were asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DutiesReply {
    /// Newest first.
    pub duties: Vec<DutyRecord>,
    /// Whether the limit left some out.
    pub more: bool,
}

impl DutiesRequest {
    /// The answer out of all duties, given newest first.
    pub fn answer(&self, newest_first: impl IntoIterator<Item = DutyRecord>) -> DutiesReply {
        let limit = self.limit.map_or(DEFAULT_DUTIES, |limit| usize::try_from(limit).unwrap_or(MOST_DUTIES));
        let mut wanted = newest_first.into_iter().filter(|duty| self.wants(duty));
        let duties = wanted.by_ref().take(limit.min(MOST_DUTIES)).collect();
        DutiesReply { duties, more: wanted.next().is_some() }
    }

    /// Whether the list shall hold this one.
    pub fn wants(&self, duty: &DutyRecord) -> bool {
        self.before.is_none_or(|before| duty.slot < before)
            && self.cluster.is_none_or(|cluster| duty.cluster == cluster)
            && self.validator.is_none_or(|validator| duty.validators.contains(&validator))
            && (!self.only_misses || duty.mark() == Mark::Missed)
    }
}

/// How much of the past.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct AlertsRequest {
    /// Resolved alerts to tell, at most; none unless given.
    pub past: u32,
}

/// Alerts, current and past.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AlertsReply {
    /// What needs attention now, worst first.
    pub current: Vec<Alert>,
    /// What is resolved, newest first.
    pub past: Vec<Alert>,
}

/// Asks what stopping would mean, or to stop.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct StopRequest {
    /// Whether the owner has read what it means and wants it.
    pub confirmed: bool,
}

/// What stopping means.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StopReply {
    /// Whether the node stops now. `false`: it was only asked.
    pub stopping: bool,
    /// The duty that is finished first.
    pub finishing: Option<DutyUnderWay>,
    /// Longest time until the node is gone.
    pub within_ms: u64,
    /// What becomes of the clusters meanwhile: [`crate::without_this_node`].
    pub consequence: String,
}

/// A duty that has begun.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DutyUnderWay {
    /// The slot.
    #[cfg_attr(test, ts(type = "string"))]
    pub slot: Slot,
    /// What is being done.
    #[cfg_attr(test, ts(type = "DutyKind"))]
    pub kind: DutyKind,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::duty::{DutyOutcome, Trace};

    #[test]
    fn a_call_is_read_or_refused_with_the_code_that_fits() {
        let limited = DutiesRequest { limit: Some(3), ..DutiesRequest::default() };
        for (name, role, command, request, expected) in [
            ("all defaults", Role::Tray, "status", json!({}), Ok(Request::Status(StatusRequest {}))),
            ("one filter", Role::Cli, "duties", json!({"limit": 3}), Ok(Request::Duties(limited))),
            ("a misspelt filter", Role::Cli, "duties", json!({"limits": 3}), Err(ErrorCode::BadRequest)),
            ("another shape", Role::Cli, "status", json!(7), Err(ErrorCode::BadRequest)),
            ("no such command", Role::Cli, "sign", json!({}), Err(ErrorCode::UnknownCommand)),
            ("the tray acts", Role::Tray, "stop", json!({"confirmed": true}), Err(ErrorCode::NotAllowed)),
            ("a stranger acts", Role::Other, "stop", json!({}), Err(ErrorCode::NotAllowed)),
            ("the window acts", Role::Window, "stop", json!({}), Ok(Request::Stop(StopRequest::default()))),
        ] {
            let found = Request::read(role, command, request).map_err(|error| error.code);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn duties_are_filtered_and_limited_in_one_place() {
        let duty = |slot: u64, validator, missed| DutyRecord {
            cluster: LockHash::new([slot as u8 % 2; 32]),
            slot: Slot::new(slot),
            kind: DutyKind::Attester,
            due_ms: 0,
            validator_count: 1,
            validators: vec![ValidatorIndex::new(validator)],
            trace: Trace::default(),
            leader: None,
            round: None,
            signers: Vec::new(),
            outcome: if missed {
                DutyOutcome::missed(&crate::duty::Miss {
                    stage: crate::duty::DutyStage::Agree,
                    code: "no_consensus",
                    detail: "",
                    needed: 3,
                    arrived: 0,
                    missing: &[],
                })
            } else {
                DutyOutcome::Sent
            },
            on_chain: None,
        };
        let kept = [duty(5, 1, false), duty(4, 2, true), duty(3, 1, true), duty(2, 2, false)];
        let all = DutiesRequest::default();
        for (name, request, slots, more) in [
            ("all", all.clone(), vec![5, 4, 3, 2], false),
            (
                "cluster",
                DutiesRequest { cluster: Some(LockHash::new([1; 32])), ..all.clone() },
                vec![5, 3],
                false,
            ),
            (
                "validator",
                DutiesRequest { validator: Some(ValidatorIndex::new(2)), ..all.clone() },
                vec![4, 2],
                false,
            ),
            ("misses", DutiesRequest { only_misses: true, ..all.clone() }, vec![4, 3], false),
            ("the rest", DutiesRequest { before: Some(Slot::new(4)), ..all.clone() }, vec![3, 2], false),
            ("limit", DutiesRequest { limit: Some(3), ..all.clone() }, vec![5, 4, 3], true),
            ("limit just met", DutiesRequest { limit: Some(4), ..all.clone() }, vec![5, 4, 3, 2], false),
            ("none", DutiesRequest { limit: Some(0), ..all }, vec![], true),
        ] {
            let DutiesReply { duties, more: found } = request.answer(kept.clone());
            assert_eq!(duties.iter().map(|duty| duty.slot.get()).collect::<Vec<_>>(), slots, "{name}");
            assert_eq!(found, more, "{name}");
        }
    }
}
