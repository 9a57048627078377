//! Every check of a plan and of a lock, each with its outcome, in the order that other tools check.
//!
//! Source: `obol-cluster.md` 3.4, 4.3, 5.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;

use hearth_crypto::k1::recover;
use hearth_crypto::threshold::recombine_public;
use hearth_crypto::{PublicKey, Signature};
use hearth_duties::ClusterValidator;
use hearth_types::{ForkVersion, OperatorIndex, ShareIndex, SigningRoot, Threshold};
use thiserror::Error;

use super::Version;
use super::deposit::withdrawal_credentials;
use super::hash::Unhashable;
use super::model::{Definition, DistributedValidator, Lock, Registration};
use super::network::{Network, Networks};
use super::plan::parse_address;
use super::threshold::threshold_warning;
use super::usable::{AcceptedUnverified, Unusable, UsableLock, VerifiedLock};
use super::wallet::{self, WalletProblem};
use crate::enr::{Enr, EnrError};

/// One thing that is checked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Check {
    /// The config hash in the file is that of the plan.
    ConfigHash,
    /// The definition hash in the file is that of the plan.
    DefinitionHash,
    /// There are as many validators as planned.
    ValidatorCount,
    /// The lock hash in the file is that of the lock.
    LockHash,
    /// Creator and operators signed the plan with their wallets.
    WalletSignatures,
    /// Public keys are valid, and the shares of each validator belong to its key and to no other polynomial.
    PublicShares,
    /// Every share of every validator signed the lock.
    Aggregate,
    /// Every validator signed its registration with builders, and it says what the plan says.
    Registrations,
    /// Every operator's node signed the lock.
    NodeSignatures,
    /// Every deposit is signed by its validator and pays to the address of the plan. Only warned about, because other
    /// tools do not check it.
    Deposits,
    /// The threshold protects against dishonest operators. Only warned about.
    ThresholdSafety,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigHash => "config hash",
            Self::DefinitionHash => "definition hash",
            Self::ValidatorCount => "number of validators",
            Self::LockHash => "lock hash",
            Self::WalletSignatures => "wallet signatures",
            Self::PublicShares => "public shares",
            Self::Aggregate => "signature of all shares",
            Self::Registrations => "builder registrations",
            Self::NodeSignatures => "node signatures",
            Self::Deposits => "deposits",
            Self::ThresholdSafety => "threshold",
        })
    }
}

/// What came of a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// There is no such thing in this file.
    NotApplicable,
    /// Usable, but the owner should know.
    Warning(Problem),
    /// Not to be used, unless the owner insists.
    Failed(Problem),
}

/// A check and its outcome.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// What came of it.
    pub outcome: Outcome,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passed => write!(f, "{}: passed", self.check),
            Outcome::NotApplicable => write!(f, "{}: nothing to check", self.check),
            Outcome::Warning(problem) => write!(f, "{}: {problem}", self.check),
            Outcome::Failed(problem) => write!(f, "{}: failed: {problem}", self.check),
        }
    }
}

/// What a check found. Validators and operators are told by their position, from zero; people are told from one.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Problem {
    /// The content has no hash.
    #[error(transparent)]
    Unhashable(#[from] Unhashable),
    /// The file was changed, or made by a faulty tool.
    #[error("the file says 0x{stored}, its content has {computed}")]
    HashMismatch {
        /// Hex digits in the file.
        stored: String,
        /// Hash of the content.
        computed: String,
    },
    /// Fewer or more validators than planned.
    #[error("{found} validators, {planned} planned")]
    ValidatorCount {
        /// In the lock.
        found: usize,
        /// In the plan.
        planned: u64,
    },
    /// The plan is for no network that is known here.
    #[error("no known network has the genesis fork version 0x{0}; name it as a custom network")]
    UnknownNetwork(String),
    /// See there.
    #[error(transparent)]
    Wallet(#[from] WalletProblem),
    /// A validator with fewer or more shares than operators.
    #[error("validator {} has {shares} shares for {operators} operators", .validator + 1)]
    ShareCount {
        /// Position.
        validator: usize,
        /// Shares it has.
        shares: usize,
        /// Operators of the cluster.
        operators: usize,
    },
    /// The key of a validator is no BLS public key.
    #[error("the key of validator {} is no valid public key", .validator + 1)]
    InvalidKey {
        /// Position.
        validator: usize,
    },
    /// A share is no BLS public key.
    #[error("share {} of validator {} is no valid public key", .operator + 1, .validator + 1)]
    InvalidShare {
        /// Position.
        validator: usize,
        /// Position of the holder.
        operator: usize,
    },
    /// One share twice.
    #[error("validator {} has one share twice", .validator + 1)]
    DuplicateShare {
        /// Position.
        validator: usize,
    },
    /// One validator twice.
    #[error("validator {} appears twice", .validator + 1)]
    DuplicateValidator {
        /// Position of the second.
        validator: usize,
    },
    /// A threshold of zero, or above the number of operators.
    #[error("a threshold of {threshold} among {operators} operators cannot be")]
    Threshold {
        /// In the plan.
        threshold: u64,
        /// Operators of the cluster.
        operators: usize,
    },
    /// A share that does not belong to the key of its validator.
    #[error("share {} of validator {} does not belong to the validator's key", .operator + 1, .validator + 1)]
    OffPolynomial {
        /// Position.
        validator: usize,
        /// Position of the holder.
        operator: usize,
    },
    /// There is no aggregate, or it is no signature.
    #[error("the signature of all shares is missing or malformed")]
    NoAggregate,
    /// The aggregate was not made by all shares over this lock.
    #[error("the signature of all shares is not one by every share over this lock")]
    WrongAggregate,
    /// A validator without registration.
    #[error("validator {} has no registration", .validator + 1)]
    NoRegistration {
        /// Position.
        validator: usize,
    },
    /// A registration that its validator did not sign, or signed for another fee recipient.
    #[error("validator {} has not signed a registration with the fee recipient of the plan", .validator + 1)]
    WrongRegistration {
        /// Position.
        validator: usize,
    },
    /// The registration itself names another fee recipient or validator than the one that is signed.
    #[error("the registration of validator {} names another fee recipient or key than the plan", .validator + 1)]
    OtherRegistration {
        /// Position.
        validator: usize,
    },
    /// As many node signatures are needed as there are operators.
    #[error("{signatures} node signatures for {operators} operators")]
    NodeSignatureCount {
        /// In the lock.
        signatures: usize,
        /// Operators of the cluster.
        operators: usize,
    },
    /// A signature that the operator's node did not make.
    #[error("operator {} has not signed this lock with the key of its node", .operator + 1)]
    WrongNodeSignature {
        /// Position.
        operator: usize,
    },
    /// An operator without a readable record.
    #[error("the record of operator {}: {error}", .operator + 1)]
    Enr {
        /// Position.
        operator: usize,
        /// What is wrong with it.
        error: EnrError,
    },
    /// A deposit that would be lost.
    #[error("a deposit of validator {} is not signed by its key: money sent with it would be lost", .validator + 1)]
    UnsignedDeposit {
        /// Position.
        validator: usize,
    },
    /// A deposit that pays elsewhere.
    #[error("a deposit of validator {} names another key or withdrawal address than the plan", .validator + 1)]
    OtherDeposit {
        /// Position.
        validator: usize,
    },
    /// See [`threshold_warning`].
    #[error("{0}")]
    WeakThreshold(String),
}

/// Why a file is not to be used.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum VerifyError {
    /// A check failed. The owner may insist.
    #[error("{check}: {problem}")]
    Failed {
        /// Which.
        check: Check,
        /// Why.
        problem: Problem,
    },
    /// Nobody could act on this lock.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl Definition {
    /// Checks hashes and signatures; the first failure ends it.
    pub fn verify(&self, networks: &Networks) -> Result<(), VerifyError> {
        first_failure(self.findings(networks).into_iter()).map(|_| ())
    }

    /// Every check with its outcome.
    pub fn verify_all(&self, networks: &Networks) -> Vec<Finding> {
        self.findings(networks)
    }

    fn findings(&self, networks: &Networks) -> Vec<Finding> {
        vec![
            finding(Check::ConfigHash, check_config_hash(self)),
            finding(Check::DefinitionHash, check_definition_hash(self)),
            finding(Check::WalletSignatures, wallet::check(self, networks)),
            Finding { check: Check::ThresholdSafety, outcome: threshold_safety(self) },
        ]
    }
}

impl Lock {
    /// Checks everything; the first failure ends it.
    pub fn verify(self, networks: &Networks) -> Result<VerifiedLock, VerifyError> {
        let facts = Facts::of(&self, networks);
        let warnings = first_failure(Facts::CHECKS.iter().map(|check| check(&facts)))?;
        let validators = facts.into_keys();
        Ok(VerifiedLock::new(UsableLock::new(self, validators)?, warnings))
    }

    /// Takes the lock although checks may fail, and tells which did. For an owner who insists (`--no-verify`).
    ///
    /// Errors: [`Unusable`] where not even that is possible.
    pub fn accept_unverified(self, networks: &Networks) -> Result<AcceptedUnverified, Unusable> {
        let facts = Facts::of(&self, networks);
        let findings = Facts::CHECKS.iter().map(|check| check(&facts));
        let warnings = findings
            .filter(|finding| matches!(finding.outcome, Outcome::Failed(_) | Outcome::Warning(_)))
            .collect();
        let validators = facts.into_keys();
        Ok(AcceptedUnverified::new(UsableLock::new(self, validators)?, warnings))
    }

    /// Every check with its outcome.
    pub fn verify_all(&self, networks: &Networks) -> Vec<Finding> {
        let facts = Facts::of(self, networks);
        Facts::CHECKS.iter().map(|check| check(&facts)).collect()
    }
}

/// The warnings, unless a check failed.
fn first_failure(findings: impl Iterator<Item = Finding>) -> Result<Vec<Finding>, VerifyError> {
    let mut warnings = Vec::new();
    for finding in findings {
        match finding.outcome {
            Outcome::Failed(problem) => return Err(VerifyError::Failed { check: finding.check, problem }),
            Outcome::Warning(_) => warnings.push(finding),
            Outcome::Passed | Outcome::NotApplicable => {}
        }
    }
    Ok(warnings)
}

fn finding(check: Check, result: Result<(), Problem>) -> Finding {
    Finding { check, outcome: result.map_or_else(Outcome::Failed, |()| Outcome::Passed) }
}

/// The network that a plan is for.
pub(super) fn network_of<'a>(plan: &Definition, networks: &'a Networks) -> Result<&'a Network, Problem> {
    fork_version(plan).and_then(|version| networks.by_fork_version(version)).ok_or_else(|| {
        let shown = plan.fork_version.get(..8).unwrap_or(&plan.fork_version);
        Problem::UnknownNetwork(hex::encode(shown))
    })
}

pub(super) fn fork_version(plan: &Definition) -> Option<ForkVersion> {
    plan.fork_version.as_slice().try_into().ok().map(ForkVersion::new)
}

fn check_config_hash(plan: &Definition) -> Result<(), Problem> {
    same(&plan.config_hash, plan.compute_config_hash()?.as_bytes())
}

fn check_definition_hash(plan: &Definition) -> Result<(), Problem> {
    same(&plan.definition_hash, plan.compute_definition_hash()?.as_bytes())
}

fn same(stored: &[u8], computed: &[u8; 32]) -> Result<(), Problem> {
    if stored == computed {
        return Ok(());
    }
    let stored = hex::encode(stored.get(..32).unwrap_or(stored));
    Err(Problem::HashMismatch { stored, computed: format!("0x{}", hex::encode(computed)) })
}

fn threshold_safety(plan: &Definition) -> Outcome {
    let operators = u8::try_from(plan.operators.len()).unwrap_or(u8::MAX);
    // Other checks tell what a threshold is that cannot be.
    let Ok(threshold) = Threshold::new(plan.threshold, operators) else { return Outcome::NotApplicable };
    match threshold_warning(operators, threshold) {
        Some(warning) => Outcome::Warning(Problem::WeakThreshold(warning)),
        None => Outcome::Passed,
    }
}

/// A lock under examination, and what several checks need of it.
struct Facts<'a> {
    lock: &'a Lock,
    networks: &'a Networks,
    keys: OnceCell<Result<Vec<ClusterValidator>, Problem>>,
}

impl<'a> Facts<'a> {
    const CHECKS: [fn(&Facts<'_>) -> Finding; 11] = [
        |facts| finding(Check::ConfigHash, check_config_hash(&facts.lock.definition)),
        |facts| finding(Check::DefinitionHash, check_definition_hash(&facts.lock.definition)),
        |facts| finding(Check::ValidatorCount, facts.check_validator_count()),
        |facts| finding(Check::LockHash, facts.check_lock_hash()),
        |facts| finding(Check::WalletSignatures, wallet::check(&facts.lock.definition, facts.networks)),
        |facts| finding(Check::PublicShares, facts.check_public_shares()),
        |facts| finding(Check::Aggregate, facts.check_aggregate()),
        |facts| Finding { check: Check::Registrations, outcome: facts.registrations() },
        |facts| Finding { check: Check::NodeSignatures, outcome: facts.node_signatures() },
        |facts| Finding { check: Check::Deposits, outcome: facts.deposits() },
        |facts| Finding { check: Check::ThresholdSafety, outcome: threshold_safety(&facts.lock.definition) },
    ];

    fn of(lock: &'a Lock, networks: &'a Networks) -> Self {
        Self { lock, networks, keys: OnceCell::new() }
    }

    fn into_keys(self) -> Result<Vec<ClusterValidator>, Problem> {
        self.keys.into_inner().unwrap_or_else(|| read_keys(self.lock))
    }

    /// Keys of all validators, if every one is a valid point and every validator has a share per operator.
    fn keys(&self) -> Result<&[ClusterValidator], Problem> {
        self.keys.get_or_init(|| read_keys(self.lock)).as_deref().map_err(Clone::clone)
    }

    fn check_validator_count(&self) -> Result<(), Problem> {
        let (found, planned) = (self.lock.validators.len(), self.lock.definition.num_validators);
        if found as u64 == planned { Ok(()) } else { Err(Problem::ValidatorCount { found, planned }) }
    }

    fn check_lock_hash(&self) -> Result<(), Problem> {
        same(&self.lock.lock_hash, self.lock.compute_lock_hash()?.as_bytes())
    }

    fn check_public_shares(&self) -> Result<(), Problem> {
        let operators = self.lock.definition.operators.len();
        let planned = self.lock.definition.threshold;
        let threshold = usize::try_from(planned)
            .ok()
            .filter(|threshold| (1..=operators).contains(threshold))
            .ok_or(Problem::Threshold { threshold: planned, operators })?;
        let mut groups = BTreeSet::new();
        for (validator, keys) in self.keys()?.iter().enumerate() {
            if !groups.insert(keys.group) {
                return Err(Problem::DuplicateValidator { validator });
            }
            let distinct: BTreeSet<_> = keys.shares.iter().collect();
            if distinct.len() != keys.shares.len() {
                return Err(Problem::DuplicateShare { validator });
            }
            check_polynomial(keys, threshold)
                .map_err(|operator| Problem::OffPolynomial { validator, operator })?;
        }
        Ok(())
    }

    fn check_aggregate(&self) -> Result<(), Problem> {
        let aggregate = &self.lock.signature_aggregate;
        if aggregate.is_empty() && self.lock.definition.version <= Version::V1_1 {
            return Ok(());
        }
        let aggregate = bls_signature(aggregate).ok_or(Problem::NoAggregate)?;
        let root = self.signed_hash().ok_or(Problem::WrongAggregate)?;
        let shares: Vec<PublicKey> = self.keys()?.iter().flat_map(|keys| keys.shares.iter().copied()).collect();
        if aggregate.verify_aggregate(&shares, &SigningRoot::new(root)) {
            Ok(())
        } else {
            Err(Problem::WrongAggregate)
        }
    }

    fn registrations(&self) -> Outcome {
        if !self.lock.definition.version.has_registrations() {
            return Outcome::NotApplicable;
        }
        match self.check_registrations() {
            Err(problem) => Outcome::Failed(problem),
            Ok(Some(validator)) => Outcome::Warning(Problem::OtherRegistration { validator }),
            Ok(None) => Outcome::Passed,
        }
    }

    /// Some validator whose registration is signed rightly but says something else itself, if there is one.
    fn check_registrations(&self) -> Result<Option<usize>, Problem> {
        let plan = &self.lock.definition;
        let genesis = network_of(plan, self.networks)?.fork_version;
        let mut differs = None;
        for (position, (validator, keys)) in self.lock.validators.iter().zip(self.keys()?).enumerate() {
            let given = &validator.registration;
            if given.signature.is_empty() || given.fee_recipient.is_empty() || given.public_key.is_empty() {
                return Err(Problem::NoRegistration { validator: position });
            }
            let wrong = Problem::WrongRegistration { validator: position };
            let fee_recipient = plan
                .addresses_of(position)
                .and_then(|addresses| parse_address(&addresses.fee_recipient).ok())
                .ok_or(wrong.clone())?;
            let planned = Registration {
                fee_recipient: fee_recipient.as_bytes().to_vec(),
                public_key: keys.group.to_bytes().to_vec(),
                ..given.clone()
            };
            let signed = match (bls_signature(&given.signature), planned.signing_root(genesis)) {
                (Some(signature), Ok(root)) => signature.verify(&keys.group, &root),
                _ => false,
            };
            if !signed {
                return Err(wrong);
            }
            if planned != *given && differs.is_none() {
                differs = Some(position);
            }
        }
        Ok(differs)
    }

    fn node_signatures(&self) -> Outcome {
        match self.lock.definition.version.has_registrations() {
            true => self.check_node_signatures().map_or_else(Outcome::Failed, |()| Outcome::Passed),
            false => Outcome::NotApplicable,
        }
    }

    fn check_node_signatures(&self) -> Result<(), Problem> {
        let entries = &self.lock.definition.operators;
        let signatures = &self.lock.node_signatures;
        if signatures.len() != entries.len() {
            return Err(Problem::NodeSignatureCount { signatures: signatures.len(), operators: entries.len() });
        }
        for (operator, (entry, signature)) in entries.iter().zip(signatures).enumerate() {
            let enr = Enr::parse(&entry.enr).map_err(|error| Problem::Enr { operator, error })?;
            let signed = self
                .signed_hash()
                .and_then(|hash| recover(&hash, signature).ok())
                .is_some_and(|key| key == *enr.public_key());
            if !signed {
                return Err(Problem::WrongNodeSignature { operator });
            }
        }
        Ok(())
    }

    fn deposits(&self) -> Outcome {
        if self.lock.validators.iter().all(|validator| validator.deposits.iter().all(is_absent)) {
            return Outcome::NotApplicable;
        }
        match self.check_deposits() {
            Ok(()) => Outcome::Passed,
            Err(problem) => Outcome::Warning(problem),
        }
    }

    fn check_deposits(&self) -> Result<(), Problem> {
        let plan = &self.lock.definition;
        let genesis = network_of(plan, self.networks)?.fork_version;
        for (position, validator) in self.lock.validators.iter().enumerate() {
            let credentials = plan
                .addresses_of(position)
                .and_then(|addresses| parse_address(&addresses.withdrawal).ok())
                .map(|address| withdrawal_credentials(&address, plan.compounding));
            for deposit in validator.deposits.iter().filter(|deposit| !is_absent(deposit)) {
                if deposit.public_key != validator.public_key
                    || credentials.is_none_or(|planned| planned[..] != deposit.withdrawal_credentials[..])
                {
                    return Err(Problem::OtherDeposit { validator: position });
                }
                if !deposit.is_signed(genesis) {
                    return Err(Problem::UnsignedDeposit { validator: position });
                }
            }
        }
        Ok(())
    }

    /// The lock hash that everybody signed, if it has the length of one.
    fn signed_hash(&self) -> Option<[u8; 32]> {
        self.lock.lock_hash.as_slice().try_into().ok()
    }
}

fn is_absent(deposit: &super::Deposit) -> bool {
    deposit.public_key.is_empty() && deposit.signature.is_empty()
}

fn read_keys(lock: &Lock) -> Result<Vec<ClusterValidator>, Problem> {
    let operators = lock.definition.operators.len();
    lock.validators
        .iter()
        .enumerate()
        .map(|(position, validator)| keys_of(position, validator, operators))
        .collect()
}

fn keys_of(
    position: usize,
    validator: &DistributedValidator,
    operators: usize,
) -> Result<ClusterValidator, Problem> {
    let shares = validator.public_shares.len();
    if shares != operators {
        return Err(Problem::ShareCount { validator: position, shares, operators });
    }
    let group = bls_key(&validator.public_key).ok_or(Problem::InvalidKey { validator: position })?;
    let shares = validator
        .public_shares
        .iter()
        .enumerate()
        .map(|(operator, share)| bls_key(share).ok_or(Problem::InvalidShare { validator: position, operator }))
        .collect::<Result<_, _>>()?;
    Ok(ClusterValidator { group, shares })
}

/// Whether every share lies on the one polynomial of degree `threshold - 1` whose value at zero is the group key.
/// Errors: the position of a share that does not.
fn check_polynomial(keys: &ClusterValidator, threshold: usize) -> Result<(), usize> {
    let shares: Vec<(ShareIndex, PublicKey)> =
        OperatorIndex::all(u8::MAX).map(OperatorIndex::share).zip(keys.shares.iter().copied()).collect();
    if shares.len() != keys.shares.len() {
        return Err(shares.len());
    }
    let (most, rest) = shares.split_at_checked(threshold.saturating_sub(1)).unwrap_or((&shares, &[]));
    for (position, share) in rest.iter().enumerate() {
        let mut set = most.to_vec();
        set.push(*share);
        if recombine_public(&set) != Ok(keys.group) {
            return Err(most.len() + position);
        }
    }
    Ok(())
}

fn bls_key(bytes: &[u8]) -> Option<PublicKey> {
    PublicKey::from_bytes(bytes.try_into().ok()?).ok()
}

fn bls_signature(bytes: &[u8]) -> Option<Signature> {
    Signature::from_bytes(bytes.try_into().ok()?).ok()
}
