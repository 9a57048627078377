//! The last slot in which this node may have said something in a consensus, on disk before it says it.
//!
//! Why: [`hearth_duties::Voice`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hearth_types::Slot;
use serde::{Deserialize, Serialize};

use crate::aside::replace_private;

/// Name of the file in a cluster's folder.
const FILE_NAME: &str = "spoken.json";

/// What the file holds.
#[derive(Deserialize, Serialize)]
struct Spoken {
    /// The slot.
    through: Slot,
}

/// The file. Clones are of the same one.
#[derive(Clone, Debug)]
pub(crate) struct SpokenRecord {
    path: PathBuf,
    /// What was written last. Held while writing: on a slow disk one slot may still be under way when the next one comes.
    written: Arc<Mutex<Option<Slot>>>,
}

impl SpokenRecord {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(FILE_NAME), written: Arc::default() }
    }

    /// The last slot on record; `None` if nothing was ever said. A file that cannot be understood says nothing of the past,
    /// which then ends with the slot under way.
    pub(crate) fn read(&self, now: Slot) -> Option<Slot> {
        let text = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            outcome => outcome,
        };
        let spoken = text.and_then(|text| serde_json::from_slice(&text).map_err(io::Error::other));
        match spoken {
            Ok(Spoken { through }) => Some(through),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "unreadable; only listening until the next slot");
                Some(now)
            }
        }
    }

    /// Returns when it survives a power cut that this slot, or a later one, is on record.
    pub(crate) fn write(&self, through: Slot) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if Some(through) > *written {
            let text = serde_json::to_vec(&Spoken { through }).map_err(io::Error::other)?;
            replace_private(&self.path, &text)?;
            *written = Some(through);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_last_is_read_and_what_cannot_be_read_counts_as_now() {
        let folder = tempfile::tempdir().unwrap();
        let (record, now) = (SpokenRecord::in_folder(folder.path()), Slot::new(90));
        assert_eq!(record.read(now), None);
        for slot in [7, 8, 1_000] {
            record.write(Slot::new(slot)).unwrap();
            assert_eq!(record.read(now), Some(Slot::new(slot)));
        }
        record.clone().write(Slot::new(999)).unwrap();
        assert_eq!(record.read(now), Some(Slot::new(1_000)), "one that was overtaken");
        std::fs::write(folder.path().join(FILE_NAME), b"{\"thr").unwrap();
        assert_eq!(record.read(now), Some(now));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let record = SpokenRecord::in_folder(&folder.path().join("gone"));
        assert!(record.write(Slot::new(1)).is_err());
    }
}
