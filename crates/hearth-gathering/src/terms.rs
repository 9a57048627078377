//! What the cluster is to be.

use hearth_crypto::k1::{NodePublicKey, checksum_address};
use hearth_obol::cluster::{Definition, DkgAlgorithm, Network, Plan, PlanError};
use hearth_obol::enr::Enr;
use hearth_types::{ExecutionAddress, ForkVersion};
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::{MOST_OPERATORS, NAME_BYTES};

/// Gas limit that validators register with.
const GAS_LIMIT: u64 = 60_000_000;

/// What a cluster is to be, its operators apart. Stands in the plan, in every invitation and, in the end, in the definition.
#[derive(Clone, Debug, Eq, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Terms {
    /// Its name; at most [`NAME_BYTES`].
    #[n(0)]
    pub name: String,
    /// Genesis fork version of the network.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub fork_version: [u8; 4],
    /// Number of operators.
    #[n(2)]
    pub operators: u8,
    /// Partial signatures needed.
    #[n(3)]
    pub threshold: u8,
    /// Number of validators.
    #[n(4)]
    pub validators: u32,
    /// Where stakes and rewards go: an address of the execution layer.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub withdrawal: [u8; 20],
    /// Where payments for blocks go.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub fee_recipient: [u8; 20],
    /// Whether rewards are added to the stake.
    #[n(7)]
    pub compounding: bool,
}

/// A part of the terms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// The name.
    Name,
    /// The network.
    Network,
    /// The number of operators.
    Operators,
    /// The partial signatures needed.
    Threshold,
    /// The number of validators.
    Validators,
    /// Where stakes and rewards go.
    Withdrawal,
    /// Where payments for blocks go.
    FeeRecipient,
    /// Whether the validators compound.
    Compounding,
    /// How the keys are made.
    Algorithm,
    /// Operators who signed it, where nobody was to.
    Signed,
    /// Who sits where.
    Seats,
}

impl Field {
    /// What it is called in a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Name => "the name of the cluster",
            Self::Network => "the network",
            Self::Operators => "the number of operators",
            Self::Threshold => "the number of operators needed",
            Self::Validators => "the number of validators",
            Self::Withdrawal => "the withdrawal address",
            Self::FeeRecipient => "the fee recipient",
            Self::Compounding => "the kind of validators",
            Self::Algorithm => "the way the keys are made",
            Self::Signed => "signatures of wallets, which friends do without",
            Self::Seats => "who sits where",
        }
    }
}

/// A definition is not what was agreed to.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{} is not the same: {invited} in the invitation, {found} in the plan", field.words())]
pub struct Difference {
    /// What differs.
    pub field: Field,
    /// As in the invitation.
    pub invited: String,
    /// As in the definition.
    pub found: String,
}

impl Terms {
    /// Whether a cluster can be like that at all.
    pub fn is_sensible(&self) -> bool {
        let Self { name, operators, threshold, validators, .. } = self;
        !name.is_empty()
            && name.len() <= NAME_BYTES
            && (3..=MOST_OPERATORS).contains(operators)
            && (2..=*operators).contains(threshold)
            && *validators > 0
            && *validators <= 1_000
    }

    /// The definition with these operators, named by their records.
    pub fn definition(
        &self,
        network: &Network,
        records: &[String],
        (timestamp, uuid): (&str, &str),
    ) -> Result<Definition, PlanError> {
        let plan = Plan {
            name: self.name.clone(),
            network: network.clone(),
            threshold: Some(self.threshold.into()),
            withdrawal_addresses: vec![address(&self.withdrawal)],
            fee_recipients: vec![address(&self.fee_recipient)],
            deposit_amounts: Vec::new(),
            compounding: self.compounding,
            gas_limit: GAS_LIMIT,
            consensus_protocol: String::new(),
            dkg_algorithm: DkgAlgorithm::Default,
            timestamp: timestamp.to_owned(),
            uuid: uuid.to_owned(),
            registered_at_s: None,
        };
        plan.for_ceremony(records, usize::try_from(self.validators).unwrap_or(usize::MAX))
    }

    /// Whether a definition is what these terms say, and nobody has signed it.
    pub fn check(&self, definition: &Definition) -> Result<(), Difference> {
        let differs = |field, invited: String, found: String| {
            if invited == found { Ok(()) } else { Err(Difference { field, invited, found }) }
        };
        let network = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        differs(Field::Name, self.name.clone(), definition.name.clone())?;
        differs(Field::Network, network(&self.fork_version), network(&definition.fork_version))?;
        differs(Field::Operators, self.operators.to_string(), definition.operators.len().to_string())?;
        differs(Field::Threshold, self.threshold.to_string(), definition.threshold.to_string())?;
        differs(Field::Validators, self.validators.to_string(), definition.num_validators.to_string())?;
        differs(Field::Compounding, self.compounding.to_string(), definition.compounding.to_string())?;
        if !matches!(definition.dkg_algorithm.as_str(), "default" | "frost") {
            return differs(Field::Algorithm, "frost".into(), definition.dkg_algorithm.clone());
        }
        let (withdrawal, fee_recipient) = (address(&self.withdrawal), address(&self.fee_recipient));
        for validator in 0..usize::try_from(self.validators).unwrap_or(usize::MAX) {
            let Some(found) = definition.addresses_of(validator) else { break };
            differs(Field::Withdrawal, withdrawal.clone(), found.withdrawal.clone())?;
            differs(Field::FeeRecipient, fee_recipient.clone(), found.fee_recipient.clone())?;
        }
        let signed = definition.operators.iter().filter(|operator| {
            !operator.address.is_empty()
                || !operator.config_signature.is_empty()
                || !operator.enr_signature.is_empty()
        });
        differs(Field::Signed, "0".into(), signed.count().to_string())
    }
}

/// Whether this record sits at this seat, from one, of a definition.
pub(crate) fn sits_at(definition: &Definition, seat: u8, key: &NodePublicKey) -> bool {
    let operator = usize::from(seat).checked_sub(1).and_then(|position| definition.operators.get(position));
    operator.is_some_and(|operator| Enr::parse(&operator.enr).is_ok_and(|enr| enr.public_key() == key))
}

/// With its checksum.
fn address(bytes: &[u8; 20]) -> String {
    checksum_address(&ExecutionAddress::new(*bytes))
}

impl Terms {
    /// Genesis fork version of the network.
    pub const fn network(&self) -> ForkVersion {
        ForkVersion::new(self.fork_version)
    }

    /// Where stakes and rewards go, with checksum.
    pub fn withdrawal_text(&self) -> String {
        address(&self.withdrawal)
    }

    /// Where payments for blocks go, with checksum.
    pub fn fee_recipient_text(&self) -> String {
        address(&self.fee_recipient)
    }
}
