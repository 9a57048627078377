//! A cluster made by one trusted machine: keys, shares, lock, deposit data, one folder for each operator.

use std::fs;
use std::path::{Path, PathBuf};

use hearth_crypto::k1::NodeKey;
use hearth_crypto::{PublicKey, SecretKey};
use hearth_obol::cluster::{
    Dealt, Network, Plan, PlanError, deal, new_uuid, threshold_warning, timestamp_text,
};
use hearth_signer::keystore::Cost;
use hearth_signer::{folder, identity};
use hearth_types::{ForkVersion, Gwei, LockHash, Threshold};
use rand::RngExt;
use thiserror::Error;

use crate::clock;
use crate::settings::{self, Testnet};

/// Address that owns nothing and gets nothing: for test chains only.
const NOBODY: &str = "0x000000000000000000000000000000000000dEaD";
const GWEI_PER_ETH: u64 = 1_000_000_000;

/// Where the validators' keys come from.
#[derive(Debug)]
pub enum Keys {
    /// This many new ones, made here and forgotten after the split.
    Fresh(u32),
    /// Existing validators whose keys are split.
    Split(Vec<SecretKey>),
}

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Folder in which `node0`, `node1`, … are made.
    pub folder: PathBuf,
    /// Name of the cluster; may be empty.
    pub name: String,
    /// Where its validators live.
    pub network: Network,
    /// Number of operators.
    pub operators: u8,
    /// Partial signatures needed; two thirds, rounded up, if absent.
    pub threshold: Option<u64>,
    /// One, or one per validator; with checksum.
    pub withdrawal_addresses: Vec<String>,
    /// One, or one per validator.
    pub fee_recipients: Vec<String>,
    /// Amounts to prepare deposits for; the usual ones if empty.
    pub deposit_amounts_eth: Vec<u64>,
    /// Whether the validators compound.
    pub compounding: bool,
    /// Gas limit to register with.
    pub gas_limit: u64,
    /// Keystores whose password is easy to guess, which are fast. Test networks only.
    pub insecure_keys: bool,
}

/// What was made.
#[derive(Debug)]
pub struct Created {
    /// The cluster's identity.
    pub lock_hash: LockHash,
    /// Group public keys, in the order of the lock.
    pub group_keys: Vec<PublicKey>,
    /// One folder for each operator.
    pub folders: Vec<PathBuf>,
    /// Partial signatures needed.
    pub threshold: Threshold,
    /// What the owner should know about the plan.
    pub warnings: Vec<String>,
}

/// A cluster that was not made. Nothing of it is left behind.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The plan is impossible.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Real money and easy passwords do not go together.
    #[error("insecure keystores are for test networks, and {0} holds real money")]
    Insecure(String),
    /// Something is there already.
    #[error("{} exists already and was left alone; choose another folder for the cluster, or move it away", .0.display())]
    Exists(PathBuf),
    /// The caller said no to going on.
    #[error("stopped; nothing was made, and nothing is left of it")]
    Interrupted,
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An identity could not be stored.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// Keystores could not be written.
    #[error(transparent)]
    Keystores(#[from] folder::WriteError),
}

impl Creation {
    /// A cluster for a test chain with this genesis fork version: easy passwords, addresses of nobody.
    pub fn for_tests(folder: &Path, operators: u8, fork_version: ForkVersion) -> Self {
        let (name, chain_id, genesis_time_s) = ("hearth-test".to_owned(), 0xde30, 1);
        let network = Network { name, fork_version, chain_id, genesis_time_s, capella_fork_version: None };
        Self {
            folder: folder.to_owned(),
            name: "demo".into(),
            network,
            operators,
            threshold: None,
            withdrawal_addresses: vec![NOBODY.into()],
            fee_recipients: vec![NOBODY.into()],
            deposit_amounts_eth: Vec::new(),
            compounding: false,
            gas_limit: 60_000_000,
            insecure_keys: true,
        }
    }

    fn plan(&self, registered_at_s: Option<u64>) -> Plan {
        let gwei = |eth: &u64| Gwei::new(eth.saturating_mul(GWEI_PER_ETH));
        Plan {
            name: self.name.clone(),
            network: self.network.clone(),
            threshold: self.threshold,
            withdrawal_addresses: self.withdrawal_addresses.clone(),
            fee_recipients: self.fee_recipients.clone(),
            deposit_amounts: self.deposit_amounts_eth.iter().map(gwei).collect(),
            compounding: self.compounding,
            gas_limit: self.gas_limit,
            consensus_protocol: String::new(),
            timestamp: timestamp_text(clock::now()),
            uuid: new_uuid(&mut rand::rng()),
            registered_at_s,
        }
    }
}

/// Makes the cluster and one folder for each operator, or nothing.
///
/// `progress` hears how many keystores of how many are done, and says whether to go on; a no is heard when the node under
/// way is finished. Blocks for about 0.06 s of one core a keystore, unless they are insecure.
pub fn create_cluster(
    creation: &Creation,
    keys: Keys,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Created, CreateError> {
    if creation.insecure_keys && creation.network.holds_real_money() {
        return Err(CreateError::Insecure(creation.network.name.clone()));
    }
    let folders: Vec<PathBuf> =
        (0..creation.operators).map(|node| creation.folder.join(format!("node{node}"))).collect();
    if let Some(taken) = folders.iter().find(|folder| folder.exists()) {
        return Err(CreateError::Exists(taken.clone()));
    }
    let mut rng = rand::rng();
    let node_keys: Vec<NodeKey> = (0..creation.operators).map(|_| NodeKey::generate(&mut rng)).collect();
    let (secrets, registered_at_s) = match keys {
        Keys::Fresh(count) => ((0..count).map(|_| SecretKey::generate(&mut rng)).collect(), None),
        // Existing keys were registered before; only a newer registration replaces that one.
        Keys::Split(secrets) => (secrets, Some(clock::now().get() / 1_000)),
    };
    let dealt = deal(&creation.plan(registered_at_s), &node_keys, secrets, &mut rng)?;
    let created = Created {
        lock_hash: dealt.lock.lock_hash(),
        group_keys: dealt.lock.validators().iter().map(|validator| validator.group).collect(),
        threshold: dealt.lock.threshold(),
        warnings: threshold_warning(creation.operators, dealt.lock.threshold()).into_iter().collect(),
        folders,
    };
    write(creation, &created.folders, &node_keys, &dealt, progress)?;
    Ok(created)
}

/// Writes everything into a hidden folder first, so that an interrupted command leaves no half-made node.
fn write(
    creation: &Creation,
    folders: &[PathBuf],
    node_keys: &[NodeKey],
    dealt: &Dealt,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), CreateError> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| CreateError::Unwritable { path, source }
    };
    let mut rng = rand::rng();
    let draft = creation.folder.join(format!(".new-cluster-{:08x}", rng.random::<u32>()));
    fs::create_dir_all(&draft).map_err(unwritable(&draft))?;
    let written = write_nodes(creation, &draft, node_keys, dealt, progress)
        .and_then(|drafts| take_places(&drafts, folders));
    // Empty after success; after a failure the draft holds key shares that nobody needs.
    let removed = fs::remove_dir_all(&draft).map_err(unwritable(&draft));
    written.and(removed)
}

/// Gives every folder its name, or takes back the names already given.
fn take_places(drafts: &[PathBuf], folders: &[PathBuf]) -> Result<(), CreateError> {
    for (done, (from, to)) in drafts.iter().zip(folders).enumerate() {
        if let Err(source) = fs::rename(from, to) {
            for (from, to) in drafts.iter().zip(folders).take(done) {
                let _taken_back = fs::rename(to, from);
            }
            return Err(CreateError::Unwritable { path: to.clone(), source });
        }
    }
    Ok(())
}

fn write_nodes(
    creation: &Creation,
    draft: &Path,
    node_keys: &[NodeKey],
    dealt: &Dealt,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Vec<PathBuf>, CreateError> {
    let mut rng = rand::rng();
    let cost = if creation.insecure_keys { Cost::Insecure } else { Cost::Standard };
    let total = dealt.shares.iter().map(Vec::len).sum::<usize>() as u64;
    let mut done_before = 0;
    let mut drafts = Vec::new();
    for (number, (key, shares)) in node_keys.iter().zip(&dealt.shares).enumerate() {
        let node = draft.join(format!("node{number}"));
        let put = |name: &str, text: &str| {
            let path = node.join(name);
            let written = fs::write(&path, text).and_then(|()| fs::File::open(&path)?.sync_all());
            written.map_err(|source| CreateError::Unwritable { path, source })
        };
        make_private(&node).map_err(|source| CreateError::Unwritable { path: node.clone(), source })?;
        identity::store(&node.join(identity::FILE_NAME), key, &mut rng)?;
        let mut go_on = true;
        folder::write(&node.join(folder::FOLDER_NAME), shares, cost, &mut rng, |keystores| {
            go_on &= progress(done_before + keystores.done as u64, total);
        })?;
        if !go_on {
            return Err(CreateError::Interrupted);
        }
        done_before += shares.len() as u64;
        for deposit in &dealt.deposits {
            put(&deposit.name, &deposit.json)?;
        }
        if let Some(testnet) = Testnet::of(&creation.network) {
            put(settings::FILE_NAME, &testnet.to_toml())?;
        }
        // Last: its presence says that the folder is whole.
        put("cluster-lock.json", &dealt.lock_json)?;
        drafts.push(node);
    }
    Ok(drafts)
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::DataFolder;
    use crate::seat::Seat;
    use crate::settings::Settings;

    fn creation(folder: &Path) -> Creation {
        Creation::for_tests(folder, 4, ForkVersion::new([0, 0xde, 0x30, 1]))
    }

    #[test]
    fn every_operator_finds_its_seat_in_the_folder_made_for_it() {
        let home = tempfile::tempdir().unwrap();
        let created = create_cluster(&creation(home.path()), Keys::Fresh(3), &mut |_, _| true).unwrap();
        assert_eq!(created.threshold.count(), 3);
        for (number, folder) in created.folders.iter().enumerate() {
            let testnet = Settings::load(folder).unwrap().testnet;
            let seat = Seat::take(&DataFolder::open(folder).unwrap(), testnet.as_ref()).unwrap();
            assert_eq!(seat.cluster.me.position(), number);
            assert_eq!(seat.cluster.validators.len(), 3);
            assert_eq!(seat.lock_hash, created.lock_hash);
        }
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(left.len(), 4, "nothing but the nodes' folders is left");
    }

    #[test]
    fn what_is_there_is_left_alone_and_a_refused_plan_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("node2")).unwrap();
        let refused = create_cluster(&creation(home.path()), Keys::Fresh(1), &mut |_, _| true);
        assert!(matches!(refused, Err(CreateError::Exists(path)) if path.ends_with("node2")));

        let empty = tempfile::tempdir().unwrap();
        let nobody = Creation { withdrawal_addresses: vec!["0x12".into()], ..creation(empty.path()) };
        assert!(matches!(create_cluster(&nobody, Keys::Fresh(1), &mut |_, _| true), Err(CreateError::Plan(_))));
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_command_that_is_stopped_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let stopped = create_cluster(&creation(home.path()), Keys::Fresh(1), &mut |done, _| done < 2);
        assert!(matches!(stopped, Err(CreateError::Interrupted)), "{stopped:?}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_folder_of_another_operator_is_not_ours() {
        let home = tempfile::tempdir().unwrap();
        let created = create_cluster(&creation(home.path()), Keys::Fresh(1), &mut |_, _| true).unwrap();
        let [first, second, ..] = &created.folders[..] else { panic!("four were made") };
        fs::remove_file(first.join(identity::FILE_NAME)).unwrap();
        fs::copy(second.join(identity::FILE_NAME), first.join(identity::FILE_NAME)).unwrap();
        let testnet = Settings::load(first).unwrap().testnet;
        let taken = Seat::take(&DataFolder::open(first).unwrap(), testnet.as_ref());
        assert!(matches!(taken, Err(crate::SeatError::Keys(_))), "{taken:?}");
    }
}
