//! Opening a slashing database, or refusing to.
//!
//! A database is made under another name and moved into place when it is complete, so a file that exists was
//! whole once: empty, cut or strange ones are damaged, and are reported instead of replaced.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use hearth_types::Root;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::records::{SCHEMA, SCHEMA_VERSION};
use crate::standings::{Standings, load};
use crate::{OpenError, StorageError};

/// Marks the file as ours for `file(1)` and for us: "HSLD".
const APPLICATION_ID: i64 = 0x4853_4c44;

/// The slashing database of one cluster: what its validators' keys signed, as far as this operator knows.
///
/// Owns the file while it lives; dropping it closes the file cleanly. Calls block on the disk, so it belongs on a
/// thread of its own.
pub struct SlashingDb {
    // Declared, and so dropped, before the lock: nobody may open the file while it is being closed.
    pub(crate) conn: Connection,
    pub(crate) chain: Root,
    pub(crate) standings: Standings,
    _lock: Option<File>,
}

impl SlashingDb {
    /// Opens the database at `path`, or creates it where there is none (readable by the owner alone). The folder
    /// must exist.
    ///
    /// A sibling file ending in `.lock` and a lock inside the database keep others out until the value is dropped.
    /// The whole file is read once to check it, about a second per 100 MB.
    ///
    /// Errors: [`OpenError`] says why a file was left alone; none was changed or replaced.
    pub fn open(path: &Path, genesis_validators_root: Root) -> Result<Self, OpenError> {
        Self::open_for(path, Some(genesis_validators_root))
            .map(|found| found.expect("where there is none, it is made"))
    }

    /// Opens the database at `path` whatever chain it records; `None` where there is none. For exports; who signs says
    /// which chain is meant.
    ///
    /// Errors: as [`SlashingDb::open`].
    pub fn open_existing(path: &Path) -> Result<Option<Self>, OpenError> {
        // A look only: not even a lock file is left where there is nothing.
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Self::open_for(path, None),
        }
    }

    fn open_for(path: &Path, chain: Option<Root>) -> Result<Option<Self>, OpenError> {
        // Absolute, so that no name can be taken for a `file:` URI.
        let path = &std::path::absolute(path).map_err(|source| io_error(path, source))?;
        let lock = lock(path)?;
        match fs::metadata(path) {
            Ok(found) if found.len() == 0 => return Err(damaged(path, "it is empty")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => match chain {
                Some(chain) => create(path, chain)?,
                None => return Ok(None),
            },
            Err(source) => return Err(io_error(path, source)),
        }
        let conn = Connection::open_with_flags(path, flags()).map_err(at(path))?;
        own(&conn).map_err(at(path))?;
        let chain = check(&conn, path, chain)?;
        let standings = load(&conn).map_err(|error| refused(path, error))?;
        settle(&conn, path)?;
        Ok(Some(Self { conn, chain, standings, _lock: Some(lock) }))
    }

    /// A database without a file, for simulations and tests. It forgets everything when it is dropped.
    pub fn in_memory(genesis_validators_root: Root) -> Result<Self, OpenError> {
        let conn = Connection::open_in_memory().map_err(StorageError::from)?;
        lay_out(&conn, genesis_validators_root).map_err(StorageError::from)?;
        conn.set_prepared_statement_cache_capacity(32);
        Ok(Self { conn, chain: genesis_validators_root, standings: Standings::new(), _lock: None })
    }
}

impl std::fmt::Debug for SlashingDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let validators = self.standings.len();
        f.debug_struct("SlashingDb")
            .field("chain", &self.chain)
            .field("validators", &validators)
            .finish_non_exhaustive()
    }
}

fn flags() -> OpenFlags {
    // Never CREATE: a file that vanishes between the check and the opening must not come back empty.
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Takes the lock file. It stays behind when released: removing it would let two processes hold two locks.
fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = sibling(path, ".lock");
    let file = private(OpenOptions::new().create(true).truncate(false).write(true))
        .open(&lock_path)
        .map_err(|source| io_error(&lock_path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error(&lock_path, source)),
    }
}

/// Makes a complete, empty database appear at `path`, or nothing. The caller holds the lock.
fn create(path: &Path, genesis_validators_root: Root) -> Result<(), OpenError> {
    if sibling(path, "-wal").exists() {
        return Err(damaged(path, "the file is gone, but its write-ahead log is there"));
    }
    let unfinished = sibling(path, ".new");
    for leftover in [&unfinished, &sibling(&unfinished, "-journal")] {
        match fs::remove_file(leftover) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io_error(leftover, source)),
            _ => {}
        }
    }
    let file = private(OpenOptions::new().create_new(true).read(true).write(true))
        .open(&unfinished)
        .map_err(|source| io_error(&unfinished, source))?;
    let conn = Connection::open_with_flags(&unfinished, flags()).map_err(at(path))?;
    lay_out(&conn, genesis_validators_root).map_err(at(path))?;
    conn.close().map_err(|(_, error)| at(path)(error))?;
    file.sync_all().map_err(|source| io_error(&unfinished, source))?;
    drop(file);
    fs::rename(&unfinished, path).map_err(|source| io_error(path, source))?;
    sync_folder(path).map_err(|source| io_error(path, source))
}

fn lay_out(conn: &Connection, genesis_validators_root: Root) -> rusqlite::Result<()> {
    let tx = conn.unchecked_transaction()?;
    SCHEMA.iter().try_for_each(|statement| tx.execute_batch(statement))?;
    tx.execute("INSERT INTO chain VALUES (?1)", [genesis_validators_root.as_bytes()])?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    tx.commit()
}

/// Takes the database for this connection alone. Changes nothing in it.
fn own(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(std::time::Duration::ZERO)?; // Who comes second is told at once.
    conn.set_prepared_statement_cache_capacity(32);
    // Exclusive before the first access, so there is no shared-memory file either. Full flushes are for macOS,
    // where a plain one does not reach the platter.
    conn.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;",
    )
}

/// Refuses a file that is not ours, of another chain than the expected one, from the future, or not whole. Returns the
/// chain that it records.
fn check(conn: &Connection, path: &Path, expected: Option<Root>) -> Result<Root, OpenError> {
    let number = |pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(at(path));
    if number("application_id")? != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let found = number("user_version")?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    let texts = |sql| -> rusqlite::Result<Vec<String>> {
        conn.prepare(sql)?.query_map([], |row| row.get(0)).and_then(Iterator::collect)
    };
    let verdict = texts("PRAGMA quick_check(1)").map_err(at(path))?;
    if verdict != ["ok"] {
        return Err(damaged(path, &verdict.concat()));
    }
    let tables = texts("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").map_err(at(path))?;
    if found != SCHEMA_VERSION || tables != SCHEMA {
        return Err(damaged(path, "its tables are not those of its version"));
    }
    let chain = conn.query_row("SELECT genesis_validators_root FROM chain", [], |row| row.get(0));
    let found = Root::new(chain.map_err(at(path))?);
    match expected {
        Some(expected) if found != expected => {
            Err(OpenError::OtherChain { path: path.to_owned(), expected, found })
        }
        _ => Ok(found),
    }
}

/// Turns the write-ahead log on and flushes what is in it.
///
/// A process killed between writing and flushing leaves records that are readable now and yet would not survive
/// a power cut. They must reach the disk before anyone is permitted to sign them "again".
fn settle(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    // The empty transaction finds out now whether the file can be written. It also ends what `quick_check` leaves
    // open under an exclusive lock, without which no checkpoint starts.
    conn.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; COMMIT").map_err(at(path))?;
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(at(path))?;
    let busy: i64 =
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(at(path))?;
    if mode != "wal" || busy != 0 {
        let detail = format!("journal mode {mode}, checkpoint result {busy}");
        return Err(StorageError::Failed { detail }.into());
    }
    Ok(())
}

fn at(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    move |error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => OpenError::InUse { path: path.to_owned() },
        _ => refused(path, error.into()),
    }
}

fn refused(path: &Path, error: StorageError) -> OpenError {
    match error {
        StorageError::Damaged { detail } => damaged(path, &detail),
        other => OpenError::Storage(other),
    }
}

fn damaged(path: &Path, detail: &str) -> OpenError {
    OpenError::Damaged { path: path.to_owned(), detail: detail.to_owned() }
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), source }
}

/// `path` with `suffix` after its file name.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

/// Elsewhere the folder of the cluster carries the access rules.
#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// A rename is durable once its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Windows makes renames durable with the file.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use hearth_types::{Epoch, SigningRoot, Slot, ValidatorPubkey, Vote};

    use super::*;

    const CHAIN: Root = Root::new([7; 32]);

    fn votes(target: u64, validators: u8) -> Vec<(ValidatorPubkey, Vote)> {
        let vote = Vote {
            slot: Slot::new(target * 32),
            source: Epoch::new(target - 1),
            target: Epoch::new(target),
            root: SigningRoot::new([target as u8; 32]),
        };
        (0..validators).map(|validator| (ValidatorPubkey::new([validator; 48]), vote)).collect()
    }

    #[test]
    fn every_commit_is_flushed_and_the_file_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let db = SlashingDb::open(&folder.path().join("slashing.sqlite"), CHAIN).unwrap();
        let text = |pragma: &str| {
            db.conn
                .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
                .unwrap()
        };
        for (pragma, expected) in [
            ("synchronous", 2.into()),
            ("fullfsync", 1.into()),
            ("checkpoint_fullfsync", 1.into()),
            ("locking_mode", String::from("exclusive").into()),
            ("journal_mode", String::from("wal").into()),
        ] {
            assert_eq!(text(pragma), expected, "{pragma}");
        }
        assert!(!folder.path().join("slashing.sqlite-shm").exists());
    }

    #[test]
    fn a_full_disk_gives_an_error_and_no_permit_and_signing_resumes_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slashing.sqlite");
        let mut db = SlashingDb::open(&path, CHAIN).unwrap();
        let pages: i64 = db.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |db: &SlashingDb, pages: i64| {
            db.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        limit(&db, pages);

        let mut permitted = 0;
        let full = (1..1_000)
            .find(|target| match db.permit_attestations(&votes(*target, 5)) {
                Ok(results) => {
                    assert!(results.iter().all(Result::is_ok));
                    permitted = *target;
                    false
                }
                Err(error) => {
                    assert_eq!(error, StorageError::DiskFull);
                    true
                }
            })
            .unwrap();
        assert_eq!(full, permitted + 1);

        drop(db);
        let mut db = SlashingDb::open(&path, CHAIN).unwrap();
        for (validator, mut vote) in votes(permitted, 5) {
            assert!(
                db.permit_attestations(&[(validator, vote)]).unwrap()[0].is_ok(),
                "the last permit is on record"
            );
            vote.root = SigningRoot::new([0xee; 32]);
            assert!(db.permit_attestations(&[(validator, vote)]).unwrap()[0].is_err());
        }
        let again = db.permit_attestations(&votes(full, 5)).unwrap();
        assert!(
            again.iter().all(Result::is_ok),
            "nothing of the failed batch was recorded, and there is room now"
        );
    }

    #[test]
    fn a_read_only_record_gives_an_error_and_no_permit() {
        let mut db = SlashingDb::in_memory(CHAIN).unwrap();
        db.conn.pragma_update(None, "query_only", true).unwrap();
        assert_eq!(db.permit_attestations(&votes(1, 1)).unwrap_err(), StorageError::ReadOnly);
        let block = db.permit_block(ValidatorPubkey::new([1; 48]), Slot::new(1), SigningRoot::new([1; 32]));
        assert_eq!(block.unwrap_err(), StorageError::ReadOnly);
    }
}
