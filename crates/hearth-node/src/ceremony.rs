//! Holding a key ceremony with the other operators, over the network: from the node's key and a definition to a cluster's files.
//!
//! What is said and judged is `hearth_obol::ceremony`; here are the connections, the clock, and the disk. Nothing of a ceremony that
//! fails is left; all begin again together.

mod drive;
mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use hearth_obol::ceremony::frost::SHARES_PROTOCOL;
use hearth_obol::ceremony::pedersen::PEDERSEN_PROTOCOLS;
use hearth_obol::ceremony::sync::{SYNC_FRAME_BYTES, SYNC_PROTOCOL};
use hearth_obol::ceremony::{Ceremony, Failure};
use hearth_obol::cluster::{Definition, Network, matching_words};
use hearth_obol::wire::PARTIALS_PROTOCOL;
use hearth_p2p::{HostConfig, Pattern, PeerConfig, Protocol, SendError};
use hearth_signer::identity;
use hearth_types::{LockHash, OperatorIndex, Root};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::folder::{DataFolder, FolderError};
use crate::installation::Installation;
use crate::key_guard::{KeyGuard, KeyGuardError};
use crate::offline::{ClusterFileError, SaveError, Scrutiny, check_room};
use drive::Driver;

pub use hearth_obol::ceremony::Release;

/// What is needed to take part in a ceremony.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The node's folder, with its key and no cluster.
    pub folder: PathBuf,
    /// What all operators have agreed on.
    pub definition: Definition,
    /// How it is checked.
    pub scrutiny: Scrutiny,
    /// Where to listen.
    pub listen: Vec<String>,
    /// Where the other operators are, by number.
    pub peers: BTreeMap<u8, Vec<String>>,
    /// Relays through which this node is reached and reaches others.
    pub relays: Vec<String>,
    /// What the others see this operator called.
    pub nickname: String,
    /// How long a step may last once all are connected.
    pub patience: Duration,
    /// The release of Charon whose ceremonies are spoken.
    pub release: Release,
    /// Keystores whose password is easy to guess, which are fast. Test networks only.
    pub insecure_keys: bool,
}

/// What happens in a ceremony.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CeremonyNews {
    /// It waits for the others, listening here.
    Listening(Vec<String>),
    /// An operator is connected, or not any more.
    Here(OperatorIndex, bool),
    /// This operator has come to a step.
    Step(i64),
    /// Another has.
    At(OperatorIndex, i64),
    /// Key shares are being written: so many of so many.
    Saving(usize, usize),
}

/// A cluster that was formed.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its identity.
    pub lock_hash: LockHash,
    /// Our number in it.
    pub number: u8,
    /// Public keys of its validators.
    pub validators: Vec<[u8; 48]>,
}

/// Why no cluster was formed. Nothing of it is left here, but with [`CeremonyError::Unconfirmed`].
#[derive(Debug, Error)]
pub enum CeremonyError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A cluster's files have no place there.
    #[error("{0}")]
    NoRoom(SaveError),
    /// Its key cannot be read.
    #[error("{0}; a ceremony is held with the key that the definition names, made before: hearth create enr")]
    Identity(#[from] identity::IdentityError),
    /// Another program uses the key.
    #[error(transparent)]
    KeyInUse(#[from] KeyGuardError),
    /// The definition is refused.
    #[error("the definition is refused: {0}")]
    Definition(String),
    /// Wallets could not be asked.
    #[error(transparent)]
    Wallets(#[from] ClusterFileError),
    /// Real money and easy passwords do not go together.
    #[error("insecure keystores are for test networks, and {0} holds real money")]
    Insecure(String),
    /// A peer was named that the definition does not have.
    #[error("there is no other operator {0} in the definition")]
    NoSuchPeer(u8),
    /// The network cannot be used.
    #[error(transparent)]
    Network(#[from] hearth_p2p::StartError),
    /// A rule was broken.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// A peer says that it gives up.
    #[error("operator {} gave up: {text}", operator.share())]
    GaveUp {
        /// Who.
        operator: OperatorIndex,
        /// What it said.
        text: String,
    },
    /// A step lasts too long.
    #[error("nothing happened for {} s at step {step}; waiting for {}", patience.as_secs(), list(awaited))]
    Silence {
        /// The step.
        step: i64,
        /// How long.
        patience: Duration,
        /// For whom.
        awaited: Vec<OperatorIndex>,
    },
    /// Something did not reach an operator.
    #[error("operator {} could not be told: {reason}", operator.share())]
    Lost {
        /// Who.
        operator: OperatorIndex,
        /// Why.
        reason: SendError,
    },
    /// The files cannot be written.
    #[error("the keys were made, and cannot be kept: {0}")]
    Unsaved(#[from] SaveError),
    /// The files are written here, and it is not known that everybody has his.
    #[error(
        "{why}; this operator's files were written before that, and it is not known whether every other operator has his"
    )]
    Unconfirmed {
        /// What he has.
        held: Box<Held>,
        /// Why it is not known.
        why: Box<Self>,
    },
    /// A part of this program died.
    #[error("the program is broken: {0}")]
    Broken(String),
    /// The caller said no to going on.
    #[error("stopped; nothing was made")]
    Stopped,
}

fn list(operators: &[OperatorIndex]) -> String {
    let numbers: Vec<String> = operators.iter().map(|operator| operator.share().to_string()).collect();
    if numbers.is_empty() { "nobody".into() } else { format!("operator {}", numbers.join(", ")) }
}

/// The hash of a definition, and the words to compare it by.
pub fn words_of(definition: &Definition) -> Option<(Root, [&'static str; 6])> {
    let hash = definition.compute_definition_hash().ok()?;
    Some((hash, matching_words(&hash)))
}

/// Holds a ceremony until the cluster's files are written and every operator has his, or until it fails.
///
/// Waits for the other operators without a limit. Wants a runtime with more than one thread: curve work blocks.
pub async fn hold_ceremony(
    meeting: Meeting,
    installation: &Installation,
    news: mpsc::UnboundedSender<CeremonyNews>,
    stop: CancellationToken,
) -> Result<Held, CeremonyError> {
    let _folder = DataFolder::open(&meeting.folder)?;
    let key = identity::load(&meeting.folder.join(identity::FILE_NAME))?;
    check_room(&meeting.folder).map_err(CeremonyError::NoRoom)?;
    let (networks, network) = {
        let meeting = meeting.clone();
        let checked = tokio::task::spawn_blocking(move || check(&meeting)).await;
        checked.map_err(|error| CeremonyError::Broken(error.to_string()))??
    };
    let ceremony =
        Ceremony::new(meeting.definition.clone(), &networks, meeting.release, &key, &mut rand::rng())?;
    let peers = peers(&meeting, &ceremony)?;
    let _guard = KeyGuard::take(&meeting.folder, "hearth dkg", None, installation.computer_mark())?;
    let config = HostConfig {
        secret_key: key.to_bytes(),
        listen: meeting.listen.clone(),
        peers,
        relays: meeting.relays.clone(),
        protocols: protocols(&ceremony),
        agent: concat!("hearth/", env!("CARGO_PKG_VERSION")).into(),
        timing: hearth_p2p::Timing::default(),
        limits: hearth_p2p::Limits::default(),
    };
    let (host, events) = hearth_p2p::start(config, CancellationToken::new()).await?;
    let _unheard = news.send(CeremonyNews::Listening(host.listen_addresses()));
    let mut driver = Driver::new(ceremony, key, host.clone(), news, &meeting, network);
    let outcome = driver.run(events, &stop).await;
    host.shutdown().await;
    outcome
}

fn check(meeting: &Meeting) -> Result<(hearth_obol::cluster::Networks, Network), CeremonyError> {
    let Meeting { definition, scrutiny, insecure_keys, .. } = meeting;
    let networks = scrutiny.networks_for(definition)?;
    if let (Err(error), false) = (definition.verify(&networks), scrutiny.no_verify) {
        return Err(CeremonyError::Definition(error.to_string()));
    }
    let version = definition.fork_version.as_slice().try_into().map(hearth_types::ForkVersion::new);
    let network = version.ok().and_then(|version| networks.by_fork_version(version)).cloned();
    let network = network.ok_or_else(|| CeremonyError::Definition("its network is not known".into()))?;
    if *insecure_keys && network.holds_real_money() {
        return Err(CeremonyError::Insecure(network.name));
    }
    Ok((networks, network))
}

fn peers(meeting: &Meeting, ceremony: &Ceremony) -> Result<Vec<PeerConfig>, CeremonyError> {
    let (me, operators) = (ceremony.me(), ceremony.operators());
    let others = || {
        let count = u8::try_from(operators.len()).unwrap_or(u8::MAX);
        OperatorIndex::all(count).zip(operators).filter(move |(operator, _)| *operator != me)
    };
    let known: BTreeSet<u8> = others().map(|(operator, _)| operator.share().get()).collect();
    if let Some(stranger) = meeting.peers.keys().find(|number| !known.contains(number)) {
        return Err(CeremonyError::NoSuchPeer(*stranger));
    }
    let peer = |(operator, key): (OperatorIndex, &hearth_crypto::k1::NodePublicKey)| PeerConfig {
        operator,
        public_key: key.to_bytes(),
        addresses: meeting.peers.get(&operator.share().get()).cloned().unwrap_or_default(),
    };
    Ok(others().map(peer).collect())
}

/// What is spoken. Peers can make us hold no more than the ceremony's own size calls for.
fn protocols(ceremony: &Ceremony) -> Vec<Protocol> {
    let (release, longest) = (ceremony.release(), ceremony.frame_bytes());
    let protocol = |id, max_frame_bytes, pattern| Protocol { id, max_frame_bytes, pattern };
    let bundles = PEDERSEN_PROTOCOLS.map(|id| protocol(id, longest, Pattern::OneWay));
    let others = [
        protocol(SYNC_PROTOCOL, SYNC_FRAME_BYTES, Pattern::Dialogue),
        protocol(release.signature_protocol(), longest, Pattern::RequestResponse),
        protocol(release.message_protocol(), longest, Pattern::OneWay),
        protocol(SHARES_PROTOCOL, longest, Pattern::OneWay),
        protocol(PARTIALS_PROTOCOL, longest, Pattern::OneWay),
    ];
    others.into_iter().chain(bundles).collect()
}

/// What a step is for, in a few words.
pub const fn step_words(step: i64) -> &'static str {
    match step {
        0 => "waiting for the others",
        1 => "making the keys",
        2 => "signing the deposits",
        3 => "signing the registrations with builders",
        4 => "signing the lock",
        5 => "signing it as operators",
        6 => "writing the files",
        _ => "seeing that everybody has his files",
    }
}
