//! What belongs to this installation of Hearth on this computer, and to no cluster.

use std::path::{Path, PathBuf};

use hearth_signer::{SealingKey, SealingKeyError};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Variable that says where the installation keeps its own files.
pub const STATE_VARIABLE: &str = "HEARTH_STATE_DIR";
const SEALING_KEY: &str = "sealing-key";
const COMPUTER: &str = "computer";

/// The folder of an installation. It need not exist yet.
#[derive(Clone, Debug)]
pub struct Installation {
    folder: PathBuf,
    computer: Vec<u8>,
}

/// The installation cannot be used.
#[derive(Debug, Error)]
pub enum InstallationError {
    /// The folder cannot be made.
    #[error("cannot make {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no key, or it is not one.
    #[error(transparent)]
    Key(#[from] SealingKeyError),
    /// Something was sealed, but what opens it is not there.
    #[error(
        "the passwords of the key shares were sealed by another installation of Hearth: {} is missing. Import the \
         original folder or a backup again (hearth import charon)", .0.display()
    )]
    NoKey(PathBuf),
}

impl Installation {
    /// That of this user: the folder that `variable` gives for `HEARTH_STATE_DIR`, or else where the system keeps such
    /// files. A service may have no home; its files are where those of all users are.
    pub fn of_user(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let (home, usual, shared) = if cfg!(windows) {
            (variable("LOCALAPPDATA"), "Hearth", "C:\\ProgramData\\Hearth")
        } else if cfg!(target_os = "macos") {
            (variable("HOME"), "Library/Application Support/Hearth", "/Library/Application Support/Hearth")
        } else {
            (variable("HOME"), ".local/state/hearth", "/var/lib/hearth")
        };
        let asked = variable(STATE_VARIABLE);
        let state = || variable("XDG_STATE_HOME").filter(|_| cfg!(unix)).map(|state| state.join("hearth"));
        let found = asked.or_else(state).or_else(|| home.map(|home| home.join(usual)));
        Self::at(found.unwrap_or_else(|| shared.into()))
    }

    /// One in this folder.
    pub fn at(folder: PathBuf) -> Self {
        // Where the system has no such number, the secret in the folder has to do.
        let numbers = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
        let told = |path: &&str| {
            let number = std::fs::read(path).ok()?.trim_ascii().to_vec();
            // What systems have before their first start.
            (!number.is_empty() && number != b"uninitialized").then_some(number)
        };
        Self { folder, computer: numbers.iter().find_map(told).unwrap_or_default() }
    }

    /// What seals passwords here; made if there is none.
    pub(crate) fn sealing_key(&self) -> Result<SealingKey, InstallationError> {
        let failed = |source| InstallationError::Folder { path: self.folder.clone(), source };
        create_private_all(&self.folder).map_err(failed)?;
        Ok(SealingKey::load_or_create(&self.folder.join(SEALING_KEY), &self.computer, &mut rand::rng())?)
    }

    /// What opens passwords that were sealed here.
    pub(crate) fn opening_key(&self) -> Result<SealingKey, InstallationError> {
        let path = self.folder.join(SEALING_KEY);
        SealingKey::load(&path, &self.computer)?.ok_or(InstallationError::NoKey(path))
    }

    /// Tells this computer from others without saying which it is; `None` where nothing can be found or kept that does.
    pub(crate) fn computer_mark(&self) -> Option<String> {
        let told = if self.computer.is_empty() { self.own_number()? } else { self.computer.clone() };
        // Copies of a machine may share all numbers but this one. A restart takes longer than anybody waits for a mark.
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let hash =
            Sha256::new().chain_update(b"hearth computer 1\n").chain_update(told).chain_update(boot).finalize();
        Some(hex::encode(hash.get(..8)?))
    }

    /// A number that this installation gave itself, for systems that have none (containers, say).
    fn own_number(&self) -> Option<Vec<u8>> {
        let path = self.folder.join(COMPUTER);
        if !path.is_file() {
            create_private_all(&self.folder).ok()?;
            std::fs::write(&path, hex::encode(rand::random::<[u8; 16]>())).ok()?;
        }
        std::fs::read(&path).ok().filter(|number| !number.is_empty())
    }
}

fn create_private_all(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_one_that_was_asked_for_or_the_usual_one() {
        let found = |set: &[(&str, &str)]| {
            let set: Vec<_> =
                set.iter().map(|(name, value)| ((*name).to_owned(), PathBuf::from(value))).collect();
            let variable =
                |wanted: &str| set.iter().find(|(name, _)| name == wanted).map(|(_, path)| path.clone());
            Installation::of_user(variable).folder
        };
        let asked = [("HOME", "/home/a"), ("XDG_STATE_HOME", "/s"), (STATE_VARIABLE, "/here")];
        assert_eq!(found(&asked), Path::new("/here"));
        if cfg!(target_os = "linux") {
            assert_eq!(found(&asked[..2]), Path::new("/s/hearth"));
            assert_eq!(found(&asked[..1]), Path::new("/home/a/.local/state/hearth"));
            assert_eq!(found(&[]), Path::new("/var/lib/hearth"));
        }
    }

    #[test]
    fn a_system_without_a_number_of_its_own_is_given_one() {
        let place = tempfile::tempdir().unwrap();
        let installed = |folder: &str| Installation { folder: place.path().join(folder), computer: Vec::new() };
        let mark = installed("a").computer_mark().unwrap();
        assert_eq!(installed("a").computer_mark(), Some(mark.clone()));
        assert_ne!(installed("b").computer_mark(), Some(mark));
    }

    #[test]
    fn what_was_sealed_by_another_installation_is_explained() {
        let place = tempfile::tempdir().unwrap();
        let installation = Installation::at(place.path().join("a/b"));
        let missing = installation.opening_key().unwrap_err();
        assert!(missing.to_string().contains("another installation"), "{missing}");
        installation.sealing_key().unwrap();
        assert!(installation.opening_key().is_ok());
        assert_ne!(installation.computer_mark(), Some(String::from_utf8(installation.computer).unwrap()));
    }
}
