//! Holding a key ceremony with the other operators, over the network: from the node's key and a definition to a cluster's files.
//!
//! What is said and judged is `hearth_obol::ceremony`; here are the connections, the clock, and the disk. Nothing of a ceremony that
//! fails is left; all begin again together. Whoever merely is started again goes on where he was, as long as the others wait for him
//! and are Hearth's as well ([`journal`], ADR 11).

mod drive;
mod journal;
mod notes;
mod outbox;
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
use hearth_p2p::{HostConfig, Pattern, PeerConfig, Protocol};
use hearth_signer::identity;
use hearth_types::{LockHash, OperatorIndex, Root};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::folder::{DataFolder, FolderError};
use crate::installation::Installation;
use crate::key_guard::{KeyGuard, KeyGuardError};
use crate::offline::{ClusterFileError, SaveError, Scrutiny, check_room};
use crate::relay_finder::{Asker, find_relays};
use drive::Driver;
use journal::{About, Journal, Past};

pub use hearth_obol::ceremony::Release;
pub(crate) use journal::{FILE_NAME as JOURNAL, forget};

/// By which an operator who was started again asks the others whether they are still in the ceremony, and hears once more what he
/// may have missed. The question is the definition's hash; the answer is one byte, 1 or 0. Hearth's own.
const AGAIN_PROTOCOL: &str = "/hearth/dkg/again/1.0.0";
/// Its longest message.
const AGAIN_BYTES: usize = 64;

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

/// How a ceremony is ended from here.
#[derive(Clone, Debug, Default)]
pub struct Halt {
    /// For good: the others are told.
    pub give_up: CancellationToken,
    /// This program is started again: the others wait.
    pub pause: CancellationToken,
}

/// What happens in a ceremony.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CeremonyNews {
    /// It waits for the others, listening here.
    Listening(Vec<String>),
    /// An operator is connected, or not any more.
    Here(OperatorIndex, bool),
    /// This operator was interrupted at a step, and asks the others whether they have waited for him.
    Back(i64),
    /// The others have not: all begin again.
    Anew,
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
    /// What a restart would need cannot be written.
    #[error("what this operator would need after a restart cannot be written to the disk: {0}")]
    Unnoted(std::io::Error),
    /// The others are not in the ceremony any more that this operator was in.
    #[error("not every other operator is still in the ceremony that was interrupted")]
    NotResumed,
    /// It goes on when the program is started again.
    #[error("the ceremony is interrupted; it goes on when this operator is back soon")]
    Paused,
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
    halt: Halt,
) -> Result<Held, CeremonyError> {
    let _folder = DataFolder::open(&meeting.folder)?;
    let key = identity::load(&meeting.folder.join(identity::FILE_NAME))?;
    let (networks, network) = {
        let meeting = meeting.clone();
        let checked = tokio::task::spawn_blocking(move || check(&meeting)).await;
        checked.map_err(|error| CeremonyError::Broken(error.to_string()))??
    };
    let draw = |seed: &[u8; 32]| {
        let definition = meeting.definition.clone();
        Ceremony::new(definition, &networks, meeting.release, &key, &mut StdRng::from_seed(*seed))
    };
    let mut past = interrupted(&meeting, installation);
    if past.is_none() {
        check_room(&meeting.folder).map_err(CeremonyError::NoRoom)?;
    }
    let mut seed = past.as_ref().map_or_else(fresh_seed, |past| past.seed.clone());
    let ceremony = draw(&seed)?;
    let ceremony_hash = Root::new(*ceremony.definition_hash());
    let peers = peers(&meeting, &ceremony)?;
    let _guard = KeyGuard::take(&meeting.folder, "hearth dkg", None, installation.computer_mark())?;
    let config = HostConfig {
        secret_key: key.to_bytes(),
        listen: meeting.listen.clone(),
        // What a connection that died without a word still carries is lost for seconds; TCP says so at once.
        quic: false,
        map_ports: false,
        peers,
        relays: meeting.relays.clone(),
        protocols: protocols(&ceremony),
        agent: concat!("hearth/", env!("CARGO_PKG_VERSION")).into(),
        timing: hearth_p2p::Timing::default(),
        limits: hearth_p2p::Limits::default(),
    };
    let (host, mut events) = hearth_p2p::start(config, CancellationToken::new()).await?;
    let asker = Asker::new(ceremony_hash.as_bytes(), &meeting.definition.uuid);
    let _finding = find_relays(&host, &meeting.relays, &asker);
    let _unheard = news.send(CeremonyNews::Listening(host.listen_addresses()));
    let mut drawn = Some(Box::new(ceremony));
    let outcome = loop {
        let means = (host.clone(), news.clone(), network.clone());
        let ceremony = drawn.take().map_or_else(|| draw(&seed), |drawn| Ok(*drawn))?;
        let driver = Driver::new(ceremony, &key, means, &meeting);
        let driver = match past.take() {
            Some(past) => driver.catch_up(past),
            None => Ok(driver.note_in(begin_journal(&meeting, installation, &seed))),
        };
        match driver {
            Ok(driver) => match driver.run(&mut events, &halt).await {
                Err(CeremonyError::NotResumed) => {}
                outcome => break outcome,
            },
            // Only what was taken well is noted: another program has written it.
            Err(error) => tracing::warn!(%error, "an interrupted ceremony cannot be gone on with"),
        }
        let _unheard = news.send(CeremonyNews::Anew);
        if let Err(error) = check_room(&meeting.folder) {
            break Err(CeremonyError::NoRoom(error));
        }
        seed = fresh_seed();
    };
    host.shutdown().await;
    outcome
}

fn fresh_seed() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(rand::random())
}

fn about(meeting: &Meeting) -> Option<About> {
    let definition = *meeting.definition.compute_definition_hash().ok()?.as_bytes();
    let program = env!("CARGO_PKG_VERSION").to_owned();
    Some(About { definition, release: meeting.release.version().to_owned(), program })
}

/// What an earlier run of this ceremony has left here, if it was interrupted.
fn interrupted(meeting: &Meeting, installation: &Installation) -> Option<Past> {
    if !meeting.folder.join(JOURNAL).exists() {
        return None;
    }
    Journal::find(&meeting.folder, installation.opening_key().ok()?, &about(meeting)?)
}

/// A ceremony that nobody can go on with after a restart is better than none.
fn begin_journal(meeting: &Meeting, installation: &Installation, seed: &[u8; 32]) -> Option<Journal> {
    let warn = |error: &dyn std::fmt::Display| tracing::warn!(%error, "a restart ends this ceremony");
    let key = installation.sealing_key().map_err(|error| warn(&error)).ok()?;
    let begun = Journal::begin(&meeting.folder, key, about(meeting)?, seed);
    begun.map_err(|error| warn(&error)).ok()
}

fn check(meeting: &Meeting) -> Result<(hearth_obol::cluster::Networks, Network), CeremonyError> {
    let Meeting { definition, scrutiny, insecure_keys, .. } = meeting;
    let networks = scrutiny.networks_for(definition)?;
    if let (Err(error), false) = (definition.verify(&networks), scrutiny.no_verify) {
        return Err(CeremonyError::Definition(error.to_string()));
    }
    let network = networks
        .of(definition)
        .cloned()
        .ok_or_else(|| CeremonyError::Definition("its network is not known".into()))?;
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
        protocol(AGAIN_PROTOCOL, AGAIN_BYTES, Pattern::RequestResponse),
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
