//! Starts the node, which then has nothing to do with the app any more.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hearth_api::{ErrorCode, UiError};

/// Names another program than the one beside the app.
const PROGRAM_VARIABLE: &str = "HEARTH_PROGRAM";
/// Of the data folder. On Windows the programs themselves are in a folder `Hearth` beside it, and case makes no difference there.
const FOLDER_NAME: &str = if cfg!(windows) { "hearth-node" } else { "hearth" };
/// Names another data folder than that of this user.
const FOLDER_VARIABLE: &str = "HEARTH_DATA_DIR";

/// Knows where the node's program and its data folder are.
#[derive(Debug)]
pub(crate) struct Launcher {
    program: PathBuf,
    folder: PathBuf,
}

impl Launcher {
    /// `local_data`: where this user's programs keep their data.
    pub(crate) fn of_this_computer(local_data: PathBuf) -> std::io::Result<Self> {
        let beside = || {
            let own = std::env::current_exe()?;
            Ok::<_, std::io::Error>(own.with_file_name(format!("hearth{}", std::env::consts::EXE_SUFFIX)))
        };
        let program = std::env::var_os(PROGRAM_VARIABLE).map_or_else(beside, |named| Ok(named.into()))?;
        let folder =
            std::env::var_os(FOLDER_VARIABLE).map_or_else(|| local_data.join(FOLDER_NAME), PathBuf::from);
        Ok(Self { program, folder })
    }

    /// The node's data folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The node's program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// What the node says, if the app started it.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("hearth.log")
    }

    /// Starts it, in a session of its own: what ends the app does not end the node. One that runs already is left alone,
    /// because the second finds the folder taken and ends.
    pub(crate) fn start(&self) -> Result<(), UiError> {
        let failed = |what: &Path, error: std::io::Error| {
            UiError::because(ErrorCode::NotRunning, format!("{}: {error}", what.display()))
        };
        create_private(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let path = self.log();
        let log =
            OpenOptions::new().create(true).append(true).open(&path).map_err(|error| failed(&path, error))?;
        let errors = log.try_clone().map_err(|error| failed(&path, error))?;
        let mut node = Command::new(&self.program);
        node.args(["run", "--wait-for-cluster", "--kept-running-by", "session", "--data-dir"])
            .arg(&self.folder);
        node.arg("--log-file").arg(&path);
        node.stdin(Stdio::null()).stdout(Stdio::from(log)).stderr(Stdio::from(errors));
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut node, 0);
        let mut node = node.spawn().map_err(|error| failed(&self.program, error))?;
        // Somebody has to take note of its end.
        std::thread::spawn(move || node.wait());
        Ok(())
    }
}

/// Makes a folder for its owner alone, and what lies above it as usual.
fn create_private(folder: &Path) -> std::io::Result<()> {
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_started_on_its_folder_and_what_it_says_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("new").join("hearth");
        let launcher = Launcher { program: "echo".into(), folder: folder.clone() };
        launcher.start().unwrap();
        let (at, log) = (folder.display(), launcher.log());
        let expected = format!(
            "run --wait-for-cluster --kept-running-by session --data-dir {at} --log-file {}\n",
            log.display()
        );
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while fs::read_to_string(launcher.log()).unwrap_or_default() != expected {
            assert!(std::time::Instant::now() < deadline, "the program said nothing");
            std::thread::yield_now();
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&folder).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
        let absent = Launcher { program: home.path().join("absent"), folder };
        assert_eq!(absent.start().unwrap_err().code, ErrorCode::NotRunning);
    }
}
