//! Folders that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rand::RngExt;
use thiserror::Error;

const PREFIX: &str = ".hearth-draft-";
/// Held while its draft is being worked on.
const BUSY: &str = "busy";

/// A file or folder that could not be written.
#[derive(Debug, Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct Unwritable {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Unwritable {
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path: path.clone(), source }
    }
}

/// A hidden folder in which others are made ready. It vanishes with what is still in it.
///
/// A command that is killed leaves its draft behind; the next one that works in the same place removes it.
pub(super) struct Draft {
    path: PathBuf,
    /// Locked; the system unlocks it when this process ends, however that happens.
    busy: Option<File>,
}

impl Draft {
    /// A draft in `place`, which is made if it is not there.
    pub(super) fn within(place: &Path) -> Result<Self, Unwritable> {
        fs::create_dir_all(place).map_err(Unwritable::at(place))?;
        remove_abandoned(place);
        let path = place.join(format!("{PREFIX}{:08x}", rand::rng().random::<u32>()));
        let failed = Unwritable::at(&path);
        create_private(&path).map_err(&failed)?;
        let busy = File::create(path.join(BUSY)).and_then(|busy| busy.lock().map(|()| busy)).map_err(failed)?;
        Ok(Self { path, busy: Some(busy) })
    }

    /// A draft in the folder that `path` is to lie in.
    pub(super) fn beside(path: &Path) -> Result<Self, Unwritable> {
        match path.parent() {
            Some(parent) if parent != Path::new("") => Self::within(parent),
            _ => Self::within(Path::new(".")),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder in the draft, for the owner alone.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Unwritable> {
        let folder = self.path.join(name);
        create_private(&folder).map_err(Unwritable::at(&folder))?;
        Ok(folder)
    }

    /// Gives finished folders their names. Where one is taken meanwhile, none is given.
    pub(super) fn publish(self, folders: &[(PathBuf, PathBuf)]) -> Result<(), Unwritable> {
        for (done, (from, to)) in folders.iter().enumerate() {
            // Onto an empty folder a rename would succeed on some systems; an empty one may be meant here.
            let moved = refuse_occupied(to).and_then(|()| {
                let _empty = fs::remove_dir(to);
                fs::rename(from, to)
            });
            if let Err(source) = moved {
                for (from, to) in folders.iter().take(done) {
                    let _taken_back = fs::rename(to, from);
                }
                return Err(Unwritable { path: to.clone(), source });
            }
        }
        for (_, to) in folders {
            sync_folder(to.parent().unwrap_or(Path::new("."))).map_err(Unwritable::at(to))?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(self.busy.take());
        // What is still in it may be key shares that nobody needs. If this fails, the next command tries again.
        let _left = fs::remove_dir_all(&self.path);
    }
}

/// Removes drafts that nobody works on.
fn remove_abandoned(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        // Without that file a draft is only just being made, and empty.
        let free = File::open(entry.path().join(BUSY)).is_ok_and(|busy| busy.try_lock().is_ok());
        if free {
            let _left = fs::remove_dir_all(entry.path());
        }
    }
}

/// As [`put`], where a reader may look: the file appears whole or not at all, and never replaces another.
pub(super) fn put_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), Unwritable> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{:08x}.new", rand::rng().random::<u32>()));
    let placed = put(&draft, content, mode).and_then(|()| {
        // A link, unlike a rename, never replaces.
        let linked =
            fs::hard_link(&draft, path).and_then(|()| sync_folder(path.parent().unwrap_or(Path::new("."))));
        linked.map_err(Unwritable::at(path))
    });
    let _gone = fs::remove_file(&draft);
    placed
}

/// Writes a file that is not there yet, and sees it to the disk. `mode` is what Unix grants.
pub(super) fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), Unwritable> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _granted_by_the_folder = mode;
    let written = options.open(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(Unwritable::at(path))
}

/// Makes a folder for the owner alone.
pub(super) fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Fails where `path` is anything but absent or an empty folder.
pub(super) fn refuse_occupied(path: &Path) -> io::Result<()> {
    match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(true) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
        Ok(false) => Ok(()),
    }
}

/// Sees the entries of a folder to the disk. Windows does so by itself.
fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path == Path::new("") { Path::new(".") } else { path };
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn folders_get_their_names_together_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let made = |names: [&str; 2]| {
            let draft = Draft::within(place.path())?;
            let folders = names.map(|name| (draft.folder(name).unwrap(), place.path().join(name)));
            put(&folders[1].0.join("secret"), b"1", 0o600)?;
            draft.publish(&folders)
        };
        made(["a", "b"]).unwrap();
        assert_eq!(names(place.path()), ["a", "b"]);
        let refused = made(["c", "b"]).unwrap_err();
        assert!(refused.path.ends_with("b"), "{refused}");
        assert_eq!(names(place.path()), ["a", "b"], "c was taken back, and the draft is gone");
        made(["a", "d"]).unwrap();
        assert_eq!(names(place.path()), ["a", "b", "d"], "an empty folder is as good as none");
    }

    #[test]
    fn a_draft_that_was_abandoned_is_removed_and_one_in_use_is_not() {
        let place = tempfile::tempdir().unwrap();
        let used = Draft::within(place.path()).unwrap();
        let abandoned = place.path().join(format!("{PREFIX}00000000"));
        fs::create_dir_all(abandoned.join("node0")).unwrap();
        fs::write(abandoned.join(BUSY), "").unwrap();
        let second = Draft::within(place.path()).unwrap();
        assert!(used.path().exists() && second.path().exists() && !abandoned.exists());
        drop((used, second));
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn files_and_folders_are_for_those_who_should_have_them_and_nothing_is_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let draft = Draft::within(place.path()).unwrap();
        let folder = draft.folder("node").unwrap();
        put(&folder.join("key"), b"1", 0o600).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let modes = (mode(draft.path()), mode(&folder), mode(&folder.join("key")));
        assert_eq!(modes, (0o700, 0o700, 0o600));
        assert!(put(&folder.join("key"), b"2", 0o600).is_err());
        assert_eq!(fs::read(folder.join("key")).unwrap(), b"1");
    }
}
