//! A seat that the others know by this node's record: in a definition that somebody else has made, in Obol's launchpad or with
//! another program. Nobody is gathered; all come to the ceremony.

use std::collections::BTreeMap;

use hearth_api::{ClusterPlan, ErrorCode, PeerAddresses, SetDefinitionRequest, UiError};
use hearth_crypto::k1::NodePublicKey;
use hearth_gathering::{Kind, SeatState, Standing};
use hearth_obol::cluster::{Definition, Network};
use hearth_obol::enr::Enr;
use hearth_types::Root;
use minicbor::{Decode, Encode};

use super::show::{count, name};
use crate::ceremony::{Release, words_of};
use crate::offline::{Scrutiny, read_definition};

/// Characters of an account that stand for it among others.
const ACCOUNT: usize = 10;

/// What is known of it.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Named {
    /// The definition, once there is one.
    #[n(0)]
    text: Option<String>,
    /// Hash of the definition whose words its owner has compared.
    #[cbor(n(1), with = "minicbor::bytes")]
    agreed: Option<[u8; 32]>,
    /// Where the others are, by number.
    #[n(2)]
    pub(super) peers: BTreeMap<u8, Vec<String>>,
    /// Whether the others speak as Charon 1.10 does.
    #[n(3)]
    older: bool,
    #[cbor(skip)]
    read: Option<Definition>,
}

impl Named {
    /// As it was kept.
    pub(super) fn resumed(mut self) -> Self {
        self.read = self.text.as_ref().and_then(|text| Definition::from_json(text.as_bytes()).ok());
        self
    }

    pub(super) const fn definition(&self) -> Option<&Definition> {
        self.read.as_ref()
    }

    pub(super) const fn release(&self) -> Release {
        if self.older { Release::V1_10 } else { Release::V1_11 }
    }

    /// Takes a definition that has passed its checks.
    pub(super) fn define(&mut self, definition: Definition, request: &SetDefinitionRequest) {
        self.text = definition.to_json().ok();
        self.read = Some(definition);
        self.agreed = None;
        self.meet(request);
    }

    /// Where the others are, and in whose manner the ceremony is held.
    pub(super) fn meet(&mut self, request: &SetDefinitionRequest) {
        self.older = request.charon_1_10;
        let given = request.peers.iter().filter(|peer| !peer.addresses.is_empty());
        self.peers = given.map(|PeerAddresses { number, addresses }| (*number, addresses.clone())).collect();
    }

    pub(super) fn agree(&mut self, hash: Root) -> Result<(), UiError> {
        let ours = self.definition().and_then(words_of).map(|(hash, _)| hash);
        if ours != Some(hash) {
            return Err(UiError::value_refused("The definition has changed. Compare the new words."));
        }
        self.agreed = Some(*hash.as_bytes());
        Ok(())
    }

    pub(super) fn is_agreed(&self) -> bool {
        let ours = self.definition().and_then(words_of).map(|(hash, _)| *hash.as_bytes());
        ours.is_some() && self.agreed == ours
    }

    /// The number of the operator with this key; 0 where he is not in it.
    pub(super) fn seat_of(&self, key: &NodePublicKey) -> u8 {
        self.definition().and_then(|definition| number_of(definition, key)).unwrap_or_default()
    }

    /// Whether wallets have signed it.
    pub(super) fn is_signed(&self) -> bool {
        let operators = self.definition().map_or(&[][..], |definition| &definition.operators);
        operators.iter().any(|operator| !operator.config_signature.is_empty())
    }

    /// All seats. Of the others nothing is known but their accounts, before the ceremony.
    pub(super) fn states(&self, me: u8, own: &Standing) -> Vec<SeatState> {
        let operators = self.definition().map_or(&[][..], |definition| &definition.operators);
        let seat = |(number, account): (u8, &String)| {
            let mine = number == me;
            let other = || Standing {
                nickname: account.chars().take(ACCOUNT).collect(),
                addresses: self.peers.get(&number).cloned().unwrap_or_default(),
                ..Standing::default()
            };
            let standing = if mine { Standing { agreed: self.agreed, ..own.clone() } } else { other() };
            let kind = if mine { Kind::Invited } else { Kind::Named };
            SeatState { kind, taken: true, here: mine, standing }
        };
        (1..).zip(operators.iter().map(|operator| &operator.address)).map(seat).collect()
    }
}

fn number_of(definition: &Definition, key: &NodePublicKey) -> Option<u8> {
    let is_ours = |enr: &str| Enr::parse(enr).is_ok_and(|enr| enr.public_key() == key);
    let position = definition.operators.iter().position(|operator| is_ours(&operator.enr))?;
    u8::try_from(position + 1).ok()
}

/// Reads and checks a definition, from a file or from an address. Blocks.
pub(super) fn examine(
    source: &str,
    scrutiny: &Scrutiny,
    key: &NodePublicKey,
) -> Result<(Definition, Network), UiError> {
    let because = |remedy: &str, error: &dyn std::fmt::Display| UiError {
        details: Some(error.to_string()),
        ..UiError::value_refused(remedy)
    };
    let definition = read_definition(source)
        .map_err(|error| because("Give the https address of the definition, or choose its file.", &error))?;
    let networks = scrutiny.networks_for(&definition).map_err(|error| {
        because("The accounts that signed it have to be asked, and that needs an execution client.", &error)
    })?;
    if let (Err(error), false) = (definition.verify(&networks), scrutiny.no_verify) {
        return Err(because("Ask whoever made the definition for a sound one.", &error));
    }
    let network = networks.of(&definition).cloned().ok_or_else(super::gathering::unknown_network)?;
    if number_of(&definition, key).is_none() {
        return Err(UiError {
            remedy:
                "Give this node's record to whoever makes the definition, and take the definition made with it."
                    .into(),
            ..UiError::because(ErrorCode::ValueRefused, "this node's record is not in the definition")
        });
    }
    Ok((definition, network))
}

/// What the cluster is to be.
pub(super) fn plan(definition: &Definition, network: Option<&Network>) -> ClusterPlan {
    let validators = usize::try_from(definition.num_validators).unwrap_or(usize::MAX);
    let mut withdrawals: Vec<&str> = Vec::new();
    let mut fee_recipients: Vec<&str> = Vec::new();
    for addresses in (0..validators).map_while(|validator| definition.addresses_of(validator)) {
        if !withdrawals.contains(&&*addresses.withdrawal) {
            withdrawals.push(&addresses.withdrawal);
        }
        if !fee_recipients.contains(&&*addresses.fee_recipient) {
            fee_recipients.push(&addresses.fee_recipient);
        }
    }
    let text = |addresses: Vec<&str>| hearth_api::plain(&addresses.join(", "), 300);
    ClusterPlan {
        name: name(&definition.name),
        network: network.map_or_else(String::new, |network| network.name.clone()),
        network_known: network.is_some(),
        real_money: network.is_none_or(Network::holds_real_money),
        operators: u8::try_from(definition.operators.len()).unwrap_or(u8::MAX),
        threshold: u8::try_from(definition.threshold).unwrap_or(u8::MAX),
        validators: count(validators),
        withdrawal_address: text(withdrawals),
        fee_recipient: text(fee_recipients),
        compounding: definition.compounding,
    }
}
