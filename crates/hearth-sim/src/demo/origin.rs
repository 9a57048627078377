//! How the demo's cluster comes about: a dealer makes all shares, or the operators hold a key ceremony and nobody ever has the key.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hearth_crypto::bls::PublicKey;
use hearth_node::Testnet;
use hearth_node::offline::{
    Blueprint, Creation, Keys, Planned, Scrutiny, Wishes, create_cluster, create_definition, create_identity,
    show,
};
use hearth_types::ForkVersion;
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

use super::operator::{free_ports, node_folder};
use super::{DemoError, FORK_VERSION, Options, system};

/// Makes every operator's folder. Returns the validators' public keys.
pub(super) async fn make(options: &Options, progress: &impl Fn(&str)) -> Result<Vec<PublicKey>, DemoError> {
    let creation = Creation::for_tests(&options.folder, options.operators, ForkVersion::new(FORK_VERSION));
    match creation.blueprint {
        Blueprint::Wishes { wishes, .. } if options.ceremony => hold(options, *wishes, progress).await,
        _ => {
            progress("Making a cluster: keys, shares, lock file");
            let keys = Keys::Fresh(options.validators.into());
            // Seconds of work; a signal must be heard meanwhile.
            let create = move || create_cluster(&creation, keys, &mut |_done, _total| true);
            Ok(aside("making a cluster", create).await??.group_keys)
        }
    }
}

/// As operators do it: each makes a key, all agree on one definition, and `hearth dkg` does the rest.
async fn hold(
    options: &Options,
    wishes: Wishes,
    progress: &impl Fn(&str),
) -> Result<Vec<PublicKey>, DemoError> {
    progress("Holding a key ceremony: the validator's key is made in shares, and nobody ever has it whole");
    let (place, validators) = (options.folder.clone(), usize::from(options.validators));
    let folders: Vec<PathBuf> = (1..=options.operators).map(|number| node_folder(&place, number)).collect();
    let homes = folders.clone();
    let testnet = Testnet::of(&wishes.network);
    let planned = aside("planning a cluster", move || plan(&place, &homes, &wishes, validators)).await??;

    let ports = free_ports(options.operators).map_err(system("finding free ports"))?;
    let ceremony: Result<Vec<Taking>, DemoError> = (1..)
        .zip(&folders)
        .map(|(number, folder)| Taking::part(options, &planned.path, &ports, (number, folder)))
        .collect();
    for operator in ceremony? {
        operator.end().await?;
    }
    let lock = folders.first().map(|folder| folder.join("cluster-lock.json")).unwrap_or_default();
    let scrutiny = Scrutiny { testnet, ..Scrutiny::default() };
    let facts = aside("reading the lock", move || show(&lock, &scrutiny)).await?;
    let facts = facts.map_err(|error| DemoError::Ceremony(error.to_string()))?;
    let keys = facts.validators.iter().map(|validator| public_key(validator.public_key.as_deref()));
    keys.collect::<Option<_>>().ok_or_else(|| DemoError::Ceremony("the lock holds a key that is none".into()))
}

/// Keys for all operators, and what they agree on.
fn plan(place: &Path, folders: &[PathBuf], wishes: &Wishes, validators: usize) -> Result<Planned, DemoError> {
    let failed = |error: &dyn std::error::Error| DemoError::Ceremony(error.to_string());
    let mut records = Vec::new();
    for folder in folders {
        records.push(create_identity(folder).map_err(|error| failed(&error))?.enr);
        if let Some(testnet) = Testnet::of(&wishes.network) {
            let settings = folder.join("settings.toml");
            std::fs::write(settings, testnet.to_toml()).map_err(system("writing an operator's settings"))?;
        }
    }
    create_definition(place, wishes, validators, &records).map_err(|error| failed(&error))
}

/// An operator in the ceremony.
struct Taking {
    number: u8,
    process: Child,
    log: PathBuf,
}

impl Taking {
    fn part(
        options: &Options,
        definition: &Path,
        ports: &[u16],
        (number, folder): (u8, &PathBuf),
    ) -> Result<Self, DemoError> {
        let mut command = Command::new(&options.program);
        command.arg("dkg").arg("--definition").arg(definition).arg("--data-dir").arg(folder);
        command.arg("--insecure-keys");
        for (peer, port) in (1..).zip(ports) {
            let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
            if peer == number {
                command.args(["--p2p-tcp-address", &address]);
            } else {
                command.args(["--peer", &format!("{peer}={address}")]);
            }
        }
        let log = folder.join("ceremony.log");
        let output = File::create(&log).map_err(system("opening an operator's log"))?;
        let errors = output.try_clone().map_err(system("opening an operator's log"))?;
        let process = command.stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true).spawn();
        Ok(Self { number, process: process.map_err(system("starting an operator"))?, log })
    }

    async fn end(mut self) -> Result<(), DemoError> {
        let status = self.process.wait().await.map_err(system("waiting for an operator"))?;
        if status.success() {
            return Ok(());
        }
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        Err(DemoError::Ceremony(format!("operator {} said: {last}", self.number)))
    }
}

fn public_key(hex: Option<&str>) -> Option<PublicKey> {
    let bytes = hex::decode(hex?.strip_prefix("0x")?).ok()?;
    PublicKey::from_bytes(&bytes.try_into().ok()?).ok()
}

/// Does what blocks where it keeps no signal waiting.
async fn aside<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DemoError> {
    spawn_blocking(work).await.map_err(std::io::Error::other).map_err(system(what))
}
