//! What is asked about one cluster of several: its key shares and its record of signed messages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_api::{ErrorCode, UiError};
use hearth_types::LockHash;

use crate::keys::KeysDesk;
use crate::record::RecordDesk;
use crate::settings::SettingsDesk;

/// The desks of all clusters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ClusterDesks {
    /// Answers while there is no cluster.
    nobody: KeysDesk,
    each: Arc<Mutex<Vec<ClusterDesk>>>,
}

struct ClusterDesk {
    id: LockHash,
    name: String,
    keys: KeysDesk,
    settings: SettingsDesk,
    /// `None` until it is open.
    record: Option<Arc<RecordDesk>>,
}

impl ClusterDesks {
    pub(super) fn new(nobody: KeysDesk) -> Self {
        Self { nobody, each: Arc::default() }
    }

    pub(super) fn add(&self, id: LockHash, name: &str, keys: KeysDesk, settings: SettingsDesk) {
        self.each().push(ClusterDesk { id, name: name.to_owned(), keys, settings, record: None });
    }

    pub(super) fn remove(&self, id: LockHash) {
        self.each().retain(|desk| desk.id != id);
    }

    pub(super) fn show_record(&self, id: LockHash, record: RecordDesk) {
        let record = Arc::new(record);
        for desk in self.each().iter_mut().filter(|desk| desk.id == id) {
            desk.record = Some(Arc::clone(&record));
        }
    }

    /// The key shares of the cluster that is asked for.
    pub(super) fn keys(&self, wanted: Option<LockHash>) -> Result<KeysDesk, UiError> {
        let each = self.each();
        Ok(which(&each, wanted)?.map_or_else(|| self.nobody.clone(), |desk| desk.keys.clone()))
    }

    /// The settings of a cluster; `None` without one.
    pub(super) fn settings(&self, wanted: Option<LockHash>) -> Result<Option<SettingsDesk>, UiError> {
        let each = self.each();
        let desk = wanted.map(|_| which(&each, wanted)).transpose()?.flatten();
        Ok(desk.map(|desk| desk.settings.clone()))
    }

    /// The record of the cluster that is asked for.
    pub(super) fn record(&self, wanted: Option<LockHash>) -> Result<Arc<RecordDesk>, UiError> {
        let closed = || UiError::because(ErrorCode::NotReady, "the record of signed messages is not open yet");
        let each = self.each();
        which(&each, wanted)?.and_then(|desk| desk.record.clone()).ok_or_else(closed)
    }

    fn each(&self) -> MutexGuard<'_, Vec<ClusterDesk>> {
        self.each.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one with this id; without one the only one. `None` where there is none at all.
fn which(each: &[ClusterDesk], wanted: Option<LockHash>) -> Result<Option<&ClusterDesk>, UiError> {
    match (wanted, each) {
        (Some(wanted), _) => {
            let absent = || UiError::because(ErrorCode::NotReady, "the node has no such cluster, or not yet");
            each.iter().find(|desk| desk.id == wanted).map(Some).ok_or_else(absent)
        }
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only)),
        (None, several) => {
            let names: Vec<_> = several.iter().map(|desk| desk.name.as_str()).collect();
            let remedy = format!("Say which cluster: this node has {}.", names.join(" and "));
            Err(UiError::value_refused(remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::offline::Scrutiny;
    use crate::{Installation, Settings};

    #[test]
    fn the_only_cluster_need_not_be_named_and_one_of_several_must() {
        let folder = tempfile::tempdir().unwrap();
        let installation = Arc::new(Installation::at(folder.path().to_owned()));
        let keys = || KeysDesk::new(Path::new(""), None, Scrutiny::default(), Arc::clone(&installation));
        let settings = || SettingsDesk::new(Path::new(""), Settings::default());
        let (desks, id) = (ClusterDesks::new(keys()), |id| LockHash::new([id; 32]));
        let code = |wanted| desks.keys(wanted).err().map(|error| error.code);
        assert_eq!((code(None), code(Some(id(1)))), (None, Some(ErrorCode::NotReady)));
        desks.add(id(1), "one", keys(), settings());
        assert_eq!((code(None), code(Some(id(1))), code(Some(id(2)))), (None, None, Some(ErrorCode::NotReady)));
        assert_eq!(desks.record(None).err().map(|error| error.code), Some(ErrorCode::NotReady), "not open yet");
        desks.add(id(2), "two", keys(), settings());
        assert_eq!((code(None), code(Some(id(2)))), (Some(ErrorCode::ValueRefused), None));
        assert!(desks.keys(None).unwrap_err().remedy.contains("one and two"));
        desks.remove(id(1));
        assert_eq!((code(None), code(Some(id(1)))), (None, Some(ErrorCode::NotReady)));
    }
}
