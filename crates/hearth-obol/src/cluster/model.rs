//! What the files say, version apart. Lengths and values are as read; checking is [`super::verify`].

use hearth_types::Gwei;

use super::Version;

/// The plan of a cluster: who, how many validators, where their money goes. Before and after keys exist.
///
/// Fields that its version does not have hold their default. Changing a field makes signatures stale; hashes are
/// computed anew whenever the plan is written.
/// Source: `obol-cluster.md` 2.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Definition {
    /// Version of this file and of the lock made from it.
    pub version: Version,
    /// Name of the cluster. Cosmetic.
    pub name: String,
    /// Author of the plan; since v1.4.
    pub creator: Creator,
    /// The operators, in the order that gives each his share index.
    pub operators: Vec<OperatorEntry>,
    /// Distinguishes plans with equal content.
    pub uuid: String,
    /// RFC 3339 with offset, kept verbatim because it is hashed verbatim.
    pub timestamp: String,
    /// Number of validators.
    pub num_validators: u64,
    /// Partial signatures needed, as read.
    pub threshold: u64,
    /// Addresses of all validators, before v1.5.
    pub shared_addresses: Addresses,
    /// Addresses of each validator, since v1.5; as many as `num_validators`.
    pub validators: Vec<Addresses>,
    /// `default`, `frost` or `pedersen`.
    pub dkg_algorithm: String,
    /// Genesis fork version of the network; 4 bytes.
    pub fork_version: Vec<u8>,
    /// Amounts to deposit, since v1.8. `None` and an empty list both mean the default amounts.
    pub deposit_amounts: Option<Vec<Gwei>>,
    /// Name of the consensus protocol or empty, since v1.9.
    pub consensus_protocol: String,
    /// Gas limit of registrations, since v1.10; zero stands for 30,000,000.
    pub target_gas_limit: u64,
    /// Whether validators compound (`0x02` credentials), since v1.10.
    pub compounding: bool,
    /// Hash of the plan without keys and signatures, as read.
    pub config_hash: Vec<u8>,
    /// Hash of the whole plan, as read.
    pub definition_hash: Vec<u8>,
}

impl Definition {
    /// Addresses of the validator at this position; `None` beyond the plan.
    pub fn addresses_of(&self, validator: usize) -> Option<&Addresses> {
        if self.version.has_addresses_per_validator() {
            self.validators.get(validator)
        } else {
            u64::try_from(validator).ok().filter(|v| *v < self.num_validators).map(|_| &self.shared_addresses)
        }
    }
}

/// Author of a plan.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Creator {
    /// His account, verbatim; may be empty.
    pub address: String,
    /// His signature of the config hash; may be empty.
    pub config_signature: Vec<u8>,
}

/// One operator as the plan names him.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OperatorEntry {
    /// His account, verbatim; may be empty.
    pub address: String,
    /// Record of his node's key.
    pub enr: String,
    /// His signature of the config hash; may be empty.
    pub config_signature: Vec<u8>,
    /// His signature of the record; may be empty.
    pub enr_signature: Vec<u8>,
}

/// Where the money of a validator goes. Texts, verbatim.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Addresses {
    /// Receives what a block pays.
    pub fee_recipient: String,
    /// Receives rewards and the stake.
    pub withdrawal: String,
}

/// A cluster with keys: the plan, the public keys, and the proofs that all operators have them.
///
/// Source: `obol-cluster.md` 2.3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lock {
    /// The plan.
    pub definition: Definition,
    /// The validators, in the order of the plan.
    pub validators: Vec<DistributedValidator>,
    /// Sum of the signatures by every share of every validator over the lock hash; 96 bytes.
    pub signature_aggregate: Vec<u8>,
    /// Identity of the cluster, as read; 32 bytes.
    pub lock_hash: Vec<u8>,
    /// One signature per operator's node key over the lock hash, since v1.7; 65 bytes each.
    pub node_signatures: Vec<Vec<u8>>,
}

/// One validator of a lock.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DistributedValidator {
    /// Key that the chain knows; 48 bytes.
    pub public_key: Vec<u8>,
    /// Public keys of the shares in the order of the operators; 48 bytes each.
    pub public_shares: Vec<Vec<u8>>,
    /// Signed deposits: one in v1.6 and v1.7, one per amount since v1.8.
    pub deposits: Vec<Deposit>,
    /// Signed registration with block builders, since v1.7.
    pub registration: Registration,
}

/// A deposit as the contract takes it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Deposit {
    /// Key of the validator; 48 bytes.
    pub public_key: Vec<u8>,
    /// Where the money may go; 32 bytes.
    pub withdrawal_credentials: Vec<u8>,
    /// How much.
    pub amount: Gwei,
    /// Signature of the validator's key; 96 bytes.
    pub signature: Vec<u8>,
}

/// A registration with block builders.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Registration {
    /// Receives what a block pays; 20 bytes.
    pub fee_recipient: Vec<u8>,
    /// Gas limit to build for.
    pub gas_limit: u64,
    /// Unix seconds; the latest registration counts.
    pub timestamp: u64,
    /// Key of the validator; 48 bytes.
    pub public_key: Vec<u8>,
    /// Signature of the validator's key; 96 bytes.
    pub signature: Vec<u8>,
}
