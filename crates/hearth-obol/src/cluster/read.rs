//! From JSON text to the model. What a version does not have is ignored, as other readers do.
//!
//! Bounds: [`MAX_FILE_BYTES`], [`MAX_NESTING`], [`MAX_VALUES`], [`MAX_OPERATORS`], [`MAX_VALIDATORS`],
//! [`MAX_DEPOSIT_AMOUNTS`]. Reading takes some times the file in memory, and less than half a gigabyte. Lengths of keys,
//! hashes and signatures are judged by the hashes and checks, not here.
//! Source: `obol-cluster.md` 2, 15.

use hearth_types::Gwei;
use serde::Deserialize;
use thiserror::Error;

use super::deposit::{AmountError, check_amounts};
use super::model::{
    Addresses, Creator, Definition, Deposit, DistributedValidator, Lock, OperatorEntry, Registration,
};
use super::shape::{Bounded, Object, Texts, parse};
use super::{
    MAX_DEPOSIT_AMOUNTS, MAX_FILE_BYTES, MAX_NESTING, MAX_OPERATORS, MAX_VALIDATORS, MAX_VALUES, Version,
};

/// Why a text is not a definition or a lock.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum ParseError {
    /// Longer than [`MAX_FILE_BYTES`].
    #[error("the file has {bytes} bytes, at most {MAX_FILE_BYTES} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Nested deeper than [`MAX_NESTING`].
    #[error("lists and objects are nested more than {MAX_NESTING} deep")]
    TooDeep,
    /// More than [`MAX_VALUES`] values.
    #[error("the file has more than {MAX_VALUES} values")]
    TooMany,
    /// Not JSON, a field of the wrong type, a field that appears twice, or a list that is too long.
    #[error("line {line}, column {column}: {message}")]
    Json {
        /// Line, from one.
        line: usize,
        /// Column, from one.
        column: usize,
        /// What was found there.
        message: String,
    },
    /// None of v1.0.0 to v1.11.0.
    #[error("version {0:?} is not supported, only v1.0.0 to v1.11.0")]
    Version(String),
    /// Not hexadecimal (or, before v1.2, not base64).
    #[error("{0} is not valid hex or base64")]
    Bytes(&'static str),
    /// A number in a text that is not one: only decimal digits up to 2^64 - 1.
    #[error("{0} is not a decimal number in quotes")]
    Decimal(&'static str),
    /// As many pairs of addresses are needed as there are validators.
    #[error("{addresses} pairs of addresses for {validators} validators")]
    AddressCount {
        /// Pairs in the file.
        addresses: usize,
        /// Validators in the plan.
        validators: u64,
    },
    /// The deposit amounts break a rule.
    #[error(transparent)]
    DepositAmounts(#[from] AmountError),
    /// A field of the first versions that was never used and must not be set.
    #[error("{0} is set, which is not supported")]
    Legacy(&'static str),
}

impl Definition {
    /// Reads a `cluster-definition.json`. Hashes and signatures are not checked.
    pub fn from_json(json: &[u8]) -> Result<Self, ParseError> {
        parse::<Object<RawDefinition>>(json)?.0.into_definition()
    }
}

impl Lock {
    /// Reads a `cluster-lock.json`. Hashes and signatures are not checked.
    pub fn from_json(json: &[u8]) -> Result<Self, ParseError> {
        parse::<Object<RawLock>>(json)?.0.into_lock()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawDefinition {
    name: Option<String>,
    creator: Option<Object<RawCreator>>,
    operators: Option<Bounded<Object<RawOperator>, MAX_OPERATORS>>,
    uuid: Option<String>,
    version: Option<String>,
    timestamp: Option<String>,
    num_validators: Option<u64>,
    threshold: Option<u64>,
    fee_recipient_address: Option<String>,
    withdrawal_address: Option<String>,
    validators: Option<Bounded<Object<RawAddresses>, MAX_VALIDATORS>>,
    dkg_algorithm: Option<String>,
    fork_version: Option<String>,
    deposit_amounts: Option<Bounded<String, MAX_DEPOSIT_AMOUNTS>>,
    consensus_protocol: Option<String>,
    target_gas_limit: Option<u64>,
    compounding: Option<bool>,
    config_hash: Option<String>,
    definition_hash: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCreator {
    address: Option<String>,
    config_signature: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawOperator {
    address: Option<String>,
    enr: Option<String>,
    nonce: Option<u64>,
    config_signature: Option<String>,
    enr_signature: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAddresses {
    fee_recipient_address: Option<String>,
    withdrawal_address: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawLock {
    cluster_definition: Option<Object<RawDefinition>>,
    distributed_validators: Option<Bounded<Object<RawValidator>, MAX_VALIDATORS>>,
    signature_aggregate: Option<String>,
    lock_hash: Option<String>,
    node_signatures: Option<Texts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawValidator {
    distributed_public_key: Option<String>,
    public_shares: Option<Texts>,
    fee_recipient_address: Option<String>,
    deposit_data: Option<Object<RawDeposit>>,
    builder_registration: Option<Object<RawRegistration>>,
    partial_deposit_data: Option<Bounded<Object<RawDeposit>, MAX_DEPOSIT_AMOUNTS>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawDeposit {
    pubkey: Option<String>,
    withdrawal_credentials: Option<String>,
    amount: Option<String>,
    signature: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRegistration {
    message: Option<Object<RawMessage>>,
    signature: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMessage {
    fee_recipient: Option<String>,
    gas_limit: Option<u64>,
    timestamp: Option<u64>,
    pubkey: Option<String>,
}

impl RawDefinition {
    fn into_definition(self) -> Result<Definition, ParseError> {
        let version = Version::parse(&self.version.unwrap_or_default())?;
        let creator = object(self.creator.filter(|_| version.has_creator()));
        let operators = entries(self.operators)
            .into_iter()
            .map(|Object(raw)| raw.into_entry(version))
            .collect::<Result<_, _>>()?;
        let num_validators = self.num_validators.unwrap_or_default();
        let validators: Vec<Addresses> = if version.has_addresses_per_validator() {
            entries(self.validators).into_iter().map(|Object(raw)| raw.into_addresses()).collect()
        } else {
            Vec::new()
        };
        if version.has_addresses_per_validator() && validators.len() as u64 != num_validators {
            return Err(ParseError::AddressCount { addresses: validators.len(), validators: num_validators });
        }
        let shared = RawAddresses {
            fee_recipient_address: self.fee_recipient_address,
            withdrawal_address: self.withdrawal_address,
        };
        let deposit_amounts: Option<Vec<Gwei>> = self
            .deposit_amounts
            .filter(|_| version.has_partial_deposits())
            .map(|amounts| {
                amounts.0.iter().map(|text| decimal("deposit_amounts", text).map(Gwei::new)).collect()
            })
            .transpose()?;
        let compounding = version.has_gas_limit() && self.compounding.unwrap_or_default();
        check_amounts(deposit_amounts.as_deref().unwrap_or_default(), compounding)?;
        Ok(Definition {
            version,
            name: self.name.unwrap_or_default(),
            creator: Creator {
                address: creator.address.unwrap_or_default(),
                config_signature: hex("creator.config_signature", creator.config_signature)?,
            },
            operators,
            uuid: self.uuid.unwrap_or_default(),
            timestamp: self.timestamp.unwrap_or_default(),
            num_validators,
            threshold: self.threshold.unwrap_or_default(),
            shared_addresses: match version.has_addresses_per_validator() {
                true => Addresses::default(),
                false => shared.into_addresses(),
            },
            validators,
            dkg_algorithm: self.dkg_algorithm.unwrap_or_default(),
            fork_version: hex("fork_version", self.fork_version)?,
            deposit_amounts,
            consensus_protocol: self
                .consensus_protocol
                .filter(|_| version >= Version::V1_9)
                .unwrap_or_default(),
            target_gas_limit: self.target_gas_limit.filter(|_| version.has_gas_limit()).unwrap_or_default(),
            compounding,
            config_hash: bytes(version, "config_hash", self.config_hash)?,
            definition_hash: bytes(version, "definition_hash", self.definition_hash)?,
        })
    }
}

impl RawOperator {
    fn into_entry(self, version: Version) -> Result<OperatorEntry, ParseError> {
        if version.has_nonce() && self.nonce.unwrap_or_default() != 0 {
            return Err(ParseError::Legacy("operators.nonce"));
        }
        Ok(OperatorEntry {
            address: self.address.unwrap_or_default(),
            enr: self.enr.unwrap_or_default(),
            config_signature: bytes(version, "operators.config_signature", self.config_signature)?,
            enr_signature: bytes(version, "operators.enr_signature", self.enr_signature)?,
        })
    }
}

impl RawAddresses {
    fn into_addresses(self) -> Addresses {
        Addresses {
            fee_recipient: self.fee_recipient_address.unwrap_or_default(),
            withdrawal: self.withdrawal_address.unwrap_or_default(),
        }
    }
}

impl RawLock {
    fn into_lock(self) -> Result<Lock, ParseError> {
        let definition = object(self.cluster_definition).into_definition()?;
        let version = definition.version;
        let node_signatures = entries(self.node_signatures.filter(|_| version.has_registrations()));
        Ok(Lock {
            definition,
            validators: entries(self.distributed_validators)
                .into_iter()
                .map(|Object(raw)| raw.into_validator(version))
                .collect::<Result<_, _>>()?,
            signature_aggregate: bytes(version, "signature_aggregate", self.signature_aggregate)?,
            lock_hash: bytes(version, "lock_hash", self.lock_hash)?,
            node_signatures: node_signatures
                .into_iter()
                .map(|text| hex("node_signatures", text))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl RawValidator {
    fn into_validator(self, version: Version) -> Result<DistributedValidator, ParseError> {
        let fee_recipient = self.fee_recipient_address.unwrap_or_default();
        if version <= Version::V1_5 && !fee_recipient.is_empty() {
            return Err(ParseError::Legacy("distributed_validators.fee_recipient_address"));
        }
        let deposits = match version {
            _ if version.has_partial_deposits() => entries(self.partial_deposit_data),
            _ if version.has_one_deposit() => vec![self.deposit_data.unwrap_or_default()],
            _ => Vec::new(),
        };
        let registration = object(self.builder_registration.filter(|_| version.has_registrations()));
        Ok(DistributedValidator {
            public_key: hex("distributed_public_key", self.distributed_public_key)?,
            public_shares: entries(self.public_shares)
                .into_iter()
                .map(|share| bytes(version, "public_shares", share))
                .collect::<Result<_, _>>()?,
            deposits: deposits.into_iter().map(|Object(raw)| raw.into_deposit()).collect::<Result<_, _>>()?,
            registration: registration.into_registration()?,
        })
    }
}

impl RawDeposit {
    fn into_deposit(self) -> Result<Deposit, ParseError> {
        Ok(Deposit {
            public_key: hex("deposit pubkey", self.pubkey)?,
            withdrawal_credentials: hex("withdrawal_credentials", self.withdrawal_credentials)?,
            amount: Gwei::new(self.amount.map_or(Ok(0), |text| decimal("amount", &text))?),
            signature: hex("deposit signature", self.signature)?,
        })
    }
}

impl RawRegistration {
    fn into_registration(self) -> Result<Registration, ParseError> {
        let message = object(self.message);
        Ok(Registration {
            fee_recipient: hex("fee_recipient", message.fee_recipient)?,
            gas_limit: message.gas_limit.unwrap_or_default(),
            timestamp: message.timestamp.unwrap_or_default(),
            public_key: hex("registration pubkey", message.pubkey)?,
            signature: hex("registration signature", self.signature)?,
        })
    }
}

/// Hex, or base64 in the first versions.
fn bytes(version: Version, field: &'static str, text: Option<String>) -> Result<Vec<u8>, ParseError> {
    if version.writes_base64() {
        let text = text.unwrap_or_default();
        return data_encoding::BASE64.decode(text.as_bytes()).map_err(|_| ParseError::Bytes(field));
    }
    hex(field, text)
}

fn hex(field: &'static str, text: Option<String>) -> Result<Vec<u8>, ParseError> {
    let text = text.unwrap_or_default();
    hex::decode(text.strip_prefix("0x").unwrap_or(&text)).map_err(|_| ParseError::Bytes(field))
}

fn decimal(field: &'static str, text: &str) -> Result<u64, ParseError> {
    // The standard parser would also take a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(ParseError::Decimal(field))
}

fn entries<T, const MOST: usize>(list: Option<Bounded<T, MOST>>) -> Vec<T> {
    list.map_or_else(Vec::new, |list| list.0)
}

/// The object, or one without keys.
fn object<T: Default>(object: Option<Object<T>>) -> T {
    object.unwrap_or_default().0
}
