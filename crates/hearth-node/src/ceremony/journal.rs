//! What an operator has drawn and heard in a ceremony, on disk until it is over: whoever is started again goes on where he was.
//!
//! All that a ceremony says follows from a secret seed and from what was heard, in order. Each is on the disk before anything is
//! done about it, so that nobody who comes back says anything else than he has said before. It is sealed with the key of this
//! installation, which lies elsewhere, and it is overwritten and removed when the ceremony ends, however it ends.
//!
//! Form: 16 random bytes, then entries: length in four bytes, little-endian, and a sealed text in CBOR. The first says what ceremony
//! it is. An entry that was not written to its end was not acted on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hearth_signer::SealingKey;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

/// Name of the file in the node's folder.
pub(crate) const FILE_NAME: &str = "ceremony.sealed";
/// Largest journal that is read.
const MOST_BYTES: u64 = 1 << 30;
const ID_BYTES: usize = 16;

/// What ceremony it is. It goes on with the program that began it, not with another that may draw otherwise.
#[derive(Clone, Debug, Encode, Decode, Eq, PartialEq)]
pub(super) struct About {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) definition: [u8; 32],
    #[n(1)]
    pub(super) release: String,
    #[n(2)]
    pub(super) program: String,
}

#[derive(Encode, Decode)]
struct Head {
    #[n(0)]
    about: About,
    #[cbor(n(1), with = "minicbor::bytes")]
    seed: [u8; 32],
}

/// What happened to this operator.
#[derive(Clone, Debug, Encode, Decode, Eq, PartialEq)]
pub(super) enum Entry {
    /// Everybody was there.
    #[n(0)]
    Begun,
    /// An operator, by share index, told his step.
    #[n(1)]
    Reported(#[n(0)] u8, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>),
    /// He asked for a signature on his broadcast.
    #[n(2)]
    Asked(#[n(0)] u8, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>),
    /// He answered such a question of ours.
    #[n(3)]
    Signed(#[n(0)] u8, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>),
    /// He sent a message, by this protocol.
    #[n(4)]
    Heard(#[n(0)] u8, #[n(1)] String, #[cbor(n(2), with = "minicbor::bytes")] Vec<u8>),
    /// The files are written.
    #[n(5)]
    Saved,
}

impl Entry {
    /// Share index of whom it is about.
    pub(super) const fn operator(&self) -> Option<u8> {
        match self {
            Self::Reported(operator, _)
            | Self::Asked(operator, _)
            | Self::Signed(operator, _)
            | Self::Heard(operator, ..) => Some(*operator),
            Self::Begun | Self::Saved => None,
        }
    }
}

/// The journal of a ceremony that is not over.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    key: SealingKey,
    id: [u8; ID_BYTES],
    entries: u32,
}

/// What an interrupted ceremony has left.
pub(super) struct Past {
    pub(super) journal: Journal,
    pub(super) seed: Zeroizing<[u8; 32]>,
    pub(super) entries: Vec<Entry>,
}

impl Journal {
    /// A new one. What an earlier ceremony has left in its place is wiped.
    pub(super) fn begin(folder: &Path, key: SealingKey, about: About, seed: &[u8; 32]) -> io::Result<Self> {
        let path = folder.join(FILE_NAME);
        forget(folder)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        let id: [u8; ID_BYTES] = rand::random();
        file.write_all(&id)?;
        let mut journal = Self { path, file, key, id, entries: 0 };
        let head = Zeroizing::new(minicbor::to_vec(Head { about, seed: *seed }).map_err(io::Error::other)?);
        journal.append(&head)?;
        Ok(journal)
    }

    /// That of this ceremony, if one was interrupted here. `None` as well where it cannot be read, or is of another ceremony.
    pub(super) fn find(folder: &Path, key: SealingKey, about: &About) -> Option<Past> {
        let path = folder.join(FILE_NAME);
        let mut file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        if file.metadata().ok()?.len() > MOST_BYTES {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let (id, mut rest) = bytes.split_first_chunk::<ID_BYTES>()?;
        let (mut texts, mut whole) = (Vec::new(), ID_BYTES);
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let Some((sealed, after)) = after.split_at_checked(length) else { break };
            // What is damaged and not merely cut off cannot be relied on at all.
            texts.push(key.open(&header(id, u32::try_from(texts.len()).ok()?), sealed).ok()?);
            whole += 4 + length;
            rest = after;
        }
        let mut texts = texts.iter();
        let head: Head = minicbor::decode(texts.next()?).ok()?;
        let entries: Vec<Entry> = texts.map(|text| minicbor::decode(text).ok()).collect::<Option<_>>()?;
        if head.about != *about {
            return None;
        }
        file.set_len(u64::try_from(whole).ok()?).ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        let journal = Self { path, file, key, id: *id, entries: u32::try_from(entries.len()).ok()? + 1 };
        Some(Past { journal, seed: Zeroizing::new(head.seed), entries })
    }

    /// Sees one more to the disk.
    pub(super) fn note(&mut self, entry: &Entry) -> io::Result<()> {
        let text = Zeroizing::new(minicbor::to_vec(entry).map_err(io::Error::other)?);
        self.append(&text)
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let sealed = self.key.close(&header(&self.id, self.entries), text, &mut rand::rng());
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.file.write_all(&[&length.to_le_bytes(), &*sealed].concat())?;
        self.entries += 1;
        self.file.sync_data()
    }

    /// The ceremony is over: nothing of it is left.
    pub(super) fn end(self) -> io::Result<()> {
        wipe(&self.path)
    }
}

/// Removes what an interrupted ceremony has left in a folder.
pub(crate) fn forget(folder: &Path) -> io::Result<()> {
    wipe(&folder.join(FILE_NAME))
}

/// Overwrites and removes what is there. A disk that writes elsewhere keeps the old bytes, which the key of the installation closes.
fn wipe(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    std::fs::remove_file(path)
}

fn header(id: &[u8; ID_BYTES], number: u32) -> Vec<u8> {
    [b"hearth-ceremony-1\n".as_slice(), id, &number.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installation::Installation;

    fn about(definition: u8) -> About {
        About { definition: [definition; 32], release: "v1.11".into(), program: "1".into() }
    }

    fn entries() -> Vec<Entry> {
        vec![
            Entry::Reported(1, vec![1, 2]),
            Entry::Begun,
            Entry::Asked(2, vec![3; 300]),
            Entry::Signed(2, vec![4]),
            Entry::Heard(3, "/charon/parsigex/2.0.0".into(), vec![5; 70_000]),
            Entry::Saved,
        ]
    }

    fn written(place: &Path) -> Installation {
        let installation = Installation::at(place.join("state"));
        let key = installation.sealing_key().unwrap();
        let mut journal = Journal::begin(place, key, about(1), &[7; 32]).unwrap();
        entries().iter().for_each(|entry| journal.note(entry).unwrap());
        installation
    }

    fn found(place: &Path, installation: &Installation, definition: u8) -> Option<Past> {
        Journal::find(place, installation.sealing_key().unwrap(), &about(definition))
    }

    #[test]
    fn what_was_noted_is_found_again_by_its_ceremony_alone_and_can_be_gone_on_with() {
        let place = tempfile::tempdir().unwrap();
        let installation = written(place.path());
        let text = std::fs::read(place.path().join(FILE_NAME)).unwrap();
        assert!(!text.windows(8).any(|bytes| bytes == [7; 8] || bytes == [5; 8] || bytes == b"parsigex"));
        assert!(found(place.path(), &installation, 2).is_none());
        assert!(found(place.path(), &Installation::at(place.path().join("elsewhere")), 1).is_none());
        let mut past = found(place.path(), &installation, 1).unwrap();
        assert_eq!((*past.seed, &past.entries), ([7; 32], &entries()));
        past.journal.note(&Entry::Saved).unwrap();
        let again = found(place.path(), &installation, 1).unwrap();
        assert_eq!(again.entries.len(), entries().len() + 1);
        again.journal.end().unwrap();
        assert!(found(place.path(), &installation, 1).is_none());
        assert!(!place.path().join(FILE_NAME).exists());
    }

    #[test]
    fn an_entry_that_was_not_written_to_its_end_is_forgotten_and_a_damaged_journal_as_a_whole() {
        let place = tempfile::tempdir().unwrap();
        let installation = written(place.path());
        let path = place.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for cut in [1, 30, 100] {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let mut past = found(place.path(), &installation, 1).unwrap();
            assert!(past.entries.len() < entries().len(), "cut {cut}");
            assert_eq!(past.entries, entries()[..past.entries.len()]);
            // What follows is put where the cut entry began.
            past.journal.note(&Entry::Begun).unwrap();
            assert_eq!(found(place.path(), &installation, 1).unwrap().entries.last(), Some(&Entry::Begun));
        }
        for at in [0, 20, 100, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert!(found(place.path(), &installation, 1).is_none(), "byte {at}");
        }
        // Another ceremony begins in its place.
        Journal::begin(place.path(), installation.sealing_key().unwrap(), about(3), &[1; 32]).unwrap();
        assert_eq!(found(place.path(), &installation, 3).unwrap().entries, []);
    }
}
