//! What an owner may ask for, and what he is refused.
//!
//! Source: `obol-cluster.md` 1, 6.1, 7, 15.

use std::collections::BTreeSet;

use hearth_crypto::k1::checksum_address;
use hearth_types::{ExecutionAddress, Gwei, Quorum, Threshold, ThresholdOutOfRange, UnixMillis};
use rand::CryptoRng;
use thiserror::Error;

use super::deposit::{AmountError, DepositFileError, check_amounts};
use super::finding::VerifyError;
use super::hash::Unhashable;
use super::model::{Addresses, Creator, Definition, OperatorEntry};
use super::network::Network;
use super::{MAX_DEPOSIT_AMOUNTS, MAX_VALIDATORS, Version};
use crate::enr::{Enr, EnrError};

/// Fewest operators of a new cluster.
const FEWEST_OPERATORS: u8 = 3;
/// Most operators that can have a share.
const MOST_OPERATORS: u8 = 254;

/// What the owner wants.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the cluster, at most 256 bytes; may be empty.
    pub name: String,
    /// Where its validators live.
    pub network: Network,
    /// Partial signatures needed; `None` for `ceil(2n / 3)`.
    pub threshold: Option<u64>,
    /// Where rewards and stakes go: one for all validators, or one each. Written with their checksum.
    pub withdrawal_addresses: Vec<String>,
    /// Where payments for blocks go: one for all validators, or one each.
    pub fee_recipients: Vec<String>,
    /// Amounts to deposit; empty for the default ones.
    pub deposit_amounts: Vec<Gwei>,
    /// Whether the validators compound.
    pub compounding: bool,
    /// Gas limit to register with; 60,000,000 is usual.
    pub gas_limit: u64,
    /// `qbft`, or empty.
    pub consensus_protocol: String,
    /// How the operators are to make their keys, if they make them together.
    pub dkg_algorithm: DkgAlgorithm,
    /// When the plan was made: RFC 3339, at most 32 bytes. See [`timestamp_text`].
    pub timestamp: String,
    /// At most 64 bytes. See [`new_uuid`].
    pub uuid: String,
    /// Unix seconds of the registrations with builders: now for keys that existed before, `None` (genesis) for new
    /// ones.
    pub registered_at_s: Option<u64>,
}

/// How operators make a key that nobody holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DkgAlgorithm {
    /// The usual one, which is FROST.
    #[default]
    Default,
    /// FROST.
    Frost,
    /// Pedersen, as in kyber.
    Pedersen,
}

impl DkgAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Frost, Self::Pedersen];

    /// The text in a file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Frost => "frost",
            Self::Pedersen => "pedersen",
        }
    }
}

/// Why a plan is not carried out.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum PlanError {
    /// Fewer than 3 or more than 254 operators.
    #[error("{0} operators; a cluster has {FEWEST_OPERATORS} to {MOST_OPERATORS}")]
    Operators(usize),
    /// Two operators with one node key.
    #[error("two operators have the same node key")]
    DuplicateOperator,
    /// A text that is no node record.
    #[error("the record of operator {}: {error}", .operator + 1)]
    Enr {
        /// Position of the operator.
        operator: usize,
        /// What is wrong with it.
        error: EnrError,
    },
    /// Another number of nodes than the definition plans.
    #[error("{nodes} nodes for a definition with {planned} operators")]
    NodeCount {
        /// Nodes to deal to.
        nodes: usize,
        /// Operators of the definition.
        planned: usize,
    },
    /// No validator, or more than a file can list.
    #[error("{0} validators; a cluster has 1 to {MAX_VALIDATORS}")]
    Validators(usize),
    /// Another number of keys than the definition plans.
    #[error("{keys} keys for a definition with {planned} validators")]
    KeyCount {
        /// Keys to deal.
        keys: usize,
        /// Validators of the definition.
        planned: u64,
    },
    /// One validator twice.
    #[error("validator {} appears twice", .0 + 1)]
    DuplicateValidator(usize),
    /// See there.
    #[error(transparent)]
    Threshold(#[from] ThresholdOutOfRange),
    /// Neither one address for all nor one each.
    #[error("{addresses} {what} for {validators} validators; give one for all or one each")]
    AddressCount {
        /// Which addresses.
        what: &'static str,
        /// How many were given.
        addresses: usize,
        /// How many validators there are.
        validators: usize,
    },
    /// A text that is no address to send money to.
    #[error("{what}: {error}")]
    Address {
        /// Which address.
        what: &'static str,
        /// What is wrong with it.
        error: AddressError,
    },
    /// See there.
    #[error(transparent)]
    Amounts(#[from] AmountError),
    /// More amounts than a file can list.
    #[error("{0} deposit amounts, at most {MAX_DEPOSIT_AMOUNTS} are allowed")]
    TooManyAmounts(usize),
    /// A gas limit of zero, which no new cluster may have.
    #[error("the gas limit is zero")]
    GasLimit,
    /// A protocol that this version does not speak.
    #[error("the consensus protocol {0:?} is not supported, only qbft")]
    ConsensusProtocol(String),
    /// A text is too long for the file.
    #[error(transparent)]
    Unhashable(#[from] Unhashable),
    /// The definition to carry out is not sound, or is for another network.
    #[error("the definition is not sound: {0}")]
    Definition(VerifyError),
    /// What was made does not pass its own checks. The machine that made it is not to be trusted.
    #[error("the new cluster does not pass its own checks: {0}")]
    SelfCheck(VerifyError),
    /// See [`PlanError::SelfCheck`].
    #[error("the new deposits do not pass their own checks: {0}")]
    Deposits(#[from] DepositFileError),
}

/// Why a text is no address to send money to.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum AddressError {
    /// Not `0x` and 40 hex digits.
    #[error("{0:?} is not 0x and 40 hex digits")]
    Form(String),
    /// Upper and lower case do not form its checksum (EIP-55).
    #[error("{given} does not have the checksum of an address; check every character, expected {expected}")]
    Checksum {
        /// What was given.
        given: String,
        /// The same digits with their checksum.
        expected: String,
    },
    /// Nobody owns it, and the network holds real money.
    #[error("the zero address would burn the money")]
    Zero,
}

impl Plan {
    /// The definition of a cluster with these operators and as many validators, unsigned, in the latest version.
    pub fn definition(
        &self,
        operators: Vec<OperatorEntry>,
        validators: usize,
    ) -> Result<Definition, PlanError> {
        let count = operator_count(operators.len())?;
        if !(1..=MAX_VALIDATORS).contains(&validators) {
            return Err(PlanError::Validators(validators));
        }
        let threshold = self.threshold.unwrap_or(Quorum::of(count).count() as u64);
        Threshold::new(threshold, count)?;
        check_amounts(&self.deposit_amounts, self.compounding)?;
        if self.deposit_amounts.len() > MAX_DEPOSIT_AMOUNTS {
            return Err(PlanError::TooManyAmounts(self.deposit_amounts.len()));
        }
        if self.gas_limit == 0 {
            return Err(PlanError::GasLimit);
        }
        if !self.consensus_protocol.is_empty() && !self.consensus_protocol.eq_ignore_ascii_case("qbft") {
            return Err(PlanError::ConsensusProtocol(self.consensus_protocol.clone()));
        }
        let mut definition = Definition {
            version: Version::LATEST,
            name: self.name.clone(),
            creator: Creator::default(),
            operators,
            uuid: self.uuid.clone(),
            timestamp: self.timestamp.clone(),
            num_validators: validators as u64,
            threshold,
            shared_addresses: Addresses::default(),
            validators: self.addresses(validators)?,
            dkg_algorithm: self.dkg_algorithm.as_str().to_owned(),
            fork_version: self.network.fork_version.as_bytes().to_vec(),
            deposit_amounts: (!self.deposit_amounts.is_empty()).then(|| self.deposit_amounts.clone()),
            consensus_protocol: self.consensus_protocol.clone(),
            target_gas_limit: self.gas_limit,
            compounding: self.compounding,
            config_hash: Vec::new(),
            definition_hash: Vec::new(),
        };
        for addresses in &definition.validators {
            check_addresses(addresses, &self.network)?;
        }
        definition.rehash()?;
        Ok(definition)
    }

    /// As [`Plan::definition`], for operators who will make the keys together, each named by the record of his node. They
    /// have not signed it.
    pub fn for_ceremony(&self, records: &[String], validators: usize) -> Result<Definition, PlanError> {
        let mut keys = BTreeSet::new();
        let mut operators = Vec::new();
        for (operator, record) in records.iter().enumerate() {
            let enr = Enr::parse(record.trim()).map_err(|error| PlanError::Enr { operator, error })?;
            if !keys.insert(*enr.public_key()) {
                return Err(PlanError::DuplicateOperator);
            }
            operators.push(OperatorEntry { enr: enr.text().to_owned(), ..OperatorEntry::default() });
        }
        self.definition(operators, validators)
    }

    fn addresses(&self, validators: usize) -> Result<Vec<Addresses>, PlanError> {
        let withdrawals = one_each("withdrawal addresses", &self.withdrawal_addresses, validators)?;
        let fee_recipients = one_each("fee recipients", &self.fee_recipients, validators)?;
        let pairs = withdrawals.into_iter().zip(fee_recipients);
        Ok(pairs.map(|(withdrawal, fee_recipient)| Addresses { fee_recipient, withdrawal }).collect())
    }
}

/// A moment as plans write it: RFC 3339 in UTC, to the second.
pub fn timestamp_text(moment: UnixMillis) -> String {
    let seconds = i64::try_from(moment.get() / 1_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// A random identifier for a plan: a UUID of version 4, in upper case.
pub fn new_uuid(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    uuid.hyphenated().encode_upper(&mut uuid::Uuid::encode_buffer()).to_owned()
}

/// The number of operators of a new cluster.
pub(super) fn operator_count(operators: usize) -> Result<u8, PlanError> {
    u8::try_from(operators)
        .ok()
        .filter(|count| (FEWEST_OPERATORS..=MOST_OPERATORS).contains(count))
        .ok_or(PlanError::Operators(operators))
}

/// The two accounts of a validator, if money may be sent there. A fee recipient need not have its checksum, because
/// it can be changed later.
pub(super) fn check_addresses(
    addresses: &Addresses,
    network: &Network,
) -> Result<(ExecutionAddress, ExecutionAddress), PlanError> {
    let refused = |what| move |error| PlanError::Address { what, error };
    let fee_recipient = parse_address(&addresses.fee_recipient).map_err(refused("fee recipient"))?;
    let withdrawal = parse_checksummed(&addresses.withdrawal).map_err(refused("withdrawal address"))?;
    if network.holds_real_money() && withdrawal == ExecutionAddress::new([0; 20]) {
        return Err(refused("withdrawal address")(AddressError::Zero));
    }
    Ok((fee_recipient, withdrawal))
}

/// An address of `0x` and 40 hex digits of any case.
pub fn parse_address(text: &str) -> Result<ExecutionAddress, AddressError> {
    text.parse().map_err(|_| AddressError::Form(text.chars().take(64).collect()))
}

/// An address written with its checksum, which a mistyped one practically never has.
pub fn parse_checksummed(text: &str) -> Result<ExecutionAddress, AddressError> {
    let address = parse_address(text)?;
    let expected = checksum_address(&address);
    if expected == text {
        Ok(address)
    } else {
        Err(AddressError::Checksum { given: text.to_owned(), expected })
    }
}

fn one_each(what: &'static str, given: &[String], validators: usize) -> Result<Vec<String>, PlanError> {
    match given {
        [one] => Ok(vec![one.clone(); validators]),
        each if each.len() == validators => Ok(each.to_vec()),
        other => Err(PlanError::AddressCount { what, addresses: other.len(), validators }),
    }
}
