//! `hearth create …`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hearth_node::{Creation, Keys, Network, Networks, Testnet, create_cluster, read_keys};
use indicatif::{ProgressBar, ProgressStyle};

use crate::say;
use crate::signals;
use crate::testnet::TestnetArguments;

/// What can be made.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a cluster on this machine: keys, key shares, lock file and deposit data, one folder for each operator.
    ///
    /// This machine sees the whole keys while it works. Use it for tests, or when one trusted person sets up everybody's
    /// folder; operators who do not trust one machine need a key ceremony instead.
    Cluster(Box<ClusterArguments>),
}

/// Options of `hearth create cluster`.
#[derive(Args)]
pub(crate) struct ClusterArguments {
    /// Folder in which node0, node1, … are made, one for each operator.
    #[arg(long, default_value = "./", value_name = "DIR")]
    cluster_dir: PathBuf,
    /// Name of the cluster; cosmetic.
    #[arg(long, default_value = "")]
    name: String,
    /// Number of operators, at least 3.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(3..=254))]
    nodes: u8,
    /// Operators needed for a signature. Unless given: two thirds, rounded up.
    #[arg(long)]
    threshold: Option<u64>,
    /// Number of validators. Unless given: 1, or as many as keys are split.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    num_validators: Option<u32>,
    /// Network: mainnet, hoodi, sepolia, gnosis or chiado.
    #[arg(long, required_unless_present = "testnet_name", conflicts_with = "testnet_name")]
    network: Option<String>,
    #[command(flatten)]
    testnet: TestnetArguments,
    /// Withdrawal address: one, or one per validator. Exactly as your wallet shows it, upper and lower case.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS", required = true)]
    withdrawal_addresses: Vec<String>,
    /// Address that receives transaction fees: one, or one per validator.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS", required = true)]
    fee_recipient_addresses: Vec<String>,
    /// Amounts to prepare deposits for, in whole ETH. Unless given: 1,32 (1,8,32,256 with --compounding).
    #[arg(long, value_delimiter = ',', value_name = "ETH")]
    deposit_amounts: Vec<u64>,
    /// Validators whose rewards compound (0x02 withdrawal credentials).
    #[arg(long)]
    compounding: bool,
    /// Gas limit that the validators ask builders for.
    #[arg(long, default_value_t = 60_000_000)]
    target_gas_limit: u64,
    /// Split the keys of existing validators instead of making new ones. Stop their old validator client first, and wait
    /// at least two finalised epochs: two signers of one key get it slashed.
    #[arg(long, requires = "split_keys_dir")]
    split_existing_keys: bool,
    /// Folder with their keystores (keystore-*.json) and passwords (keystore-*.txt).
    #[arg(long, value_name = "DIR", requires = "split_existing_keys")]
    split_keys_dir: Option<PathBuf>,
    /// Write keystores whose password is easy to guess, which is much faster. Test networks only.
    #[arg(long)]
    insecure_keys: bool,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Cluster(arguments) = command;
    cluster(*arguments)
}

fn cluster(arguments: ClusterArguments) -> anyhow::Result<ExitCode> {
    let keys = match (&arguments.split_keys_dir, arguments.num_validators) {
        (Some(_), Some(_)) => {
            bail!("--num-validators and --split-existing-keys exclude each other: the keys decide")
        }
        (Some(folder), None) => Keys::Split(read_keys(folder)?),
        (None, number) => Keys::Fresh(number.unwrap_or(1)),
    };
    let creation = Creation {
        folder: arguments.cluster_dir,
        name: arguments.name,
        network: network(arguments.network.as_deref(), &arguments.testnet)?,
        operators: arguments.nodes,
        threshold: arguments.threshold,
        withdrawal_addresses: arguments.withdrawal_addresses,
        fee_recipients: arguments.fee_recipient_addresses,
        deposit_amounts_eth: arguments.deposit_amounts,
        compounding: arguments.compounding,
        gas_limit: arguments.target_gas_limit,
        insecure_keys: arguments.insecure_keys,
    };
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").expect("a constant template"),
    );
    bar.set_message("Encrypting key shares");
    let created = signals::until_stopped(|stopped| {
        create_cluster(&creation, keys, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
            !stopped.load(Ordering::Relaxed)
        })
    })??;
    bar.finish_and_clear();

    say::line(format!(
        "Made a cluster of {} operators with {}; any {} operators can sign.",
        created.folders.len(),
        match created.group_keys.len() {
            1 => "one validator".to_owned(),
            many => format!("{many} validators"),
        },
        created.threshold
    ));
    say::line(format!("Its identity (lock hash) is {}.\n", created.lock_hash));
    for (number, folder) in (1..).zip(&created.folders) {
        say::line(format!("  operator {number}: {}", folder.display()));
    }
    for warning in &created.warnings {
        say::aside(format!("\nWarning: {warning}"));
    }
    say::line(
        "\nGive each operator one folder, over a channel that you trust: it holds that operator's identity and key shares \
         with their passwords. Then delete your copies. Each operator starts with:\n\n  \
         hearth run --data-dir FOLDER --beacon-node URL --p2p-tcp-address IP:PORT --peer NUMBER=IP:PORT …",
    );
    Ok(ExitCode::SUCCESS)
}

fn network(name: Option<&str>, testnet: &TestnetArguments) -> anyhow::Result<Network> {
    if let Some(testnet) = testnet.described() {
        let Testnet { name, fork_version, chain_id, genesis_timestamp } = testnet;
        return Ok(Network::custom(&name, fork_version, chain_id, genesis_timestamp, None)?);
    }
    let known = Networks::known();
    let name = name.unwrap_or_default();
    let names = || known.iter().map(|network| network.name.as_str()).collect::<Vec<_>>().join(", ");
    known.by_name(name).cloned().with_context(|| format!("--network {name} is not one of {}", names()))
}
