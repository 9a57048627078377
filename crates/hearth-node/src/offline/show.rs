//! What a cluster file says, for people and programs. Nothing is checked here.

use std::path::Path;

use hearth_crypto::k1::checksum_address;
use hearth_obol::cluster::{
    Definition, DistributedValidator, Lock, OperatorEntry, matching_words, threshold_warning,
};
use hearth_types::{ExecutionAddress, Threshold};
use serde::Serialize;

use super::check::{ClusterFile, ClusterFileError, Scrutiny, fork_version};

/// What a definition or a lock says.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterFacts {
    /// `definition` or `lock`.
    pub kind: &'static str,
    /// Name of the cluster; may be empty.
    pub name: String,
    /// Version of the file.
    pub version: &'static str,
    /// When the plan was made, as in the file.
    pub created: String,
    /// Name of the network; `None` if it is not known.
    pub network: Option<String>,
    /// Genesis fork version of the network, as hex.
    pub fork_version: String,
    /// Partial signatures needed.
    pub threshold: u64,
    /// Operators who may be offline while the others still sign.
    pub may_be_offline: u64,
    /// Why the threshold protects less than it could.
    pub threshold_warning: Option<String>,
    /// Who.
    pub operators: Vec<OperatorFacts>,
    /// How many validators are planned.
    pub planned_validators: u64,
    /// The validators, in the order of the plan.
    pub validators: Vec<ValidatorFacts>,
    /// Amounts to deposit, in Gwei; the usual ones if empty.
    pub deposit_amounts_gwei: Vec<String>,
    /// Whether rewards compound.
    pub compounding: bool,
    /// Gas limit to register with; zero stands for the usual one of old files.
    pub gas_limit: u64,
    /// How the keys are made.
    pub dkg_algorithm: String,
    /// How the operators agree; empty for the usual protocol.
    pub consensus_protocol: String,
    /// Author of the plan; may be empty.
    pub creator: String,
    /// Hash of the plan without keys and records, as in the file.
    pub config_hash: String,
    /// Hash of the whole plan, as in the file.
    pub definition_hash: String,
    /// Identity of the cluster, as in the file; a definition has none.
    pub lock_hash: Option<String>,
    /// Six words for the definition hash that the content has; `None` if it has none.
    pub matching_words: Option<[&'static str; 6]>,
}

/// What a file says of an operator.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorFacts {
    /// Number in the cluster, from one; also the index of his key shares.
    pub number: usize,
    /// His account; may be empty.
    pub address: String,
    /// Record of his node; may be empty.
    pub enr: String,
    /// Whether his wallet signed the plan and the record.
    pub signed: bool,
}

/// What a file says of a validator.
#[derive(Clone, Debug, Serialize)]
pub struct ValidatorFacts {
    /// Number in the cluster, from one.
    pub number: usize,
    /// Public key, as hex; a definition has none.
    pub public_key: Option<String>,
    /// Who gets rewards and the stake.
    pub withdrawal_address: String,
    /// Who gets the fees of blocks.
    pub fee_recipient_address: String,
    /// Signed deposits, in Gwei.
    pub deposits_gwei: Vec<String>,
}

/// What the lock or definition at `path` says.
pub fn show(path: &Path, scrutiny: &Scrutiny) -> Result<ClusterFacts, ClusterFileError> {
    let file = ClusterFile::read(path)?;
    let (plan, lock) = match &file {
        ClusterFile::Definition(definition) => (&**definition, None),
        ClusterFile::Lock(lock) => (&lock.definition, Some(&**lock)),
    };
    let operators = plan.operators.len() as u64;
    let threshold = u8::try_from(operators)
        .ok()
        .and_then(|count| Some((count, Threshold::new(plan.threshold, count).ok()?)));
    let network =
        fork_version(plan).and_then(|version| Some(scrutiny.networks().by_fork_version(version)?.name.clone()));
    let computed = plan.compute_definition_hash().ok();
    Ok(ClusterFacts {
        kind: file.kind().name(),
        name: plan.name.clone(),
        version: plan.version.as_str(),
        created: plan.timestamp.clone(),
        network,
        fork_version: hex(&plan.fork_version),
        threshold: plan.threshold,
        may_be_offline: operators.saturating_sub(plan.threshold),
        threshold_warning: threshold.and_then(|(count, threshold)| threshold_warning(count, threshold)),
        operators: plan.operators.iter().zip(1..).map(operator).collect(),
        planned_validators: plan.num_validators,
        validators: validators(plan, lock),
        deposit_amounts_gwei: plan.deposit_amounts.iter().flatten().map(ToString::to_string).collect(),
        compounding: plan.compounding,
        gas_limit: plan.target_gas_limit,
        dkg_algorithm: plan.dkg_algorithm.clone(),
        consensus_protocol: plan.consensus_protocol.clone(),
        creator: plan.creator.address.clone(),
        config_hash: hex(&plan.config_hash),
        definition_hash: hex(&plan.definition_hash),
        lock_hash: lock.map(|lock| hex(&lock.lock_hash)),
        matching_words: computed.as_ref().map(matching_words),
    })
}

fn operator((entry, number): (&OperatorEntry, usize)) -> OperatorFacts {
    OperatorFacts {
        number,
        address: entry.address.clone(),
        enr: entry.enr.clone(),
        signed: !entry.config_signature.is_empty() && !entry.enr_signature.is_empty(),
    }
}

fn validators(plan: &Definition, lock: Option<&Lock>) -> Vec<ValidatorFacts> {
    let made = lock.map_or(&[][..], |lock| &lock.validators);
    // A plan of the first versions says how many there are, and may say anything.
    let planned = usize::try_from(plan.num_validators).unwrap_or(usize::MAX);
    let most = if made.is_empty() { planned.min(hearth_obol::cluster::MAX_VALIDATORS) } else { made.len() };
    (0..most)
        .map(|position| {
            let addresses = plan.addresses_of(position).cloned().unwrap_or_default();
            let made = made.get(position);
            ValidatorFacts {
                number: position + 1,
                public_key: made.map(|validator| hex(&validator.public_key)),
                withdrawal_address: checksummed(&addresses.withdrawal),
                fee_recipient_address: checksummed(&addresses.fee_recipient),
                deposits_gwei: made.map_or_else(Vec::new, amounts),
            }
        })
        .collect()
}

fn amounts(validator: &DistributedValidator) -> Vec<String> {
    let signed = validator.deposits.iter().filter(|deposit| !deposit.signature.is_empty());
    signed.map(|deposit| deposit.amount.to_string()).collect()
}

/// An address as wallets show it, if it is one.
fn checksummed(text: &str) -> String {
    text.parse::<ExecutionAddress>().map_or_else(|_| text.to_owned(), |address| checksum_address(&address))
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use hearth_types::{ForkVersion, Root};

    use super::*;
    use crate::offline::{Creation, Keys, create_cluster};
    use crate::settings::Settings;

    #[test]
    fn a_lock_and_the_definition_in_it_say_the_same_and_have_the_same_words() {
        let home = tempfile::tempdir().unwrap();
        let creation = Creation::for_tests(home.path(), 4, ForkVersion::new([0, 0xde, 0x30, 1]));
        let created = create_cluster(&creation, Keys::Fresh(2), &mut |_, _| true).unwrap();
        let path = created.folders[1].join("cluster-lock.json");
        let testnet = Settings::load(&created.folders[1]).unwrap().testnet;
        let facts = show(&path, &Scrutiny { testnet, ..Scrutiny::default() }).unwrap();
        assert_eq!(facts.kind, "lock");
        assert_eq!(facts.network.as_deref(), Some("hearth-test"));
        assert_eq!(facts.lock_hash, Some(created.lock_hash.to_string()));
        assert_eq!((facts.threshold, facts.may_be_offline, facts.operators.len()), (3, 1, 4));
        assert_eq!(facts.validators[1].deposits_gwei, ["1000000000", "32000000000"]);
        assert!(facts.threshold_warning.is_none() && !facts.operators[0].signed);

        let Ok(ClusterFile::Lock(lock)) = ClusterFile::read(&path) else { panic!("a lock") };
        let hash: [u8; 32] = lock.definition.definition_hash.clone().try_into().unwrap();
        assert_eq!(facts.matching_words, Some(matching_words(&Root::new(hash))));
        let plan = home.path().join("cluster-definition.json");
        std::fs::write(&plan, lock.definition.to_json().unwrap()).unwrap();
        let plan = show(&plan, &Scrutiny::default()).unwrap();
        assert_eq!((plan.kind, plan.matching_words), ("definition", facts.matching_words));
        assert_eq!((plan.lock_hash, plan.network), (None, None), "the testnet was not described");
        assert_eq!(plan.validators[0].public_key, None);
        assert_eq!(plan.validators[0].withdrawal_address, facts.validators[0].withdrawal_address);
    }
}
