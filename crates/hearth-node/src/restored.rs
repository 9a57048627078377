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

/// Says that a folder was restored and has not been started since.
pub(crate) const FILE_NAME: &str = "restored.json";

/// Whole epochs without a signature.
const EPOCHS: u64 = 3;

/// The last epoch in which nothing is signed; `None` where the folder was not restored.
///
/// To be called when the record is open and nothing signs yet. The mark goes only when the floor is on disk.
pub(crate) fn wait_if_restored(
    folder: &Path,
    record: &mut SlashingDb,
    validators: &[ValidatorPubkey],
    spec: &ChainSpec,
    now: UnixMillis,
) -> Result<Option<Epoch>, ImportError> {
    let mark = folder.join(FILE_NAME);
    if !mark.exists() {
        return Ok(None);
    }
    let now = spec.epoch_of(spec.slot_at(now).unwrap_or_default());
    let last = Epoch::new(now.get().saturating_add(EPOCHS));
    record.import(
        &floor(spec, validators, last),
        ImportOptions { form: Form::Minimal, implausible_from: None },
    )?;
    if let Err(error) = std::fs::remove_file(&mark) {
        tracing::warn!(%error, "the mark of a restored folder stays: the next start waits once more");
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
