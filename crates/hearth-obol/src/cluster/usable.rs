//! A lock that its reader decided to act on, after checking it or in spite of that.

use std::collections::BTreeMap;
use std::ops::Deref;

use hearth_crypto::k1::NodePublicKey;
use hearth_duties::{Cluster, ClusterValidator};
use hearth_types::{ForkVersion, LockHash, OperatorIndex, Threshold, ThresholdOutOfRange, ValidatorPubkey};
use thiserror::Error;

use super::finding::{Finding, Outcome, Problem};
use super::model::Lock;
use super::verify::fork_version;
use crate::enr::{Enr, EnrError};

/// Why nobody could act on a lock, checked or not.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Unusable {
    /// More operators than there are share indexes.
    #[error("{0} operators, at most 254 can have a share")]
    TooManyOperators(usize),
    /// An operator whose node cannot be recognised.
    #[error("the record of {operator}: {error}")]
    Enr {
        /// Whose.
        operator: OperatorIndex,
        /// What is wrong with it.
        error: EnrError,
    },
    /// Two operators with one node key.
    #[error("{first} and {second} have the same node key")]
    DuplicateOperator {
        /// One.
        first: OperatorIndex,
        /// The other.
        second: OperatorIndex,
    },
    /// A threshold that cannot protect or cannot be reached.
    #[error(transparent)]
    Threshold(#[from] ThresholdOutOfRange),
    /// One public key is that of several shares, so that nobody could say which validator it signs for.
    #[error("validators {} and {} share a key", .first + 1, .second + 1)]
    SharedKey {
        /// Position of one validator.
        first: usize,
        /// Position of the other.
        second: usize,
    },
    /// Keys that are none, or too few.
    #[error(transparent)]
    Keys(#[from] Problem),
    /// The lock hash does not have 32 bytes.
    #[error("the lock hash is not 32 bytes long")]
    LockHash,
    /// The fork version does not have 4 bytes.
    #[error("the fork version is not 4 bytes long")]
    ForkVersion,
}

/// An operator as his peers know him.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operator {
    /// Record of his node's key, as in the lock.
    pub enr: String,
    /// The key. Peers are told apart by it.
    pub key: NodePublicKey,
}

/// A lock with everything read that acting on it takes.
///
/// Made only by [`Lock::verify`] and [`Lock::accept_unverified`].
#[derive(Clone, Debug)]
pub struct UsableLock {
    lock: Lock,
    lock_hash: LockHash,
    operators: Vec<Operator>,
    operator_count: u8,
    threshold: Threshold,
    fork_version: ForkVersion,
    validators: Vec<ClusterValidator>,
}

impl UsableLock {
    pub(super) fn new(
        lock: Lock,
        validators: Result<Vec<ClusterValidator>, Problem>,
    ) -> Result<Self, Unusable> {
        let operators = operators(&lock)?;
        let validators = validators?;
        check_distinct(&validators)?;
        let count = u8::try_from(operators.len()).map_err(|_| Unusable::TooManyOperators(operators.len()))?;
        Ok(Self {
            operator_count: count,
            lock_hash: LockHash::new(lock.lock_hash.as_slice().try_into().map_err(|_| Unusable::LockHash)?),
            threshold: Threshold::new(lock.definition.threshold, count)?,
            fork_version: fork_version(&lock.definition).ok_or(Unusable::ForkVersion)?,
            validators,
            operators,
            lock,
        })
    }

    /// What the file says.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Identity of the cluster.
    pub fn lock_hash(&self) -> LockHash {
        self.lock_hash
    }

    /// Name of the cluster; may be empty.
    pub fn name(&self) -> &str {
        &self.lock.definition.name
    }

    /// The operators, in the order that gives each his share index.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// The operator whose node has this key.
    pub fn operator_of(&self, key: &NodePublicKey) -> Option<OperatorIndex> {
        let position = self.operators.iter().position(|operator| operator.key == *key)?;
        OperatorIndex::new(u8::try_from(position).ok()?)
    }

    /// Partial signatures needed for one group signature.
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Genesis fork version of the network.
    pub fn fork_version(&self) -> ForkVersion {
        self.fork_version
    }

    /// The validators' keys, in the order of the lock.
    pub fn validators(&self) -> &[ClusterValidator] {
        &self.validators
    }

    /// The cluster as the duties of this operator see it.
    pub fn cluster(&self, me: OperatorIndex) -> Cluster {
        let keyed = |keys: &ClusterValidator| (ValidatorPubkey::new(keys.group.to_bytes()), keys.clone());
        Cluster {
            me,
            operators: self.operator_count,
            threshold: self.threshold,
            validators: self.validators.iter().map(keyed).collect(),
        }
    }

    /// The validator that each of this operator's shares belongs to, by the share's public key.
    pub fn share_keys(&self, me: OperatorIndex) -> BTreeMap<[u8; 48], ValidatorPubkey> {
        let share = |keys: &ClusterValidator| {
            let share = keys.share_key(me.share())?;
            Some((share.to_bytes(), ValidatorPubkey::new(keys.group.to_bytes())))
        };
        self.validators.iter().filter_map(share).collect()
    }
}

fn operators(lock: &Lock) -> Result<Vec<Operator>, Unusable> {
    let entries = &lock.definition.operators;
    if entries.len() > usize::from(OperatorIndex::MAX.share().get()) {
        return Err(Unusable::TooManyOperators(entries.len()));
    }
    let mut seen = BTreeMap::new();
    let mut operators = Vec::new();
    for (operator, entry) in OperatorIndex::all(u8::MAX).zip(entries) {
        let enr = Enr::parse(&entry.enr).map_err(|error| Unusable::Enr { operator, error })?;
        let key = *enr.public_key();
        if let Some(first) = seen.insert(key, operator) {
            return Err(Unusable::DuplicateOperator { first, second: operator });
        }
        operators.push(Operator { enr: entry.enr.clone(), key });
    }
    Ok(operators)
}

/// No two validators have a key in common, be it their own or that of a share.
fn check_distinct(validators: &[ClusterValidator]) -> Result<(), Unusable> {
    let mut seen = BTreeMap::new();
    for (second, keys) in validators.iter().enumerate() {
        for key in keys.shares.iter().chain([&keys.group]) {
            match seen.insert(key.to_bytes(), second) {
                Some(first) if first != second => return Err(Unusable::SharedKey { first, second }),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A lock that passed every check.
#[derive(Clone, Debug)]
pub struct VerifiedLock {
    lock: UsableLock,
    warnings: Vec<Finding>,
}

impl VerifiedLock {
    pub(super) fn new(lock: UsableLock, warnings: Vec<Finding>) -> Self {
        Self { lock, warnings }
    }

    /// What the owner should know although the lock may be used.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The lock, for code that serves accepted ones too.
    pub fn into_usable(self) -> UsableLock {
        self.lock
    }
}

impl Deref for VerifiedLock {
    type Target = UsableLock;
    fn deref(&self) -> &UsableLock {
        &self.lock
    }
}

/// A lock that its owner insists on, with what the checks found.
#[derive(Clone, Debug)]
pub struct AcceptedUnverified {
    lock: UsableLock,
    findings: Vec<Finding>,
}

impl AcceptedUnverified {
    pub(super) fn new(lock: UsableLock, findings: Vec<Finding>) -> Self {
        Self { lock, findings }
    }

    /// Every check with its outcome.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Failures and warnings, to be shown before anything is done with the lock. None if it is fine.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| matches!(finding.outcome, Outcome::Failed(_) | Outcome::Warning(_)))
    }

    /// The lock, for code that serves verified ones too.
    pub fn into_usable(self) -> UsableLock {
        self.lock
    }
}

impl Deref for AcceptedUnverified {
    type Target = UsableLock;
    fn deref(&self) -> &UsableLock {
        &self.lock
    }
}
