//! What is checked, and what can be found.

use std::fmt;

use thiserror::Error;

use super::hash::Unhashable;
use super::usable::Unusable;
use super::wallet::WalletProblem;
use crate::enr::EnrError;

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
    /// See [`super::threshold_warning`].
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
