//! Every check of a plan and of a lock, each with its outcome, in the order that other tools check.
//!
//! Source: `obol-cluster.md` 3.4, 4.3, 5.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use hearth_crypto::batch::{Claims, all_hold, all_interpolate};
use hearth_crypto::k1::recover;
use hearth_crypto::threshold::recombine_public;
use hearth_crypto::{PublicKey, Signature};
use hearth_duties::ClusterValidator;
use hearth_types::{ForkVersion, OperatorIndex, ShareIndex, SigningRoot, Threshold};
use rayon::prelude::*;

use super::Version;
use super::deposit::withdrawal_credentials;
use super::finding::{Check, Finding, Outcome, Problem, VerifyError};
use super::model::{Definition, DistributedValidator, Lock, Registration};
use super::network::{Network, Networks};
use super::plan::parse_address;
use super::threshold::threshold_warning;
use super::usable::{AcceptedUnverified, Unusable, UsableLock, VerifiedLock};
use super::wallet;
use crate::enr::Enr;

/// Validators whose signatures are checked together.
const BATCH: usize = 32;

impl Definition {
    /// Checks hashes and signatures; the first failure ends it.
    pub fn verify(&self, networks: &Networks) -> Result<(), VerifyError> {
        first_failure(self.verify_all(networks).into_iter()).map(|_| ())
    }

    /// Every check with its outcome.
    pub fn verify_all(&self, networks: &Networks) -> Vec<Finding> {
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
        let findings: Vec<Finding> = Facts::CHECKS.iter().map(|check| check(&facts)).collect();
        let validators = facts.into_keys();
        Ok(AcceptedUnverified::new(UsableLock::new(self, validators)?, findings))
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
    networks.of(plan).ok_or_else(|| {
        let shown = plan.fork_version.get(..8).unwrap_or(&plan.fork_version);
        Problem::UnknownNetwork(hex::encode(shown))
    })
}

impl Networks {
    /// The network of a plan, if it is known.
    pub fn of(&self, plan: &Definition) -> Option<&Network> {
        self.by_fork_version(fork_version(plan)?)
    }
}

/// The same, as a check of the definition.
pub(crate) fn network_of_definition<'a>(
    plan: &Definition,
    networks: &'a Networks,
) -> Result<&'a Network, VerifyError> {
    network_of(plan, networks)
        .map_err(|problem| VerifyError::Failed { check: Check::WalletSignatures, problem })
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
    everything_signed: OnceCell<bool>,
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
        Self { lock, networks, keys: OnceCell::new(), everything_signed: OnceCell::new() }
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
        let keys = self.keys()?;
        let mut groups = BTreeSet::new();
        if let Some(validator) = keys.iter().position(|keys| !groups.insert(keys.group.to_bytes())) {
            return Err(Problem::DuplicateValidator { validator });
        }
        let on_polynomial = self.all_interpolate(keys);
        first_problem(keys.par_iter().enumerate().map(|(validator, keys)| {
            let distinct: BTreeSet<_> = keys.shares.iter().map(PublicKey::to_bytes).collect();
            if distinct.len() != keys.shares.len() {
                return Err(Problem::DuplicateShare { validator });
            }
            if on_polynomial {
                return Ok(());
            }
            check_polynomial(keys, threshold).map_err(|operator| Problem::OffPolynomial { validator, operator })
        }))
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
        let keys = self.keys()?;
        let signed = self.everything_signed(genesis)
            || self.all_signed(|position, validator| {
                Some(vec![registration_claim(plan, genesis, position, validator)?])
            });
        let differs = self
            .lock
            .validators
            .par_iter()
            .zip(keys)
            .enumerate()
            .map(|(position, (validator, keys))| {
                check_registration(plan, genesis, position, validator, keys, signed)
            })
            .collect::<Vec<_>>();
        let differs = differs.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(differs.iter().position(|differs| *differs))
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
        let signed = self.everything_signed(genesis)
            || self.all_signed(|_, validator| deposit_claims(genesis, validator));
        first_problem(self.lock.validators.par_iter().enumerate().map(|(position, validator)| {
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
                if !signed && !deposit.is_signed(genesis) {
                    return Err(Problem::UnsignedDeposit { validator: position });
                }
            }
            Ok(())
        }))
    }

    /// Whether the shares of all validators lie where they must, checked together. No may also mean that they cannot be.
    fn all_interpolate(&self, keys: &[ClusterValidator]) -> bool {
        let plan = &self.lock.definition;
        let operators = u8::try_from(plan.operators.len()).ok();
        let threshold = operators.and_then(|operators| Threshold::new(plan.threshold, operators).ok());
        let sets: Vec<_> = keys.iter().map(|keys| (keys.group, &keys.shares[..])).collect();
        threshold.is_some_and(|threshold| all_interpolate(&sets, threshold))
    }

    /// Whether every validator's key signed its registration and all its deposits; no where the version has no registrations.
    /// One pass over both is cheaper than two.
    fn everything_signed(&self, genesis: ForkVersion) -> bool {
        let plan = &self.lock.definition;
        *self.everything_signed.get_or_init(|| {
            plan.version.has_registrations()
                && self.all_signed(|position, validator| {
                    let mut claims = deposit_claims(genesis, validator)?;
                    claims.push(registration_claim(plan, genesis, position, validator)?);
                    Some(claims)
                })
        })
    }

    /// Whether every validator's key signed everything that `claims` tells of it; no if something is missing. Checks many
    /// together, which is faster than one by one and does not say whose signature is wrong.
    fn all_signed(
        &self,
        claims: impl Fn(usize, &DistributedValidator) -> Option<Vec<(SigningRoot, Signature)>> + Sync,
    ) -> bool {
        let Ok(keys) = self.keys() else { return false };
        let validators: Vec<_> = self.lock.validators.iter().zip(keys).enumerate().collect();
        validators.par_chunks(BATCH).all(|chunk| {
            let claims =
                |(position, (validator, keys)): &(usize, (&DistributedValidator, &ClusterValidator))| {
                    Some(Claims { key: keys.group, signed: claims(*position, validator)? })
                };
            chunk.iter().map(claims).collect::<Option<Vec<_>>>().is_some_and(|claims| all_hold(&claims))
        })
    }

    /// The lock hash that everybody signed, if it has the length of one.
    fn signed_hash(&self) -> Option<[u8; 32]> {
        self.lock.lock_hash.as_slice().try_into().ok()
    }
}

/// Of the checks of many validators, which share the cores, the problem of the earliest that has one.
fn first_problem(checks: impl IndexedParallelIterator<Item = Result<(), Problem>>) -> Result<(), Problem> {
    checks.find_map_first(Result::err).map_or(Ok(()), Err)
}

/// Whether a registration that is signed rightly says something else itself. `signed`: its signature was checked already.
fn check_registration(
    plan: &Definition,
    genesis: ForkVersion,
    position: usize,
    validator: &DistributedValidator,
    keys: &ClusterValidator,
    signed: bool,
) -> Result<bool, Problem> {
    let given = &validator.registration;
    if given.signature.is_empty() || given.fee_recipient.is_empty() || given.public_key.is_empty() {
        return Err(Problem::NoRegistration { validator: position });
    }
    let wrong = Problem::WrongRegistration { validator: position };
    let planned = planned_registration(plan, position, validator).ok_or(wrong.clone())?;
    let holds = || {
        claim(&planned.signature, planned.signing_root(genesis))
            .is_some_and(|(root, signature)| signature.verify(&keys.group, &root))
    };
    if signed || holds() { Ok(planned != *given) } else { Err(wrong) }
}

/// The registration of a validator as the plan has it, with the signature, gas limit and time of the lock.
fn planned_registration(
    plan: &Definition,
    position: usize,
    validator: &DistributedValidator,
) -> Option<Registration> {
    let fee_recipient = parse_address(&plan.addresses_of(position)?.fee_recipient).ok()?;
    Some(Registration {
        fee_recipient: fee_recipient.as_bytes().to_vec(),
        public_key: validator.public_key.clone(),
        ..validator.registration.clone()
    })
}

/// What the validator's key must have signed for its registration to be the planned one.
fn registration_claim(
    plan: &Definition,
    genesis: ForkVersion,
    position: usize,
    validator: &DistributedValidator,
) -> Option<(SigningRoot, Signature)> {
    let planned = planned_registration(plan, position, validator)?;
    claim(&planned.signature, planned.signing_root(genesis))
}

/// What the validator's key must have signed for its deposits.
fn deposit_claims(
    genesis: ForkVersion,
    validator: &DistributedValidator,
) -> Option<Vec<(SigningRoot, Signature)>> {
    let deposits = validator.deposits.iter().filter(|deposit| !is_absent(deposit));
    deposits.map(|deposit| claim(&deposit.signature, deposit.signing_root(genesis))).collect()
}

/// A root and its signature, if both are there.
fn claim<E>(signature: &[u8], root: Result<SigningRoot, E>) -> Option<(SigningRoot, Signature)> {
    Some((root.ok()?, bls_signature(signature)?))
}

fn is_absent(deposit: &super::Deposit) -> bool {
    deposit.public_key.is_empty() && deposit.signature.is_empty()
}

fn read_keys(lock: &Lock) -> Result<Vec<ClusterValidator>, Problem> {
    let operators = lock.definition.operators.len();
    let keys = |(position, validator)| keys_of(position, validator, operators);
    // All of them before the first problem is looked for, so that it is the same one on every run.
    let read: Vec<_> = lock.validators.par_iter().enumerate().map(keys).collect();
    read.into_iter().collect()
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
