//! A cluster of this node: its folder, held and checked, and what performs its duties.

use std::path::Path;
use std::sync::Arc;

use hearth_beacon::BeaconNodes;
use hearth_duties::{Cluster, Voice, Workflow};
use hearth_obol::wire::priority::{PRIORITY_FRAME_BYTES, PRIORITY_PROTOCOL};
use hearth_obol::wire::{
    CONSENSUS_FRAME_BYTES, CONSENSUS_PROTOCOL, ConsensusCodec, ObolDialect, PARTIALS_PROTOCOL,
    PEERINFO_FRAME_BYTES, PEERINFO_PROTOCOL, partials_frame_bytes,
};
use hearth_p2p::{HostConfig, Pattern, PeerConfig, Protocol};
use hearth_signer::Signer;
use hearth_slashing::SlashingDb;
use hearth_types::{ChainSpec, LockHash, OperatorIndex, ValidatorPubkey};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::driver::{Answers, Driver};
use crate::event::{NodeEvent, Observer};
use crate::evidence::EvidenceFolder;
use crate::folder::DataFolder;
use crate::infosync::InfosyncDesk;
use crate::installation::Installation;
use crate::key_guard::KeyGuard;
use crate::keys::KeysDesk;
use crate::metrics::Metrics;
use crate::node::RunError;
use crate::peers::PeerInfoDesk;
use crate::record::RecordDesk;
use crate::relay_finder::{Asker, find_relays};
use crate::restored::wait_if_restored;
use crate::seat::Seat;
use crate::settings::{Settings, SettingsDesk};
use crate::show::{News, Seated, Stage};
use crate::signing::SigningThread;
use crate::spoken::SpokenRecord;

/// Everything that is said between operators of a cluster of so many validators.
fn protocols(validators: usize) -> [Protocol; 4] {
    use Pattern::{OneWay, RequestResponse};
    [
        (CONSENSUS_PROTOCOL, CONSENSUS_FRAME_BYTES, OneWay),
        (PARTIALS_PROTOCOL, partials_frame_bytes(validators), OneWay),
        (PEERINFO_PROTOCOL, PEERINFO_FRAME_BYTES, RequestResponse),
        (PRIORITY_PROTOCOL, PRIORITY_FRAME_BYTES, RequestResponse),
    ]
    .map(|(id, max_frame_bytes, pattern)| Protocol { id, max_frame_bytes, pattern })
}

/// A cluster's folder, which nobody else uses while this lives.
pub(crate) struct Place {
    folder: Arc<DataFolder>,
    settings: Settings,
    /// The node's settings; `None` where the node's folder is this cluster's.
    of_node: Option<Settings>,
    seat: Seat,
    peers: Vec<PeerConfig>,
    guard: Option<KeyGuard>,
    installation: Arc<Installation>,
}

impl Place {
    /// Takes the folder at `path`, which may be the node's own, and opens the key shares in it.
    pub(crate) async fn take(
        home: &Arc<DataFolder>,
        path: &Path,
        of_node: &Settings,
        installation: &Arc<Installation>,
    ) -> Result<Self, RunError> {
        let (home, path) = (Arc::clone(home), path.to_owned());
        let (of_node, installation) = (of_node.clone(), Arc::clone(installation));
        off_the_loop(move || {
            let (folder, settings, of_node) = if path == home.path() {
                (home, of_node, None)
            } else {
                (Arc::new(DataFolder::open(&path)?), of_node.of_cluster(&path)?, Some(of_node))
            };
            tracing::info!(folder = %path.display(), "checking the cluster lock and opening key shares");
            let warn = |warning: String| tracing::warn!("cluster-lock.json: {warning}");
            let seat = Seat::take(&folder, &settings.scrutiny(), &installation, warn)?;
            let peers = peers(&seat, &settings)?;
            let take =
                || KeyGuard::take(&path, "hearth run", Some(seat.lock_hash), installation.computer_mark());
            let guard = settings.private_key_file_lock.then(take).transpose()?;
            Ok(Self { folder, settings, of_node, seat, peers, guard, installation })
        })
        .await?
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) const fn id(&self) -> LockHash {
        self.seat.lock_hash
    }

    pub(crate) fn name(&self) -> &str {
        &self.seat.facts.name
    }

    pub(crate) fn validators(&self) -> impl Iterator<Item = &ValidatorPubkey> {
        self.seat.keyring.validators()
    }

    pub(crate) fn seated(&self) -> Seated {
        let Cluster { me, operators, .. } = self.seat.cluster;
        Seated { me, operators, nickname: self.settings.nickname.clone(), facts: self.seat.facts.clone() }
    }

    /// What is asked about its key shares.
    pub(crate) fn keys(&self) -> KeysDesk {
        let cluster = Some((self.seat.lock_hash, Arc::clone(&self.seat.keys)));
        KeysDesk::new(self.path(), cluster, self.settings.scrutiny(), Arc::clone(&self.installation))
    }

    /// What is asked about its settings, if they are its own.
    pub(crate) fn settings(&self, of_node: &SettingsDesk) -> SettingsDesk {
        match self.of_node.clone() {
            None => of_node.clone(),
            Some(node) => SettingsDesk::of_cluster(self.path(), node, self.settings.clone()),
        }
    }

    /// Whether the chain that the beacon nodes follow is the cluster's.
    pub(crate) fn check_network(&self, spec: &ChainSpec) -> Result<(), RunError> {
        let cluster = self.seat.fork_version;
        match spec.forks.forks().first().map(|genesis| genesis.version) {
            Some(chain) if chain != cluster => Err(RunError::OtherNetwork { cluster, chain }),
            _ => Ok(()),
        }
    }

    /// Opens the record and the network, and shows both. Once this has returned, duties can be performed.
    pub(crate) async fn get_to_work(
        self,
        (beacon, spec): (Arc<BeaconNodes>, Arc<ChainSpec>),
        (observer, metrics): (Arc<dyn Observer>, Metrics),
        stage: &Stage,
    ) -> Result<AtWork, RunError> {
        let Self { folder, settings, seat, peers, guard, .. } = self;
        let Seat { identity, cluster, keyring, operators, lock_hash, facts, uuid, keys, .. } = seat;
        let (path, genesis) = (folder.slashing(), spec.genesis_validators_root);
        let (held, chain) = (Arc::clone(&folder), Arc::clone(&spec));
        let validators: Vec<ValidatorPubkey> = keyring.validators().copied().collect();
        let (record, waits) = off_the_loop(move || {
            let mut record = SlashingDb::open(&path, genesis)?;
            let waits = wait_if_restored(held.path(), &mut record, &validators, &chain, clock::now())?;
            Ok::<_, RunError>((record, waits))
        })
        .await??;
        let now = spec.slot_at(clock::now()).unwrap_or_default();
        let spoken = SpokenRecord::in_folder(folder.path());
        // The folder of a restored node does not know what was said after it was copied.
        let voice = Voice::new(spoken.read(now).max(waits.map(|_| now)));
        let teller = stage.teller.of(lock_hash);
        if let Some(epoch) = waits {
            tracing::warn!(%epoch, "restored from a backup: nothing is signed until that epoch is over");
            teller.tell(News::Waits(epoch));
        }

        let protocols = protocols(cluster.validators.len());
        let longest = protocols.iter().map(|protocol| protocol.max_frame_bytes).max().unwrap_or_default();
        let config = HostConfig {
            secret_key: identity.to_bytes(),
            listen: settings.listen,
            quic: settings.quic,
            map_ports: settings.map_ports,
            peers,
            relays: settings.relays.clone(),
            protocols: protocols.to_vec(),
            agent: concat!("hearth/", env!("CARGO_PKG_VERSION")).into(),
            timing: hearth_p2p::Timing::default(),
            // One peer can make this node hold two messages of the longest kind, and no more.
            limits: hearth_p2p::Limits { inbound_bytes_per_peer: 2 * longest, ..hearth_p2p::Limits::default() },
        };
        // Not stopped with the rest: the duty under way still needs its peers.
        let (host, network) = hearth_p2p::start(config, CancellationToken::new()).await?;

        let asker = Asker::new(lock_hash.as_bytes(), &uuid);
        let finding = find_relays(&host, &settings.relays, &asker);

        // Last: once it runs, the database is open, and nothing may fail any more.
        let answers = Answers::new();
        let signing =
            SigningThread::start(Signer::new(keyring, record), Arc::clone(&spec), answers.bring.clone())
                .map_err(|source| RunError::System { what: "starting the signing thread".into(), source })?;
        let record = RecordDesk::new(signing.others(), folder.slashing(), keys, Arc::clone(&spec));
        stage.show_record(lock_hash, record);

        let infosync = InfosyncDesk::new(&cluster, &operators, &spec);
        let evidence = EvidenceFolder::in_folder(folder.path(), lock_hash, Arc::new(cluster.clone()));
        let life = (clock::now(), rand::random());
        let identities = (lock_hash, cluster.me, operators.clone());
        let desk = PeerInfoDesk::new(identities, settings.nickname, &spec, life);
        let (me, validators) = (cluster.me, cluster.validators.len());
        let listening = host.listen_addresses();
        tracing::info!(operator = me.share().get(), validators, cluster = facts.name, ?listening, "ready");
        let driver = Driver {
            workflow: Workflow::new(cluster.clone(), ChainSpec::clone(&spec), ObolDialect)
                .on_contradiction(settings.if_leader_differs),
            consensus: ConsensusCodec::new(operators),
            voice,
            spoken,
            infosync,
            peers: cluster.peers().collect(),
            cluster,
            identity,
            id: lock_hash,
            me,
            spec,
            beacon,
            host,
            network,
            signing,
            answers,
            evidence,
            desk,
            runs_twice: false,
            metrics,
            observer,
            teller,
        };
        driver.observe(&NodeEvent::Started { operator: me, validators, listening });
        Ok(AtWork {
            driver,
            name: facts.name,
            held: Held { _guard: guard, _folder: folder, _finding: finding },
        })
    }
}

/// A cluster whose duties are performed.
pub(crate) struct AtWork {
    pub(crate) driver: Driver,
    pub(crate) name: String,
    pub(crate) held: Held,
}

/// What keeps others from a cluster's folder and key. To be dropped when nothing of the cluster is at work any more.
pub(crate) struct Held {
    _guard: Option<KeyGuard>,
    _folder: Arc<DataFolder>,
    /// Asks where relays are.
    _finding: JoinSet<()>,
}

/// Does what blocks (key derivation, a database check) where it does not keep signals waiting.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
    let failed = |error: tokio::task::JoinError| RunError::System {
        what: "starting".into(),
        source: std::io::Error::other(error),
    };
    tokio::task::spawn_blocking(work).await.map_err(failed)
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
