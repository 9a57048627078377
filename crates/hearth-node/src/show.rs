//! What the node shows of itself: one view, kept up to date beside the duties and never in their way.
//!
//! Whoever performs duties says what happens through a [`Teller`], which never waits. One task holds the view, the story of
//! the latest duties and the alerts; it publishes, and answers what is asked over the local socket.

mod chronicle;
mod clusters;
mod desk;
mod lookout;
mod notice;
mod room;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hearth_api::{
    BeaconState, BeaconView, DutiesRequest, DutyRecord, LeftOut, Machine, NetworkView, NodeInfo, NodeState,
    NodeView, Publisher, Server,
};
use hearth_beacon::{NodeStatus, Progress};
use hearth_obol::cluster::Networks;
use hearth_types::{ChainSpec, LockHash, UnixMillis};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::channels::{ChannelsDesk, Posted, Postman};
use crate::checks::{CheckDesk, Surveyor};
use crate::clock;
use crate::forming::FormingDesk;
use crate::history::History;
use crate::inclusion::Sought;
use crate::keys::KeysDesk;
use crate::newcomers::Newcomers;
use crate::record::RecordDesk;
use crate::settings::SettingsDesk;
use chronicle::{Told, is_unsettled};
use clusters::ClusterDesks;
use desk::{Desk, Question};
use lookout::Lookout;
pub(crate) use notice::{ClusterTeller, Followed, News, Notice, Teller};
use room::Room;
pub(crate) use room::Seated;

const QUESTIONS_WAITING: usize = 64;
/// Between two looks at what changes by itself: the slot, an operator who fell silent, a trouble that has lasted.
const LOOK: Duration = Duration::from_secs(1);
/// Between two questions to the history.
const ADD_UP: Duration = Duration::from_secs(60);

/// The show and the socket, while the node runs.
pub(crate) struct Stage {
    pub(crate) teller: Teller,
    publisher: Publisher,
    questions: mpsc::Sender<Question>,
    task: JoinHandle<()>,
    /// Measures the computer.
    surveying: JoinHandle<()>,
    checks: CheckDesk,
    pub(crate) settings: SettingsDesk,
    clusters: ClusterDesks,
    channels: ChannelsDesk,
    newcomers: Newcomers,
    forming: FormingDesk,
    /// Tells alerts to whoever is elsewhere.
    posting: JoinHandle<()>,
    /// Answers whoever connects; `None` where the socket cannot be had.
    serving: Option<JoinHandle<()>>,
    /// `None` where it cannot be had.
    history: Option<(History, std::thread::JoinHandle<()>)>,
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
        (settings, keys, newcomers, forming): (SettingsDesk, KeysDesk, Newcomers, FormingDesk),
        (postman, channels): (Postman, ChannelsDesk),
        stop_node: CancellationToken,
    ) -> Self {
        let (teller, notices) = Teller::new();
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
        let show = Show {
            teller: teller.clone(),
            history: history.as_ref().map(|(history, _)| history.clone()),
            add_up_at: Instant::now(),
            view,
            rooms: BTreeMap::new(),
            publisher: publisher.clone(),
            lookout: Lookout::default(),
            followed: None,
            machine: Machine::default(),
            posted: postman.posted(),
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
            clusters: ClusterDesks::new(keys),
            channels,
            newcomers,
            forming,
            posting,
            serving: None,
            history,
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
            clusters: self.clusters.clone(),
            checks: self.checks.clone(),
            settings: self.settings.clone(),
            channels: self.channels.clone(),
            newcomers: self.newcomers.clone(),
            forming: self.forming.clone(),
            stop_node: self.stop_node.clone(),
        }
    }

    /// The node has a seat in a cluster, and its key shares can be asked for.
    pub(crate) fn seat(&self, seated: Seated, keys: KeysDesk, settings: SettingsDesk) {
        self.clusters.add(seated.facts.cluster, &seated.facts.name, keys, settings);
        self.teller.tell(Notice::Seated(Box::new(seated)));
    }

    /// A cluster does not run, though it was thought so.
    pub(crate) fn unseat(&self, cluster: LockHash) {
        self.clusters.remove(cluster);
        self.teller.tell(Notice::Unseated(cluster));
    }

    /// From now on the record of signed messages can be asked for.
    pub(crate) fn show_record(&self, cluster: LockHash, record: RecordDesk) {
        self.clusters.show_record(cluster, record);
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
    view: NodeView,
    /// One for each of the view's clusters.
    rooms: BTreeMap<LockHash, Room>,
    publisher: Publisher,
    lookout: Lookout,
    followed: Option<Followed>,
    machine: Machine,
    posted: watch::Receiver<Posted>,
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
                    question.answer(&self.rooms, &mut self.lookout);
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
        match notice {
            Notice::Starting(waiting_for) => {
                self.view.node.state = NodeState::Starting { waiting_for: waiting_for.into() };
            }
            Notice::Running => self.view.node.state = NodeState::Running,
            Notice::Stopping => self.view.node.state = NodeState::Stopping,
            Notice::Seated(seated) => {
                let cluster = seated.view();
                self.recall(cluster.id);
                self.rooms.insert(cluster.id, Room::new(*seated));
                self.view.clusters.push(cluster);
            }
            Notice::Unseated(id) => {
                self.rooms.remove(&id);
                self.view.clusters.retain(|cluster| cluster.id != id);
            }
            Notice::TryingAgain => self.view.left_out.clear(),
            Notice::LeftOut { folder, reason } => self.view.left_out.push(LeftOut { folder, reason }),
            Notice::Beacon(progress) => {
                let heard = waited_for(progress);
                match self.view.beacons.iter_mut().find(|beacon| beacon.url == heard.url) {
                    Some(beacon) => *beacon = heard,
                    None => self.view.beacons.push(heard),
                }
            }
            Notice::NoChain => {
                (self.view.network, self.view.slot, self.followed) = (None, None, None);
                self.view.beacons.clear();
            }
            Notice::Chain(followed) => {
                self.view.network = Some(network_view(&followed.spec));
                self.followed = Some(followed);
                self.rooms.values().for_each(|room| self.seek(room.chronicle().newest_first()));
            }
            Notice::Machine(machine) => self.machine = machine,
            Notice::Cluster(id, news) => self.hear(id, news),
        }
    }

    /// Something happened in a cluster, unless that is one that nobody has heard of yet.
    fn hear(&mut self, id: LockHash, news: News) {
        let cluster = self.view.clusters.iter_mut().find(|cluster| cluster.id == id);
        let (Some(room), Some(cluster)) = (self.rooms.get_mut(&id), cluster) else { return };
        let from_history = matches!(news, News::Past(_));
        let told =
            room.take(cluster, news, self.followed.as_ref().map(|followed| &*followed.spec), clock::now());
        if let Some(Told::Finished(record)) = &told {
            self.lookout.duty(record);
            self.seek(std::iter::once(record));
        }
        if let (true, Some(room)) = (from_history, self.rooms.get(&id)) {
            self.seek(room.chronicle().newest_first());
        }
        if let (Some(Told::Finished(record) | Told::Corrected(record)), Some(history)) = (told, &self.history) {
            history.keep(record);
        }
    }

    /// Has the votes of the latest of these duties, newest first, looked for in the chain. What is sought already stays so.
    fn seek<'a>(&self, newest_first: impl Iterator<Item = &'a DutyRecord>) {
        let Some(Followed { spec, seeker: Some(seeker), .. }) = &self.followed else { return };
        let Some(now) = spec.slot_at(clock::now()) else { return };
        // What began longer ago was given up.
        let oldest = now.saturating_sub(3 * spec.slots_per_epoch());
        let young = newest_first.take_while(|record| record.slot >= oldest);
        for DutyRecord { cluster, slot, validators, .. } in young.filter(|record| is_unsettled(record)) {
            seeker.seek(Sought { cluster: *cluster, slot: *slot, validators: validators.clone() });
        }
    }

    /// Asks the history for what was before this start.
    fn recall(&self, cluster: LockHash) {
        let Some(history) = self.history.clone() else { return };
        let teller = self.teller.of(cluster);
        tokio::spawn(async move {
            let request = DutiesRequest { cluster: Some(cluster), ..DutiesRequest::default() };
            if let Ok(reply) = history.duties(request).await {
                teller.tell(News::Past(reply.duties));
            }
        });
    }

    /// Asks the history from time to time how many duties were done.
    fn add_up(&mut self, now: UnixMillis) {
        if Instant::now() < self.add_up_at || self.view.clusters.is_empty() {
            return;
        }
        let Some(history) = self.history.clone() else { return };
        self.add_up_at = Instant::now() + ADD_UP;
        for cluster in &self.view.clusters {
            let (history, cluster, teller) = (history.clone(), cluster.id, self.teller.of(cluster.id));
            tokio::spawn(async move {
                if let Ok(effectiveness) = history.effectiveness(cluster, now.get()).await {
                    teller.tell(News::Effectiveness(effectiveness));
                }
            });
        }
    }

    /// Looks at what changes by itself, then publishes.
    fn show(&mut self, now: UnixMillis) {
        self.add_up(now);
        let mut epoch = None;
        if let Some(Followed { spec, statuses, .. }) = &self.followed {
            self.view.slot = spec.slot_at(now);
            self.view.beacons = statuses.borrow().iter().map(beacon_view).collect();
            epoch = self.view.slot.map(|slot| spec.epoch_of(slot));
        }
        for cluster in &mut self.view.clusters {
            room::look_for_the_silent(cluster, self.view.node.started_ms, now);
            cluster.refuses = self.rooms.get(&cluster.id).and_then(|room| room.refuses(epoch));
        }
        self.view.checks = hearth_api::checks(&self.view, &self.machine);
        let Posted { channels, telling, quiet } = self.posted.borrow().clone();
        (self.view.channels, self.view.telling, self.view.node.quiet) = (channels, telling, quiet);
        self.lookout.look(now.get(), &self.view);
        self.view.alerts = self.lookout.current();
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
