//! Everything that the partial signatures of one root cost: reading, checking, recombining and checking again.

use std::collections::{BTreeMap, BTreeSet};

use blst::blst_p2_affine;
use hearth_types::{ShareIndex, SignatureBytes, SigningRoot, Threshold};
use rand::CryptoRng;

use crate::batch::find_invalid_over;
use crate::bls::{PublicKey, Signature};
use crate::curve;
use crate::threshold::recombine;

/// Where a partial signature comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Made by this process; needs no check of its own. Claimed for anything else, it takes the blame from a bad
    /// signature and lets an unusable one through.
    Own,
    /// From somebody else.
    Unchecked,
}

/// A claim that one share has signed the root of the job.
#[derive(Clone, Debug)]
pub struct Partial {
    /// Whose share.
    pub share: ShareIndex,
    /// The public key of that share.
    pub key: PublicKey,
    /// The signature as it arrived.
    pub signature: SignatureBytes,
    /// Whether it is to be checked.
    pub standing: Standing,
}

/// What there is for one validator.
#[derive(Clone, Debug)]
pub struct ValidatorPartials {
    /// The validator's public key, which the recombined signature must verify against.
    pub group: PublicKey,
    /// Its partial signatures, in any order. Of several by one share only the first counts.
    pub partials: Vec<Partial>,
}

/// All partial signatures over one root.
#[derive(Clone, Debug)]
pub struct SlotJob {
    /// What everybody signed.
    pub root: SigningRoot,
    /// Partial signatures needed for a whole one.
    pub threshold: Threshold,
    /// The validators of the cluster that signed it.
    pub validators: Vec<ValidatorPartials>,
}

/// What became of a [`SlotJob`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlotOutcome {
    /// The group signature of each validator of the job, in its order. `None`: too few good partial signatures, or
    /// the result does not verify against the group key.
    pub signatures: Vec<Option<SignatureBytes>>,
    /// Partial signatures that are not by their share over the root: position of the validator in the job, and share.
    /// Ascending.
    pub invalid: Vec<(usize, ShareIndex)>,
}

/// Checks every unchecked partial signature in one batch, recombines where there are enough, and checks the results
/// in a second batch.
///
/// Of more than `threshold` good partial signatures those with the lowest share indexes are used. Bad ones are
/// excluded and named; they do not prevent a signature that the good ones suffice for.
pub fn complete_slot(job: &SlotJob, rng: &mut impl CryptoRng) -> SlotOutcome {
    let message = curve::hash_to_g2(&job.root);
    let (read, mut invalid) = read(job);
    invalid.extend(refused(message, &read, rng));
    let mut good = vec![BTreeMap::new(); job.validators.len()];
    for one in read {
        if let (Some(shares), false) =
            (good.get_mut(one.validator), invalid.contains(&(one.validator, one.share)))
        {
            shares.insert(one.share, one.signature);
        }
    }

    let whole = good.into_iter().map(|shares| {
        let lowest: Vec<_> = shares.into_iter().take(job.threshold.count()).collect();
        if lowest.len() < job.threshold.count() { None } else { recombine(&lowest).ok() }
    });
    SlotOutcome {
        signatures: confirmed(message, job, whole.collect(), rng),
        invalid: invalid.into_iter().collect(),
    }
}

/// A partial signature that is a signature, though perhaps not of this root by this share.
struct Read {
    validator: usize,
    share: ShareIndex,
    key: PublicKey,
    signature: Signature,
    standing: Standing,
}

/// Decodes the first partial signature of every share, and names those that are no signatures at all.
fn read(job: &SlotJob) -> (Vec<Read>, BTreeSet<(usize, ShareIndex)>) {
    let (mut read, mut seen, mut invalid) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (validator, entry) in job.validators.iter().enumerate() {
        for partial in &entry.partials {
            let Partial { share, key, standing, .. } = *partial;
            if !seen.insert((validator, share)) {
                continue;
            }
            let signature = match standing {
                Standing::Own => Signature::from_own_bytes(partial.signature.as_bytes()),
                Standing::Unchecked => Signature::from_bytes(partial.signature.as_bytes()),
            };
            match signature {
                Ok(signature) => read.push(Read { validator, share, key, signature, standing }),
                Err(_) => {
                    invalid.insert((validator, share));
                }
            }
        }
    }
    (read, invalid)
}

/// The unchecked ones that do not verify.
fn refused(message: blst_p2_affine, read: &[Read], rng: &mut impl CryptoRng) -> Vec<(usize, ShareIndex)> {
    let mut unchecked: Vec<&Read> = read.iter().filter(|one| one.standing == Standing::Unchecked).collect();
    // One operator's next to each other: usually either all or none of them are bad.
    unchecked.sort_by_key(|one| one.share);
    let claims: Vec<_> = unchecked.iter().map(|one| (one.key, one.signature)).collect();
    let invalid = find_invalid_over(message, &claims, rng);
    invalid.into_iter().filter_map(|at| unchecked.get(at)).map(|one| (one.validator, one.share)).collect()
}

/// Drops every signature that does not verify against its group key.
fn confirmed(
    message: blst_p2_affine,
    job: &SlotJob,
    whole: Vec<Option<Signature>>,
    rng: &mut impl CryptoRng,
) -> Vec<Option<SignatureBytes>> {
    let (places, claims): (Vec<usize>, Vec<_>) = job
        .validators
        .iter()
        .zip(&whole)
        .enumerate()
        .filter_map(|(at, (validator, signature))| {
            signature.map(|signature| (at, (validator.group, signature)))
        })
        .unzip();
    let mut signatures: Vec<_> = whole.iter().map(|signature| signature.map(|one| one.to_bytes())).collect();
    for at in find_invalid_over(message, &claims, rng).into_iter().filter_map(|claim| places.get(claim)) {
        if let Some(signature) = signatures.get_mut(*at) {
            *signature = None;
        }
    }
    signatures
}
