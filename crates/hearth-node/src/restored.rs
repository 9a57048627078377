//! A folder that came out of a backup waits before it signs.
//!
//! What the lost computer signed last is in no backup. So the record of the new one begins with a floor a few epochs ahead of the
//! chain: until then the slashing protection refuses every vote, and by then everything that the other could have signed
//! lies behind the chain. Source: ux.md G-22.

use std::path::Path;

use hearth_slashing::{
    Form, ImportError, ImportOptions, Interchange, SignedAttestation, SignedBlock, SigningHistory, SlashingDb,
};
use hearth_types::{ChainSpec, Epoch, Slot, UnixMillis, ValidatorPubkey};
use serde::{Deserialize, Serialize};

use crate::aside::replace_private;

/// Says that a folder was restored, and from its first start on, until when it waits.
pub(crate) const FILE_NAME: &str = "restored.json";

/// Whole epochs without a signature.
const EPOCHS: u64 = 3;

/// What the file holds.
#[derive(Default, Deserialize, Serialize)]
struct Mark {
    /// The last epoch in which nothing is signed; `None` before the first start.
    #[serde(default)]
    last: Option<Epoch>,
}

/// The last epoch in which nothing is signed; `None` where there is none to wait for.
///
/// To be called when the record is open and nothing signs yet. The mark says that the record has its floor only when that is on
/// disk; it goes when the wait is over.
pub(crate) fn wait_if_restored(
    folder: &Path,
    record: &mut SlashingDb,
    validators: &[ValidatorPubkey],
    spec: &ChainSpec,
    now: UnixMillis,
) -> Result<Option<Epoch>, ImportError> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let now = spec.epoch_of(spec.slot_at(now).unwrap_or_default());
    let mark: Mark =
        std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    if let Some(last) = mark.last {
        if now <= last {
            return Ok(Some(last));
        }
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(%error, "the mark of a folder that was restored stays, though its wait is over");
        }
        return Ok(None);
    }
    let last = Epoch::new(now.get().saturating_add(EPOCHS));
    record.import(
        &floor(spec, validators, last),
        ImportOptions { form: Form::Minimal, implausible_from: None },
    )?;
    let text = serde_json::to_vec(&Mark { last: Some(last) }).unwrap_or_default();
    if let Err(error) = replace_private(&path, &text) {
        tracing::warn!(%error, "a restored folder: the next start waits once more");
    }
    Ok(Some(last))
}

/// As if everything up to `last` had been signed.
fn floor(spec: &ChainSpec, validators: &[ValidatorPubkey], last: Epoch) -> Interchange {
    let slot = Slot::new(last.get().saturating_add(1).saturating_mul(spec.slots_per_epoch()).saturating_sub(1));
    let history = |pubkey: &ValidatorPubkey| SigningHistory {
        pubkey: *pubkey,
        signed_blocks: vec![SignedBlock { slot, signing_root: None }],
        signed_attestations: vec![SignedAttestation {
            source_epoch: Epoch::new(0),
            target_epoch: last,
            signing_root: None,
        }],
    };
    Interchange::new(spec.genesis_validators_root, validators.iter().map(history).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::spec;

    #[test]
    fn a_restored_folder_waits_until_its_epoch_is_over_however_often_it_is_started() {
        let (folder, spec, key) = (tempfile::tempdir().unwrap(), spec(), ValidatorPubkey::new([1; 48]));
        let mut record = SlashingDb::in_memory(spec.genesis_validators_root).unwrap();
        let mut start = |epoch: u64| {
            let now = spec.slot_start(spec.first_slot(Epoch::new(epoch)));
            let waits = wait_if_restored(folder.path(), &mut record, &[key], &spec, now).unwrap();
            let target = record.overview().unwrap().get(&key).and_then(|overview| overview.extent.vote);
            (waits.map(Epoch::get), target.map(|vote| vote.target.get()))
        };
        assert_eq!(start(7), (None, None), "nobody restored it");
        let mark = folder.path().join(FILE_NAME);
        std::fs::write(&mark, "{}").unwrap();
        for (epoch, waits) in [(7, Some(10)), (8, Some(10)), (10, Some(10)), (11, None), (12, None)] {
            assert_eq!(start(epoch), (waits, Some(10)), "epoch {epoch}");
        }
        assert!(!mark.exists());
        std::fs::write(&mark, "not ours").unwrap();
        assert_eq!(start(20), (Some(23), Some(23)), "in doubt it waits");
    }
}
