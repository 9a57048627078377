//! What the owner wants of a cluster, in options that several commands share.

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use hearth_node::offline::{DkgAlgorithm, Wishes};
use hearth_node::{Network, Networks, Testnet};

use crate::testnet::TestnetArguments;

/// What most blocks have room for.
const USUAL_GAS_LIMIT: u64 = 60_000_000;

/// Options that describe a cluster.
#[derive(Args)]
pub(super) struct WishArguments {
    /// Name of the cluster; cosmetic.
    #[arg(long, default_value = "")]
    name: String,
    /// Operators needed for a signature. Unless given: two thirds, rounded up.
    #[arg(long, short = 't')]
    threshold: Option<u64>,
    /// Network: mainnet, hoodi, sepolia, gnosis or chiado.
    #[arg(long, conflicts_with = "testnet_name")]
    network: Option<String>,
    #[command(flatten)]
    testnet: TestnetArguments,
    /// Withdrawal address: one, or one per validator. Exactly as your wallet shows it, upper and lower case.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    withdrawal_addresses: Vec<String>,
    /// Address that receives transaction fees: one, or one per validator.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    fee_recipient_addresses: Vec<String>,
    /// Amounts to prepare deposits for, in whole ETH. Unless given: 1,32 (1,8,32,256 with --compounding).
    #[arg(long, value_delimiter = ',', value_name = "ETH")]
    deposit_amounts: Vec<u64>,
    /// Validators whose rewards compound (0x02 withdrawal credentials).
    #[arg(long)]
    compounding: bool,
    /// Gas limit that the validators ask builders for. Unless given: 60000000.
    #[arg(long)]
    target_gas_limit: Option<u64>,
    /// How the operators agree: qbft, which is also what an empty text means.
    #[arg(long, default_value = "", value_name = "NAME", hide_default_value = true)]
    consensus_protocol: String,
}

/// How keys are made together.
#[derive(Args)]
pub(super) struct AlgorithmArgument {
    /// How the operators make the keys. The default is FROST.
    #[arg(long, default_value = "default", value_parser = algorithms())]
    pub(super) dkg_algorithm: DkgAlgorithm,
}

fn algorithms() -> impl clap::builder::TypedValueParser<Value = DkgAlgorithm> {
    let named = |text: String| DkgAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
    PossibleValuesParser::new(DkgAlgorithm::ALL.map(DkgAlgorithm::as_str))
        .map(move |text| named(text).unwrap_or_default())
}

impl WishArguments {
    /// The wishes, if all that is needed was said.
    pub(super) fn wishes(self, dkg_algorithm: DkgAlgorithm) -> anyhow::Result<Wishes> {
        let needed = |given: &[String], option: &str| match given {
            [] => Err(anyhow::anyhow!("{option} is needed: one address for all validators, or one each")),
            given => Ok(given.to_vec()),
        };
        Ok(Wishes {
            network: network(self.network.as_deref(), &self.testnet)?,
            withdrawal_addresses: needed(&self.withdrawal_addresses, "--withdrawal-addresses")?,
            fee_recipients: needed(&self.fee_recipient_addresses, "--fee-recipient-addresses")?,
            name: self.name,
            // Zero is how other tools ask for the usual one.
            threshold: self.threshold.filter(|threshold| *threshold > 0),
            deposit_amounts_eth: self.deposit_amounts,
            compounding: self.compounding,
            gas_limit: self.target_gas_limit.unwrap_or(USUAL_GAS_LIMIT),
            consensus_protocol: self.consensus_protocol,
            dkg_algorithm,
        })
    }

    /// The network, if it was described.
    pub(super) fn testnet(&self) -> Option<Testnet> {
        self.testnet.described()
    }

    /// Whether the validators have addresses of their own.
    pub(super) fn has_addresses_each(&self) -> bool {
        self.withdrawal_addresses.len() > 1 || self.fee_recipient_addresses.len() > 1
    }

    /// The first option that describes a cluster and was given.
    pub(super) fn first_given(&self) -> Option<&'static str> {
        [
            (!self.name.is_empty(), "--name"),
            (self.threshold.is_some(), "--threshold"),
            (self.network.is_some(), "--network"),
            (!self.withdrawal_addresses.is_empty(), "--withdrawal-addresses"),
            (!self.fee_recipient_addresses.is_empty(), "--fee-recipient-addresses"),
            (!self.deposit_amounts.is_empty(), "--deposit-amounts"),
            (self.compounding, "--compounding"),
            (self.target_gas_limit.is_some(), "--target-gas-limit"),
            (!self.consensus_protocol.is_empty(), "--consensus-protocol"),
        ]
        .into_iter()
        .find_map(|(given, option)| given.then_some(option))
    }
}

fn network(name: Option<&str>, testnet: &TestnetArguments) -> anyhow::Result<Network> {
    if let Some(testnet) = testnet.described() {
        let Testnet { name, fork_version, chain_id, genesis_timestamp } = testnet;
        return Ok(Network::custom(&name, fork_version, chain_id, genesis_timestamp, None)?);
    }
    let known = Networks::known();
    // Goerli is no more; it is known for the sake of old files.
    let alive = || known.iter().map(|network| network.name.as_str()).filter(|name| *name != "goerli");
    let names = || alive().collect::<Vec<_>>().join(", ");
    let name = name.with_context(|| {
        format!(
            "--network is needed: {}. Or describe your own with --testnet-name and the options beside it",
            names()
        )
    })?;
    known.by_name(name).cloned().with_context(|| format!("--network {name} is not one of {}", names()))
}
