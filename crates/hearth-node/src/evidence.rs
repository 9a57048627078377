//! Proofs that an operator said two things that exclude each other, kept where the owner can take them to the others.
//!
//! A file in the data folder for each. Whoever has the cluster's lock can check it without trusting anybody.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hearth_crypto::{PublicKey, Signature};
use hearth_duties::{Cluster, Equivocation, SignedData};
use hearth_types::{AttestationData, Duty, LockHash, OperatorIndex, ShareIndex, SigningRoot, ValidatorPubkey};
use serde::Serialize;

use crate::aside::replace_private;

/// Name of their folder in the data folder.
const FOLDER: &str = "evidence";
/// Files that are kept; whoever is caught more often is known by then.
const MOST_FILES: usize = 200;

/// Where they are kept.
#[derive(Clone, Debug)]
pub(crate) struct EvidenceFolder {
    folder: PathBuf,
    lock_hash: LockHash,
    cluster: Arc<Cluster>,
    /// Held while one is checked and written. Who sends others meanwhile is being caught already, and must not cost more.
    at_work: Arc<Mutex<()>>,
}

/// What was caught.
#[derive(Clone, Debug)]
pub(crate) struct Caught {
    pub(crate) operator: OperatorIndex,
    pub(crate) duty: Duty,
    pub(crate) proof: Equivocation,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// One of the signatures is not its share's: anybody can send that.
    #[error("one of the two signatures is not by the operator's share: it proves nothing")]
    NoProof,
    #[error("{MOST_FILES} proofs are kept already")]
    Enough,
    #[error("another one is being checked")]
    Busy,
    #[error("it cannot be written: {0}")]
    Unwritable(#[from] std::io::Error),
}

/// The file.
#[derive(Serialize)]
struct Proof<'a> {
    format: &'static str,
    cluster: LockHash,
    /// Number of the operator, from 1.
    operator: u8,
    duty: String,
    #[serde(flatten)]
    statements: Statements<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Statements<'a> {
    /// Consensus messages of Obol's protocol, signed by the operator's identity.
    ConsensusMessages { first: String, second: String },
    /// Partial signatures by the operator's share of a validator.
    PartialSignatures { validator: ValidatorPubkey, share: ShareIndex, first: Signed<'a>, second: Signed<'a> },
}

#[derive(Serialize)]
struct Signed<'a> {
    attestation: &'a AttestationData,
    signing_root: SigningRoot,
    signature: String,
}

impl EvidenceFolder {
    pub(crate) fn in_folder(data: &Path, lock_hash: LockHash, cluster: Arc<Cluster>) -> Self {
        Self { folder: data.join(FOLDER), lock_hash, cluster, at_work: Arc::default() }
    }

    /// Checks a proof and keeps it. Returns where. Computes for milliseconds and waits for the disk.
    pub(crate) fn keep(&self, caught: &Caught) -> Result<PathBuf, NotKept> {
        let Caught { operator, duty, proof } = caught;
        let _alone = self.at_work.try_lock().map_err(|_| NotKept::Busy)?;
        let statements = match proof {
            Equivocation::Votes { first, second } => Statements::ConsensusMessages {
                first: format!("0x{}", hex::encode(&first.0)),
                second: format!("0x{}", hex::encode(&second.0)),
            },
            Equivocation::Partials { validator, share, first, second } => {
                let of = self.cluster.validators.get(validator);
                let key = of.and_then(|of| of.share_key(*share)).ok_or(NotKept::NoProof)?;
                let (first, second) = (checked(&key, first)?, checked(&key, second)?);
                Statements::PartialSignatures { validator: *validator, share: *share, first, second }
            }
        };
        std::fs::create_dir_all(&self.folder)?;
        if std::fs::read_dir(&self.folder)?.count() >= MOST_FILES {
            return Err(NotKept::Enough);
        }
        let number = operator.share().get();
        let what = match statements {
            Statements::ConsensusMessages { .. } => "messages",
            Statements::PartialSignatures { .. } => "signatures",
        };
        let path = self.folder.join(format!("operator-{number}-slot-{}-{what}.json", duty.slot));
        let proof = Proof {
            format: "hearth evidence 1",
            cluster: self.lock_hash,
            operator: number,
            duty: duty.to_string(),
            statements,
        };
        replace_private(&path, &serde_json::to_vec_pretty(&proof).map_err(std::io::Error::other)?)?;
        Ok(path)
    }
}

fn checked<'a>(key: &PublicKey, signed: &'a SignedData) -> Result<Signed<'a>, NotKept> {
    let SignedData { data, root, signature } = signed;
    let read = Signature::from_bytes(signature.as_bytes()).map_err(|_| NotKept::NoProof)?;
    if !read.verify(key, root) {
        return Err(NotKept::NoProof);
    }
    let signature = format!("0x{}", hex::encode(signature.as_bytes()));
    Ok(Signed { attestation: data, signing_root: *root, signature })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hearth_crypto::SecretKey;
    use hearth_duties::{ClusterValidator, Proof as SignedVote};
    use hearth_types::{Checkpoint, CommitteeIndex, Epoch, Root, Slot, Threshold};

    use super::*;

    const VALIDATOR: ValidatorPubkey = ValidatorPubkey::new([5; 48]);

    fn secret(number: u8) -> SecretKey {
        SecretKey::from_bytes(&[number; 32]).unwrap()
    }

    fn operator(number: u8) -> OperatorIndex {
        ShareIndex::new(number).unwrap().operator()
    }

    fn folder(data: &Path) -> EvidenceFolder {
        let keys = |numbers: [u8; 4]| numbers.map(|number| secret(number).public_key()).to_vec();
        let validator = ClusterValidator { group: secret(9).public_key(), shares: keys([1, 2, 3, 4]) };
        let cluster = Cluster {
            me: operator(1),
            operators: 4,
            threshold: Threshold::default_for(4),
            validators: BTreeMap::from([(VALIDATOR, validator)]),
        };
        EvidenceFolder::in_folder(data, LockHash::new([7; 32]), Arc::new(cluster))
    }

    fn signed(by: u8, head: u8) -> SignedData {
        let checkpoint = |epoch| Checkpoint { epoch: Epoch::new(epoch), root: Root::new([1; 32]) };
        let data = AttestationData {
            slot: Slot::new(64),
            index: CommitteeIndex::new(0),
            beacon_block_root: Root::new([head; 32]),
            source: checkpoint(1),
            target: checkpoint(2),
        };
        let root = SigningRoot::new([head; 32]);
        SignedData { data, root, signature: secret(by).sign(&root).to_bytes() }
    }

    fn caught(slot: u64, proof: Equivocation) -> Caught {
        Caught { operator: operator(2), duty: Duty::attester(Slot::new(slot)), proof }
    }

    fn partials(first: SignedData, second: SignedData) -> Equivocation {
        let (first, second) = (Box::new(first), Box::new(second));
        Equivocation::Partials { validator: VALIDATOR, share: ShareIndex::new(2).unwrap(), first, second }
    }

    #[test]
    fn two_signatures_of_one_share_are_kept_with_all_that_it_takes_to_check_them() {
        let data = tempfile::tempdir().unwrap();
        let path = folder(data.path()).keep(&caught(64, partials(signed(2, 1), signed(2, 8)))).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!((&read["kind"], &read["operator"]), (&"partial_signatures".into(), &2.into()));
        for (which, head) in [("first", 1), ("second", 8)] {
            let signature = format!("0x{}", hex::encode(signed(2, head).signature.as_bytes()));
            assert_eq!(read[which]["signature"], signature);
            let attestation: AttestationData =
                serde_json::from_value(read[which]["attestation"].clone()).unwrap();
            assert_eq!(attestation, signed(2, head).data);
        }
    }

    #[test]
    fn what_anybody_could_have_sent_is_no_proof() {
        let data = tempfile::tempdir().unwrap();
        let folder = folder(data.path());
        for bad in [partials(signed(2, 1), signed(3, 8)), partials(signed(3, 1), signed(2, 8))] {
            assert!(matches!(folder.keep(&caught(64, bad)), Err(NotKept::NoProof)));
        }
        assert!(!data.path().join(FOLDER).exists());
    }

    #[test]
    fn votes_are_kept_as_they_came_and_no_more_than_a_bound() {
        let data = tempfile::tempdir().unwrap();
        let folder = folder(data.path());
        let votes = || {
            let vote = |byte| SignedVote(Arc::from([byte; 3]));
            Equivocation::Votes { first: vote(1), second: vote(2) }
        };
        let path = folder.keep(&caught(0, votes())).unwrap();
        assert!(path.ends_with("operator-2-slot-0-messages.json"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("\"0x010101\"") && text.contains("\"0x020202\""), "{text}");
        for slot in 1..MOST_FILES as u64 {
            folder.keep(&caught(slot, votes())).unwrap();
        }
        assert!(matches!(folder.keep(&caught(999, votes())), Err(NotKept::Enough)));
    }

    #[test]
    fn whoever_floods_with_contradictions_has_one_of_them_checked_at_a_time() {
        let data = tempfile::tempdir().unwrap();
        let folder = folder(data.path());
        let under_way = folder.at_work.lock().unwrap();
        let proof = || partials(signed(2, 1), signed(2, 8));
        assert!(matches!(folder.clone().keep(&caught(64, proof())), Err(NotKept::Busy)));
        drop(under_way);
        folder.keep(&caught(64, proof())).unwrap();
    }
}
