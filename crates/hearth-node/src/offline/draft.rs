//! Folders that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rand::RngExt;
use thiserror::Error;

const PREFIX: &str = ".hearth-draft-";
/// Held while its draft is being worked on.
const BUSY: &str = "busy";
/// Says that files are being moved, so that what is in the draft may be the only copy.
const MOVING: &str = "moving";

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
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path: path.clone(), source }
    }
}

/// A hidden folder in which others are made ready. It vanishes with what is still in it.
///
/// A command that is killed leaves its draft behind; the next one that works in the same place removes it. One that was killed
/// while it moved files is never removed: the next command names it.
pub(super) struct Draft {
    path: PathBuf,
    /// Locked; the system unlocks it when this process ends, however that happens.
    busy: Option<File>,
}

impl Draft {
    /// A draft in `place`, which is made if it is not there.
    pub(super) fn within(place: &Path) -> Result<Self, Unwritable> {
        fs::create_dir_all(place).map_err(Unwritable::at(place))?;
        remove_abandoned(place)?;
        let path = place.join(format!("{PREFIX}{:08x}", rand::rng().random::<u32>()));
        let failed = Unwritable::at(&path);
        create_private(&path).map_err(&failed)?;
        // It has its name only once it is locked, so that nobody takes it for abandoned.
        let (unnamed, named) = (path.join("busy.new"), path.join(BUSY));
        let locked = File::create(&unnamed).and_then(|busy| {
            busy.lock()?;
            fs::rename(&unnamed, &named)?;
            Ok(busy)
        });
        Ok(Self { busy: Some(locked.map_err(failed)?), path })
    }

    /// A draft of a folder: in it, where it exists already (it may be the root of a disk), else in the folder that it is to
    /// lie in.
    pub(super) fn of(path: &Path) -> Result<Self, Unwritable> {
        match path.parent() {
            _ if path.is_dir() => Self::within(path),
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
        self.move_all(folders)
    }

    /// Gives a finished folder its name; or, where an empty folder has that name, moves the content there, `last` last.
    pub(super) fn publish_folder(self, from: &Path, to: &Path, last: &str) -> Result<(), Unwritable> {
        if !to.is_dir() {
            return self.move_all(&[(from.to_owned(), to.to_owned())]);
        }
        let mut moves = self.content(from, to)?;
        moves.sort_by_key(|(from, _)| from.file_name().is_some_and(|name| name == last));
        self.move_all(&moves)
    }

    /// Moves the content of `from` to the folder `to`, in the place of what is `replaced` there.
    pub(super) fn replace(
        self,
        from: &Path,
        to: &Path,
        replaced: impl Fn(&str) -> bool,
    ) -> Result<(), Unwritable> {
        let old = self.folder("replaced")?;
        let is_replaced = |(from, _): &(PathBuf, PathBuf)| {
            from.file_name().is_some_and(|name| replaced(&name.to_string_lossy()))
        };
        let mut moves: Vec<_> = self.content(to, &old)?.into_iter().filter(is_replaced).collect();
        moves.extend(self.content(from, to)?);
        self.move_all(&moves)
    }

    /// What is in a folder, and where it would be in another.
    fn content(&self, from: &Path, to: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Unwritable> {
        let failed = Unwritable::at(from);
        let mut moves = Vec::new();
        for entry in fs::read_dir(from).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            moves.push((entry.path(), to.join(entry.file_name())));
        }
        moves.sort();
        Ok(moves)
    }

    /// All moves or none. A power cut in between leaves the draft, marked, with what was not moved yet.
    fn move_all(&self, moves: &[(PathBuf, PathBuf)]) -> Result<(), Unwritable> {
        let mark = self.path.join(MOVING);
        for (from, _) in moves.iter().filter(|(from, _)| from.is_dir()) {
            sync_folder(from).map_err(Unwritable::at(from))?;
        }
        put(&mark, b"", 0o600)?;
        sync_folder(&self.path).map_err(Unwritable::at(&mark))?;
        for (done, (from, to)) in moves.iter().enumerate() {
            // Onto an empty folder a rename would succeed on some systems and fail on others.
            let moved = refuse_taken(to).and_then(|()| fs::rename(from, to));
            if let Err(source) = moved {
                let back = moves.iter().take(done).rev().all(|(from, to)| fs::rename(to, from).is_ok());
                // What could not be taken back is kept, marked.
                let _unmarked = if back { fs::remove_file(&mark) } else { Ok(()) };
                return Err(Unwritable { path: to.clone(), source });
            }
        }
        for (_, to) in moves {
            sync_folder(to.parent().unwrap_or(Path::new("."))).map_err(Unwritable::at(to))?;
        }
        fs::remove_file(&mark).map_err(Unwritable::at(&mark))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(self.busy.take());
        if self.path.join(MOVING).exists() {
            return;
        }
        // What is still in it may be key shares that nobody needs. If this fails, the next command tries again.
        let _left = fs::remove_dir_all(&self.path);
    }
}

/// Removes drafts that nobody works on.
fn remove_abandoned(place: &Path) -> Result<(), Unwritable> {
    let Ok(entries) = fs::read_dir(place) else { return Ok(()) };
    for path in entries.flatten().filter(|entry| is_draft(&entry.file_name())).map(|entry| entry.path()) {
        // Without that file a draft is only just being made, and empty.
        if !File::open(path.join(BUSY)).is_ok_and(|busy| busy.try_lock().is_ok()) {
            continue;
        }
        if path.join(MOVING).exists() {
            let source = io::Error::other(
                "an earlier command was interrupted while it moved files from here to their places. What is still in this \
                 folder may be the only copy: move it to where it belongs, then delete the folder",
            );
            return Err(Unwritable { path, source });
        }
        let _left = fs::remove_dir_all(path);
    }
    Ok(())
}

fn is_draft(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with(PREFIX)
}

/// As [`put`], where a reader may look: the file appears whole or not at all, and never replaces another.
pub(crate) fn put_whole(path: &Path, content: &[u8], mode: u32) -> Result<(), Unwritable> {
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

/// Fails where `path` is anything but absent or an empty folder. Drafts do not count.
pub(super) fn refuse_occupied(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return refuse_taken(path),
        entries => entries?,
    };
    for entry in entries {
        if !is_draft(&entry?.file_name()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
    }
    Ok(())
}

/// Fails where anything is at `path`, be it a link to nowhere.
fn refuse_taken(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
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
    }

    #[test]
    fn a_folder_takes_the_place_of_nothing_or_of_an_empty_folder() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("empty")).unwrap();
        for to in ["absent", "empty"].map(|name| place.path().join(name)) {
            refuse_occupied(&to).unwrap();
            let draft = Draft::of(&to).unwrap();
            refuse_occupied(&to).unwrap();
            let folder = draft.folder("folder").unwrap();
            for name in ["a", "lock", "z"] {
                put(&folder.join(name), name.as_bytes(), 0o600).unwrap();
            }
            draft.publish_folder(&folder, &to, "lock").unwrap();
            assert_eq!(names(&to), ["a", "lock", "z"]);
            assert!(refuse_occupied(&to).is_err());
        }
        assert_eq!(names(place.path()), ["absent", "empty"]);
    }

    #[test]
    fn what_is_replaced_goes_when_the_new_is_there_and_comes_back_when_that_fails() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("keys");
        fs::create_dir(&to).unwrap();
        for name in ["old-1", "mine"] {
            fs::write(to.join(name), name).unwrap();
        }
        let replaced = |new: &str| {
            let draft = Draft::of(&to).unwrap();
            let folder = draft.folder("keys").unwrap();
            put(&folder.join(new), b"new", 0o600).unwrap();
            draft.replace(&folder, &to, |name| name.starts_with("old"))
        };
        assert!(replaced("mine").is_err());
        assert_eq!(names(&to), ["mine", "old-1"]);
        replaced("old-1").unwrap();
        assert_eq!(names(&to), ["mine", "old-1"]);
        assert_eq!(fs::read(to.join("old-1")).unwrap(), b"new");
        assert_eq!(fs::read(to.join("mine")).unwrap(), b"mine");
    }

    #[test]
    fn a_draft_whose_files_were_being_moved_is_never_removed_and_named_to_the_next() {
        let place = tempfile::tempdir().unwrap();
        let draft = Draft::within(place.path()).unwrap();
        let kept = draft.path().to_owned();
        put(&draft.path().join(MOVING), b"", 0o600).unwrap();
        assert!(Draft::within(place.path()).is_ok(), "while it is worked on, it is left alone");
        drop(draft);
        let told = Draft::within(place.path()).err().unwrap();
        assert_eq!(told.path, kept);
        assert!(told.to_string().contains("may be the only copy"), "{told}");
        assert!(kept.exists());
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
