//! From a data folder to a running node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_beacon::{BeaconNodes, ConnectError, InvalidNodeUrl, NodeUrl, Patience, Progress};
use hearth_types::{ChainSpec, ForkVersion, ValidatorPubkey};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::channels::Postman;
use crate::clock;
use crate::driver::Broken;
use crate::event::Observer;
use crate::folder::{DataFolder, FolderError, cluster_folders};
use crate::forming::{FormingDesk, Grounds};
use crate::inclusion::{Seeker, keep_looking};
use crate::installation::Installation;
use crate::key_guard::KeyGuardError;
use crate::keys::KeysDesk;
use crate::metrics::Registered;
use crate::newcomers::Newcomers;
use crate::place::{AtWork, Place};
use crate::seat::SeatError;
use crate::settings::{Settings, SettingsDesk, SettingsError};
use crate::show::{Followed, Notice, Stage, Teller};

/// Between two looks at the beacon nodes' health.
const BEACON_CHECK: Duration = Duration::from_secs(6);

/// Between two tries of a node whose clusters cannot be run, and which is to wait.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Why a node does not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The settings of one of several clusters cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Two folders have key shares of one validator.
    #[error(
        "{} holds key shares of validators that {} holds as well; if both signed, the validators would be slashed", one.display(), other.display()
    )]
    Twice {
        /// One.
        one: PathBuf,
        /// The other, which is used.
        other: PathBuf,
    },
    /// The data folder gives no seat in a cluster.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// Another program uses the node's key.
    #[error(transparent)]
    KeyInUse(#[from] KeyGuardError),
    /// No beacon node was named.
    #[error("no beacon node is set; give --beacon-node URL, or beacon-nodes in settings.toml")]
    NoBeaconNode,
    /// A beacon node's address is not one.
    #[error(transparent)]
    BeaconUrl(#[from] InvalidNodeUrl),
    /// No usable beacon node.
    #[error(transparent)]
    Beacon(#[from] ConnectError),
    /// The beacon node follows another chain than the cluster.
    #[error(
        "the cluster was made for the network with genesis fork version {cluster}, the beacon node follows {chain}"
    )]
    OtherNetwork {
        /// As the lock says.
        cluster: ForkVersion,
        /// As the beacon node says.
        chain: ForkVersion,
    },
    /// The folder was restored, and its record does not take the floor that it begins with.
    #[error("the record of signed messages of this restored folder cannot be begun: {0}")]
    Floor(#[from] hearth_slashing::ImportError),
    /// The slashing protection cannot be opened.
    #[error(transparent)]
    Slashing(#[from] hearth_slashing::OpenError),
    /// A peer was named that the cluster does not have.
    #[error("there is no other operator {number}: the cluster has {operators}, and this node is number {me}")]
    NoSuchPeer {
        /// The number that was given.
        number: u8,
        /// Size of the cluster.
        operators: usize,
        /// This node's number.
        me: u8,
    },
    /// The network cannot be used.
    #[error(transparent)]
    Network(#[from] hearth_p2p::StartError),
    /// A part of the node died while it ran.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A thread or a socket could not be had.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Runs the node of `folder` with all its clusters until `stop`, then finishes the duties under way and closes the databases.
pub async fn run(
    folder: &Path,
    settings: Settings,
    installation: Installation,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let folder = Arc::new(DataFolder::open(folder)?);
    let unlisted = |source| FolderError::Unlisted { path: folder.path().to_owned(), source };
    let list = || cluster_folders(folder.path()).map_err(unlisted);
    let patient = settings.wait_for_cluster;
    let waits = patient && (list()?.is_empty() || settings.beacon_nodes.is_empty());
    if settings.beacon_nodes.is_empty() && !waits {
        return Err(RunError::NoBeaconNode);
    }
    let desk = SettingsDesk::new(folder.path(), Settings { wait_for_cluster: waits, ..settings });
    let (installation, scrutiny) = (Arc::new(installation), desk.in_effect().scrutiny());
    let keys = KeysDesk::new(folder.path(), None, scrutiny.clone(), Arc::clone(&installation));
    let newcomers = Newcomers::new(folder.path(), scrutiny, Arc::clone(&installation), waits);
    let (postman, channels) = Postman::new(folder.path(), Arc::clone(&installation));
    let gathers = stop.child_token();
    let grounds = Grounds {
        home: folder.path().to_owned(),
        settings: desk.clone(),
        installation: Arc::clone(&installation),
        newcomers: newcomers.clone(),
    };
    let (forming, gathering) = FormingDesk::open(grounds, gathers.clone());
    let desks = (desk.clone(), keys, newcomers.clone(), forming);
    let stage = Stage::open(folder.path(), desks, (postman, channels), stop.clone());
    let outcome = loop {
        let clusters = if waits {
            wait(list, &desk, &newcomers, &stage.teller, &stop).await
        } else {
            list().map_err(RunError::from)
        };
        let mut clusters = match clusters {
            Ok(_) if stop.is_cancelled() => break Ok(()),
            Ok(clusters) => clusters,
            Err(error) => break Err(error),
        };
        if clusters.is_empty() {
            // It says best what is missing there.
            clusters.push(folder.path().to_owned());
        }
        desk.set_waiting(false);
        newcomers.set_waiting(false);
        let (home, settings, installation) = (Arc::clone(&folder), desk.in_effect(), Arc::clone(&installation));
        let crew = Crew { home, settings, installation, stage: &stage, failures: Vec::new() };
        match crew.tend(&clusters, Arc::clone(&observer), stop.clone()).await {
            Err(error) if patient && !matches!(error, RunError::Broken(_)) => {
                tracing::warn!(%error, "nothing runs; this node waits until that is put right, and tries again every minute");
            }
            outcome => break outcome,
        }
        // Whoever sits before the window can put it right there: nothing is signed that a change could disturb.
        let (changed, arrived) = (desk.changed(), newcomers.arrived());
        desk.set_waiting(true);
        newcomers.set_waiting(true);
        // Last: whoever sees that nothing runs can change it.
        stage.teller.tell(Notice::Running);
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            () = changed => {}
            () = arrived => {}
            () = tokio::time::sleep(TRY_AGAIN) => {}
        }
        stage.teller.tell(Notice::TryingAgain);
    };
    // A ceremony that runs tells the others that it stops.
    gathers.cancel();
    let _ended = gathering.await;
    stage.close().await;
    // Held to the very end: nobody else may use the folder while anything of this node lives.
    drop(folder);
    outcome
}

/// Without a cluster, or without a beacon node: says what it sees of its surroundings, and is asked and set up, until it has both
/// or is stopped. It has nothing to sign, so that new settings are taken at once. Returns the folders of the clusters.
async fn wait(
    list: impl Fn() -> Result<Vec<PathBuf>, FolderError>,
    desk: &SettingsDesk,
    newcomers: &Newcomers,
    teller: &Teller,
    stop: &CancellationToken,
) -> Result<Vec<PathBuf>, RunError> {
    tracing::info!("no cluster yet: this node waits and can be set up in the window");
    loop {
        let (changed, arrived) = (desk.changed(), newcomers.arrived());
        let (settings, clusters) = (desk.in_effect(), list()?);
        let blind = settings.beacon_nodes.is_empty();
        if !blind && !clusters.is_empty() {
            tracing::info!("a cluster is there: its duties begin");
            return Ok(clusters);
        }
        teller.tell(if clusters.is_empty() {
            Notice::Running
        } else {
            Notice::Starting("no beacon node is set yet")
        });
        let watching = async {
            teller.tell(Notice::NoChain);
            let connected = if blind {
                None
            } else {
                connect(&settings, teller, stop).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "beacon node");
                    None
                })
            };
            let Some((beacon, spec)) = connected else { return std::future::pending().await };
            let (spec, statuses) = (Arc::new(spec), beacon.status());
            teller.tell(Notice::Chain(Followed { spec, statuses, seeker: None }));
            watch(&beacon).await;
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(clusters),
            () = changed => {}
            () = arrived => {}
            () = watching => {}
        }
    }
}

/// Keeps an eye on the beacon nodes. Never returns; drop it to stop.
async fn watch(beacon: &BeaconNodes) {
    tokio::join!(beacon.keep_checking(BEACON_CHECK), beacon.keep_watching_heads(clock::now));
}

/// Runs several clusters side by side. One that cannot be run is left out and shown; only when none can, nothing runs.
struct Crew<'a> {
    home: Arc<DataFolder>,
    settings: Settings,
    installation: Arc<Installation>,
    stage: &'a Stage,
    /// Why clusters were left out.
    failures: Vec<RunError>,
}

impl Crew<'_> {
    async fn tend(
        mut self,
        clusters: &[PathBuf],
        observer: Arc<dyn Observer>,
        stop: CancellationToken,
    ) -> Result<(), RunError> {
        let (stage, teller) = (self.stage, &self.stage.teller);
        teller.tell(Notice::Starting("opening the key shares"));
        let mut places = Vec::new();
        let mut held = BTreeMap::new();
        for path in clusters {
            let taken = Place::take(&self.home, path, &self.settings, &self.installation).await;
            match taken.and_then(|place| alone(place, &mut held)) {
                Ok(place) => {
                    stage.seat(place.seated(), place.keys(), place.settings(&stage.settings));
                    places.push(place);
                }
                Err(error) => self.leave_out(path, error),
            }
        }
        if places.is_empty() {
            return Err(self.because());
        }

        teller.tell(Notice::Starting("waiting for the beacon node"));
        let connected = match connect(&self.settings, teller, &stop).await {
            Ok(connected) => connected,
            Err(error) => return Err(self.give_up(&places, error)),
        };
        let Some((beacon, spec)) = connected else { return Ok(()) };
        let (beacon, spec) = (Arc::new(beacon), Arc::new(spec));
        let mut ready = Vec::new();
        let mut registered = Registered::default();
        // Ends with this try: the next one wants the address again.
        let serving = stop.child_token();
        let _ends = serving.clone().drop_guard();
        for place in places {
            match place.check_network(&spec) {
                Ok(()) => ready.push((registered.cluster(place.id(), place.name()), place)),
                Err(error) => {
                    stage.unseat(place.id());
                    self.leave_out(place.path(), error);
                }
            }
        }
        if let Some(address) = self.settings.metrics {
            let failed = |source| RunError::System { what: format!("serving metrics on {address}"), source };
            if let Err(error) = registered.serve(address, serving.clone()).await.map_err(failed) {
                let places: Vec<_> = ready.into_iter().map(|(_, place)| place).collect();
                return Err(self.give_up(&places, error));
            }
            tracing::info!("metrics: http://{address}/metrics");
        }
        let mut at_work = Vec::new();
        for (metrics, place) in ready {
            let (path, id) = (place.path().to_owned(), place.id());
            let chain = (Arc::clone(&beacon), Arc::clone(&spec));
            match place.get_to_work(chain, (Arc::clone(&observer), metrics), stage).await {
                Ok(cluster) => at_work.push(cluster),
                Err(error) => {
                    stage.unseat(id);
                    self.leave_out(&path, error);
                }
            }
        }
        if at_work.is_empty() {
            return Err(self.because());
        }
        let (seeker, wanted) = Seeker::new();
        let (statuses, watched) = (beacon.status(), Arc::clone(&beacon));
        let (chain, finds) = (Arc::clone(&spec), teller.clone());
        teller.tell(Notice::Chain(Followed { spec, statuses, seeker: Some(seeker) }));
        teller.tell(Notice::Running);
        let watching = tokio::spawn(async move {
            tokio::join!(watch(&watched), keep_looking(&watched, chain, wanted, &finds));
        });
        let outcome = work(at_work, &stop).await;
        watching.abort();
        beacon.finish().await;
        Ok(outcome?)
    }

    fn leave_out(&mut self, path: &Path, error: RunError) {
        tracing::error!(folder = %path.display(), %error, "this cluster does not run");
        self.stage.teller.tell(Notice::LeftOut { folder: name_of(path), reason: error.to_string() });
        self.failures.push(error);
    }

    /// None of these can be run, for one reason.
    fn give_up(&mut self, places: &[Place], error: RunError) -> RunError {
        for place in places {
            self.stage.unseat(place.id());
            let folder = name_of(place.path());
            self.stage.teller.tell(Notice::LeftOut { folder, reason: error.to_string() });
        }
        error
    }

    /// Why nothing runs.
    fn because(mut self) -> RunError {
        self.failures.swap_remove(0)
    }
}

/// What to call a cluster's folder.
fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Refuses key shares that another place of this node holds.
fn alone(place: Place, held: &mut BTreeMap<ValidatorPubkey, PathBuf>) -> Result<Place, RunError> {
    if let Some(other) = place.validators().find_map(|validator| held.get(validator)) {
        return Err(RunError::Twice { one: place.path().to_owned(), other: other.clone() });
    }
    held.extend(place.validators().map(|validator| (*validator, place.path().to_owned())));
    Ok(place)
}

/// Performs the duties of all clusters until `stop`. When a part of one dies, the others finish what they do, and the node ends:
/// whoever keeps it running starts it again.
async fn work(clusters: Vec<AtWork>, stop: &CancellationToken) -> Result<(), Broken> {
    let (several, ending) = (clusters.len() > 1, stop.child_token());
    let mut working = JoinSet::new();
    for AtWork { driver, name, held } in clusters {
        let span = if several { tracing::info_span!("cluster", name) } else { tracing::Span::none() };
        let ending = ending.clone();
        let cluster = async move {
            let outcome = driver.run(ending).await;
            drop(held);
            outcome
        };
        working.spawn(cluster.instrument(span));
    }
    let mut outcome = Ok(());
    while let Some(ended) = working.join_next().await {
        let ended = match ended {
            Ok(ended) => ended,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        if ended.is_err() {
            ending.cancel();
        }
        outcome = outcome.and(ended);
    }
    outcome
}

/// Waits for a beacon node; `None` if the owner stops the node meanwhile.
async fn connect(
    settings: &Settings,
    teller: &Teller,
    stop: &CancellationToken,
) -> Result<Option<(BeaconNodes, ChainSpec)>, RunError> {
    let urls = settings.beacon_nodes.iter().map(|url| url.parse()).collect::<Result<Vec<NodeUrl>, _>>()?;
    let progress = |progress: Progress| {
        match &progress {
            Progress::Waiting { node, reason } => tracing::warn!(%node, reason, "waiting for the beacon node"),
            Progress::Found { node, version } => {
                tracing::info!(%node, version = version.as_deref().unwrap_or("unknown"), "beacon node");
            }
        }
        teller.tell(Notice::Beacon(progress));
    };
    tokio::select! {
        () = stop.cancelled() => Ok(None),
        connected = hearth_beacon::connect(&urls, Patience::default(), progress) => Ok(Some(connected?)),
    }
}
