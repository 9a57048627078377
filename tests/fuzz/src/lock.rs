//! Locks: read, hashed, checked, written again, and acted on.

use hearth_obol::cluster::{Lock, Networks, Outcome, UsableLock, VerifiedLock, VerifyError};
use hearth_types::OperatorIndex;

use crate::assert_is_a_line;
use crate::definition::first_failure;

/// Public keys in a lock whose signatures are still checked here: each costs curve arithmetic, and more of them would
/// teach nothing but patience.
const MOST_KEYS: usize = 16;

/// Reads the bytes as a `cluster-lock.json` and holds everything that can be done with it against its promises.
pub fn lock(input: &[u8]) {
    match Lock::from_json(input) {
        Ok(lock) => {
            check_writing(&lock);
            if keys(&lock) <= MOST_KEYS {
                check_verdicts(&lock);
            }
        }
        Err(error) => assert_is_a_line(&error),
    }
}

fn keys(lock: &Lock) -> usize {
    lock.validators.iter().map(|validator| 1 + validator.public_shares.len()).sum()
}

/// What is written says what was read, with the hashes that belong to it, and is written so again.
fn check_writing(lock: &Lock) {
    let mut fresh = lock.clone();
    if let Err(unhashable) = fresh.rehash() {
        assert_is_a_line(&unhashable);
        assert_eq!(lock.to_json(), Err(unhashable));
        return;
    }
    let text = lock.to_json().expect("what has hashes can be written");
    let again = Lock::from_json(text.as_bytes()).expect("what is written can be read");
    assert_eq!(again, fresh);
    assert_eq!(again.to_json().as_ref(), Ok(&text));
    assert_eq!(again.compute_lock_hash().map(|hash| hash.as_bytes().to_vec()), Ok(again.lock_hash));
}

/// The three verdicts on a lock agree: the list of findings, the refusal of the first failure, and the owner's
/// insistence.
fn check_verdicts(lock: &Lock) {
    let networks = Networks::known();
    let insisted = lock.clone().accept_unverified(&networks);
    let findings = match &insisted {
        Ok(accepted) => accepted.findings().to_vec(),
        Err(_) => lock.verify_all(&networks),
    };
    findings.iter().for_each(assert_is_a_line);
    match &insisted {
        Ok(accepted) => check_usable(accepted),
        Err(unusable) => assert_is_a_line(unusable),
    }
    match (lock.clone().verify(&networks), first_failure(&findings)) {
        (Ok(verified), None) => {
            assert_eq!(lock.verify_all(&networks), findings);
            check_verified(&verified, lock);
        }
        (Err(refusal), Some(failure)) => {
            assert_is_a_line(&refusal);
            assert_eq!(refusal, failure);
        }
        (Err(VerifyError::Unusable(unusable)), None) => assert_eq!(insisted.err(), Some(unusable)),
        (verdict, failure) => unreachable!("{verdict:?}, but the findings say {failure:?}"),
    }
}

/// A verified lock is the one that was read, and its content has the hash that all operators signed.
fn check_verified(verified: &VerifiedLock, lock: &Lock) {
    assert_eq!(verified.lock(), lock);
    assert_eq!(verified.lock_hash().as_bytes()[..], lock.lock_hash[..]);
    assert_eq!(lock.compute_lock_hash(), Ok(verified.lock_hash()));
    assert!(verified.warnings().iter().all(|finding| matches!(finding.outcome, Outcome::Warning(_))));
    check_usable(verified);
}

/// Everybody in a lock to act on can be told from everybody else.
fn check_usable(usable: &UsableLock) {
    let count = usable.lock().definition.operators.len();
    let validators = usable.lock().validators.len();
    assert_eq!((usable.operators().len(), usable.validators().len()), (count, validators));
    assert!((1..=count).contains(&usable.threshold().count()));
    let everybody = OperatorIndex::all(u8::try_from(count).expect("more operators have no share indexes"));
    for (me, operator) in everybody.zip(usable.operators()) {
        assert_eq!(usable.operator_of(&operator.key), Some(me));
        assert_eq!(usable.cluster(me).validators.len(), validators);
        assert_eq!(usable.share_keys(me).len(), validators);
    }
}
