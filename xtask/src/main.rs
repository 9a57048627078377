//! `cargo xtask …`: set up, run, test, measure and fuzz Hearth, the same way on every system.

mod bench;
#[cfg(unix)]
mod bundle;
mod fuzz;
mod prepare;
mod steps;
mod window;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use steps::{Runner, cargo};

/// Everything a developer of Hearth does, one command each.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check what this machine has, and install what is missing (Debian and Ubuntu; elsewhere it says what to install).
    Setup,
    /// See Hearth at work: four operators keep one validator attesting on an embedded chain.
    ///
    /// Where there is a screen, the app opens on it. Elsewhere, or with arguments for the demo, it is shown in the terminal; without
    /// a terminal it runs a few slots, prints a line each and the verdict.
    Run {
        /// Everything after `--` goes to `hearth demo`.
        #[arg(last = true)]
        demo: Vec<String>,
    },
    /// Open the app on the node of a data folder, for development: what changes in ui/ shows at once.
    App {
        /// The folder of the node; that of this user if left out.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<std::path::PathBuf>,
        /// With the screens built into it, as it is shipped.
        #[arg(long)]
        built: bool,
    },
    /// Everything that must hold: format, lints, fences, tests of every kind, documentation. This is what CI runs.
    Test {
        /// Leave out the test against the real consensus client.
        #[arg(long)]
        no_devnet: bool,
    },
    /// Measure, and hold each figure against its limit.
    Bench {
        /// Only benchmarks whose name contains this.
        #[arg(default_value = "")]
        filter: String,
    },
    /// Look for bytes that make a parser of foreign files break a promise. What reaches new code goes into the corpus.
    Fuzz {
        /// Which parser; all of them if left out.
        target: Option<fuzz::Target>,
        /// How long to look, for each parser.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_080))]
        minutes: u64,
    },
    /// Make packages for Linux, .deb and .rpm, in target/packages.
    Bundle {
        /// Pack the programs as they are built for development: quicker, to try the package itself.
        #[arg(long)]
        debug: bool,
    },
    /// Take a picture of every screen in both themes, for docs/screens.
    Screens,
    /// A cluster of four attests on a chain of a real consensus client (Lodestar).
    Devnet {
        /// Forks to run, one chain each.
        #[arg(long, value_delimiter = ',', default_value = "electra,fulu")]
        forks: Vec<String>,
        /// Use this beacon node instead of starting one. Needs --keys.
        #[arg(long, requires = "keys")]
        beacon_node: Option<String>,
        /// Keystores (`*.json` with `*.txt` passwords) of a validator that is active on that chain.
        #[arg(long, requires = "beacon_node")]
        keys: Option<String>,
    },
}

fn main() -> ExitCode {
    match perform(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            steps::say(&format!("\n{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Setup => {
            prepare::check(prepare::Need::Everything)?;
            steps::say("This machine has what Hearth needs. Next: cargo xtask run");
        }
        Task::Run { demo } => {
            if demo.is_empty() && window::has_screen() {
                return window::demo();
            }
            prepare::check(prepare::Need::Rust)?;
            Runner::new(1).step("Building hearth", cargo(["build", "--package", "hearth-cli"]))?;
            let mut command = cargo(["run", "--quiet", "--package", "hearth-cli", "--", "demo"]);
            command.args(demo);
            steps::hand_over(command)?;
        }
        Task::App { data_dir, built } => window::app(data_dir, built)?,
        Task::Test { no_devnet } => test(no_devnet)?,
        Task::Bench { filter } => bench::run(&filter)?,
        #[cfg(unix)]
        Task::Bundle { debug } => bundle::run(debug)?,
        #[cfg(not(unix))]
        Task::Bundle { .. } => {
            anyhow::bail!("packages for Linux are made on Linux; those of this system by the release workflow")
        }
        Task::Screens => window::screens()?,
        Task::Fuzz { target, minutes } => fuzz::run(target, minutes)?,
        Task::Devnet { forks, beacon_node, keys } => {
            prepare::check(prepare::Need::Everything)?;
            let mut runner = Runner::new(2);
            // Both of the whole workspace, so that nothing is built a second time with other features.
            let build = ["build", "--workspace", "--bin", "hearth", "--test", "devnet"];
            runner.step("Building hearth", cargo(build))?;
            let mut command = cargo(["test", "--workspace", "--test", "devnet", "--", "--nocapture"]);
            command.env("HEARTH_DEVNET_FORKS", forks.join(",")).env("HEARTH_DEVNET_REQUIRED", "1");
            command.env("HEARTH_PROGRAM", steps::sibling("hearth")?);
            if let (Some(url), Some(keys)) = (beacon_node, keys) {
                let keys = std::fs::canonicalize(&keys).with_context(|| format!("--keys {keys}"))?;
                command.env("HEARTH_DEVNET_BEACON_NODE", url).env("HEARTH_DEVNET_KEYS", keys);
            }
            runner.step("A cluster on a real consensus client", command)?;
            steps::say("The cluster's attestations were found in later blocks of the chain.");
        }
    }
    Ok(())
}

fn test(no_devnet: bool) -> Result<()> {
    prepare::check(prepare::Need::Everything)?;
    let mut runner = Runner::new(if cfg!(target_os = "linux") { 10 } else { 8 });
    runner.step("Format", cargo(["fmt", "--all", "--check"]))?;
    runner.step("Building everything", cargo(["build", "--workspace", "--all-targets"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    runner.step("Lints", cargo(lints))?;
    // Of the whole workspace, so that nothing is built a second time with other features.
    runner.step("Fences", cargo(["test", "--workspace", "--test", "architecture"]))?;
    let mut tests = cargo(["test", "--workspace", "--all-targets", "--no-fail-fast"]);
    // Just built. Alone, a test builds the program anew, with other features of its libraries.
    tests.env("HEARTH_PROGRAM", steps::sibling("hearth")?);
    if no_devnet {
        tests.env("HEARTH_DEVNET_FORKS", "");
    }
    runner.step("Tests", tests)?;
    window::test(&mut runner)?;
    runner.step("Examples in the documentation", cargo(["test", "--workspace", "--doc"]))?;
    let mut docs = cargo(["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    runner.step("Documentation", docs)?;
    runner.finish("Everything that must hold, holds.");
    Ok(())
}
