//! Networks that clusters are made for.
//!
//! Source: `obol-cluster.md` 12.

use std::collections::BTreeSet;

use hearth_types::ForkVersion;
use thiserror::Error;

use super::contract::ContractSignature;

/// What a cluster needs to know of a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Network {
    /// Its name in flags and deposit files.
    pub name: String,
    /// Identifies it in a cluster file.
    pub fork_version: ForkVersion,
    /// Chain of the wallets that sign.
    pub chain_id: u64,
    /// Start of slot 0 in Unix seconds.
    pub genesis_time_s: u64,
    /// Fork whose rules exits are signed under; needed for exits only.
    pub capella_fork_version: Option<ForkVersion>,
}

/// A custom network with a field missing.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("a custom network needs a name, a chain id and a genesis time; {0} is missing")]
pub struct IncompleteNetwork(pub &'static str);

impl Network {
    /// A network that is not in the table.
    pub fn custom(
        name: &str,
        fork_version: ForkVersion,
        chain_id: u64,
        genesis_time_s: u64,
        capella_fork_version: Option<ForkVersion>,
    ) -> Result<Self, IncompleteNetwork> {
        for (missing, what) in [
            (name.is_empty(), "the name"),
            (chain_id == 0, "the chain id"),
            (genesis_time_s == 0, "the genesis time"),
        ] {
            if missing {
                return Err(IncompleteNetwork(what));
            }
        }
        Ok(Self { name: name.to_owned(), fork_version, chain_id, genesis_time_s, capella_fork_version })
    }

    /// Whether validators here hold real money, so that careless settings are refused.
    pub fn holds_real_money(&self) -> bool {
        matches!(self.name.as_str(), "mainnet" | "gnosis")
    }
}

const KNOWN: [(&str, u32, u64, u64, u32); 6] = [
    ("mainnet", 0x0000_0000, 1, 1_606_824_023, 0x0300_0000),
    ("hoodi", 0x1000_0910, 560_048, 1_742_213_400, 0x4000_0910),
    ("sepolia", 0x9000_0069, 11_155_111, 1_655_733_600, 0x9000_0072),
    ("gnosis", 0x0000_0064, 100, 1_638_993_340, 0x0300_0064),
    ("chiado", 0x0000_006f, 10_200, 1_665_396_300, 0x0300_006f),
    ("goerli", 0x0000_1020, 5, 1_616_508_000, 0x0300_1020),
];

/// The networks that clusters may belong to, and what contracts on them said about signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Networks {
    list: Vec<Network>,
    accepted: BTreeSet<ContractSignature>,
}

impl Networks {
    /// Mainnet, Hoodi, Sepolia, Gnosis, Chiado and (for old files) Goerli.
    pub fn known() -> Self {
        let network = |(name, fork, chain_id, genesis_time_s, capella): (&str, u32, u64, u64, u32)| Network {
            name: name.to_owned(),
            fork_version: ForkVersion::new(fork.to_be_bytes()),
            chain_id,
            genesis_time_s,
            capella_fork_version: Some(ForkVersion::new(capella.to_be_bytes())),
        };
        Self { list: KNOWN.map(network).to_vec(), accepted: BTreeSet::new() }
    }

    /// These and another, which goes before any other of its name or fork version.
    #[must_use]
    pub fn with(mut self, network: Network) -> Self {
        self.list.insert(0, network);
        self
    }

    /// These, where the contracts of their accounts have accepted the signatures.
    #[must_use]
    pub fn accepting(mut self, signatures: impl IntoIterator<Item = ContractSignature>) -> Self {
        self.accepted.extend(signatures);
        self
    }

    /// Whether the contract of its account is known to accept this signature.
    pub(super) fn accepts(&self, signature: &ContractSignature) -> bool {
        self.accepted.contains(signature)
    }

    /// The network that a cluster file names by its genesis fork version.
    pub fn by_fork_version(&self, fork_version: ForkVersion) -> Option<&Network> {
        self.list.iter().find(|network| network.fork_version == fork_version)
    }

    /// The network of this name; `prater` is another name of Goerli.
    pub fn by_name(&self, name: &str) -> Option<&Network> {
        let name = if name == "prater" { "goerli" } else { name };
        self.list.iter().find(|network| network.name == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.list.iter()
    }
}

impl From<Network> for Networks {
    /// One network and no other.
    fn from(network: Network) -> Self {
        Self { list: vec![network], accepted: BTreeSet::new() }
    }
}
