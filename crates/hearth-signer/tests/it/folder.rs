//! Folders of key shares: written whole or not at all, loaded only where every share finds its validator.

use std::fs;
use std::path::Path;

use hearth_crypto::{PublicKey, SecretKey};
use hearth_signer::folder::{
    self, LoadError, LockedValidator, Passwords, Shelf, TransferError, WriteError, load, load_keyring,
    transfer, write,
};
use hearth_signer::keystore::{Cost, KeystoreError, Password, encrypt};
use hearth_signer::{FreeMessage, Progress, SealError, SealingKey};
use hearth_types::{Epoch, ShareIndex, ValidatorPubkey};
use tempfile::TempDir;

use crate::common::{again, bytes, json, rng, secret, vectors};

const VALIDATORS: u64 = 3;

fn share(validator: u64, operator: u64) -> SecretKey {
    secret(100 * validator + operator)
}

fn group(validator: u64) -> ValidatorPubkey {
    ValidatorPubkey::new([validator as u8; 48])
}

fn index(x: u8) -> ShareIndex {
    ShareIndex::new(x).unwrap()
}

/// A cluster of four, by its public keys.
fn lock() -> Vec<LockedValidator> {
    (0..VALIDATORS)
        .map(|validator| LockedValidator {
            validator: group(validator),
            public_shares: (0..4).map(|operator| share(validator, operator).public_key()).collect(),
        })
        .collect()
}

/// The folder of the operator with share index 2, in a place of its own.
fn written() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let shares: Vec<_> = (0..VALIDATORS).map(|validator| share(validator, 1)).collect();
    write(&place.path().join("keys"), &shares, Cost::Insecure, &mut rng(7), |_| {}).unwrap();
    place
}

fn replace(folder: &Path, number: usize, key: &SecretKey) {
    let keystore = encrypt(key, &Password::new("changed"), Cost::Insecure, &mut rng(8)).unwrap();
    fs::write(folder.join(format!("keystore-insecure-{number}.json")), keystore).unwrap();
    fs::write(folder.join(format!("keystore-insecure-{number}.txt")), "changed\n").unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_written_is_loaded_and_signs() {
    let place = written();
    let folder = place.path().join("keys");
    let loaded = load(&folder, &lock(), |_| {}).unwrap();
    for (validator, loaded) in loaded.iter().enumerate() {
        assert_eq!(loaded.validator, group(validator as u64));
        assert_eq!(loaded.share, index(2));
        assert_eq!(loaded.secret.public_key(), share(validator as u64, 1).public_key());
        assert_eq!(loaded.file, folder.join(format!("keystore-insecure-{validator}.json")));
    }
    let keyring = load_keyring(&folder, &lock(), index(2), |_| {}).unwrap();
    assert!(keyring.validators().eq([group(0), group(1), group(2)].iter()));
}

#[test]
fn file_names_and_order_follow_the_cost_and_the_validators() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("validator_keys");
    let mut heard = Vec::new();
    write(&folder, &[secret(1), secret(2)], Cost::Standard, &mut rng(1), |progress| heard.push(progress))
        .unwrap();
    assert_eq!(names(&folder), ["keystore-0.json", "keystore-0.txt", "keystore-1.json", "keystore-1.txt"]);
    assert_eq!(heard, [Progress { done: 1, total: 2 }, Progress { done: 2, total: 2 }]);
    assert_eq!(names(place.path()), ["validator_keys"]);
    assert_eq!(
        names(&written().path().join("keys")).first().map(String::as_str),
        Some("keystore-insecure-0.json")
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_what_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let place = written();
    let folder = place.path().join("keys");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in names(&folder) {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn every_keystore_has_a_password_of_its_own() {
    let place = written();
    let folder = place.path().join("keys");
    let password = |number| fs::read_to_string(folder.join(format!("keystore-insecure-{number}.txt"))).unwrap();
    assert_eq!(password(0).len(), 32);
    assert_ne!(password(0), password(1));
}

#[test]
fn an_empty_folder_is_filled_and_anything_else_is_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("keys");
    let try_write = || write(&folder, &[secret(1)], Cost::Insecure, &mut rng(1), |_| {});

    fs::write(&folder, "a file").unwrap();
    assert!(matches!(try_write(), Err(WriteError::Occupied { path }) if path == folder));
    assert_eq!(fs::read_to_string(&folder).unwrap(), "a file");
    fs::remove_file(&folder).unwrap();

    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("note"), "mine").unwrap();
    assert!(matches!(try_write(), Err(WriteError::Occupied { path }) if path == folder));
    assert_eq!(names(&folder), ["note"]);
    fs::remove_file(folder.join("note")).unwrap();

    try_write().unwrap();
    assert_eq!(names(&folder).len(), 2);
    assert!(matches!(try_write(), Err(WriteError::Occupied { .. })));
    assert_eq!(names(place.path()), ["keys"]);
}

#[test]
fn a_folder_that_fills_up_while_keys_are_made_is_not_touched() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("keys");
    let intrude = |_| {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("keystore-0.json"), "of another process").unwrap();
    };
    let refused = write(&folder, &[secret(1)], Cost::Insecure, &mut rng(1), intrude);
    assert!(matches!(refused, Err(WriteError::Occupied { .. })));
    assert_eq!(fs::read_to_string(folder.join("keystore-0.json")).unwrap(), "of another process");
    assert_eq!(names(place.path()), ["keys"], "nothing of the attempt is left");
}

#[test]
fn a_missing_parent_is_an_error_and_nothing_is_made() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("not there").join("keys");
    let refused = write(&folder, &[secret(1)], Cost::Insecure, &mut rng(1), |_| {});
    assert!(matches!(refused, Err(WriteError::Io { .. })));
    assert!(names(place.path()).is_empty());
}

#[test]
fn a_wrong_password_names_both_files() {
    let place = written();
    let folder = place.path().join("keys");
    fs::write(folder.join("keystore-insecure-1.txt"), "wrong").unwrap();
    match load(&folder, &lock(), |_| {}) {
        Err(LoadError::WrongPassword { path, password }) => {
            assert_eq!(path, folder.join("keystore-insecure-1.json"));
            assert_eq!(password, folder.join("keystore-insecure-1.txt"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_of_no_validator_is_refused() {
    let place = written();
    let folder = place.path().join("keys");
    replace(&folder, 2, &secret(999));
    match load(&folder, &lock(), |_| {}) {
        Err(LoadError::UnknownKey { path, public_key }) => {
            assert_eq!(path, folder.join("keystore-insecure-2.json"));
            assert_eq!(public_key, secret(999).public_key());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_keys_of_one_validator_are_refused_whosever_they_are() {
    for operator in [1, 3] {
        let place = written();
        let folder = place.path().join("keys");
        replace(&folder, 2, &share(0, operator));
        match load(&folder, &lock(), |_| {}) {
            Err(LoadError::SecondKey { path, first, validator }) => {
                assert_eq!(path, folder.join("keystore-insecure-2.json"));
                assert_eq!(first, folder.join("keystore-insecure-0.json"));
                assert_eq!(validator, group(0));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_share_of_another_operator_loads_for_recovery_but_not_for_signing() {
    let place = written();
    let folder = place.path().join("keys");
    replace(&folder, 1, &share(1, 3));
    let loaded = load(&folder, &lock(), |_| {}).unwrap();
    assert_eq!(loaded.iter().map(|l| l.share.get()).collect::<Vec<_>>(), [2, 4, 2]);
    match load_keyring(&folder, &lock(), index(2), |_| {}) {
        Err(error @ LoadError::OtherOperator { .. }) => {
            assert!(
                error.to_string().ends_with("holds a share of operator 4, this node is operator 2"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn keystores_are_matched_by_key_and_not_by_number() {
    let place = written();
    let folder = place.path().join("keys");
    replace(&folder, 0, &share(2, 1));
    replace(&folder, 2, &share(0, 1));
    let loaded = load(&folder, &lock(), |_| {}).unwrap();
    assert_eq!(loaded.iter().map(|l| l.validator).collect::<Vec<_>>(), [group(2), group(1), group(0)]);
}

#[test]
fn missing_and_extra_files_are_named() {
    type Change = fn(&Path);
    let cases: [(&str, Change, &str); 11] = [
        ("no keystore 0", |f| remove(f, "keystore-insecure-0.json"), "keystore-0.json is missing"),
        ("no keystore 2", |f| remove(f, "keystore-insecure-2.json"), "keystore-2.json is missing"),
        ("no password", |f| remove(f, "keystore-insecure-1.txt"), "keystore-insecure-1.txt is missing"),
        ("a fourth keystore", |f| add(f, "keystore-3.json"), "keystore-3.json is one file too many"),
        ("a fourth password", |f| add(f, "keystore-3.txt"), "keystore-3.txt is one file too many"),
        ("a second 0", |f| add(f, "keystore-0.json"), "keystore-insecure-0.json is one file too many"),
        ("a second password", |f| add(f, "keystore-0.txt"), "keystore-0.txt is one file too many"),
        ("a copy", |f| add(f, "keystore-0 (1).json"), "keystore-0 (1).json is one file too many"),
        ("a leading zero", |f| add(f, "keystore-00.json"), "keystore-00.json is one file too many"),
        ("a plus", |f| add(f, "keystore-+1.json"), "keystore-+1.json is one file too many"),
        ("a leftover", |f| add(f, "keystore-0.json.tmp"), "keystore-0.json.tmp is one file too many"),
    ];
    for (name, change, expected) in cases {
        let place = written();
        let folder = place.path().join("keys");
        change(&folder);
        let error = load(&folder, &lock(), |_| {}).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

fn remove(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).unwrap();
}

fn add(folder: &Path, name: &str) {
    fs::write(folder.join(name), "").unwrap();
}

#[test]
fn files_of_other_programs_are_left_alone() {
    let place = written();
    let folder = place.path().join("keys");
    for name in [".DS_Store", "Thumbs.db", "README.txt", "deposit.json"] {
        fs::write(folder.join(name), "").unwrap();
    }
    fs::create_dir(folder.join("old")).unwrap();
    assert!(load(&folder, &lock(), |_| {}).is_ok());
}

#[test]
fn a_damaged_keystore_or_password_names_its_file() {
    type Expected = fn(&LoadError) -> bool;
    let huge = "a".repeat(100_000);
    let cases: [(&str, &str, &[u8], Expected); 5] = [
        ("empty keystore", "json", b"", |e| {
            matches!(e, LoadError::Keystore { source: KeystoreError::Malformed { .. }, .. })
        }),
        ("huge keystore", "json", huge.as_bytes(), |e| {
            matches!(e, LoadError::Keystore { source: KeystoreError::TooLarge { .. }, .. })
        }),
        ("huge password", "txt", huge.as_bytes(), |e| matches!(e, LoadError::NotAPassword { .. })),
        ("password that is not text", "txt", b"\xff\xfe", |e| matches!(e, LoadError::NotAPassword { .. })),
        ("empty password", "txt", b"", |e| matches!(e, LoadError::WrongPassword { .. })),
    ];
    for (name, ending, content, expected) in cases {
        let place = written();
        let folder = place.path().join("keys");
        let path = folder.join(format!("keystore-insecure-1.{ending}"));
        fs::write(&path, content).unwrap();
        let error = load(&folder, &lock(), |_| {}).unwrap_err();
        assert!(expected(&error), "{name}: {error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{name}: {error}");
    }
}

#[test]
fn a_folder_that_is_not_there_or_holds_folders_instead_of_files_is_an_error() {
    let place = written();
    let folder = place.path().join("keys");
    assert!(matches!(load(&place.path().join("nothing"), &lock(), |_| {}), Err(LoadError::Io { .. })));
    remove(&folder, "keystore-insecure-0.json");
    fs::create_dir(folder.join("keystore-insecure-0.json")).unwrap();
    assert!(matches!(load(&folder, &lock(), |_| {}), Err(LoadError::Io { .. })));
}

#[test]
fn a_lock_that_lists_a_public_share_twice_is_refused() {
    let mut lock = lock();
    lock[2].public_shares[3] = lock[0].public_shares[0];
    let refused = load(&written().path().join("keys"), &lock, |_| {});
    assert!(
        matches!(refused, Err(LoadError::AmbiguousLock { public_share }) if public_share == lock[0].public_shares[0])
    );
}

#[test]
fn of_several_faults_the_first_file_is_reported_on_every_run() {
    let place = written();
    let folder = place.path().join("keys");
    for number in [1, 2] {
        fs::write(folder.join(format!("keystore-insecure-{number}.txt")), "wrong").unwrap();
    }
    for _ in 0..20 {
        let error = load(&folder, &lock(), |_| {}).unwrap_err();
        assert!(error.to_string().contains("keystore-insecure-1.json"), "{error}");
    }
}

#[test]
fn no_error_and_no_debug_output_tells_a_password_or_a_key() {
    let place = written();
    let folder = place.path().join("keys");
    let passwords: Vec<_> = (0..VALIDATORS)
        .map(|n| fs::read_to_string(folder.join(format!("keystore-insecure-{n}.txt"))).unwrap())
        .collect();
    let mut told = vec![format!("{:?}", load(&folder, &lock(), |_| {}).unwrap())];
    told.push(format!("{:?}", load_keyring(&folder, &lock(), index(2), |_| {}).unwrap()));
    // The password where the keystore should be, and of the wrong keystore.
    fs::write(folder.join("keystore-insecure-1.txt"), &passwords[0]).unwrap();
    told.push(format!("{0} {0:?}", load(&folder, &lock(), |_| {}).unwrap_err()));
    fs::write(folder.join("keystore-insecure-0.json"), &passwords[0]).unwrap();
    told.push(format!("{0} {0:?}", load(&folder, &lock(), |_| {}).unwrap_err()));
    for line in told {
        for validator in 0..VALIDATORS {
            assert!(!line.contains(&passwords[validator as usize]), "{line}");
            assert!(!line.contains(&hex::encode(*share(validator, 1).to_bytes())), "{line}");
        }
    }
}

/// A keyring cannot be asked for its keys, so this asks for a signature.
#[test]
fn the_node_folders_of_a_foreign_cluster_load_and_belong_to_their_operators() {
    let Some(place) = vectors("obol-cluster/node-folders/solo") else { return };
    for (node, own) in [("node0", 1), ("node1", 2), ("node2", 3)] {
        let validators = locked(&place.join(node).join("cluster-lock.json"));
        let keys = place.join(node).join(folder::FOLDER_NAME);
        let mut heard = Vec::new();
        let keyring = load_keyring(&keys, &validators, index(own), |progress| heard.push(progress)).unwrap();
        assert_eq!(heard.last(), Some(&Progress { done: 2, total: 2 }), "{node}");
        for LockedValidator { validator, public_shares } in &validators {
            let spec = crate::common::chain();
            let message = FreeMessage::Randao { epoch: Epoch::new(1) };
            let signature = keyring.sign_free(validator, &message, &spec).unwrap();
            let signature = hearth_crypto::Signature::from_bytes(signature.as_bytes()).unwrap();
            let root = message.signing_root(&spec).unwrap();
            assert!(signature.verify(&public_shares[usize::from(own - 1)], &root), "{node}");
        }
        let other = index(own % 3 + 1);
        assert!(matches!(
            load_keyring(&keys, &validators, other, |_| {}),
            Err(LoadError::OtherOperator { .. })
        ));
    }
}

#[test]
fn any_two_nodes_of_a_foreign_cluster_recover_its_keys() {
    let Some(place) = vectors("obol-cluster/node-folders/solo") else { return };
    let expected = json(place.join("expected-combine.json"));
    let validators = locked(&place.join("node0/cluster-lock.json"));
    let nodes: Vec<_> = ["node0", "node1", "node2"]
        .iter()
        .map(|node| load(&place.join(node).join(folder::FOLDER_NAME), &validators, |_| {}).unwrap())
        .collect();
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        for (number, validator) in expected["validators"].as_array().unwrap().iter().enumerate() {
            let shares = [&nodes[one][number], &nodes[other][number]].map(|l| (l.share, &l.secret));
            let whole = hearth_crypto::threshold::recombine_secret(&shares).unwrap();
            assert_eq!(hex::encode(*whole.to_bytes()), validator["secret"].as_str().unwrap());
            assert_eq!(again(&whole).public_key().to_bytes(), *nodes[one][number].validator.as_bytes());
        }
    }
}

/// The public shares of a `cluster-lock.json`, whose other content is not this crate's business.
fn locked(path: &Path) -> Vec<LockedValidator> {
    let file = json(path);
    let public_key = |share: &serde_json::Value| PublicKey::from_bytes(&bytes(share)).unwrap();
    let validator = |validator: &serde_json::Value| LockedValidator {
        validator: ValidatorPubkey::new(bytes(&validator["distributed_public_key"])),
        public_shares: validator["public_shares"].as_array().unwrap().iter().map(public_key).collect(),
    };
    file["distributed_validators"].as_array().unwrap().iter().map(validator).collect()
}

/// The keystores of `from` under sealed passwords.
fn sealed(from: &TempDir, key: &SealingKey) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("keys");
    let to = Shelf { folder: &to, passwords: Passwords::Sealed(key) };
    let from = from.path().join("keys");
    transfer(Shelf::from(&from), to, &lock(), index(2), &mut rng(9), |_| {}).unwrap();
    place
}

fn sealing_key(seed: u64) -> SealingKey {
    let place = tempfile::tempdir().unwrap();
    SealingKey::load_or_create(&place.path().join("key"), b"here", &mut rng(seed)).unwrap()
}

#[test]
fn passwords_move_into_a_sealed_file_and_back_while_the_keystores_stay_the_same() {
    let (original, key) = (written(), sealing_key(1));
    let place = sealed(&original, &key);
    let folder = place.path().join("keys");
    let keystores = ["keystore-insecure-0.json", "keystore-insecure-1.json", "keystore-insecure-2.json"];
    assert_eq!(names(&folder), [keystores.as_slice(), &["passwords.sealed"]].concat());
    assert!(folder::is_sealed(&folder) && !folder::is_sealed(&original.path().join("keys")));
    let shelf = Shelf { folder: &folder, passwords: Passwords::Sealed(&key) };
    assert!(load_keyring(shelf, &lock(), index(2), |_| {}).is_ok());

    let back = place.path().join("back");
    transfer(shelf, Shelf::from(&back), &lock(), index(2), &mut rng(10), |_| {}).unwrap();
    for name in names(&back) {
        let first = fs::read(original.path().join("keys").join(&name)).unwrap();
        assert_eq!(fs::read(back.join(&name)).unwrap(), first, "{name}");
    }
    assert_eq!(names(&back).len(), 6);
    #[cfg(unix)]
    for (path, mode) in [(back.clone(), 0o700), (back.join("keystore-insecure-0.txt"), 0o600)] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

#[test]
fn a_sealed_folder_opens_with_its_key_only_and_wants_no_text_files_beside() {
    let (original, key) = (written(), sealing_key(1));
    let place = sealed(&original, &key);
    let folder = place.path().join("keys");
    let opened = |key: &SealingKey| {
        let shelf = Shelf { folder: &folder, passwords: Passwords::Sealed(key) };
        load_keyring(shelf, &lock(), index(2), |_| {}).map(drop)
    };
    let elsewhere = opened(&sealing_key(2)).unwrap_err();
    assert!(matches!(&elsewhere, LoadError::Sealed { source: SealError::OtherKey, .. }), "{elsewhere}");
    assert!(elsewhere.to_string().contains("passwords.sealed"), "{elsewhere}");
    let beside = load_keyring(&folder, &lock(), index(2), |_| {}).map(drop).unwrap_err();
    assert!(matches!(beside, LoadError::MissingPassword { .. }), "{beside}");

    fs::write(folder.join("keystore-insecure-0.txt"), "left over").unwrap();
    assert!(matches!(opened(&key), Err(LoadError::ExtraFile { .. })));
    fs::remove_file(folder.join("keystore-insecure-0.txt")).unwrap();
    fs::remove_file(folder.join("passwords.sealed")).unwrap();
    assert!(matches!(opened(&key), Err(LoadError::Io { .. })));
}

#[test]
fn what_does_not_open_or_has_no_room_is_not_copied() {
    let key = sealing_key(1);
    let (broken, place) = (written(), tempfile::tempdir().unwrap());
    fs::write(broken.path().join("keys/keystore-insecure-1.txt"), "other").unwrap();
    let (from, to) = (broken.path().join("keys"), place.path().join("keys"));
    let shelf = Shelf { folder: &to, passwords: Passwords::Sealed(&key) };
    let copied = |from: &Path| transfer(Shelf::from(from), shelf, &lock(), index(2), &mut rng(3), |_| {});
    assert!(matches!(copied(&from), Err(TransferError::Load(LoadError::WrongPassword { .. }))));
    assert_eq!(names(place.path()), [""; 0], "nothing is left of it");

    fs::create_dir(&to).unwrap();
    fs::write(to.join("mine"), "").unwrap();
    let occupied = copied(&written().path().join("keys"));
    assert!(matches!(occupied, Err(TransferError::Write(WriteError::Occupied { .. }))), "{occupied:?}");
    assert_eq!(names(&to), ["mine"]);
}
