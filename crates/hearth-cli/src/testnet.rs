//! A network of one's own, described on the command line.

use clap::Args;
use hearth_node::Testnet;
use hearth_types::ForkVersion;

/// A test network of one's own. All four belong together.
#[derive(Args)]
pub(crate) struct TestnetArguments {
    /// Name of a test network of your own.
    #[arg(long, value_name = "NAME", requires = "testnet_fork_version")]
    testnet_name: Option<String>,
    /// Its genesis fork version: 0x and 8 hex digits.
    #[arg(long, value_name = "HEX", requires = "testnet_chain_id")]
    testnet_fork_version: Option<ForkVersion>,
    /// Its chain id.
    #[arg(long, value_name = "ID", requires = "testnet_genesis_timestamp")]
    testnet_chain_id: Option<u64>,
    /// Its genesis time, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", requires = "testnet_name")]
    testnet_genesis_timestamp: Option<u64>,
}

impl TestnetArguments {
    /// The network, if it was described.
    pub(crate) fn described(&self) -> Option<Testnet> {
        Some(Testnet {
            name: self.testnet_name.clone()?,
            fork_version: self.testnet_fork_version?,
            chain_id: self.testnet_chain_id?,
            genesis_timestamp: self.testnet_genesis_timestamp?,
        })
    }
}
