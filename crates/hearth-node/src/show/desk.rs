//! Answers what is asked over the local socket.

use std::collections::BTreeMap;

use hearth_api::{
    AgreeRequest, AlertsReply, AlertsRequest, BackUpRequest, BackupReply, BeginCeremonyRequest,
    BringBackRequest, ChangeSettingsRequest, ChannelsReply, ChannelsRequest, ChecksReply, ChecksRequest,
    ClusterReply, ClusterRequest, DepositReply, DepositRequest, DutiesReply, DutiesRequest, DutyRecord,
    DutyUnderWay, ErrorCode, FindBeaconsReply, FindBeaconsRequest, FormingReply, FormingRequest, Handler,
    HistoryReply, HistoryRequest, InviteReply, KeysReply, KeysRequest, LeaveFormingRequest, Mark,
    MoveInRequest, MuteKindRequest, NameSeatRequest, NewClusterReply, NodeView, PlanClusterRequest,
    PractiseRestoreRequest, PrepareRecordRequest, Publisher, ReadInviteRequest, RemoveChannelRequest,
    ReopenSeatRequest, SaveInviteRequest, SetChannelRequest, SetDefinitionRequest, SetDigestRequest,
    SetQuietHoursRequest, SetReadyRequest, SettingsReply, SettingsRequest, SlashingExportReply,
    SlashingExportRequest, SlashingImportReply, SlashingImportRequest, SlashingReply, SlashingRequest,
    SnoozeRequest, StatusRequest, StopReply, StopRequest, TakeSeatRequest, TestChannelRequest, UiError,
    without_this_node,
};
use hearth_types::LockHash;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::chronicle::Chronicle;
use super::clusters::ClusterDesks;
use super::lookout::Lookout;
use super::room::Room;
use crate::channels::ChannelsDesk;
use crate::checks::{CheckDesk, find_beacons};
use crate::clock;
use crate::driver::LAST_DUTY;
use crate::forming::{FormingDesk, Order};
use crate::history::History;
use crate::newcomers::Newcomers;
use crate::settings::SettingsDesk;

/// What only the task that holds the view can answer.
pub(super) enum Question {
    Duties(DutiesRequest, oneshot::Sender<DutiesReply>),
    UnderWay(DutiesRequest, oneshot::Sender<Vec<DutyRecord>>),
    Cluster(ClusterRequest, oneshot::Sender<Option<ClusterReply>>),
    Alerts(AlertsRequest, oneshot::Sender<AlertsReply>),
    Snooze(SnoozeRequest, oneshot::Sender<Result<AlertsReply, UiError>>),
}

impl Question {
    /// Whoever asked may have left; then nobody hears the answer.
    pub(super) fn answer(self, rooms: &BTreeMap<LockHash, Room>, lookout: &mut Lookout) {
        let chronicles = || rooms.values().map(Room::chronicle);
        match self {
            Self::Duties(request, reply) => {
                let all = newest_first(chronicles().flat_map(Chronicle::newest_first));
                let _unheard = reply.send(request.answer(all.into_iter().cloned()));
            }
            Self::UnderWay(request, reply) => {
                let under_way = newest_first(chronicles().flat_map(Chronicle::under_way));
                let wanted = under_way.into_iter().filter(|duty| request.wants(duty));
                let _unheard = reply.send(wanted.cloned().collect());
            }
            Self::Cluster(request, reply) => {
                let mut all = rooms.values().map(Room::facts);
                let _unheard = reply.send(match request.cluster {
                    Some(wanted) => all.find(|facts| facts.cluster == wanted).cloned(),
                    None => all.next().filter(|_| rooms.len() == 1).cloned(),
                });
            }
            Self::Alerts(request, reply) => {
                let _unheard = reply.send(lookout.reply(request.past));
            }
            Self::Snooze(request, reply) => {
                let _unheard = reply.send(lookout.snooze(&request).map(|()| lookout.reply(0)));
            }
        }
    }
}

/// Those of several clusters in one row.
fn newest_first<'a>(duties: impl Iterator<Item = &'a DutyRecord>) -> Vec<&'a DutyRecord> {
    let mut duties: Vec<_> = duties.collect();
    duties.sort_by_key(|duty| std::cmp::Reverse((duty.slot, duty.kind)));
    duties
}

/// The node's answers.
pub(super) struct Desk {
    pub(super) publisher: Publisher,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) history: Option<History>,
    pub(super) clusters: ClusterDesks,
    pub(super) checks: CheckDesk,
    pub(super) settings: SettingsDesk,
    pub(super) channels: ChannelsDesk,
    pub(super) newcomers: Newcomers,
    pub(super) forming: FormingDesk,
    pub(super) stop_node: CancellationToken,
}

impl Desk {
    async fn ask<A>(&self, question: impl FnOnce(oneshot::Sender<A>) -> Question) -> Result<A, UiError> {
        let (reply, answer) = oneshot::channel();
        let stopping = || UiError::because(ErrorCode::NotReady, "the node is stopping");
        self.questions.send(question(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

impl Handler for Desk {
    async fn status(&self, _: StatusRequest) -> Result<NodeView, UiError> {
        Ok(NodeView::clone(&self.publisher.current()))
    }

    async fn duties(&self, request: DutiesRequest) -> Result<DutiesReply, UiError> {
        let Some(history) = &self.history else {
            return self.ask(|reply| Question::Duties(request, reply)).await;
        };
        let mut duties = self.ask(|reply| Question::UnderWay(request.clone(), reply)).await?;
        let kept = history.duties(request.clone()).await?;
        let limit = usize::try_from(request.limit.unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
        let under_way = duties.len();
        duties.extend(kept.duties);
        // What is under way comes on top, so that the rest of a list begins where the kept ones of this end.
        duties.truncate(limit.max(under_way));
        Ok(DutiesReply { duties, more: kept.more })
    }

    async fn history(&self, request: HistoryRequest) -> Result<HistoryReply, UiError> {
        match &self.history {
            Some(history) => history.history(request, clock::now().get()).await,
            None => Err(UiError::because(ErrorCode::NotReady, "the node keeps no history: its log says why")),
        }
    }

    async fn cluster(&self, request: ClusterRequest) -> Result<ClusterReply, UiError> {
        let cluster = self.ask(|reply| Question::Cluster(request, reply)).await?;
        cluster.ok_or_else(|| UiError::because(ErrorCode::NotReady, "the node has no such cluster, or not yet"))
    }

    async fn alerts(&self, request: AlertsRequest) -> Result<AlertsReply, UiError> {
        self.ask(|reply| Question::Alerts(request, reply)).await
    }

    async fn checks(&self, _: ChecksRequest) -> Result<ChecksReply, UiError> {
        let machine = self.checks.measure().await?;
        Ok(ChecksReply { checks: hearth_api::checks(&self.publisher.current(), &machine) })
    }

    async fn find_beacons(&self, request: FindBeaconsRequest) -> Result<FindBeaconsReply, UiError> {
        find_beacons(request).await
    }

    async fn settings(&self, request: SettingsRequest) -> Result<SettingsReply, UiError> {
        self.clusters.settings(request.cluster)?.unwrap_or_else(|| self.settings.clone()).show().await
    }

    async fn change_settings(&self, request: ChangeSettingsRequest) -> Result<SettingsReply, UiError> {
        self.clusters.settings(request.cluster)?.unwrap_or_else(|| self.settings.clone()).change(request).await
    }

    async fn channels(&self, _: ChannelsRequest) -> Result<ChannelsReply, UiError> {
        self.channels.show().await
    }

    async fn set_channel(&self, request: SetChannelRequest) -> Result<ChannelsReply, UiError> {
        self.channels.set(request).await
    }

    async fn set_digest(&self, request: SetDigestRequest) -> Result<ChannelsReply, UiError> {
        self.channels.set_digest(request).await
    }

    async fn mute_kind(&self, request: MuteKindRequest) -> Result<ChannelsReply, UiError> {
        self.channels.mute_kind(request).await
    }

    async fn snooze(&self, request: SnoozeRequest) -> Result<AlertsReply, UiError> {
        self.ask(|reply| Question::Snooze(request, reply)).await?
    }

    async fn remove_channel(&self, request: RemoveChannelRequest) -> Result<ChannelsReply, UiError> {
        self.channels.remove(request).await
    }

    async fn test_channel(&self, request: TestChannelRequest) -> Result<ChannelsReply, UiError> {
        self.channels.test(request).await
    }

    async fn set_quiet_hours(&self, request: SetQuietHoursRequest) -> Result<ChannelsReply, UiError> {
        self.channels.set_quiet_hours(request).await
    }

    async fn keys(&self, request: KeysRequest) -> Result<KeysReply, UiError> {
        self.clusters.keys(request.cluster)?.show().await
    }

    async fn back_up(&self, request: BackUpRequest) -> Result<BackupReply, UiError> {
        self.clusters.keys(request.cluster)?.back_up(request).await
    }

    async fn practise_restore(&self, request: PractiseRestoreRequest) -> Result<BackupReply, UiError> {
        self.clusters.keys(request.cluster)?.practise(request).await
    }

    async fn bring_back(&self, request: BringBackRequest) -> Result<NewClusterReply, UiError> {
        self.newcomers.bring_back(request).await
    }

    async fn move_in(&self, request: MoveInRequest) -> Result<NewClusterReply, UiError> {
        self.newcomers.move_in(request).await
    }

    async fn deposit(&self, request: DepositRequest) -> Result<DepositReply, UiError> {
        self.clusters.keys(request.cluster)?.deposit().await
    }

    async fn forming(&self, request: FormingRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Show(request.code_of)).await
    }

    async fn plan_cluster(&self, request: PlanClusterRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Plan(request)).await
    }

    async fn read_invite(&self, request: ReadInviteRequest) -> Result<InviteReply, UiError> {
        self.forming.read(request).await
    }

    async fn prepare_record(&self, request: PrepareRecordRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Prepare(request.seat)).await
    }

    async fn set_definition(&self, request: SetDefinitionRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Define(request)).await
    }

    async fn save_invite(&self, request: SaveInviteRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Save(request)).await
    }

    async fn take_seat(&self, request: TakeSeatRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Take(request)).await
    }

    async fn name_seat(&self, request: NameSeatRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Name(request)).await
    }

    async fn reopen_seat(&self, request: ReopenSeatRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Reopen(request.seat)).await
    }

    async fn agree(&self, request: AgreeRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Agree(request)).await
    }

    async fn set_ready(&self, request: SetReadyRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Ready(request.ready)).await
    }

    async fn begin_ceremony(&self, _: BeginCeremonyRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Begin).await
    }

    async fn leave_forming(&self, request: LeaveFormingRequest) -> Result<FormingReply, UiError> {
        self.forming.order(Order::Leave(request)).await
    }

    async fn slashing(&self, request: SlashingRequest) -> Result<SlashingReply, UiError> {
        self.clusters.record(request.cluster)?.slashing().await
    }

    async fn slashing_export(&self, request: SlashingExportRequest) -> Result<SlashingExportReply, UiError> {
        self.clusters.record(request.cluster)?.export(request).await
    }

    async fn slashing_import(&self, request: SlashingImportRequest) -> Result<SlashingImportReply, UiError> {
        self.clusters.record(request.cluster)?.import(request).await
    }

    async fn stop(&self, request: StopRequest) -> Result<StopReply, UiError> {
        let view = self.publisher.current();
        let under_way = |view: &NodeView| {
            let strips = view.clusters.iter().flat_map(|cluster| &cluster.strip);
            let mut waiting = strips.filter(|duty| duty.mark == Mark::Waiting && Some(duty.slot) == view.slot);
            waiting.next().map(|duty| DutyUnderWay { slot: duty.slot, kind: duty.kind })
        };
        if request.confirmed {
            tracing::info!("asked to stop over the local socket: the duty under way is finished first");
            self.stop_node.cancel();
        }
        Ok(StopReply {
            stopping: request.confirmed,
            finishing: under_way(&view),
            within_ms: u64::try_from(LAST_DUTY.as_millis()).unwrap_or(u64::MAX),
            consequence: without_this_node(&view),
        })
    }
}
