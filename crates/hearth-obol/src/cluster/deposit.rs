//! Deposits: amounts, what is signed, and the files that the launchpad takes.
//!
//! Source: `obol-cluster.md` 6.1, 6.2; consensus-specs, phase0/beacon-chain.md, "Deposits".

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::{PublicKey, Signature};
use hearth_types::{
    DomainType, ExecutionAddress, ForkVersion, Gwei, Root, SigningRoot, compute_domain, compute_signing_root,
};
use serde::Deserialize;
use thiserror::Error;

use super::MAX_VALIDATORS;
use super::merkle::{Leaves, Oversize};
use super::model::Deposit;
use super::network::Network;
use super::read::ParseError;
use super::shape::{Bounded, Object, parse};
use super::write::{Json, text};

const ETH: u64 = 1_000_000_000;
const LEAST: u64 = ETH;
const MOST: u64 = 32 * ETH;
const MOST_COMPOUNDING: u64 = 2_048 * ETH;
const LEAST_SUM: u64 = 32 * ETH;
/// Version of the tool whose format the files have.
const DEPOSIT_CLI: &str = "2.7.0";

/// Why a list of deposit amounts is refused.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum AmountError {
    /// Below 1 ETH.
    #[error("a deposit of {0} Gwei is below 1 ETH")]
    TooSmall(Gwei),
    /// Above what one validator can hold.
    #[error("a deposit of {0} Gwei is above 32 ETH (2048 ETH if compounding)")]
    TooLarge(Gwei),
    /// All together do not activate a validator.
    #[error("deposits of {0} Gwei together do not reach 32 ETH")]
    SumTooSmall(Gwei),
}

/// Checks the amounts of a plan. None is fine and means the default ones.
pub fn check_amounts(amounts: &[Gwei], compounding: bool) -> Result<(), AmountError> {
    let most = if compounding { MOST_COMPOUNDING } else { MOST };
    for amount in amounts {
        match amount.get() {
            small if small < LEAST => return Err(AmountError::TooSmall(*amount)),
            large if large > most => return Err(AmountError::TooLarge(*amount)),
            _ => {}
        }
    }
    let sum = amounts.iter().fold(Gwei::new(0), |sum, amount| sum.saturating_add(amount.get()));
    if !amounts.is_empty() && sum.get() < LEAST_SUM {
        return Err(AmountError::SumTooSmall(sum));
    }
    Ok(())
}

/// The amounts that are signed for a plan: each once, ascending; 1 and 32 ETH (compounding: 1, 8, 32, 256) if the
/// plan names none.
pub fn amounts_to_sign(amounts: &[Gwei], compounding: bool) -> Vec<Gwei> {
    let default: &[u64] = match (amounts, compounding) {
        ([], false) => &[1, 32],
        ([], true) => &[1, 8, 32, 256],
        _ => &[],
    };
    let distinct: BTreeSet<Gwei> =
        amounts.iter().copied().chain(default.iter().map(|eth| Gwei::new(eth * ETH))).collect();
    distinct.into_iter().collect()
}

/// Credentials that let money go to this address only: `01`, or `02` for a validator that compounds.
pub fn withdrawal_credentials(address: &ExecutionAddress, compounding: bool) -> [u8; 32] {
    let mut credentials = [0; 32];
    let [kind, ..] = &mut credentials;
    *kind = if compounding { 2 } else { 1 };
    credentials.iter_mut().rev().zip(address.as_bytes().iter().rev()).for_each(|(to, from)| *to = *from);
    credentials
}

impl Deposit {
    /// Adds the four fields of the deposit contract's data.
    pub(super) fn put(&self, to: &mut Leaves) -> Result<(), Oversize> {
        self.put_message(to)?;
        to.fixed(&self.signature, 96)
    }

    fn put_message(&self, to: &mut Leaves) -> Result<(), Oversize> {
        to.fixed(&self.public_key, 48)?;
        to.fixed(&self.withdrawal_credentials, 32)?;
        to.number(self.amount.get());
        Ok(())
    }

    /// Root of the data that the deposit contract takes.
    pub fn data_root(&self) -> Result<Root, Oversize> {
        let mut leaves = Leaves::new();
        self.put(&mut leaves)?;
        Ok(Root::new(leaves.container()))
    }

    /// Root of what is signed, without its domain.
    pub fn message_root(&self) -> Result<Root, Oversize> {
        let mut leaves = Leaves::new();
        self.put_message(&mut leaves)?;
        Ok(Root::new(leaves.container()))
    }

    /// What the validator's key signs. Deposits are valid on every fork, so the domain is always that of genesis.
    pub fn signing_root(&self, genesis: ForkVersion) -> Result<SigningRoot, Oversize> {
        let domain = compute_domain(DomainType::Deposit, genesis, Root::new([0; 32]));
        Ok(compute_signing_root(self.message_root()?, domain))
    }

    /// Whether the key in the deposit has signed it for this network.
    pub fn is_signed(&self, genesis: ForkVersion) -> bool {
        let key =
            self.public_key.as_slice().try_into().ok().and_then(|bytes| PublicKey::from_bytes(bytes).ok());
        let signature =
            self.signature.as_slice().try_into().ok().and_then(|bytes| Signature::from_bytes(bytes).ok());
        match (key, signature, self.signing_root(genesis)) {
            (Some(key), Some(signature), Ok(root)) => signature.verify(&key, &root),
            _ => false,
        }
    }
}

/// A file for the launchpad: deposits of one amount for every validator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DepositFile {
    /// `deposit-data.json` for 32 ETH, `deposit-data-<amount>eth.json` otherwise.
    pub name: String,
    /// Its content.
    pub json: String,
}

/// Why deposits cannot be written to, or were not accepted from, a file.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum DepositFileError {
    /// Not the JSON that was expected.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// For another network than the one asked for.
    #[error("a deposit for the fork version {found}, not {expected}")]
    OtherNetwork {
        /// In the file.
        found: String,
        /// Asked for.
        expected: ForkVersion,
    },
    /// Several amounts in one file.
    #[error("deposits of different amounts in one file")]
    Amounts,
    /// The roots in the file are not those of its deposits.
    #[error("the deposit of {0} does not have the roots in the file")]
    Roots(String),
    /// The validator's key did not sign this deposit: it would be lost.
    #[error("the deposit of {0} is not signed by its key")]
    Signature(String),
}

/// The files with all these deposits, by ascending amount. Every signature is checked first: a deposit with a wrong
/// one is lost money.
pub fn deposit_files(deposits: &[Deposit], network: &Network) -> Result<Vec<DepositFile>, DepositFileError> {
    if let Some(unsigned) = deposits.iter().find(|deposit| !deposit.is_signed(network.fork_version)) {
        return Err(DepositFileError::Signature(hex::encode(&unsigned.public_key)));
    }
    files_of_signed(deposits, network)
}

/// As [`deposit_files`], for deposits whose signatures were checked.
pub(super) fn files_of_signed(
    deposits: &[Deposit],
    network: &Network,
) -> Result<Vec<DepositFile>, DepositFileError> {
    let mut by_amount: BTreeMap<Gwei, Vec<&Deposit>> = BTreeMap::new();
    for deposit in deposits {
        by_amount.entry(deposit.amount).or_default().push(deposit);
    }
    by_amount
        .into_iter()
        .map(|(amount, mut deposits)| {
            deposits.sort_by(|a, b| a.public_key.cmp(&b.public_key));
            let entries =
                deposits.into_iter().map(|deposit| entry(deposit, network)).collect::<Result<_, _>>()?;
            Ok(DepositFile { name: file_name(amount), json: text(&Json::List(entries)) })
        })
        .collect()
}

/// Reads such a file and checks every root and signature in it.
pub fn read_deposit_file(json: &[u8], network: &Network) -> Result<Vec<Deposit>, DepositFileError> {
    let entries: Bounded<Object<RawEntry>, MAX_VALIDATORS> = parse(json)?;
    let deposits = entries
        .0
        .into_iter()
        .map(|Object(entry)| entry.into_deposit(network))
        .collect::<Result<Vec<_>, _>>()?;
    let mut amounts = deposits.iter().map(|deposit| deposit.amount);
    let first = amounts.next();
    if amounts.any(|amount| Some(amount) != first) {
        return Err(DepositFileError::Amounts);
    }
    Ok(deposits)
}

/// Name of the file with deposits of this amount.
pub fn file_name(amount: Gwei) -> String {
    let (whole, rest) = (amount.get() / ETH, amount.get() % ETH);
    match (whole, rest) {
        (32, 0) => "deposit-data.json".to_owned(),
        (_, 0) => format!("deposit-data-{whole}eth.json"),
        _ => format!("deposit-data-{whole}.{}eth.json", format!("{rest:09}").trim_end_matches('0')),
    }
}

fn entry<'a>(deposit: &Deposit, network: &'a Network) -> Result<Json<'a>, DepositFileError> {
    let pubkey = hex::encode(&deposit.public_key);
    let (Ok(message_root), Ok(data_root)) = (deposit.message_root(), deposit.data_root()) else {
        return Err(DepositFileError::Roots(pubkey));
    };
    let made = |bytes: &[u8]| Json::Made(hex::encode(bytes));
    Ok(Json::Object(vec![
        ("pubkey", Json::Made(pubkey)),
        ("withdrawal_credentials", made(&deposit.withdrawal_credentials)),
        ("amount", Json::Number(deposit.amount.get())),
        ("signature", made(&deposit.signature)),
        ("deposit_message_root", made(message_root.as_bytes())),
        ("deposit_data_root", made(data_root.as_bytes())),
        ("fork_version", made(network.fork_version.as_bytes())),
        ("network_name", Json::Text(&network.name)),
        ("deposit_cli_version", Json::Text(DEPOSIT_CLI)),
    ]))
}

#[derive(Deserialize)]
struct RawEntry {
    pubkey: String,
    withdrawal_credentials: String,
    amount: u64,
    signature: String,
    deposit_message_root: String,
    deposit_data_root: String,
    fork_version: String,
}

impl RawEntry {
    fn into_deposit(self, network: &Network) -> Result<Deposit, DepositFileError> {
        let bytes = |field, text: &str| hex::decode(text).map_err(|_| ParseError::Bytes(field));
        if bytes("fork_version", &self.fork_version)? != network.fork_version.as_bytes() {
            let found = self.fork_version.chars().take(16).collect();
            return Err(DepositFileError::OtherNetwork { found, expected: network.fork_version });
        }
        let deposit = Deposit {
            public_key: bytes("pubkey", &self.pubkey)?,
            withdrawal_credentials: bytes("withdrawal_credentials", &self.withdrawal_credentials)?,
            amount: Gwei::new(self.amount),
            signature: bytes("signature", &self.signature)?,
        };
        let has = |root: Result<Root, Oversize>, text: &str| {
            root.is_ok_and(|root| hex::decode(text).is_ok_and(|bytes| bytes == root.as_bytes()))
        };
        let pubkey = self.pubkey.chars().take(96).collect();
        if !has(deposit.message_root(), &self.deposit_message_root)
            || !has(deposit.data_root(), &self.deposit_data_root)
        {
            return Err(DepositFileError::Roots(pubkey));
        }
        if !deposit.is_signed(network.fork_version) {
            return Err(DepositFileError::Signature(pubkey));
        }
        Ok(deposit)
    }
}
