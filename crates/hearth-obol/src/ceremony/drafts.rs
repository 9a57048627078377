//! The files of a cluster while its operators sign them.
//!
//! Source: `obol-dkg.md` 8, 9, 11.

use std::collections::BTreeMap;

use hearth_crypto::batch::{Claims, all_hold};
use hearth_crypto::threshold::recombine;
use hearth_crypto::{PublicKey, SecretKey, Signature};
use hearth_dkg::frost::MadeKey;
use hearth_types::{LockHash, OperatorIndex, SigningRoot, ValidatorPubkey};
use rayon::prelude::*;

use super::failure::Reason;
use super::signatures::Purpose;
use crate::cluster::unsigned::{amounts, deposit_root, registration_root, unsigned};
use crate::cluster::{Definition, Lock, Network, Registration};

/// Validators whose signatures are checked together.
const BATCH: usize = 32;

type Partials = BTreeMap<ValidatorPubkey, Signature>;

/// A lock that not everybody has signed yet.
pub(super) struct Drafts {
    lock: Lock,
    network: Network,
    operators: u8,
    keys: Vec<PublicKeys>,
    received: BTreeMap<(Purpose, OperatorIndex), Partials>,
}

struct PublicKeys {
    validator: ValidatorPubkey,
    group: PublicKey,
    shares: Vec<PublicKey>,
}

impl Drafts {
    pub(super) fn new(
        definition: Definition,
        network: Network,
        operators: u8,
        made: &[MadeKey],
    ) -> Result<Self, Reason> {
        let entry = |(position, key): (usize, &MadeKey)| {
            let shares = key.public_shares.iter().map(|share| share.to_bytes().to_vec()).collect();
            let keys = (key.group.to_bytes().to_vec(), shares);
            unsigned(&definition, position, &network, keys, network.genesis_time_s)
        };
        let validators = made.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let keys = made.iter().map(|key| PublicKeys {
            validator: ValidatorPubkey::new(key.group.to_bytes()),
            group: key.group,
            shares: key.public_shares.clone(),
        });
        let keys = keys.collect();
        let lock = Lock {
            definition,
            validators,
            signature_aggregate: Vec::new(),
            lock_hash: Vec::new(),
            node_signatures: Vec::new(),
        };
        Ok(Self { lock, network, operators, keys, received: BTreeMap::new() })
    }

    /// Deposits of each amount, in the order in which they are signed.
    pub(super) fn deposits(&self) -> impl Iterator<Item = Purpose> + use<> {
        (0..self.amounts()).map(Purpose::Deposit)
    }

    pub(super) fn amounts(&self) -> u16 {
        u16::try_from(amounts(&self.lock.definition).len()).unwrap_or(u16::MAX)
    }

    pub(super) fn validators(&self) -> Vec<ValidatorPubkey> {
        self.keys.iter().map(|keys| keys.validator).collect()
    }

    /// What is signed for each validator.
    fn roots(&self, purpose: Purpose) -> Result<Vec<SigningRoot>, Reason> {
        let genesis = self.network.fork_version;
        let root = |validator: &crate::cluster::DistributedValidator| match purpose {
            Purpose::Lock => Ok(SigningRoot::new(*self.lock.compute_lock_hash()?.as_bytes())),
            Purpose::Registration => Ok(registration_root(&validator.registration, genesis)?),
            Purpose::Deposit(amount) => {
                let deposit = validator.deposits.get(usize::from(amount)).ok_or(Reason::NoSuchPurpose)?;
                Ok(deposit_root(deposit, genesis)?)
            }
        };
        if purpose == Purpose::Lock {
            let Some(first) = self.lock.validators.first() else { return Ok(Vec::new()) };
            return Ok(vec![root(first)?; self.lock.validators.len()]);
        }
        self.lock.validators.iter().map(root).collect()
    }

    /// What our shares say.
    pub(super) fn sign<'a>(
        &self,
        purpose: Purpose,
        shares: impl IndexedParallelIterator<Item = &'a SecretKey>,
    ) -> Result<Partials, Reason> {
        let roots = self.roots(purpose)?;
        let signed: Vec<Signature> = shares.zip(&roots).map(|(share, root)| share.sign(root)).collect();
        Ok(self.keys.iter().map(|keys| keys.validator).zip(signed).collect())
    }

    /// Keeps what an operator's shares say. The same again changes nothing.
    pub(super) fn take(
        &mut self,
        from: OperatorIndex,
        purpose: Purpose,
        partials: Partials,
    ) -> Result<(), Reason> {
        let kept = self.received.entry((purpose, from)).or_insert_with(|| partials.clone());
        if *kept == partials { Ok(()) } else { Err(Reason::TwoAnswers) }
    }

    /// Operators whose shares have not said anything.
    pub(super) fn awaited(&self, purpose: Purpose) -> impl Iterator<Item = OperatorIndex> + '_ {
        OperatorIndex::all(self.operators)
            .filter(move |operator| !self.received.contains_key(&(purpose, *operator)))
    }

    /// Puts together what all have said, and checks it.
    ///
    /// Errors: who said something wrong. Everything is checked at once; only where that fails is everybody looked at alone.
    pub(super) fn settle(&mut self, purpose: Purpose) -> Result<(), (Option<OperatorIndex>, Reason)> {
        let internal = |reason| (None, reason);
        let roots = self.roots(purpose).map_err(internal)?;
        if purpose == Purpose::Lock {
            let root = roots.first().ok_or((None, Reason::NoSuchPurpose))?;
            let (mut signatures, mut signers) = (Vec::new(), Vec::new());
            for (position, keys) in self.keys.iter().enumerate() {
                for (operator, signature) in self.partials(purpose, position) {
                    signatures.push(signature);
                    signers.extend(keys.shares.get(operator.position()));
                }
            }
            let sum = Signature::aggregate(&signatures).filter(|sum| sum.verify_aggregate(&signers, root));
            let sum = sum.ok_or_else(|| self.culprit(purpose, &roots))?;
            self.lock.signature_aggregate = sum.to_bytes().as_bytes().to_vec();
            return Ok(());
        }
        let wholes: Option<Vec<Signature>> = (0..self.keys.len())
            .into_par_iter()
            .map(|position| {
                let partials = self.partials(purpose, position);
                let shares: Vec<_> =
                    partials.map(|(operator, signature)| (operator.share(), signature)).collect();
                recombine(&shares).ok()
            })
            .collect();
        let wholes = wholes.ok_or_else(|| self.culprit(purpose, &roots))?;
        let claims: Vec<Claims> = self
            .keys
            .iter()
            .zip(roots.iter().zip(&wholes))
            .map(|(keys, (root, whole))| Claims { key: keys.group, signed: vec![(*root, *whole)] })
            .collect();
        if !claims.par_chunks(BATCH).all(all_hold) {
            return Err(self.culprit(purpose, &roots));
        }
        for (validator, whole) in self.lock.validators.iter_mut().zip(wholes) {
            let bytes = whole.to_bytes().as_bytes().to_vec();
            match purpose {
                Purpose::Deposit(amount) => {
                    if let Some(deposit) = validator.deposits.get_mut(usize::from(amount)) {
                        deposit.signature = bytes;
                    }
                }
                Purpose::Registration => validator.registration.signature = bytes,
                Purpose::Lock => {}
            }
        }
        Ok(())
    }

    fn partials(
        &self,
        purpose: Purpose,
        position: usize,
    ) -> impl Iterator<Item = (OperatorIndex, Signature)> + '_ {
        let validator = self.keys.get(position).map(|keys| keys.validator);
        OperatorIndex::all(self.operators).filter_map(move |operator| {
            let partials = self.received.get(&(purpose, operator))?;
            Some((operator, *partials.get(&validator?)?))
        })
    }

    /// Whose signature is wrong.
    fn culprit(&self, purpose: Purpose, roots: &[SigningRoot]) -> (Option<OperatorIndex>, Reason) {
        for (position, (keys, root)) in self.keys.iter().zip(roots).enumerate() {
            for (operator, signature) in self.partials(purpose, position) {
                let key = keys.shares.get(operator.position());
                if !key.is_some_and(|key| signature.verify(key, root)) {
                    return (Some(operator), Reason::Partial { validator: position });
                }
            }
        }
        (None, Reason::Unexplained)
    }

    /// Makes the lock ready to be signed: what its version does not hold is dropped, the rest hashed.
    pub(super) fn close(&mut self) -> Result<LockHash, Reason> {
        if !self.lock.definition.version.has_registrations() {
            self.lock
                .validators
                .iter_mut()
                .for_each(|validator| validator.registration = Registration::default());
        }
        self.lock.rehash()?;
        Ok(self.lock.compute_lock_hash()?)
    }

    /// The lock with the operators' signatures, in their order.
    pub(super) fn finish(mut self, node_signatures: Vec<Vec<u8>>) -> Lock {
        if self.lock.definition.version.has_registrations() {
            self.lock.node_signatures = node_signatures;
        }
        self.lock
    }
}
