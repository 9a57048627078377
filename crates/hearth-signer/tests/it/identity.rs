//! The operator's identity is created once, for its owner alone, and never overwritten.

use std::fs;

use hearth_signer::identity::{self, IdentityError};

use crate::common::{rng, vectors};

#[test]
fn a_new_identity_is_loaded_again_and_nothing_else_is_left_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(identity::FILE_NAME);
    let key = identity::create(&path, &mut rng(1)).unwrap();
    assert_eq!(identity::load(&path).unwrap().public(), key.public());
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 64);
    assert_eq!(text, *key.to_hex());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(identity::FILE_NAME);
    identity::create(&path, &mut rng(1)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn whatever_is_there_already_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(identity::FILE_NAME);
    for content in ["", "something else"] {
        fs::write(&path, content).unwrap();
        let refused = identity::create(&path, &mut rng(1)).unwrap_err();
        assert!(matches!(&refused, IdentityError::Exists { path: named } if *named == path), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_missing_folder_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not there").join(identity::FILE_NAME);
    for refused in [identity::create(&path, &mut rng(1)).unwrap_err(), identity::load(&path).unwrap_err()] {
        assert!(matches!(refused, IdentityError::Io { .. }));
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
    }
}

#[test]
fn white_space_and_letter_case_do_not_matter_but_everything_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(identity::FILE_NAME);
    let digits = "ab".repeat(32);
    for (name, content, allowed) in [
        ("as written", digits.clone(), true),
        ("line break", format!("{digits}\r\n"), true),
        ("space around", format!("  {digits}\t"), true),
        ("upper case", digits.to_uppercase(), true),
        ("0x", format!("0x{digits}"), false),
        ("short", digits[2..].to_owned(), false),
        ("long", format!("{digits}ab"), false),
        ("empty", String::new(), false),
        ("zero", "00".repeat(32), false),
        ("beyond the order", "ff".repeat(32), false),
        ("not hex", "zz".repeat(32), false),
        ("much too long", format!("{digits}{}", " ".repeat(2000)), false),
    ] {
        fs::write(&path, &content).unwrap();
        let loaded = identity::load(&path);
        assert_eq!(loaded.is_ok(), allowed, "{name}");
        let told = format!("{loaded:?}") + &loaded.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!told.contains(&digits[..20]), "{name}: {told}");
    }
    fs::write(&path, [0xff; 64]).unwrap();
    assert!(matches!(identity::load(&path), Err(IdentityError::Malformed { .. })));
    assert!(matches!(identity::load(folder.path()), Err(IdentityError::Io { .. })));
}

#[test]
fn the_identities_of_a_foreign_cluster_load() {
    let Some(folder) = vectors("obol-cluster/node-folders/solo") else { return };
    for node in ["node0", "node1", "node2"] {
        let path = folder.join(node).join(identity::FILE_NAME);
        let key = identity::load(&path).unwrap();
        assert_eq!(*key.to_hex(), fs::read_to_string(&path).unwrap(), "{node}");
    }
}
