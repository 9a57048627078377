//! Signatures of wallets under a plan: those of its creator and its operators.
//!
//! Accounts with a key are checked here. A contract (a Safe) answers for its signatures on the execution layer, which
//! this crate does not reach: the caller asks about [`Definition::contract_signatures`] and brings the answers.
//! Source: `obol-cluster.md` 4.3, 4.4.

use std::fmt;

use hearth_crypto::k1::{ethereum_address, recover};
use thiserror::Error;

use super::Version;
use super::contract::ContractSignature;
use super::eip712::WalletMessage;
use super::finding::Problem;
use super::merkle::WALLET_SIGNATURES;
use super::model::Definition;
use super::network::Networks;
use super::plan::parse_address;
use super::verify::network_of;

/// Who should have signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signatory {
    /// Author of the plan.
    Creator,
    /// The operator at this position, from zero.
    Operator(usize),
}

impl fmt::Display for Signatory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Creator => f.write_str("the creator"),
            Self::Operator(position) => write!(f, "operator {}", position + 1),
        }
    }
}

/// What is wrong with the wallet signatures of a plan.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum WalletProblem {
    /// This version has no such signature.
    #[error("{0} has signed, which this version does not provide for")]
    Unexpected(Signatory),
    /// A signature is needed because of what else is there.
    #[error("a signature of {0} is missing")]
    Missing(Signatory),
    /// A signature of a length that no wallet makes.
    #[error("a signature of {by} has {bytes} bytes")]
    Length {
        /// Who signed.
        by: Signatory,
        /// Its length.
        bytes: usize,
    },
    /// Not signed by the account that the plan names, as far as could be found out.
    #[error(
        "a signature of {0} does not belong to the account in the file (if the account is a contract such as a Safe, an \
         execution client is needed to ask it)"
    )]
    Wrong(Signatory),
    /// Some operators signed and some did not.
    #[error("{unsigned} of {operators} operators have not signed")]
    Partial {
        /// Operators without signatures.
        unsigned: usize,
        /// All operators.
        operators: usize,
    },
}

impl Definition {
    /// Signatures that are not by the key of their account. If that is a contract, it can be asked about them; without its
    /// answer they count as wrong.
    pub fn contract_signatures(&self, networks: &Networks) -> Vec<ContractSignature> {
        let mut open = Vec::new();
        // What else is wrong with the plan is told when it is checked.
        let _judged = judge(self, networks, &mut |question| {
            open.push(question);
            true
        });
        open
    }
}

/// Checks every wallet signature. Nothing signed at all is fine: a trusted dealer's plan looks like that.
pub(super) fn check(plan: &Definition, networks: &Networks) -> Result<(), Problem> {
    judge(plan, networks, &mut |question| networks.accepts(&question))
}

/// Walks through every signature in the order of the specification. `contract` says whether an account has accepted what
/// its key did not sign.
fn judge(
    plan: &Definition,
    networks: &Networks,
    contract: &mut dyn FnMut(ContractSignature) -> bool,
) -> Result<(), Problem> {
    let version = plan.version;
    if !version.has_wallet_signatures() {
        let signed = |o: &super::OperatorEntry| !o.config_signature.is_empty() || !o.enr_signature.is_empty();
        return match plan.operators.iter().position(signed) {
            Some(position) => Err(WalletProblem::Unexpected(Signatory::Operator(position)).into()),
            None => Ok(()),
        };
    }
    let chain_id = network_of(plan, networks)?.chain_id;
    let config_hash = format!("0x{}", hex::encode(&plan.config_hash));

    check_length(version, Signatory::Creator, &plan.creator.config_signature)?;
    let mut unsigned = 0;
    for (position, entry) in plan.operators.iter().enumerate() {
        let by = Signatory::Operator(position);
        if entry.address.is_empty() && entry.config_signature.is_empty() && entry.enr_signature.is_empty() {
            unsigned += 1;
            continue;
        }
        if entry.enr_signature.is_empty() || entry.config_signature.is_empty() {
            return Err(WalletProblem::Missing(by).into());
        }
        let config = match version.has_creator() {
            true => WalletMessage::OperatorConfig(&config_hash),
            false => WalletMessage::LegacyConfig(&config_hash),
        };
        for (message, signature) in
            [(config, &entry.config_signature), (WalletMessage::Enr(&entry.enr), &entry.enr_signature)]
        {
            check_length(version, by, signature)?;
            check_signature(by, &entry.address, message.digest(chain_id), signature, contract)?;
        }
    }
    if unsigned > 0 && unsigned < plan.operators.len() {
        return Err(WalletProblem::Partial { unsigned, operators: plan.operators.len() }.into());
    }

    let creator = &plan.creator;
    let absent = creator.address.is_empty() && creator.config_signature.is_empty();
    match (version.has_creator(), absent) {
        (false, true) => Ok(()),
        (false, false) => Err(WalletProblem::Unexpected(Signatory::Creator).into()),
        (true, true) if unsigned == 0 => Err(WalletProblem::Missing(Signatory::Creator).into()),
        (true, true) => Ok(()),
        (true, false) if creator.config_signature.is_empty() => {
            Err(WalletProblem::Missing(Signatory::Creator).into())
        }
        (true, false) => {
            let digest = WalletMessage::CreatorConfig(&config_hash).digest(chain_id);
            check_signature(Signatory::Creator, &creator.address, digest, &creator.config_signature, contract)
        }
    }
}

fn check_length(version: Version, by: Signatory, signature: &[u8]) -> Result<(), Problem> {
    let bytes = signature.len();
    let fits = match version.has_signature_lists() {
        true => bytes.is_multiple_of(65) && bytes <= 65 * WALLET_SIGNATURES,
        false => bytes == 0 || bytes == 65,
    };
    if fits { Ok(()) } else { Err(WalletProblem::Length { by, bytes }.into()) }
}

fn check_signature(
    by: Signatory,
    account: &str,
    digest: [u8; 32],
    signature: &[u8],
    contract: &mut dyn FnMut(ContractSignature) -> bool,
) -> Result<(), Problem> {
    let wrong = || Problem::from(WalletProblem::Wrong(by));
    let account = parse_address(account).map_err(|_| wrong())?;
    if recover(&digest, signature).is_ok_and(|key| ethereum_address(&key) == account) {
        return Ok(());
    }
    let question = ContractSignature { account, digest, signature: signature.to_vec() };
    if contract(question) { Ok(()) } else { Err(wrong()) }
}
