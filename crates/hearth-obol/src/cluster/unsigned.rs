//! What a validator's entry in a lock holds before anybody has signed it: the same whether a dealer signs or all operators do.
//!
//! Source: `obol-cluster.md` 6; `obol-dkg.md` 9.

use hearth_types::{ForkVersion, Gwei, SigningRoot};

use super::Version;
use super::deposit::{amounts_to_sign, withdrawal_credentials};
use super::hash::Unhashable;
use super::model::{Definition, Deposit, DistributedValidator, Registration};
use super::network::Network;
use super::plan::{PlanError, check_addresses};
use super::registration::DEFAULT_GAS_LIMIT;

/// The entry of the validator at this position, with its registration whatever the version, and no signature.
pub(crate) fn unsigned(
    definition: &Definition,
    position: usize,
    network: &Network,
    (public_key, public_shares): (Vec<u8>, Vec<Vec<u8>>),
    registered_at_s: u64,
) -> Result<DistributedValidator, PlanError> {
    let addresses = definition.addresses_of(position).ok_or(PlanError::Validators(position))?;
    let (fee_recipient, withdrawal) = check_addresses(addresses, network)?;
    let deposit = |amount| Deposit {
        public_key: public_key.clone(),
        withdrawal_credentials: withdrawal_credentials(&withdrawal, definition.compounding).to_vec(),
        amount,
        signature: Vec::new(),
    };
    let gas_limit = definition.target_gas_limit;
    Ok(DistributedValidator {
        deposits: amounts(definition).into_iter().map(deposit).collect(),
        registration: Registration {
            fee_recipient: fee_recipient.as_bytes().to_vec(),
            gas_limit: if gas_limit == 0 { DEFAULT_GAS_LIMIT } else { gas_limit },
            timestamp: registered_at_s,
            public_key: public_key.clone(),
            signature: Vec::new(),
        },
        public_key,
        public_shares,
    })
}

/// What the lock of this version holds a deposit for.
pub(crate) fn amounts(definition: &Definition) -> Vec<Gwei> {
    let version = definition.version;
    match &definition.deposit_amounts {
        _ if version < Version::V1_6 => Vec::new(),
        _ if version.has_one_deposit() => vec![Gwei::new(32_000_000_000)],
        amounts => amounts_to_sign(amounts.as_deref().unwrap_or_default(), definition.compounding),
    }
}

/// What the validator's key signs of a deposit.
pub(crate) fn deposit_root(deposit: &Deposit, genesis: ForkVersion) -> Result<SigningRoot, PlanError> {
    deposit.signing_root(genesis).map_err(|problem| Unhashable { field: "deposit_data", problem }.into())
}

/// What the validator's key signs of a registration.
pub(crate) fn registration_root(
    registration: &Registration,
    genesis: ForkVersion,
) -> Result<SigningRoot, PlanError> {
    let unhashable = |problem| Unhashable { field: "builder_registration", problem };
    registration.signing_root(genesis).map_err(|problem| unhashable(problem).into())
}
