//! A new cluster by a trusted dealer: one machine makes all keys, splits them, and forgets them.
//!
//! Source: `obol-cluster.md` 6, 7.

use std::collections::BTreeSet;

use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_crypto::threshold::split;
use hearth_crypto::{SecretKey, Signature};
use hearth_types::{SigningRoot, Threshold};
use rand::CryptoRng;
use rayon::prelude::*;

use super::deposit::{DepositFile, files_of_signed};
use super::finding::{Check, Finding, Outcome, VerifyError};
use super::model::{Creator, Definition, Deposit, DistributedValidator, Lock, OperatorEntry, Registration};
use super::network::{Network, Networks};
use super::plan::{Plan, PlanError, operator_count};
use super::unsigned::{deposit_root, registration_root, unsigned};
use super::usable::VerifiedLock;
use super::verify::network_of_definition;
use crate::enr::Enr;

/// A new cluster. The caller writes one folder per node.
#[derive(Debug)]
pub struct Dealt {
    /// The same for every node.
    pub lock: VerifiedLock,
    /// The text of `cluster-lock.json`.
    pub lock_json: String,
    /// Key shares: by node, then by validator in the order of the lock.
    pub shares: Vec<Vec<SecretKey>>,
    /// The same for every node.
    pub deposits: Vec<DepositFile>,
}

/// Makes a cluster of these nodes with a validator per secret: splits every secret, signs deposits and registrations
/// with it, has every share and every node sign the lock, and checks the result as a stranger would.
///
/// The secrets are consumed; what remains of them are the shares. Make them with [`SecretKey::generate`], or pass
/// those of existing validators (whose deposits must then not be sent again).
pub fn deal(
    plan: &Plan,
    node_keys: &[NodeKey],
    secrets: Vec<SecretKey>,
    rng: &mut impl CryptoRng,
) -> Result<Dealt, PlanError> {
    let operators = vec![OperatorEntry::default(); node_keys.len()];
    let definition = plan.definition(operators, secrets.len())?;
    let networks = Networks::from(plan.network.clone());
    deal_definition(definition, &networks, node_keys, secrets, plan.registered_at_s, rng)
}

/// As [`deal`], for a definition that exists already. It must be for one of these networks and pass its checks. Operators that
/// it names give their places to the dealer's nodes, and with their accounts go the signatures over the plan, which is
/// another one then. `registered_at_s` is that of [`Plan`].
pub fn deal_definition(
    mut definition: Definition,
    networks: &Networks,
    node_keys: &[NodeKey],
    secrets: Vec<SecretKey>,
    registered_at_s: Option<u64>,
    rng: &mut impl CryptoRng,
) -> Result<Dealt, PlanError> {
    definition.verify(networks).map_err(PlanError::Definition)?;
    let network = network_of_definition(&definition, networks).map_err(PlanError::Definition)?;
    let operators = check_parties(&definition, node_keys, &secrets)?;
    let threshold = Threshold::new(definition.threshold, operators)?;
    for (entry, key) in definition.operators.iter_mut().zip(node_keys) {
        *entry = OperatorEntry { enr: Enr::create(key).text().to_owned(), ..OperatorEntry::default() };
    }
    if definition.compute_config_hash()?.as_bytes()[..] != definition.config_hash[..] {
        definition.creator = Creator::default();
    }
    definition.rehash()?;

    let shares: Vec<Vec<SecretKey>> =
        secrets.iter().map(|secret| split(secret, threshold, operators, rng)).collect();
    let registered_at_s = registered_at_s.unwrap_or(network.genesis_time_s);
    let lock = assemble(definition, network, &secrets, &shares, node_keys, registered_at_s)?;
    drop(secrets);

    let lock_json = lock.to_json()?;
    let lock = lock.verify(networks).map_err(PlanError::SelfCheck)?;
    // In a lock of others a bad deposit is worth a warning. In one's own it is a reason to stop.
    let bad_deposit = lock.warnings().iter().find(|finding| finding.check == Check::Deposits);
    if let Some(Finding { check, outcome: Outcome::Warning(problem) }) = bad_deposit {
        return Err(PlanError::SelfCheck(VerifyError::Failed { check: *check, problem: problem.clone() }));
    }
    let deposits: Vec<Deposit> =
        lock.lock().validators.iter().flat_map(|validator| validator.deposits.iter().cloned()).collect();
    Ok(Dealt { lock, lock_json, shares: by_node(shares), deposits: files_of_signed(&deposits, network)? })
}

/// The number of operators, if every party is there once.
fn check_parties(
    definition: &Definition,
    node_keys: &[NodeKey],
    secrets: &[SecretKey],
) -> Result<u8, PlanError> {
    let operators = operator_count(node_keys.len())?;
    if definition.operators.len() != node_keys.len() {
        return Err(PlanError::NodeCount { nodes: node_keys.len(), planned: definition.operators.len() });
    }
    let distinct: BTreeSet<NodePublicKey> = node_keys.iter().map(NodeKey::public).collect();
    if distinct.len() != node_keys.len() {
        return Err(PlanError::DuplicateOperator);
    }
    if secrets.is_empty() {
        return Err(PlanError::Validators(0));
    }
    if secrets.len() as u64 != definition.num_validators {
        return Err(PlanError::KeyCount { keys: secrets.len(), planned: definition.num_validators });
    }
    let mut groups = BTreeSet::new();
    match secrets.iter().position(|secret| !groups.insert(secret.public_key())) {
        Some(twice) => Err(PlanError::DuplicateValidator(twice)),
        None => Ok(operators),
    }
}

/// A lock with all proofs. `shares` by validator, then by node; they and `secrets` fit the definition.
fn assemble(
    definition: Definition,
    network: &Network,
    secrets: &[SecretKey],
    shares: &[Vec<SecretKey>],
    node_keys: &[NodeKey],
    registered_at_s: u64,
) -> Result<Lock, PlanError> {
    let validators = secrets
        .par_iter()
        .zip(shares)
        .enumerate()
        .map(|(position, (secret, shares))| {
            validator(&definition, position, network, secret, shares, registered_at_s)
        })
        .collect::<Result<_, _>>()?;
    let mut lock = Lock {
        definition,
        validators,
        signature_aggregate: Vec::new(),
        lock_hash: Vec::new(),
        node_signatures: Vec::new(),
    };
    lock.rehash()?;
    let hash = lock.compute_lock_hash()?;
    let root = SigningRoot::new(*hash.as_bytes());
    // The sum of everybody's signatures over one message is the signature of the sum of their keys.
    let everybody = SecretKey::sum(shares.iter().flatten());
    lock.signature_aggregate = everybody.map_or_else(Vec::new, |sum| bytes_of(&sum.sign(&root)));
    if lock.definition.version.has_registrations() {
        lock.node_signatures = node_keys.iter().map(|key| key.sign(hash.as_bytes()).to_vec()).collect();
    }
    Ok(lock)
}

fn validator(
    definition: &Definition,
    position: usize,
    network: &Network,
    secret: &SecretKey,
    shares: &[SecretKey],
    registered_at_s: u64,
) -> Result<DistributedValidator, PlanError> {
    let public_shares = shares.iter().map(|share| share.public_key().to_bytes().to_vec()).collect();
    let keys = (secret.public_key().to_bytes().to_vec(), public_shares);
    let mut validator = unsigned(definition, position, network, keys, registered_at_s)?;
    for deposit in &mut validator.deposits {
        deposit.signature = bytes_of(&secret.sign(&deposit_root(deposit, network.fork_version)?));
    }
    if definition.version.has_registrations() {
        let root = registration_root(&validator.registration, network.fork_version)?;
        validator.registration.signature = bytes_of(&secret.sign(&root));
    } else {
        validator.registration = Registration::default();
    }
    Ok(validator)
}

fn bytes_of(signature: &Signature) -> Vec<u8> {
    signature.to_bytes().as_bytes().to_vec()
}

/// From one list per validator to one list per node.
fn by_node(by_validator: Vec<Vec<SecretKey>>) -> Vec<Vec<SecretKey>> {
    let nodes = by_validator.first().map_or(0, Vec::len);
    let mut by_node: Vec<Vec<SecretKey>> = (0..nodes).map(|_| Vec::with_capacity(by_validator.len())).collect();
    for shares in by_validator {
        by_node.iter_mut().zip(shares).for_each(|(node, share)| node.push(share));
    }
    by_node
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use hearth_types::Gwei;

    use super::*;
    use crate::cluster::Version;
    use crate::cluster::testing::{bytes, folder, vector, vector_json};
    use crate::cluster::{Addresses, Network, WalletMessage};

    fn array(field: &Value) -> [u8; 32] {
        bytes(field).try_into().unwrap()
    }

    #[test]
    fn the_locks_of_the_specification_follow_from_their_keys_to_the_last_byte() {
        for name in [
            "self_v1_5_goerli_4of3_signed",
            "self_v1_7_goerli_7of5_signed",
            "self_v1_8_chiado_3of2_signed",
            "self_v1_10_mainnet_4of3_signed",
            "self_v1_11_hoodi_4of3_signed",
            "self_v1_11_sepolia_3of2_solo",
        ] {
            let (Some(expected), Some(keys)) = (
                vector(&format!("lock-signed/{name}.json")),
                vector_json(&format!("lock-signed/{name}.keys.json")),
            ) else {
                return;
            };
            let given = Lock::from_json(&expected).unwrap();
            let fork_version = given.definition.fork_version.as_slice().try_into().unwrap();
            let networks = Networks::known();
            let network = networks.by_fork_version(hearth_types::ForkVersion::new(fork_version)).unwrap();
            let key = |field: &Value| SecretKey::from_bytes(&array(field)).unwrap();
            let validators = keys["validators"].as_array().unwrap();
            let secrets: Vec<SecretKey> =
                validators.iter().map(|validator| key(&validator["secret"])).collect();
            let shares: Vec<Vec<SecretKey>> = validators
                .iter()
                .map(|validator| {
                    let shares = validator["shares_by_index"].as_object().unwrap();
                    (1..=shares.len()).map(|index| key(&shares[&index.to_string()])).collect()
                })
                .collect();
            let node_keys: Vec<NodeKey> = keys["node_private_keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| NodeKey::from_bytes(&array(node)).unwrap())
                .collect();
            let made =
                assemble(given.definition, network, &secrets, &shares, &node_keys, network.genesis_time_s);
            assert_eq!(made.unwrap().to_json().unwrap(), String::from_utf8(expected).unwrap(), "{name}");
        }
        println!("compared with {}", folder().display());
    }

    #[test]
    fn our_own_lock_of_each_version_follows_from_its_keys_to_the_last_byte() {
        for version in Version::ALL {
            let made = lock_of(version).to_json().unwrap();
            let file = format!("{}/tests/vectors/cluster-lock-{version}.json", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(std::fs::read_to_string(file).unwrap(), made, "{version}");
        }
    }

    /// Three operators and two validators with fixed keys, and every signature that the version has.
    fn lock_of(version: Version) -> Lock {
        let networks = Networks::known();
        let network = networks.by_name("sepolia").unwrap();
        let node_keys: Vec<NodeKey> = (1..=3).map(|seed| NodeKey::from_bytes(&[seed; 32]).unwrap()).collect();
        let secrets: Vec<SecretKey> = (1..=2).map(|seed| SecretKey::from_bytes(&[seed; 32]).unwrap()).collect();
        let threshold = Threshold::new(2, 3).unwrap();
        let mut rng = <rand_chacha::ChaCha20Rng as rand_chacha::rand_core::SeedableRng>::from_seed([3; 32]);
        let shares: Vec<Vec<SecretKey>> =
            secrets.iter().map(|secret| split(secret, threshold, 3, &mut rng)).collect();
        let definition = definition_of(version, network, &node_keys);
        assemble(definition, network, &secrets, &shares, &node_keys, network.genesis_time_s).unwrap()
    }

    fn definition_of(version: Version, network: &Network, node_keys: &[NodeKey]) -> Definition {
        let wallet = |seed: u8| NodeKey::from_bytes(&[seed; 32]).unwrap();
        let account = |seed| {
            let address = hearth_crypto::k1::ethereum_address(&wallet(seed).public());
            hearth_crypto::k1::checksum_address(&address)
        };
        let addresses = |seed| Addresses { fee_recipient: account(seed), withdrawal: account(seed + 1) };
        let signs = version.has_wallet_signatures();
        let mut definition = Definition {
            version,
            name: "one of each <version> & more".to_owned(),
            creator: Creator::default(),
            operators: node_keys
                .iter()
                .zip(101..)
                .map(|(key, seed)| OperatorEntry {
                    address: if signs { account(seed) } else { String::new() },
                    enr: Enr::create(key).text().to_owned(),
                    ..OperatorEntry::default()
                })
                .collect(),
            uuid: "A0000000-0000-4000-8000-000000000000".to_owned(),
            timestamp: "2026-01-02T03:04:05+01:00".to_owned(),
            num_validators: 2,
            threshold: 2,
            shared_addresses: Addresses::default(),
            validators: Vec::new(),
            dkg_algorithm: "default".to_owned(),
            fork_version: network.fork_version.as_bytes().to_vec(),
            deposit_amounts: None,
            consensus_protocol: String::new(),
            target_gas_limit: 0,
            compounding: false,
            config_hash: Vec::new(),
            definition_hash: Vec::new(),
        };
        if version.has_addresses_per_validator() {
            definition.validators = vec![addresses(111), addresses(113)];
        } else {
            definition.shared_addresses = addresses(111);
        }
        if version.has_partial_deposits() {
            let amounts = [33_000_000_000, 1_500_000_000, 33_000_000_000].map(Gwei::new);
            definition.deposit_amounts = Some(amounts[..if version.has_gas_limit() { 3 } else { 0 }].to_vec());
        }
        if version >= Version::V1_9 {
            definition.consensus_protocol = "qbft".to_owned();
        }
        if version.has_gas_limit() {
            definition.target_gas_limit = 45_000_000;
            definition.compounding = true;
        }
        if version.has_creator() {
            definition.creator.address = account(100);
        }
        definition.rehash().unwrap();
        if !signs {
            return definition;
        }
        let hash = format!("0x{}", hex::encode(&definition.config_hash));
        let sign =
            |seed, message: WalletMessage<'_>| wallet(seed).sign(&message.digest(network.chain_id)).to_vec();
        for (entry, seed) in definition.operators.iter_mut().zip(101..) {
            let config = match version.has_creator() {
                true => WalletMessage::OperatorConfig(&hash),
                false => WalletMessage::LegacyConfig(&hash),
            };
            entry.config_signature = sign(seed, config);
            entry.enr_signature = sign(seed, WalletMessage::Enr(&entry.enr));
        }
        if version.has_creator() {
            definition.creator.config_signature = sign(100, WalletMessage::CreatorConfig(&hash));
        }
        definition
    }
}
