//! The socket itself, on each system: making it so that only its owner reaches it, and knowing who is at the other
//! end before a byte is exchanged.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

/// Why a node cannot be asked at all.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another node answers there.
    #[error("another node is already answering at {}", .0.display())]
    Taken(PathBuf),
    /// Something is in the way that is no socket, or no folder of this user.
    #[error("{} is not a socket of this user; move it away", .0.display())]
    InTheWay(PathBuf),
    /// The system refused.
    #[error("cannot listen at {}: {source}", path.display())]
    System {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A connection, whatever it is made of.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Whether a user may talk to a node, or be taken for one: the owner of the node, or the system's administrator, who
/// can do everything anyway.
#[cfg(unix)]
pub(crate) const fn trusted(other: u32, owner: u32) -> bool {
    other == owner || other == 0
}

#[cfg(unix)]
pub(crate) use unix::{Listener, connect};
#[cfg(windows)]
pub(crate) use windows::{Listener, connect};

#[cfg(unix)]
mod unix {
    use std::fs::{self, DirBuilder, Permissions};
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};

    use tokio::net::{UnixListener, UnixStream};

    use super::{ListenError, Stream, trusted};
    use crate::place::{owner_of, place_of};

    /// A node's socket. Its file goes when this is dropped.
    #[derive(Debug)]
    pub(crate) struct Listener {
        listener: UnixListener,
        path: PathBuf,
        /// The file that was made, in case another has taken its name.
        inode: u64,
        owner: u32,
    }

    impl Listener {
        /// Listens at the place of `data_folder`, over whatever a node that crashed has left there.
        ///
        /// The folder is closed to others before the socket exists, so there is no moment at which they reach it.
        pub(crate) fn bind(data_folder: &Path) -> Result<Self, ListenError> {
            let system = |path: &Path| {
                let path = path.to_owned();
                move |source| ListenError::System { path, source }
            };
            let path = place_of(data_folder).map_err(system(data_folder))?;
            let owner = rustix::process::geteuid().as_raw();
            if let Some(folder) = path.parent() {
                close_to_others(folder, owner)?;
            }
            remove_leftover(&path)?;
            let listener = UnixListener::bind(&path).map_err(system(&path))?;
            fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(system(&path))?;
            let inode = fs::symlink_metadata(&path).map_err(system(&path))?.ino();
            Ok(Self { listener, path, inode, owner })
        }

        pub(crate) fn path(&self) -> &Path {
            &self.path
        }

        /// The next connection of somebody who may be here; others are turned away before a byte is read.
        ///
        /// Dropping the future is safe.
        pub(crate) async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
            loop {
                let (stream, _) = self.listener.accept().await?;
                match stream.peer_cred() {
                    Ok(peer) if trusted(peer.uid(), self.owner) => return Ok(Box::new(stream)),
                    Ok(peer) => {
                        tracing::warn!(user = peer.uid(), "another user of this computer was turned away")
                    }
                    Err(error) => tracing::debug!(%error, "nobody knows who that was; turned away"),
                }
            }
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
                // A file that stays is removed by the next start.
                let _stays = fs::remove_file(&self.path);
            }
        }
    }

    fn close_to_others(folder: &Path, owner: u32) -> Result<(), ListenError> {
        let system = |source| ListenError::System { path: folder.to_owned(), source };
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(system(error)),
            _ => {}
        }
        let found = fs::symlink_metadata(folder).map_err(system)?;
        if !found.is_dir() || found.uid() != owner {
            return Err(ListenError::InTheWay(folder.to_owned()));
        }
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(system)
    }

    fn remove_leftover(path: &Path) -> Result<(), ListenError> {
        let system = |source| ListenError::System { path: path.to_owned(), source };
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(system(error)),
        };
        if !found.file_type().is_socket() {
            return Err(ListenError::InTheWay(path.to_owned()));
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(ListenError::Taken(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(system),
            Err(error) => Err(system(error)),
        }
    }

    /// Connects to the node of `data_folder`. `PermissionDenied` when what listens there is not its owner's.
    pub(crate) async fn connect(data_folder: &Path) -> io::Result<Box<dyn Stream>> {
        let owner = owner_of(&fs::canonicalize(data_folder)?)?;
        let stream = UnixStream::connect(place_of(data_folder)?).await?;
        // The node may run as an administrator on another's folder; whoever asks trusts himself too.
        let peer = stream.peer_cred()?.uid();
        if trusted(peer, owner) || peer == rustix::process::geteuid().as_raw() {
            return Ok(Box::new(stream));
        }
        Err(io::Error::new(ErrorKind::PermissionDenied, format!("it runs as user {peer}, not {owner}")))
    }
}

/// Written against the documentation of named pipes. Neither compiled nor run for Windows yet: to be checked by the
/// first build there.
#[cfg(windows)]
mod windows {
    use std::io;
    use std::path::{Path, PathBuf};

    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};
    use windows_sys::Win32::Foundation::LocalFree;
    use windows_sys::Win32::Security::Authorization::{
        ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
    };
    use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};

    use super::{ListenError, Stream};
    use crate::place::place_of;

    /// Full access for the pipe's owner, the administrators and the system; nothing for anybody else.
    const OWNER_ONLY: &str = "D:P(A;;GA;;;OW)(A;;GA;;;BA)(A;;GA;;;SY)";

    /// A node's pipe.
    #[derive(Debug)]
    pub(crate) struct Listener {
        path: PathBuf,
        next: NamedPipeServer,
    }

    impl Listener {
        pub(crate) fn bind(data_folder: &Path) -> Result<Self, ListenError> {
            let system = |path: &Path, source| ListenError::System { path: path.to_owned(), source };
            let path = place_of(data_folder).map_err(|source| system(data_folder, source))?;
            match instance(&path, true) {
                Ok(next) => Ok(Self { path, next }),
                // The name exists, and its owner lets nobody add an instance.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(ListenError::Taken(path)),
                Err(error) => Err(system(&path, error)),
            }
        }

        pub(crate) fn path(&self) -> &Path {
            &self.path
        }

        /// The next connection. The system lets in only whom the pipe's descriptor names.
        ///
        /// Dropping the future is safe.
        pub(crate) async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
            self.next.connect().await?;
            let next = instance(&self.path, false)?;
            Ok(Box::new(std::mem::replace(&mut self.next, next)))
        }
    }

    #[allow(unsafe_code, reason = "a descriptor can be given to a pipe only as a pointer")]
    fn instance(path: &Path, first: bool) -> io::Result<NamedPipeServer> {
        let text: Vec<u16> = OWNER_ONLY.encode_utf16().chain([0]).collect();
        let mut descriptor: PSECURITY_DESCRIPTOR = std::ptr::null_mut();
        // SAFETY: `text` ends with zero and outlives the call; `descriptor` is a valid place for a pointer.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                std::ptr::null_mut(),
            )
        };
        if made == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut attributes = SECURITY_ATTRIBUTES {
            nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
            lpSecurityDescriptor: descriptor,
            bInheritHandle: 0,
        };
        let mut options = ServerOptions::new();
        options.first_pipe_instance(first).reject_remote_clients(true);
        // SAFETY: `attributes` is a SECURITY_ATTRIBUTES whose descriptor was just made; the call copies both.
        let pipe = unsafe { options.create_with_security_attributes_raw(path, (&raw mut attributes).cast()) };
        // SAFETY: made by the conversion above, which says to free it so; nothing refers to it any more.
        unsafe { LocalFree(descriptor) };
        pipe
    }

    /// Connects to the node of `data_folder`.
    pub(crate) async fn connect(data_folder: &Path) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(ClientOptions::new().open(place_of(data_folder)?)?))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_owner_and_the_administrator_are_let_in_and_nobody_else() {
        for (other, owner, allowed) in [
            (1000, 1000, true),
            (0, 1000, true),
            (1001, 1000, false),
            (1000, 0, false),
            (0, 0, true),
            (u32::MAX, 0, false),
        ] {
            assert_eq!(trusted(other, owner), allowed, "{other} at {owner}'s node");
        }
    }

    #[tokio::test]
    async fn a_socket_is_closed_to_others_replaces_a_dead_one_and_not_a_living_one() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).unwrap();

        // What a crash leaves: a socket file that nobody listens on.
        drop(std::os::unix::net::UnixListener::bind(run.join("hearth.sock")).unwrap());
        let first = Listener::bind(folder.path()).unwrap();
        assert_eq!((mode(&run), mode(first.path())), (0o700, 0o600));

        assert!(matches!(Listener::bind(folder.path()), Err(ListenError::Taken(_))));
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists(), "it cleans up");

        std::fs::write(&path, "a file").unwrap();
        assert!(matches!(Listener::bind(folder.path()), Err(ListenError::InTheWay(_))));
        assert!(path.exists(), "it deletes nothing that is not its own");
    }
}
