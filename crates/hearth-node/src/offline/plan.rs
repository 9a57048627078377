//! Plans of clusters: from what the owner wants, or from a definition that somebody else made.

use std::path::{Path, PathBuf};

use hearth_beacon::{DownloadError, InvalidNodeUrl, NodeUrl, download};
use hearth_obol::cluster::{
    Definition, DkgAlgorithm, Network, ParseError, Plan, PlanError, matching_words, new_uuid,
    threshold_warning, timestamp_text,
};
use hearth_types::{Gwei, Root, Threshold};
use thiserror::Error;

use super::check::{ClusterFile, ClusterFileError};
use super::draft::{Unwritable, put_whole};
use crate::clock;

const GWEI_PER_ETH: u64 = 1_000_000_000;
/// Name of a definition in a data folder.
pub(crate) const DEFINITION: &str = "cluster-definition.json";
/// Bytes of a definition that a server may send. Source: `obol-cluster.md` 11.
const DOWNLOAD_BYTES: usize = 16 << 20;

/// What the owner wants of a cluster, operators and keys apart.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Name of the cluster; may be empty.
    pub name: String,
    /// Where its validators live.
    pub network: Network,
    /// Partial signatures needed; two thirds, rounded up, if absent.
    pub threshold: Option<u64>,
    /// One, or one per validator; with checksum.
    pub withdrawal_addresses: Vec<String>,
    /// One, or one per validator.
    pub fee_recipients: Vec<String>,
    /// Amounts to prepare deposits for; the usual ones if empty.
    pub deposit_amounts_eth: Vec<u64>,
    /// Whether the validators compound.
    pub compounding: bool,
    /// Gas limit to register with.
    pub gas_limit: u64,
    /// `qbft`, or empty.
    pub consensus_protocol: String,
    /// How operators who make their keys together are to do so.
    pub dkg_algorithm: DkgAlgorithm,
}

impl Wishes {
    /// The same as a plan made now; `registered_at_s` is that of [`Plan`].
    pub(super) fn plan(&self, registered_at_s: Option<u64>) -> Plan {
        let gwei = |eth: &u64| Gwei::new(eth.saturating_mul(GWEI_PER_ETH));
        Plan {
            name: self.name.clone(),
            network: self.network.clone(),
            threshold: self.threshold,
            withdrawal_addresses: self.withdrawal_addresses.clone(),
            fee_recipients: self.fee_recipients.clone(),
            deposit_amounts: self.deposit_amounts_eth.iter().map(gwei).collect(),
            compounding: self.compounding,
            gas_limit: self.gas_limit,
            consensus_protocol: self.consensus_protocol.clone(),
            dkg_algorithm: self.dkg_algorithm,
            timestamp: timestamp_text(clock::now()),
            uuid: new_uuid(&mut rand::rng()),
            registered_at_s,
        }
    }
}

/// A definition that was not made or not found.
#[derive(Debug, Error)]
pub enum DefinitionError {
    /// The plan is impossible.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is one already, and it stays.
    #[error("{} exists already and was left alone; choose another folder, or move it away", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] ClusterFileError),
    /// What should be a definition is a lock.
    #[error("{0} is the lock of a cluster that has its keys already; a definition is needed")]
    IsLock(String),
    /// The address is not one.
    #[error(transparent)]
    Url(#[from] InvalidNodeUrl),
    /// The server did not give it.
    #[error("cannot fetch the definition: {0}")]
    Download(#[from] DownloadError),
    /// What the server gave is not a definition.
    #[error("what {url} gives is not a cluster definition: {source}")]
    Foreign {
        /// The address, without credentials.
        url: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The system gave no means to fetch it.
    #[error("cannot fetch the definition: {0}")]
    System(std::io::Error),
}

/// A definition that was made.
#[derive(Debug)]
pub struct Planned {
    /// The file.
    pub path: PathBuf,
    /// Partial signatures needed.
    pub threshold: u64,
    /// Hash that every operator must see as well.
    pub definition_hash: Root,
    /// Six words for that hash, to be compared aloud.
    pub words: [&'static str; 6],
    /// What the owner should know about the plan.
    pub warnings: Vec<String>,
}

/// Writes `cluster-definition.json` for operators who will make the keys together, each named by the record of his node.
pub fn create_definition(
    folder: &Path,
    wishes: &Wishes,
    validators: usize,
    records: &[String],
) -> Result<Planned, DefinitionError> {
    let path = folder.join(DEFINITION);
    if path.exists() {
        return Err(DefinitionError::Exists(path));
    }
    let definition = wishes.plan(None).for_ceremony(records, validators)?;
    let json = definition.to_json().map_err(PlanError::from)?;
    std::fs::create_dir_all(folder).map_err(Unwritable::at(folder))?;
    // Nothing in it is secret. Read-only, because a change would make every hash and signature stale.
    put_whole(&path, json.as_bytes(), 0o444)?;
    let definition_hash = definition.compute_definition_hash().map_err(PlanError::from)?;
    let operators = u8::try_from(records.len()).unwrap_or(u8::MAX);
    let warning = Threshold::new(definition.threshold, operators)
        .ok()
        .and_then(|threshold| threshold_warning(operators, threshold));
    Ok(Planned {
        path,
        threshold: definition.threshold,
        definition_hash,
        words: matching_words(&definition_hash),
        warnings: warning.into_iter().collect(),
    })
}

/// The definition in a file or at an `http(s)://` address, as read: of the right form, nothing checked.
///
/// Blocks, and must not be called from a task of an async runtime.
pub fn read_definition(source: &str) -> Result<Definition, DefinitionError> {
    if source.starts_with("http://") || source.starts_with("https://") {
        let url: NodeUrl = source.parse()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let json = runtime.map_err(DefinitionError::System)?.block_on(download(&url, DOWNLOAD_BYTES))?;
        let foreign = |source| DefinitionError::Foreign { url: url.to_string(), source };
        return Definition::from_json(&json).map_err(foreign);
    }
    match ClusterFile::read(Path::new(source))? {
        ClusterFile::Definition(definition) => Ok(*definition),
        ClusterFile::Lock(_) => Err(DefinitionError::IsLock(source.to_owned())),
    }
}
