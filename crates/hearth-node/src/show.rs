//! What the node shows of itself: one view, kept up to date beside the duties and never in their way.
//!
//! Whoever performs duties says what happens through a [`Teller`], which never waits. One task holds the view, the story of
//! the latest duties and the alerts; it publishes, and answers what is asked over the local socket.

mod chronicle;
mod cluster;
mod desk;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hearth_api::{
    AlertEngine, BeaconState, BeaconView, ClusterReply, ClusterStage, DutiesRequest, DutyRecord, Effectiveness,
    Machine, NetworkView, NextDuty, NodeInfo, NodeState, NodeView, Publisher, Server,
};
use hearth_beacon::{NodeStatus, Progress};
use hearth_duties::{Report, ValidatorRecord};
use hearth_obol::cluster::Networks;
use hearth_obol::wire::PeerInfo;
use hearth_types::{ChainSpec, Duty, Epoch, OperatorIndex, UnixMillis};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::channels::{ChannelsDesk, Posted, Postman};
use crate::checks::{CheckDesk, Surveyor};
use crate::clock;
use crate::history::History;
use crate::keys::KeysDesk;
use crate::record::RecordDesk;
use crate::settings::SettingsDesk;
use chronicle::{Chronicle, Told};
pub(crate) use cluster::Seated;
use desk::{Desk, Question};

/// Notices that may wait for the task. It only writes to memory, so that more are never there unless the machine stands still.
const NOTICES_WAITING: usize = 4_096;
const QUESTIONS_WAITING: usize = 64;
/// Between two looks at what changes by itself: the slot, an operator who fell silent, a trouble that has lasted.
const LOOK: Duration = Duration::from_secs(1);
/// Between two questions to the history.
const ADD_UP: Duration = Duration::from_secs(60);

/// Something worth showing.
pub(crate) enum Notice {
    /// The node is starting; the text ends the sentence "Starting: …".
    Starting(&'static str),
    /// It is in a cluster.
    Seated(Box<Seated>),
    /// What became of duties before this start.
    Past(Vec<DutyRecord>),
    /// How many of the duties are done, from the history.
    Effectiveness(Effectiveness),
    /// What a beacon node answers before there is a chain to follow.
    Beacon(Progress),
    /// It follows a chain.
    Chain(Arc<ChainSpec>, watch::Receiver<Vec<NodeStatus>>),
    /// It follows none; its beacon nodes are other ones from now on.
    NoChain,
    /// It performs duties, or has none because it is in no cluster.
    Running,
    /// It signs nothing until this epoch is over, because it was restored from a backup.
    Waits(Epoch),
    /// It finishes the duty under way.
    Stopping,
    /// A step on the road of a duty.
    Duty(Report),
    /// The duty that comes next, and when.
    Next(Option<(Duty, UnixMillis)>),
    /// What the chain knows of the cluster's validators.
    Validators(Vec<ValidatorRecord>),
    /// A peer can be talked to, at this multiaddr.
    Connected(OperatorIndex, String),
    /// A peer cannot be talked to.
    Away(OperatorIndex),
    /// A peer answered a ping, and whether over a connection that it had opened.
    Ping(OperatorIndex, Duration, bool),
    /// What was measured of the computer.
    Machine(Machine),
    /// What a peer says of itself, and how far its clock is ahead of ours.
    Card(OperatorIndex, Box<PeerInfo>, i64),
}

/// Says what happens. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Teller(mpsc::Sender<Notice>);

impl Teller {
    /// Never waits. What finds no room is not shown; a look at the clock sets right what that leaves behind.
    pub(crate) fn tell(&self, notice: Notice) {
        let _not_shown = self.0.try_send(notice);
    }

    /// For a test that listens itself.
    #[cfg(test)]
    pub(crate) fn heard_here() -> (Self, mpsc::Receiver<Notice>) {
        let (teller, notices) = mpsc::channel(NOTICES_WAITING);
        (Self(teller), notices)
    }
}

/// The show and the socket, while the node runs.
pub(crate) struct Stage {
    pub(crate) teller: Teller,
    publisher: Publisher,
    questions: mpsc::Sender<Question>,
    task: JoinHandle<()>,
    /// Measures the computer.
    surveying: JoinHandle<()>,
    checks: CheckDesk,
    settings: SettingsDesk,
    keys: KeysDesk,
    channels: ChannelsDesk,
    /// Tells alerts to whoever is elsewhere.
    posting: JoinHandle<()>,
    /// Answers whoever connects; `None` where the socket cannot be had.
    serving: Option<JoinHandle<()>>,
    /// `None` where it cannot be had.
    history: Option<(History, std::thread::JoinHandle<()>)>,
    /// Empty until the record is open.
    record: Arc<OnceLock<RecordDesk>>,
    close: CancellationToken,
    stop_node: CancellationToken,
}

impl Stage {
    /// Shows the node of a folder that this process holds, and sends its alerts through the channels. `stop_node` is what a stop
    /// asked over the socket cancels, `settings` what is in effect.
    ///
    /// A socket or a history that cannot be had is only warned about: duties depend on neither.
    pub(crate) fn open(
        folder: &Path,
        (settings, keys): (SettingsDesk, KeysDesk),
        (postman, channels): (Postman, ChannelsDesk),
        stop_node: CancellationToken,
    ) -> Self {
        let (teller, notices) = mpsc::channel(NOTICES_WAITING);
        let (ask, questions) = mpsc::channel(QUESTIONS_WAITING);
        let now = clock::now();
        let view = NodeView {
            at_ms: now.get(),
            node: NodeInfo {
                version: env!("CARGO_PKG_VERSION").into(),
                mode: settings.in_effect().mode,
                started_ms: now.get(),
                ..NodeInfo::default()
            },
            ..NodeView::default()
        };
        let publisher = Publisher::new(view.clone());
        let history = History::open(folder).map_err(|error| {
            tracing::warn!(%error, "what becomes of duties is not kept; duties go on");
        });
        let history = history.ok();
        let teller = Teller(teller);
        let show = Show {
            teller: teller.clone(),
            history: history.as_ref().map(|(history, _)| history.clone()),
            add_up_at: Instant::now(),
            facts: None,
            view,
            publisher: publisher.clone(),
            engine: AlertEngine::default(),
            chronicle: None,
            beacons: None,
            spec: None,
            machine: Machine::default(),
            posted: postman.posted(),
            waits_until: None,
        };
        let task = tokio::spawn(show.go_on(notices, questions));
        let (surveyor, checks) = Surveyor::new(folder.to_owned(), settings.time_servers());
        let surveying = tokio::spawn(surveyor.go_on(teller.clone()));
        let posting = tokio::spawn(postman.go_on(publisher.watch()));
        let mut stage = Self {
            teller,
            publisher,
            questions: ask,
            task,
            surveying,
            checks,
            settings,
            keys,
            channels,
            posting,
            serving: None,
            history,
            record: Arc::default(),
            close: CancellationToken::new(),
            stop_node,
        };
        match Server::bind(folder) {
            Ok(server) => {
                let (watcher, desk) = (stage.publisher.watch(), stage.desk());
                stage.serving = Some(tokio::spawn(server.serve(watcher, desk, stage.close.clone())));
            }
            Err(error) => {
                tracing::warn!(%error, "nobody can ask this node how it is (hearth status, the window); duties go on");
            }
        }
        stage
    }

    fn desk(&self) -> Desk {
        let history = self.history.as_ref().map(|(history, _)| history.clone());
        Desk {
            publisher: self.publisher.clone(),
            questions: self.questions.clone(),
            history,
            record: Arc::clone(&self.record),
            checks: self.checks.clone(),
            settings: self.settings.clone(),
            keys: self.keys.clone(),
            channels: self.channels.clone(),
            stop_node: self.stop_node.clone(),
        }
    }

    /// From now on the record of signed messages can be asked for.
    pub(crate) fn show_record(&self, record: RecordDesk) {
        let _only_once = self.record.set(record);
    }

    /// The last act: whoever still watches learns that there is no more to see.
    pub(crate) async fn close(self) {
        self.close.cancel();
        if let Some(serving) = self.serving {
            let _ended = serving.await;
        }
        drop((self.teller, self.questions));
        self.surveying.abort();
        self.posting.abort();
        self.task.abort();
        let _ended = self.task.await;
        if let Some((history, thread)) = self.history {
            drop(history);
            // What waits is still written; joining blocks, so it happens where blocking is allowed.
            let _joined = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

struct Show {
    teller: Teller,
    history: Option<History>,
    add_up_at: Instant,
    facts: Option<ClusterReply>,
    view: NodeView,
    publisher: Publisher,
    engine: AlertEngine,
    chronicle: Option<Chronicle>,
    beacons: Option<watch::Receiver<Vec<NodeStatus>>>,
    spec: Option<Arc<ChainSpec>>,
    machine: Machine,
    posted: watch::Receiver<Posted>,
    /// The last epoch in which nothing is signed.
    waits_until: Option<Epoch>,
}

impl Show {
    async fn go_on(mut self, mut notices: mpsc::Receiver<Notice>, mut questions: mpsc::Receiver<Question>) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                notice = notices.recv() => match notice {
                    Some(notice) => self.take(notice),
                    None => return,
                },
                Some(question) = questions.recv() => {
                    question.answer(self.chronicle.as_ref(), self.facts.as_ref(), &self.engine);
                    continue;
                }
                _ = looks.tick() => {}
            }
            while let Ok(notice) = notices.try_recv() {
                self.take(notice);
            }
            self.show(clock::now());
        }
    }

    fn take(&mut self, notice: Notice) {
        let cluster = self.view.clusters.first_mut();
        match (notice, cluster) {
            (Notice::Starting(waiting_for), _) => {
                self.view.node.state = NodeState::Starting { waiting_for: waiting_for.into() };
            }
            (Notice::Running, _) => self.view.node.state = NodeState::Running,
            (Notice::Waits(epoch), _) => self.waits_until = Some(epoch),
            (Notice::Stopping, _) => self.view.node.state = NodeState::Stopping,
            (Notice::Seated(seated), _) => {
                self.chronicle = Some(Chronicle::new(&seated));
                self.view.clusters = vec![seated.view()];
                self.facts = Some(seated.facts);
                self.recall();
            }
            (Notice::Past(past), Some(cluster)) => {
                let Some(chronicle) = &mut self.chronicle else { return };
                chronicle.remember(past);
                cluster.strip = chronicle.strip();
            }
            (Notice::Effectiveness(effectiveness), Some(cluster)) => cluster.effectiveness = effectiveness,
            (Notice::Beacon(progress), _) => {
                let heard = waited_for(progress);
                match self.view.beacons.iter_mut().find(|beacon| beacon.url == heard.url) {
                    Some(beacon) => *beacon = heard,
                    None => self.view.beacons.push(heard),
                }
            }
            (Notice::NoChain, _) => {
                (self.view.network, self.beacons, self.spec) = (None, None, None);
                self.view.beacons.clear();
            }
            (Notice::Chain(spec, statuses), _) => {
                self.view.network = Some(network_view(&spec));
                self.beacons = Some(statuses);
                self.spec = Some(spec);
            }
            (Notice::Duty(report), Some(cluster)) => {
                let (Some(chronicle), Some(spec)) = (&mut self.chronicle, &self.spec) else { return };
                let told = chronicle.take(spec, &report, &cluster.seats);
                if let Some(Told::Finished(record)) = &told {
                    self.engine.duty(record);
                }
                if let (Some(Told::Finished(record) | Told::Corrected(record)), Some(history)) =
                    (told, &self.history)
                {
                    history.keep(record);
                }
                cluster.strip = chronicle.strip();
            }
            (Notice::Next(next), Some(cluster)) => {
                let view = |(duty, due): (Duty, UnixMillis)| NextDuty {
                    slot: duty.slot,
                    kind: duty.kind,
                    due_ms: due.get(),
                };
                cluster.next_duty = next.map(view);
            }
            (Notice::Validators(records), Some(cluster)) => {
                let active = records.iter().any(|record| record.active && !record.slashed);
                cluster.stage = if active { ClusterStage::Active } else { ClusterStage::Queued };
                if let Some(facts) = &mut self.facts {
                    cluster::know_validators(facts, &records);
                }
            }
            (Notice::Connected(operator, address), Some(cluster)) => {
                cluster::connected(cluster, operator, &address, clock::now());
            }
            (Notice::Away(operator), Some(cluster)) => cluster::away(cluster, operator),
            (Notice::Ping(operator, rtt, dialled_in), Some(cluster)) => {
                cluster::ping(cluster, operator, (rtt, dialled_in), clock::now());
            }
            (Notice::Machine(machine), _) => self.machine = machine,
            (Notice::Card(operator, card, offset_ms), Some(cluster)) => {
                cluster::card(cluster, operator, *card, offset_ms);
            }
            // About a cluster that nobody has heard of yet.
            (_, None) => {}
        }
    }

    /// Asks the history for what was before this start.
    fn recall(&self) {
        let (Some(history), Some(cluster)) = (self.history.clone(), self.view.clusters.first()) else { return };
        let (teller, cluster) = (self.teller.clone(), Some(cluster.id));
        tokio::spawn(async move {
            if let Ok(reply) = history.duties(DutiesRequest { cluster, ..DutiesRequest::default() }).await {
                teller.tell(Notice::Past(reply.duties));
            }
        });
    }

    /// Asks the history from time to time how many duties were done.
    fn add_up(&mut self, now: UnixMillis) {
        if Instant::now() < self.add_up_at {
            return;
        }
        let (Some(history), Some(cluster)) = (self.history.clone(), self.view.clusters.first()) else { return };
        self.add_up_at = Instant::now() + ADD_UP;
        let (teller, cluster) = (self.teller.clone(), cluster.id);
        tokio::spawn(async move {
            if let Ok(effectiveness) = history.effectiveness(cluster, now.get()).await {
                teller.tell(Notice::Effectiveness(effectiveness));
            }
        });
    }

    /// A restored node says why it does not sign yet, and when it will.
    fn wait(&mut self) {
        let (Some(last), Some(spec), Some(slot)) = (self.waits_until, &self.spec, self.view.slot) else {
            return;
        };
        let waits = spec.epoch_of(slot) <= last;
        let next = last.get().saturating_add(1);
        match &self.view.node.state {
            NodeState::Running | NodeState::Refusing { .. } if waits => {
                let reason = format!("restored from a backup, it waits for epoch {next} before it signs");
                self.view.node.state = NodeState::Refusing { reason };
            }
            NodeState::Refusing { .. } => {
                self.view.node.state = NodeState::Running;
                self.waits_until = None;
            }
            _ => {}
        }
    }

    /// Looks at what changes by itself, then publishes.
    fn show(&mut self, now: UnixMillis) {
        self.add_up(now);
        self.view.slot = self.spec.as_ref().and_then(|spec| spec.slot_at(now));
        self.wait();
        if let Some(statuses) = &self.beacons {
            self.view.beacons = statuses.borrow().iter().map(beacon_view).collect();
        }
        for cluster in &mut self.view.clusters {
            cluster::look_for_the_silent(cluster, self.view.node.started_ms, now);
        }
        self.view.checks = hearth_api::checks(&self.view, &self.machine);
        let Posted { channels, quiet } = self.posted.borrow().clone();
        (self.view.channels, self.view.node.quiet) = (channels, quiet);
        self.engine.look(now.get(), &self.view);
        self.view.alerts = self.engine.current();
        self.view.at_ms = now.get();
        self.publisher.publish(self.view.clone());
    }
}

fn network_view(spec: &ChainSpec) -> NetworkView {
    let genesis = spec.forks.forks().first().map(|fork| fork.version);
    let known = Networks::known();
    let network = genesis.and_then(|version| known.by_fork_version(version));
    let name = network.map_or_else(|| "a network of its own".to_owned(), |network| network.name.clone());
    NetworkView {
        test: !matches!(name.as_str(), "mainnet" | "gnosis"),
        name,
        genesis_ms: spec.slot_start(hearth_types::Slot::new(0)).get(),
        slot_ms: spec.slot_ms(),
        slots_per_epoch: spec.slots_per_epoch(),
    }
}

fn waited_for(progress: Progress) -> BeaconView {
    match progress {
        Progress::Waiting { node, reason } => BeaconView {
            url: node.to_string(),
            state: BeaconState::Silent,
            last_error: Some(reason),
            ..BeaconView::default()
        },
        Progress::Found { node, version } => {
            BeaconView { url: node.to_string(), version, ..BeaconView::default() }
        }
    }
}

fn beacon_view(status: &NodeStatus) -> BeaconView {
    let looked_at = status.reachable || status.last_error.is_some();
    let state = match status {
        _ if !looked_at => BeaconState::Unknown,
        status if !status.reachable => BeaconState::Silent,
        status if !status.network_ok && status.version.is_some() => BeaconState::OtherNetwork,
        status if !status.synced => BeaconState::Syncing,
        status if !status.network_ok => BeaconState::Silent,
        status if !status.execution_online => BeaconState::NoExecution,
        _ => BeaconState::Ready,
    };
    BeaconView {
        url: status.url.to_string(),
        version: status.version.clone(),
        state,
        head_slot: status.head_slot,
        latency_ms: status.latency_ms,
        head_delay_ms: status.head_delay_ms,
        last_error: status.last_error.clone(),
    }
}
