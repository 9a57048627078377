//! A cluster made by one trusted machine: keys, shares, lock, deposit data, one folder for each operator.

use std::path::{Path, PathBuf};

use hearth_crypto::k1::NodeKey;
use hearth_crypto::{PublicKey, SecretKey};
use hearth_obol::cluster::{
    Dealt, Definition, DkgAlgorithm, Network, OperatorEntry, PlanError, deal, deal_definition,
    threshold_warning,
};
use hearth_signer::keystore::Cost;
use hearth_signer::{folder, identity};
use hearth_types::{ForkVersion, LockHash, Threshold};
use thiserror::Error;

use super::check::{ClusterFileError, Scrutiny, fork_version};
use super::draft::{Draft, Unwritable, put};
use super::plan::Wishes;
use crate::clock;
use crate::settings::{self, Testnet};

/// Address that owns nothing and gets nothing: for test chains only.
const NOBODY: &str = "0x000000000000000000000000000000000000dEaD";
/// What the owner of a definition with operators should know.
const REPLACED: &str = "The definition names operators. Their places were taken by the nodes made here: hand out their \
                        folders, or use a key ceremony if the operators are to keep the keys of their own nodes.";

/// Where the validators' keys come from.
#[derive(Debug)]
pub enum Keys {
    /// This many new ones, made here and forgotten after the split.
    Fresh(u32),
    /// Existing validators whose keys are split.
    Split(Vec<SecretKey>),
}

/// What kind of cluster is to be made.
#[derive(Clone, Debug)]
pub enum Blueprint {
    /// One as the owner describes it.
    Wishes {
        /// All but the operators.
        wishes: Box<Wishes>,
        /// Number of operators.
        operators: u8,
    },
    /// One that was described before. Operators that the definition names give their places to the nodes made here.
    Definition {
        /// The definition.
        definition: Box<Definition>,
        /// How it is checked.
        scrutiny: Scrutiny,
    },
}

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Folder in which `node0`, `node1`, … are made.
    pub folder: PathBuf,
    /// What kind of cluster.
    pub blueprint: Blueprint,
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
    /// The definition names no network that is known.
    #[error(
        "no known network has the genesis fork version of the definition; describe it with --testnet-name and the options beside it"
    )]
    UnknownNetwork,
    /// The definition has no name, which other tools require of one that a dealer carries out.
    #[error("the definition has no name; a cluster made from one needs it")]
    NoName,
    /// The definition's wallets could not be asked.
    #[error(transparent)]
    Definition(#[from] ClusterFileError),
    /// The caller said no to going on.
    #[error("stopped; nothing was made, and nothing is left of it")]
    Interrupted,
    /// A file could not be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
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
        let wishes = Wishes {
            name: "demo".into(),
            network,
            threshold: None,
            withdrawal_addresses: vec![NOBODY.into()],
            fee_recipients: vec![NOBODY.into()],
            deposit_amounts_eth: Vec::new(),
            compounding: false,
            gas_limit: 60_000_000,
            consensus_protocol: String::new(),
            dkg_algorithm: DkgAlgorithm::Default,
        };
        let blueprint = Blueprint::Wishes { wishes: Box::new(wishes), operators };
        Self { folder: folder.to_owned(), blueprint, insecure_keys: true }
    }

    fn operators(&self) -> usize {
        match &self.blueprint {
            Blueprint::Wishes { operators, .. } => usize::from(*operators),
            Blueprint::Definition { definition, .. } => definition.operators.len(),
        }
    }

    fn replaces_operators(&self) -> bool {
        match &self.blueprint {
            Blueprint::Wishes { .. } => false,
            Blueprint::Definition { definition, .. } => {
                definition.operators.iter().any(|operator| *operator != OperatorEntry::default())
            }
        }
    }

    fn network(&self) -> Result<Network, CreateError> {
        match &self.blueprint {
            Blueprint::Wishes { wishes, .. } => Ok(wishes.network.clone()),
            Blueprint::Definition { definition, scrutiny } => fork_version(definition)
                .and_then(|version| scrutiny.networks().by_fork_version(version).cloned())
                .ok_or(CreateError::UnknownNetwork),
        }
    }

    /// Makes keys, shares and proofs.
    fn deal(&self, node_keys: &[NodeKey], keys: Keys) -> Result<Dealt, CreateError> {
        let mut rng = rand::rng();
        // Existing keys were registered before; only a newer registration replaces that one.
        let registered_at_s = matches!(keys, Keys::Split(_)).then(|| clock::now().get() / 1_000);
        let secrets = match keys {
            Keys::Fresh(count) => (0..count).map(|_| SecretKey::generate(&mut rng)).collect(),
            Keys::Split(secrets) => secrets,
        };
        match &self.blueprint {
            Blueprint::Wishes { wishes, .. } => {
                Ok(deal(&wishes.plan(registered_at_s), node_keys, secrets, &mut rng)?)
            }
            Blueprint::Definition { definition, .. } if definition.name.is_empty() => Err(CreateError::NoName),
            Blueprint::Definition { definition, scrutiny } => {
                let networks = scrutiny.networks_for(definition)?;
                let definition = Definition::clone(definition);
                Ok(deal_definition(definition, &networks, node_keys, secrets, registered_at_s, &mut rng)?)
            }
        }
    }
}

/// Makes the cluster and one folder for each operator, or nothing.
///
/// `progress` hears how many keystores of how many are done, and says whether to go on; a no is heard when the node under
/// way is finished. Blocks for about 0.06 s of one core a keystore, unless they are insecure, and must not be called from
/// a task of an async runtime.
pub fn create_cluster(
    creation: &Creation,
    keys: Keys,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Created, CreateError> {
    let network = creation.network()?;
    if creation.insecure_keys && network.holds_real_money() {
        return Err(CreateError::Insecure(network.name));
    }
    let folders: Vec<PathBuf> =
        (0..creation.operators()).map(|node| creation.folder.join(format!("node{node}"))).collect();
    if let Some(taken) = folders.iter().find(|folder| folder.exists()) {
        return Err(CreateError::Exists(taken.clone()));
    }
    let node_keys: Vec<NodeKey> = folders.iter().map(|_| NodeKey::generate(&mut rand::rng())).collect();
    let dealt = creation.deal(&node_keys, keys)?;
    let operators = u8::try_from(node_keys.len()).unwrap_or(u8::MAX);
    let created = Created {
        lock_hash: dealt.lock.lock_hash(),
        group_keys: dealt.lock.validators().iter().map(|validator| validator.group).collect(),
        threshold: dealt.lock.threshold(),
        warnings: threshold_warning(operators, dealt.lock.threshold())
            .into_iter()
            .chain(creation.replaces_operators().then(|| REPLACED.to_owned()))
            .collect(),
        folders,
    };
    // Into a hidden folder first, so that an interrupted command leaves no half-made node.
    let draft = Draft::within(&creation.folder)?;
    let cost = if creation.insecure_keys { Cost::Insecure } else { Cost::Standard };
    let drafts = write_nodes(&draft, cost, &network, &node_keys, &dealt, progress)?;
    let places: Vec<_> = drafts.into_iter().zip(created.folders.iter().cloned()).collect();
    draft.publish(&places)?;
    Ok(created)
}

fn write_nodes(
    draft: &Draft,
    cost: Cost,
    network: &Network,
    node_keys: &[NodeKey],
    dealt: &Dealt,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Vec<PathBuf>, CreateError> {
    let mut rng = rand::rng();
    let total = dealt.shares.iter().map(Vec::len).sum::<usize>() as u64;
    let mut done_before = 0;
    let mut drafts = Vec::new();
    for (number, (key, shares)) in node_keys.iter().zip(&dealt.shares).enumerate() {
        let node = draft.folder(&format!("node{number}"))?;
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
            put(&node.join(&deposit.name), deposit.json.as_bytes(), 0o444)?;
        }
        if let Some(testnet) = Testnet::of(network) {
            put(&node.join(settings::FILE_NAME), testnet.to_toml().as_bytes(), 0o600)?;
        }
        // Last: its presence says that the folder is whole.
        put(&node.join("cluster-lock.json"), dealt.lock_json.as_bytes(), 0o400)?;
        drafts.push(node);
    }
    Ok(drafts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::folder::DataFolder;
    use crate::installation::Installation;
    use crate::seat::{Seat, SeatError};
    use crate::settings::Settings;

    fn take_seat(folder: &Path) -> Result<Seat, SeatError> {
        let scrutiny = Settings::load(folder).unwrap().scrutiny();
        let installation = Installation::at(folder.join("state"));
        Seat::take(&DataFolder::open(folder).unwrap(), &scrutiny, &installation, |_| {})
    }

    fn creation(folder: &Path) -> Creation {
        Creation::for_tests(folder, 4, ForkVersion::new([0, 0xde, 0x30, 1]))
    }

    #[test]
    fn every_operator_finds_its_seat_in_the_folder_made_for_it() {
        let home = tempfile::tempdir().unwrap();
        let created = create_cluster(&creation(home.path()), Keys::Fresh(3), &mut |_, _| true).unwrap();
        assert_eq!(created.threshold.count(), 3);
        for (number, folder) in created.folders.iter().enumerate() {
            let seat = take_seat(folder).unwrap();
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
        let mut nobody = creation(empty.path());
        if let Blueprint::Wishes { wishes, .. } = &mut nobody.blueprint {
            wishes.withdrawal_addresses = vec!["0x12".into()];
        }
        assert!(matches!(create_cluster(&nobody, Keys::Fresh(1), &mut |_, _| true), Err(CreateError::Plan(_))));
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_cluster_is_made_from_a_definition_for_the_network_that_it_names() {
        let home = tempfile::tempdir().unwrap();
        let Blueprint::Wishes { wishes, .. } = creation(home.path()).blueprint else { panic!("wishes") };
        let operators = vec![hearth_obol::cluster::OperatorEntry::default(); 4];
        let definition = wishes.plan(None).definition(operators, 2).unwrap();
        let testnet = Testnet::of(&wishes.network);
        let made = |definition: &Definition, testnet: Option<Testnet>| {
            let scrutiny = Scrutiny { testnet, ..Scrutiny::default() };
            let blueprint = Blueprint::Definition { definition: Box::new(definition.clone()), scrutiny };
            let creation = Creation { blueprint, ..creation(home.path()) };
            create_cluster(&creation, Keys::Fresh(2), &mut |_, _| true)
        };
        assert!(matches!(made(&definition, None), Err(CreateError::UnknownNetwork)));
        let mut unnamed = definition.clone();
        unnamed.name.clear();
        assert!(matches!(made(&unnamed, testnet.clone()), Err(CreateError::NoName)));
        let created = made(&definition, testnet).unwrap();
        assert_eq!((created.folders.len(), created.group_keys.len()), (4, 2));
        assert_eq!(take_seat(&created.folders[3]).unwrap().cluster.me.position(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        create_cluster(&creation(home.path()), Keys::Fresh(1), &mut |_, _| true).unwrap();
        for (path, mode) in [
            ("node0", 0o700),
            ("node0/charon-enr-private-key", 0o600),
            ("node0/cluster-lock.json", 0o400),
            ("node0/deposit-data.json", 0o444),
            ("node0/validator_keys", 0o700),
            ("node0/validator_keys/keystore-insecure-0.json", 0o600),
            ("node0/validator_keys/keystore-insecure-0.txt", 0o600),
        ] {
            let found = fs::metadata(home.path().join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found & !0o022, mode & !0o022, "{path}");
            assert_eq!(found & 0o077 & !0o044, 0, "{path}: {found:o}");
        }
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
        let taken = take_seat(first);
        assert!(matches!(taken, Err(SeatError::Keys(_))), "{taken:?}");
    }
}
