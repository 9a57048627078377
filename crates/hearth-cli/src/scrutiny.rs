//! How strictly cluster files are checked, in options that several commands share.

use std::path::Path;

use clap::Args;
use hearth_node::Settings;
use hearth_node::offline::Scrutiny;

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
    /// The checks for files in `folder`, whose settings describe the network where that is not a public one.
    pub(crate) fn for_folder(&self, folder: &Path) -> anyhow::Result<Scrutiny> {
        let settings = Settings::load(folder)?;
        Ok(Scrutiny {
            testnet: self.testnet.described().or(settings.testnet),
            execution_client: self.execution.url().or(settings.execution_client),
            no_verify: self.no_verify,
        })
    }
}
