//! `hearth create cluster`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use hearth_node::offline::{
    Blueprint, Created, Creation, DkgAlgorithm, KeyOrder, Keys, Scrutiny, create_cluster, read_definition,
    read_keys,
};

use super::wishes::WishArguments;
use crate::progress::work;
use crate::say;
use crate::scrutiny::ExecutionClientArgument;

/// Operators, unless said otherwise.
const USUAL_OPERATORS: u8 = 4;

/// Options of `hearth create cluster`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder in which node0, node1, … are made, one for each operator.
    #[arg(long, default_value = "./", value_name = "DIR")]
    cluster_dir: PathBuf,
    /// Number of operators, at least 3. Unless given: 4.
    #[arg(long, value_parser = clap::value_parser!(u8).range(3..=254))]
    nodes: Option<u8>,
    /// Number of validators. Unless given: 1, or as many as keys are split.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    num_validators: Option<u32>,
    #[command(flatten)]
    wishes: WishArguments,
    /// Make the cluster that this cluster-definition.json describes: a file, or an http(s) address. Operators that it names
    /// give their places to the nodes made here.
    #[arg(long, value_name = "FILE|URL", conflicts_with_all = ["nodes", "num_validators"])]
    definition_file: Option<String>,
    #[command(flatten)]
    execution: ExecutionClientArgument,
    /// Split the keys of existing validators instead of making new ones. Stop their old validator client first, and wait
    /// at least two finalised epochs: two signers of one key get it slashed.
    #[arg(long, requires = "split_keys_dir", conflicts_with = "num_validators")]
    split_existing_keys: bool,
    /// Folder with their keystores (keystore-*.json) and passwords (keystore-*.txt).
    #[arg(long, value_name = "DIR", requires = "split_existing_keys")]
    split_keys_dir: Option<PathBuf>,
    /// Write keystores whose password is easy to guess, which is much faster. Test networks only.
    #[arg(long)]
    insecure_keys: bool,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let splits = arguments.split_existing_keys;
    let keys_dir = arguments.split_keys_dir.clone();
    let (creation, validators, order) = creation(arguments)?;
    let keys = match keys_dir {
        Some(folder) => {
            let opened = work("Opening the existing keys", |progress| read_keys(&folder, order, progress))??;
            Keys::Split(opened)
        }
        None => Keys::Fresh(validators),
    };
    let created = work("Encrypting the key shares", |progress| create_cluster(&creation, keys, progress))??;
    conclude(&created, splits);
    Ok(ExitCode::SUCCESS)
}

/// What to make, how many validators if their keys are new, and which existing keys are meant.
fn creation(arguments: Arguments) -> anyhow::Result<(Creation, u32, KeyOrder)> {
    let Arguments { cluster_dir: folder, nodes, num_validators, wishes, definition_file, execution, .. } =
        arguments;
    let insecure_keys = arguments.insecure_keys;
    let Some(source) = definition_file else {
        let order = if wishes.has_addresses_each() { KeyOrder::Numbered } else { KeyOrder::Any };
        let wishes = Box::new(wishes.wishes(DkgAlgorithm::Default)?);
        let blueprint = Blueprint::Wishes { wishes, operators: nodes.unwrap_or(USUAL_OPERATORS) };
        let creation = Creation { folder, blueprint, insecure_keys };
        return Ok((creation, num_validators.unwrap_or(1), order));
    };
    if let Some(option) = wishes.first_given() {
        bail!("{option} and --definition-file exclude each other: the definition describes the cluster");
    }
    let scrutiny = Scrutiny { testnet: wishes.testnet(), ..execution.scrutiny() };
    let definition = read_definition(&source)?;
    let validators = u32::try_from(definition.num_validators).unwrap_or(u32::MAX);
    let distinct = definition.validators.windows(2).any(|pair| matches!(pair, [a, b] if a != b));
    let order = if distinct { KeyOrder::Numbered } else { KeyOrder::Any };
    let blueprint = Blueprint::Definition { definition: Box::new(definition), scrutiny };
    Ok((Creation { folder, blueprint, insecure_keys }, validators, order))
}

fn conclude(created: &Created, splits: bool) {
    say::line(format!(
        "Made a cluster of {} operators with {}; any {} operators can sign.",
        created.folders.len(),
        say::counted(created.group_keys.len(), "validator"),
        created.threshold
    ));
    say::line(format!("Its identity (lock hash) is {}.\n", created.lock_hash));
    for (number, folder) in (1..).zip(&created.folders) {
        say::line(format!("  operator {number}: {}", folder.display()));
    }
    say::warnings(&created.warnings);
    if splits {
        say::line(
            "\nThese validators exist already: do not deposit for them again, whatever the deposit files say. Make sure that \
             their\nold validator client is stopped for good before any of the new nodes starts.",
        );
    }
    say::line(
        "\nGive each operator one folder, over a channel that you trust: it holds that operator's identity and key shares \
         with\ntheir passwords. Then delete your copies. Each operator takes his folder over and starts with:\n\n  \
         hearth import charon FOLDER --data-dir hearth\n  \
         hearth run --data-dir hearth --beacon-node URL --p2p-tcp-address IP:PORT --peer NUMBER=IP:PORT …",
    );
}
