//! From a data folder to a running node.

use std::path::Path;
use std::sync::Arc;

use hearth_beacon::{BeaconNodes, ConnectError, InvalidNodeUrl, NodeUrl, Patience, Progress};
use hearth_duties::{Cluster, Workflow};
use hearth_obol::wire::{
    CONSENSUS_FRAME_BYTES, CONSENSUS_PROTOCOL, ConsensusCodec, ObolDialect, PARTIALS_FRAME_BYTES,
    PARTIALS_PROTOCOL, PEERINFO_FRAME_BYTES, PEERINFO_PROTOCOL,
};
use hearth_p2p::{HostConfig, Pattern, PeerConfig, Protocol};
use hearth_signer::Signer;
use hearth_slashing::SlashingDb;
use hearth_types::{ChainSpec, ForkVersion, OperatorIndex, ValidatorPubkey};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::channels::Postman;
use crate::clock;
use crate::driver::{Answers, BEACON_CHECK, Broken, Driver};
use crate::event::{NodeEvent, Observer};
use crate::folder::{DataFolder, FolderError};
use crate::installation::Installation;
use crate::key_guard::{KeyGuard, KeyGuardError};
use crate::keys::KeysDesk;
use crate::metrics::Metrics;
use crate::peers::PeerInfoDesk;
use crate::record::RecordDesk;
use crate::restored::wait_if_restored;
use crate::seat::{Seat, SeatError};
use crate::settings::{Settings, SettingsDesk};
use crate::show::{Notice, Seated, Stage, Teller};
use crate::signing::SigningThread;

/// Everything that is said between operators.
const PROTOCOLS: [Protocol; 3] = [
    Protocol { id: CONSENSUS_PROTOCOL, max_frame_bytes: CONSENSUS_FRAME_BYTES, pattern: Pattern::OneWay },
    Protocol { id: PARTIALS_PROTOCOL, max_frame_bytes: PARTIALS_FRAME_BYTES, pattern: Pattern::OneWay },
    Protocol {
        id: PEERINFO_PROTOCOL,
        max_frame_bytes: PEERINFO_FRAME_BYTES,
        pattern: Pattern::RequestResponse,
    },
];

/// Why a node does not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
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

/// Runs the node of `folder` until `stop`, then finishes the duty under way and closes the database.
pub async fn run(
    folder: &Path,
    settings: Settings,
    installation: Installation,
    observer: Box<dyn Observer>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let folder = Arc::new(DataFolder::open(folder)?);
    let waits = settings.wait_for_cluster && !folder.lock().exists();
    if settings.beacon_nodes.is_empty() && !waits {
        return Err(RunError::NoBeaconNode);
    }
    let settings = Settings { wait_for_cluster: waits, ..settings };
    let desk = SettingsDesk::new(folder.path(), settings.clone());
    let installation = Arc::new(installation);
    let keys = KeysDesk::new(folder.path(), settings.scrutiny(), Arc::clone(&installation));
    let (postman, channels) = Postman::new(folder.path(), Arc::clone(&installation));
    let stage = Stage::open(folder.path(), (desk.clone(), keys), (postman, channels), stop.clone());
    let outcome = if waits {
        wait(&desk, &stage.teller, stop).await
    } else {
        tend(&folder, settings, installation, observer, &stage, stop).await
    };
    stage.close().await;
    // Held to the very end: nobody else may use the folder while anything of this node lives.
    drop(folder);
    outcome
}

/// Without a cluster: says what it sees of its surroundings, and is asked and set up, until it is stopped. It has nothing to
/// sign, so that new settings are taken at once.
async fn wait(desk: &SettingsDesk, teller: &Teller, stop: CancellationToken) -> Result<(), RunError> {
    tracing::info!("no cluster yet: this node waits and can be set up in the window");
    teller.tell(Notice::Running);
    loop {
        let changed = desk.changed();
        let settings = desk.in_effect();
        let watching = async {
            teller.tell(Notice::NoChain);
            let connected = if settings.beacon_nodes.is_empty() {
                None
            } else {
                connect(&settings, teller, &stop).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "beacon node");
                    None
                })
            };
            let Some((beacon, spec)) = connected else { return std::future::pending().await };
            teller.tell(Notice::Chain(Arc::new(spec), beacon.status()));
            tokio::join!(beacon.keep_checking(BEACON_CHECK), beacon.keep_watching_heads(clock::now));
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = changed => {}
            () = watching => {}
        }
    }
}

async fn tend(
    folder: &Arc<DataFolder>,
    settings: Settings,
    installation: Arc<Installation>,
    observer: Box<dyn Observer>,
    stage: &Stage,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let teller = &stage.teller;
    teller.tell(Notice::Starting("opening the key shares"));
    let (scrutiny, guarded) = (settings.scrutiny(), settings.private_key_file_lock);
    let shared = Arc::clone(folder);
    let seat = off_the_loop(move || {
        let folder = shared;
        tracing::info!(folder = %folder.path().display(), "checking the cluster lock and opening key shares");
        let warn = |warning: String| tracing::warn!("cluster-lock.json: {warning}");
        let seat = Seat::take(&folder, &scrutiny, &installation, warn);
        seat.map_err(RunError::from).and_then(|seat| {
            let mark = installation.computer_mark();
            let guard = guarded.then(|| KeyGuard::take(folder.path(), "hearth run", seat.lock_hash, mark));
            Ok((seat, guard.transpose()?))
        })
    })
    .await?;
    let (seat, guard) = seat?;
    let peers = peers(&seat, &settings)?;
    teller.tell(Notice::Seated(Box::new(seated(&seat, &settings))));
    teller.tell(Notice::Starting("waiting for the beacon node"));
    let Some((beacon, spec)) = connect(&settings, teller, &stop).await? else { return Ok(()) };
    check_network(&seat, &spec)?;
    let (path, genesis) = (folder.slashing(), spec.genesis_validators_root);
    let (shared, chain, validators) = (Arc::clone(folder), spec.clone(), validators(&seat));
    let (record, waits) = off_the_loop(move || {
        let mut record = SlashingDb::open(&path, genesis)?;
        let waits = wait_if_restored(shared.path(), &mut record, &validators, &chain, clock::now())?;
        Ok::<_, RunError>((record, waits))
    })
    .await??;
    if let Some(epoch) = waits {
        tracing::warn!(%epoch, "restored from a backup: nothing is signed until that epoch is over");
        teller.tell(Notice::Waits(epoch));
    }
    let keys = seat.keys.clone();
    let driver = assemble(seat, peers, settings, (beacon, spec), record, (observer, teller), &stop).await?;
    let (thread, spec) = (driver.signing.others(), Arc::clone(&driver.spec));
    stage.show_record(RecordDesk::new(thread, folder.slashing(), keys, spec));
    teller.tell(Notice::Chain(Arc::clone(&driver.spec), driver.beacon.status()));
    teller.tell(Notice::Running);
    let outcome = driver.run(stop).await;
    drop(guard);
    Ok(outcome?)
}

/// Does what blocks (key derivation, a database check) where it does not keep signals waiting.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
    let failed = |error: tokio::task::JoinError| RunError::System {
        what: "starting".into(),
        source: std::io::Error::other(error),
    };
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

/// Starts everything that the loop works with.
async fn assemble(
    seat: Seat,
    peers: Vec<PeerConfig>,
    settings: Settings,
    (beacon, spec): (BeaconNodes, ChainSpec),
    record: SlashingDb,
    (mut observer, teller): (Box<dyn Observer>, &Teller),
    stop: &CancellationToken,
) -> Result<Driver, RunError> {
    let Seat { identity, cluster, keyring, operators, lock_hash, facts, .. } = seat;
    let config = HostConfig {
        secret_key: identity.to_bytes(),
        listen: settings.listen,
        peers,
        protocols: PROTOCOLS.to_vec(),
        agent: concat!("hearth/", env!("CARGO_PKG_VERSION")).into(),
        timing: hearth_p2p::Timing::default(),
        limits: hearth_p2p::Limits::default(),
    };
    // Not stopped with the rest: the duty under way still needs its peers.
    let (host, network) = hearth_p2p::start(config, CancellationToken::new()).await?;

    let metrics = Metrics::new();
    if let Some(address) = settings.metrics {
        let failed = |source| RunError::System { what: format!("serving metrics on {address}"), source };
        metrics.serve(address, stop.child_token()).await.map_err(failed)?;
        tracing::info!("metrics: http://{address}/metrics");
    }
    // Last: once it runs, the database is open, and nothing may fail any more.
    let (answers, spec) = (Answers::new(), Arc::new(spec));
    let signer = Signer::new(keyring, record);
    let signing = SigningThread::start(signer, Arc::clone(&spec), answers.bring.clone())
        .map_err(|source| RunError::System { what: "starting the signing thread".into(), source })?;

    let (me, validators) = (cluster.me, cluster.validators.len());
    let listening = host.listen_addresses();
    tracing::info!(operator = me.share().get(), validators, cluster = facts.name, ?listening, "ready");
    let started = NodeEvent::Started { operator: me, cluster: lock_hash, validators, listening };
    observer.observe(clock::now(), &started);
    Ok(Driver {
        workflow: Workflow::new(cluster.clone(), ChainSpec::clone(&spec), ObolDialect),
        consensus: ConsensusCodec::new(operators),
        peers: cluster.peers().collect(),
        cluster,
        identity,
        me,
        spec,
        beacon: Arc::new(beacon),
        host,
        network,
        signing,
        answers,
        desk: PeerInfoDesk::new(lock_hash, settings.nickname),
        metrics,
        observer,
        teller: teller.clone(),
    })
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

fn seated(seat: &Seat, settings: &Settings) -> Seated {
    let Cluster { me, operators, .. } = seat.cluster;
    Seated { me, operators, nickname: settings.nickname.clone(), facts: seat.facts.clone() }
}

fn validators(seat: &Seat) -> Vec<ValidatorPubkey> {
    seat.keyring.validators().copied().collect()
}

fn check_network(seat: &Seat, spec: &ChainSpec) -> Result<(), RunError> {
    let cluster = seat.fork_version;
    match spec.forks.forks().first().map(|genesis| genesis.version) {
        Some(chain) if chain != cluster => Err(RunError::OtherNetwork { cluster, chain }),
        _ => Ok(()),
    }
}

fn peers(seat: &Seat, settings: &Settings) -> Result<Vec<PeerConfig>, RunError> {
    let (me, operators) = (seat.cluster.me, seat.operators.len());
    let stranger = |number: &u8| usize::from(*number) > operators || *number == me.share().get();
    if let Some(number) = settings.peers.keys().copied().find(stranger) {
        return Err(RunError::NoSuchPeer { number, operators, me: me.share().get() });
    }
    let everybody = OperatorIndex::all(seat.cluster.operators).zip(&seat.operators);
    let others = everybody.filter(|(operator, _)| *operator != me);
    Ok(others
        .map(|(operator, key)| PeerConfig {
            operator,
            public_key: key.to_bytes(),
            addresses: settings.peers.get(&operator.share().get()).cloned().unwrap_or_default(),
        })
        .collect())
}
