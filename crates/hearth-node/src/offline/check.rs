//! Everything that can be checked about a cluster file: for people, and before a program acts on it.

use std::io::Read;
use std::path::{Path, PathBuf};

use hearth_beacon::{BeaconError, ExecutionClient, InvalidNodeUrl, NoTrustRoots, NodeUrl};
use hearth_obol::cluster::{
    ContractSignature, Definition, Finding, Lock, MAX_FILE_BYTES, Network, Networks, Outcome, ParseError,
    Unusable, UsableLock,
};
use hearth_signer::identity;
use hearth_types::ForkVersion;
use thiserror::Error;

use super::deposits;
use crate::seat::{SeatError, seat_of};
use crate::settings::Testnet;

/// How strictly cluster files are checked, and with whose help.
#[derive(Clone, Debug, Default)]
pub struct Scrutiny {
    /// The network of the cluster, if it is not a public one.
    pub testnet: Option<Testnet>,
    /// Where an execution client listens, which can ask wallets that are contracts.
    pub execution_client: Option<String>,
    /// Failed hashes and signatures are warnings.
    pub no_verify: bool,
}

/// A cluster file that cannot be used.
#[derive(Debug, Error)]
pub enum ClusterFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a cluster file.
    #[error("{} is not a cluster {}: {source}", path.display(), kind.name())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it was taken for.
        kind: FileKind,
        /// What is wrong with its form.
        source: ParseError,
    },
    /// A check failed.
    #[error("{} must not be used: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The first check that failed.
        reason: String,
    },
    /// Nobody could act on it, whatever its owner wants.
    #[error("{} cannot be used: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Unusable,
    },
    /// The execution client's address is not one.
    #[error("the execution client: {0}")]
    ExecutionUrl(#[from] InvalidNodeUrl),
    /// The execution client cannot be reached safely.
    #[error(transparent)]
    NoTrustRoots(#[from] NoTrustRoots),
    /// The execution client did not say what the wallets accept.
    #[error("the execution client did not answer, so a wallet that is a contract cannot be checked: {0}")]
    Execution(#[from] BeaconError),
    /// The execution client follows another chain.
    #[error("the execution client follows chain {found}, the cluster's wallets are on chain {expected}")]
    OtherChain {
        /// Chain of the cluster's network.
        expected: u64,
        /// Chain of the client.
        found: u64,
    },
    /// The system gave no means to ask it.
    #[error("cannot ask the execution client: {0}")]
    System(std::io::Error),
}

/// What a cluster file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// The plan before keys exist.
    Definition,
    /// The cluster with its keys.
    Lock,
}

impl FileKind {
    /// In a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Lock => "lock",
        }
    }
}

/// One check and what it found.
#[derive(Clone, Debug)]
pub struct FileCheck {
    /// What was checked, and its outcome, in a sentence.
    pub sentence: String,
    /// Whether the file may not be used because of it.
    pub failed: bool,
    /// Whether the owner should know, although the file may be used.
    pub warned: bool,
}

impl From<Finding> for FileCheck {
    fn from(finding: Finding) -> Self {
        Self {
            sentence: finding.to_string(),
            failed: matches!(finding.outcome, Outcome::Failed(_)),
            warned: matches!(finding.outcome, Outcome::Warning(_)),
        }
    }
}

/// A definition or a lock, as read: of the right form, nothing checked.
#[derive(Clone, Debug)]
pub(crate) enum ClusterFile {
    Definition(Box<Definition>),
    Lock(Box<Lock>),
}

impl ClusterFile {
    /// Reads whichever of the two `path` is.
    pub(crate) fn read(path: &Path) -> Result<Self, ClusterFileError> {
        let json = read_bounded(path)?;
        // Only a lock holds a definition. What is neither is reported as a definition that is malformed.
        let kind = match serde_json::from_slice(&json) {
            Ok(Probe { cluster_definition: Some(_) }) => FileKind::Lock,
            _ => FileKind::Definition,
        };
        let malformed = |source| ClusterFileError::Malformed { path: path.to_owned(), kind, source };
        Ok(match kind {
            FileKind::Lock => Self::Lock(Box::new(Lock::from_json(&json).map_err(malformed)?)),
            FileKind::Definition => {
                Self::Definition(Box::new(Definition::from_json(&json).map_err(malformed)?))
            }
        })
    }

    pub(crate) fn kind(&self) -> FileKind {
        match self {
            Self::Definition(_) => FileKind::Definition,
            Self::Lock(_) => FileKind::Lock,
        }
    }

    pub(crate) fn definition(&self) -> &Definition {
        match self {
            Self::Definition(definition) => definition,
            Self::Lock(lock) => &lock.definition,
        }
    }
}

/// Tells the two kinds apart without looking at anything else.
#[derive(serde::Deserialize)]
struct Probe {
    cluster_definition: Option<serde::de::IgnoredAny>,
}

/// Checks everything about a lock or a definition and tells all of it.
///
/// Blocks, and must not be called from a task of an async runtime.
pub fn verify_file(path: &Path, scrutiny: &Scrutiny) -> Result<(FileKind, Vec<FileCheck>), ClusterFileError> {
    let file = ClusterFile::read(path)?;
    let networks = scrutiny.networks_for(file.definition())?;
    let findings = match &file {
        ClusterFile::Definition(definition) => definition.verify_all(&networks),
        ClusterFile::Lock(lock) => lock.verify_all(&networks),
    };
    Ok((file.kind(), findings.into_iter().map(FileCheck::from).collect()))
}

/// Checks the lock in a node's folder, whose seat the folder is, and the deposit files beside it, and tells all of it. Key
/// shares are not opened.
///
/// Blocks, and must not be called from a task of an async runtime.
pub fn verify_folder(folder: &Path, scrutiny: &Scrutiny) -> Result<Vec<FileCheck>, ClusterFileError> {
    let path = folder.join("cluster-lock.json");
    let lock = read_lock(&path)?;
    let networks = scrutiny.networks_for(&lock.definition)?;
    let unusable = |source| ClusterFileError::Unusable { path: path.clone(), source };
    let accepted = lock.accept_unverified(&networks).map_err(unusable)?;
    let mut checks: Vec<FileCheck> = accepted.findings().iter().cloned().map(FileCheck::from).collect();
    let lock = accepted.into_usable();
    checks.push(seat_check(folder, &lock));
    let Some(network) = scrutiny.networks().by_fork_version(lock.fork_version()).cloned() else {
        return Ok(checks);
    };
    let credentials = deposits::credentials(&lock);
    let read = |path: PathBuf| deposits::read(&path, &network, &credentials);
    let sheets = deposits::list(folder)
        .map_or_else(|error| vec![Err(error)], |files| files.into_iter().map(read).collect());
    checks.extend(sheets.into_iter().map(|sheet| match sheet {
        Ok(sheet) => FileCheck::passed(format!(
            "{}: {} deposit{}, signed by the validators, to the withdrawal addresses of the plan",
            sheet.name,
            sheet.deposits.len(),
            if sheet.deposits.len() == 1 { "" } else { "s" }
        )),
        Err(error) => FileCheck::failed(error.to_string()),
    }));
    Ok(checks)
}

fn seat_check(folder: &Path, lock: &UsableLock) -> FileCheck {
    let path = folder.join(identity::FILE_NAME);
    let seat = identity::load(&path).map_err(SeatError::from).and_then(|key| seat_of(&key, lock, &path));
    match seat {
        Ok(operator) => FileCheck::passed(format!(
            "{}: this folder is that of {operator} of {}",
            identity::FILE_NAME,
            lock.operators().len()
        )),
        Err(error) => FileCheck::failed(error.to_string()),
    }
}

impl FileCheck {
    fn passed(sentence: String) -> Self {
        Self { sentence, failed: false, warned: false }
    }

    fn failed(sentence: String) -> Self {
        Self { sentence, failed: true, warned: false }
    }
}

impl Scrutiny {
    /// A lock that a program may act on, and what its owner should know about it first.
    ///
    /// Blocks, and must not be called from a task of an async runtime.
    pub(crate) fn usable_lock(&self, path: &Path) -> Result<(UsableLock, Vec<String>), ClusterFileError> {
        self.usable_lock_in(&read_bounded(path)?, path)
    }

    /// The same of a lock in memory; `path` is what errors call it.
    pub(crate) fn usable_lock_in(
        &self,
        json: &[u8],
        path: &Path,
    ) -> Result<(UsableLock, Vec<String>), ClusterFileError> {
        let lock = parse_lock(json, path)?;
        let networks = self.networks_for(&lock.definition)?;
        if self.no_verify {
            let unusable = |source| ClusterFileError::Unusable { path: path.to_owned(), source };
            let accepted = lock.accept_unverified(&networks).map_err(unusable)?;
            let warnings = accepted.warnings().map(ToString::to_string).collect();
            return Ok((accepted.into_usable(), warnings));
        }
        let refused = |error: hearth_obol::cluster::VerifyError| ClusterFileError::Refused {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let verified = lock.verify(&networks).map_err(refused)?;
        let warnings = verified.warnings().iter().map(ToString::to_string).collect();
        Ok((verified.into_usable(), warnings))
    }

    /// The networks that a cluster may belong to, and what the contracts among the plan's wallets accept, if there is an
    /// execution client to ask them.
    pub(crate) fn networks_for(&self, plan: &Definition) -> Result<Networks, ClusterFileError> {
        let networks = self.networks();
        let Some(url) = &self.execution_client else { return Ok(networks) };
        let questions = plan.contract_signatures(&networks);
        let chain = fork_version(plan).and_then(|version| networks.by_fork_version(version));
        let (Some(Network { chain_id, .. }), false) = (chain, questions.is_empty()) else {
            return Ok(networks);
        };
        let client = ExecutionClient::new(url.parse::<NodeUrl>()?)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let asked = ask(&client, *chain_id, questions);
        let accepted = runtime.map_err(ClusterFileError::System)?.block_on(asked)?;
        Ok(networks.accepting(accepted))
    }

    /// The networks that a cluster may belong to.
    pub(crate) fn networks(&self) -> Networks {
        match &self.testnet {
            Some(testnet) => Networks::known().with(testnet.network()),
            None => Networks::known(),
        }
    }
}

/// The signatures that their contracts accept.
async fn ask(
    client: &ExecutionClient,
    expected: u64,
    questions: Vec<ContractSignature>,
) -> Result<Vec<ContractSignature>, ClusterFileError> {
    let found = client.chain_id().await?;
    if found != expected {
        return Err(ClusterFileError::OtherChain { expected, found });
    }
    let mut accepted = Vec::new();
    for question in questions {
        let returned = client.call(&question.account, &question.call_data()).await?;
        if ContractSignature::is_accepted(&returned) {
            accepted.push(question);
        }
    }
    Ok(accepted)
}

/// The genesis fork version of a plan, if it has the length of one.
pub(crate) fn fork_version(plan: &Definition) -> Option<ForkVersion> {
    plan.fork_version.as_slice().try_into().ok().map(ForkVersion::new)
}

fn read_lock(path: &Path) -> Result<Lock, ClusterFileError> {
    parse_lock(&read_bounded(path)?, path)
}

fn parse_lock(json: &[u8], path: &Path) -> Result<Lock, ClusterFileError> {
    let malformed =
        |source| ClusterFileError::Malformed { path: path.to_owned(), kind: FileKind::Lock, source };
    Lock::from_json(json).map_err(malformed)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, ClusterFileError> {
    let unreadable = |source| ClusterFileError::Unreadable { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::other("it is not a file")));
    }
    // One byte more than a file may have tells the reader that there is more.
    let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
