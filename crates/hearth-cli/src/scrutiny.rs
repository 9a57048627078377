//! How strictly cluster files are checked, in options that several commands share.

use std::path::Path;

use clap::Args;
use hearth_node::offline::Scrutiny;
use hearth_node::{Settings, testnet_described_in};

use crate::testnet::TestnetArguments;

/// Who is asked about wallets that are contracts.
#[derive(Args)]
pub(crate) struct ExecutionClientArgument {
    /// An execution client, such as http://127.0.0.1:8545, which asks operators' wallets that are contracts (a Safe) whether
    /// they signed. Without one such signatures count as wrong.
    #[arg(long, value_name = "URL")]
    execution_client_rpc_endpoint: Option<String>,
}

impl ExecutionClientArgument {
    /// The address, if it was given.
    pub(crate) fn url(&self) -> Option<String> {
        self.execution_client_rpc_endpoint.clone()
    }

    pub(crate) fn scrutiny(&self) -> Scrutiny {
        Scrutiny { execution_client: self.url(), ..Scrutiny::default() }
    }
}

/// Everything about the checks of a lock.
#[derive(Args)]
pub(crate) struct ScrutinyArguments {
    #[command(flatten)]
    execution: ExecutionClientArgument,
    /// Go on although hashes or signatures do not fit, with a warning. A file of the wrong form is refused all the same.
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    testnet: TestnetArguments,
}

impl ScrutinyArguments {
    /// The checks for a node's own folder, whose settings describe what the command line does not.
    pub(crate) fn for_own(&self, folder: &Path) -> anyhow::Result<Scrutiny> {
        let settings = Settings::load(folder)?;
        let given = self.for_foreign(folder);
        Ok(Scrutiny {
            testnet: self.testnet.described().or(settings.testnet),
            execution_client: given.execution_client.or(settings.execution_client),
            ..given
        })
    }

    /// The checks for files in a folder that may come from somebody else: its settings may describe a network that nobody
    /// knows, and nothing more.
    pub(crate) fn for_foreign(&self, folder: &Path) -> Scrutiny {
        Scrutiny {
            testnet: self.testnet.described().or_else(|| testnet_described_in(folder)),
            execution_client: self.execution.url(),
            no_verify: self.no_verify,
        }
    }
}
