//! The three hashes of a cluster: one table of leaves for all versions of the plan, one for those of a validator.
//!
//! From v1.5 on (but for v1.6) these are ordinary SSZ roots; what differs before is in the rows.
//! Source: `obol-cluster.md` 3.2, 3.3, 3.5 and appendix A.

use std::ops::RangeInclusive;

use hearth_types::{LockHash, Root};
use thiserror::Error;

use super::Version::{self, *};
use super::merkle::{Leaves, Oversize};
use super::model::{Definition, Deposit, DistributedValidator, Lock, OperatorEntry};
use super::{MAX_DEPOSIT_AMOUNTS, MAX_OPERATORS, MAX_VALIDATORS};

/// A field that does not fit the schema, so that the file has no hash.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("{field} cannot be hashed: {problem}")]
pub struct Unhashable {
    /// Name in the file.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Oversize,
}

impl Definition {
    /// Hash of what the operators agree on before keys exist: no node records, no signatures.
    pub fn compute_config_hash(&self) -> Result<Root, Unhashable> {
        self.leaves(Scope::Config).map(|leaves| Root::new(leaves.container()))
    }

    /// Hash of the whole plan, over the config hash as it stands in the file.
    pub fn compute_definition_hash(&self) -> Result<Root, Unhashable> {
        self.leaves(Scope::Whole).map(|leaves| Root::new(leaves.container()))
    }

    /// Brings both hashes up to date with the content.
    pub fn rehash(&mut self) -> Result<(), Unhashable> {
        self.config_hash = self.compute_config_hash()?.as_bytes().to_vec();
        self.definition_hash = self.compute_definition_hash()?.as_bytes().to_vec();
        Ok(())
    }

    fn leaves(&self, scope: Scope) -> Result<Leaves, Unhashable> {
        let mut leaves = Leaves::new();
        for row in DEFINITION.iter().filter(|row| row.counts(self.version, scope)) {
            (row.put)(self, scope, &mut leaves).map_err(|problem| Unhashable { field: row.field, problem })?;
        }
        Ok(leaves)
    }
}

impl Lock {
    /// Identity of the cluster, over the plan with its config hash as it stands in the file.
    pub fn compute_lock_hash(&self) -> Result<LockHash, Unhashable> {
        let version = self.definition.version;
        let mut leaves = Leaves::new();
        leaves.root(*self.definition.compute_definition_hash()?.as_bytes());
        let field = "distributed_validators";
        let mut failed = field;
        leaves
            .list(
                self.validators.iter(),
                limit(version, self.validators.len(), MAX_VALIDATORS),
                |validator, to| {
                    let mut leaves = Leaves::new();
                    for row in VALIDATOR.iter().filter(|row| row.counts(version, Scope::Whole)) {
                        failed = row.field;
                        (row.put)(validator, Scope::Whole, &mut leaves)?;
                    }
                    to.root(leaves.container());
                    Ok(())
                },
            )
            .map_err(|problem| Unhashable { field: failed, problem })?;
        Ok(LockHash::new(leaves.container()))
    }

    /// Brings the three hashes up to date with the content.
    pub fn rehash(&mut self) -> Result<(), Unhashable> {
        self.definition.rehash()?;
        self.lock_hash = self.compute_lock_hash()?.as_bytes().to_vec();
        Ok(())
    }
}

/// Which hash of a plan is computed.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Scope {
    Config,
    Whole,
}

/// One leaf (or none, or several) of a container in some versions.
struct Row<T> {
    field: &'static str,
    versions: RangeInclusive<Version>,
    /// `None`: in both hashes.
    only: Option<Scope>,
    put: fn(&T, Scope, &mut Leaves) -> Result<(), Oversize>,
}

impl<T> Row<T> {
    fn counts(&self, version: Version, scope: Scope) -> bool {
        self.versions.contains(&version) && self.only.is_none_or(|only| only == scope)
    }
}

const fn row<T>(
    field: &'static str,
    versions: RangeInclusive<Version>,
    put: fn(&T, Scope, &mut Leaves) -> Result<(), Oversize>,
) -> Row<T> {
    Row { field, versions, only: None, put }
}

const fn only<T>(scope: Scope, row: Row<T>) -> Row<T> {
    Row { only: Some(scope), ..row }
}

const DEFINITION: &[Row<Definition>] = &[
    row("uuid", V1_0..=V1_11, |d, _, to| text(d, &d.uuid, 64, to)),
    row("name", V1_0..=V1_11, |d, _, to| text(d, &d.name, 256, to)),
    row("version", V1_0..=V1_11, |d, _, to| text(d, d.version.as_str(), 16, to)),
    row("timestamp", V1_3..=V1_11, |d, _, to| text(d, &d.timestamp, 32, to)),
    row("num_validators", V1_0..=V1_11, |d, _, to| number(d.num_validators, to)),
    row("threshold", V1_0..=V1_11, |d, _, to| number(d.threshold, to)),
    row("fee_recipient_address", V1_0..=V1_4, |d, _, to| {
        address(d.version, &d.shared_addresses.fee_recipient, to)
    }),
    row("withdrawal_address", V1_0..=V1_4, |d, _, to| address(d.version, &d.shared_addresses.withdrawal, to)),
    row("dkg_algorithm", V1_0..=V1_11, |d, _, to| text(d, &d.dkg_algorithm, 32, to)),
    row("fork_version", V1_0..=V1_2, |d, _, to| text(d, &hex_text(&d.fork_version), 0, to)),
    row("fork_version", V1_3..=V1_11, |d, _, to| to.fixed(&d.fork_version, 4)),
    row("operators", V1_0..=V1_11, |d, scope, to| {
        let limit = limit(d.version, d.operators.len(), MAX_OPERATORS);
        to.list(d.operators.iter(), limit, |entry, to| operator(d.version, entry, scope, to))
    }),
    only(Scope::Config, row("timestamp", V1_0..=V1_0, |d, _, to| text(d, &d.timestamp, 32, to))),
    row("timestamp", V1_1..=V1_2, |d, _, to| text(d, &d.timestamp, 32, to)),
    row("creator", V1_4..=V1_11, |d, scope, to| {
        let mut leaves = Leaves::new();
        address(d.version, &d.creator.address, &mut leaves)?;
        if scope == Scope::Whole {
            wallet_signature(d.version, &d.creator.config_signature, &mut leaves)?;
        }
        to.root(leaves.container());
        Ok(())
    }),
    row("validators", V1_5..=V1_11, |d, _, to| {
        to.list(d.validators.iter(), MAX_VALIDATORS, |addresses, to| {
            let mut leaves = Leaves::new();
            address(d.version, &addresses.fee_recipient, &mut leaves)?;
            address(d.version, &addresses.withdrawal, &mut leaves)?;
            to.root(leaves.container());
            Ok(())
        })
    }),
    row("deposit_amounts", V1_8..=V1_11, |d, _, to| {
        let amounts = d.deposit_amounts.as_deref().unwrap_or_default();
        to.numbers(amounts.iter().map(|amount| amount.get()), MAX_DEPOSIT_AMOUNTS)
    }),
    row("consensus_protocol", V1_9..=V1_11, |d, _, to| text(d, &d.consensus_protocol, 256, to)),
    row("target_gas_limit", V1_10..=V1_11, |d, _, to| number(d.target_gas_limit, to)),
    row("compounding", V1_10..=V1_11, |d, _, to| number(u64::from(d.compounding), to)),
    only(Scope::Whole, row("config_hash", V1_3..=V1_11, |d, _, to| to.fixed(&d.config_hash, 32))),
];

const VALIDATOR: &[Row<DistributedValidator>] = &[
    row("distributed_public_key", V1_0..=V1_2, |v, _, to| {
        to.raw(hex_text(&v.public_key).as_bytes());
        Ok(())
    }),
    row("distributed_public_key", V1_3..=V1_11, |v, _, to| to.fixed(&v.public_key, 48)),
    row("public_shares", V1_0..=V1_2, |v, _, to| {
        to.list(v.public_shares.iter(), v.public_shares.len(), |share, to| {
            to.raw(share);
            Ok(())
        })
    }),
    row("public_shares", V1_3..=V1_11, |v, _, to| {
        to.list(v.public_shares.iter(), MAX_OPERATORS, |share, to| to.fixed(share, 48))
    }),
    // The step that would make these four one was forgotten in v1.6 and is part of its hash since.
    row("deposit_data", V1_6..=V1_6, |v, _, to| only_deposit(v).put(to)),
    row("deposit_data", V1_7..=V1_7, |v, _, to| deposit_root(&only_deposit(v), to)),
    row("partial_deposit_data", V1_8..=V1_11, |v, _, to| {
        to.list(v.deposits.iter(), MAX_DEPOSIT_AMOUNTS, deposit_root)
    }),
    row("builder_registration", V1_7..=V1_11, |v, _, to| v.registration.put(to)),
];

fn operator(version: Version, entry: &OperatorEntry, scope: Scope, to: &mut Leaves) -> Result<(), Oversize> {
    if scope == Scope::Config && version.hashes_text() {
        to.raw(entry.address.as_bytes());
        return Ok(());
    }
    let mut leaves = Leaves::new();
    address(version, &entry.address, &mut leaves)?;
    if scope == Scope::Whole {
        match version.hashes_text() {
            true => leaves.raw(entry.enr.as_bytes()),
            false => leaves.byte_list(entry.enr.as_bytes(), 1024)?,
        }
        if version.has_nonce() {
            leaves.number(0);
        }
        wallet_signature(version, &entry.config_signature, &mut leaves)?;
        wallet_signature(version, &entry.enr_signature, &mut leaves)?;
    }
    to.root(leaves.container());
    Ok(())
}

fn text(d: &Definition, text: &str, limit: usize, to: &mut Leaves) -> Result<(), Oversize> {
    if d.version.hashes_text() {
        to.raw(text.as_bytes());
        return Ok(());
    }
    to.byte_list(text.as_bytes(), limit)
}

fn number(number: u64, to: &mut Leaves) -> Result<(), Oversize> {
    to.number(number);
    Ok(())
}

fn address(version: Version, text: &str, to: &mut Leaves) -> Result<(), Oversize> {
    if version.hashes_text() {
        to.raw(text.as_bytes());
        return Ok(());
    }
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| Oversize::NotAnAddress)?;
    if !matches!(bytes.len(), 0 | 20) {
        return Err(Oversize::NotAnAddress);
    }
    if version.has_addresses_per_validator() {
        return to.fixed(&bytes, 20);
    }
    to.raw(&bytes);
    Ok(())
}

fn wallet_signature(version: Version, signature: &[u8], to: &mut Leaves) -> Result<(), Oversize> {
    if version.has_signature_lists() {
        return to.signature_list(signature);
    }
    if version.has_addresses_per_validator() {
        return to.fixed(signature, 65);
    }
    to.raw(signature);
    Ok(())
}

fn only_deposit(validator: &DistributedValidator) -> Deposit {
    validator.deposits.first().cloned().unwrap_or_default()
}

fn deposit_root(deposit: &Deposit, to: &mut Leaves) -> Result<(), Oversize> {
    to.root(*deposit.data_root()?.as_bytes());
    Ok(())
}

fn limit(version: Version, count: usize, limit: usize) -> usize {
    if version.hashes_text() { count } else { limit }
}

fn hex_text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
