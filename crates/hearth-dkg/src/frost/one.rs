//! The first round: everybody commits to a polynomial and gives everybody else a share of it.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::{JointCommitments, Polynomial, Proof, PublicKey, SecretKey};
use hearth_types::OperatorIndex;
use rand::CryptoRng;
use rayon::prelude::*;

use super::two::{Agreed, RoundTwo};
use super::{Cast, Terms};
use crate::{Abort, Blame, Rule};

/// The first round of an operator, until everybody was heard.
///
/// The polynomials themselves are gone when it exists; what is left of them are the shares.
pub struct RoundOne {
    terms: Terms,
    casts: BTreeMap<OperatorIndex, Vec<Cast>>,
    /// The shares of our polynomials, by operator and validator: our own among them.
    made: BTreeMap<OperatorIndex, Vec<SecretKey>>,
    /// The shares that the others sent us.
    received: BTreeMap<OperatorIndex, Vec<SecretKey>>,
}

/// What one operator draws for one validator.
struct Drawn {
    polynomial: Polynomial,
    nonce: SecretKey,
}

impl RoundOne {
    /// Draws our part of every key.
    pub fn begin(terms: Terms, rng: &mut impl CryptoRng) -> Self {
        // Drawn one after the other, so that a seeded source gives the same ceremony on any number of cores.
        let drawn: Vec<Drawn> = (0..terms.validators).map(|_| Drawn::new(&terms, rng)).collect();
        let parts: Vec<(Cast, Vec<SecretKey>)> =
            drawn.into_par_iter().filter_map(|drawn| drawn.part(&terms)).collect();
        if parts.len() < terms.validators {
            // A share of zero, or a secret: once in 2^255 times. Other polynomials then serve as well.
            return Self::begin(terms, rng);
        }
        let mut casts = Vec::with_capacity(parts.len());
        let mut made: BTreeMap<OperatorIndex, Vec<SecretKey>> = BTreeMap::new();
        for (cast, shares) in parts {
            casts.push(cast);
            for (operator, share) in OperatorIndex::all(terms.operators).zip(shares) {
                made.entry(operator).or_default().push(share);
            }
        }
        Self::resume(terms, casts, made)
    }

    /// Goes on with a part that was drawn before: our casts, and the shares of every operator by validator.
    pub fn resume(terms: Terms, casts: Vec<Cast>, made: BTreeMap<OperatorIndex, Vec<SecretKey>>) -> Self {
        Self { terms, casts: [(terms.me, casts)].into(), made, received: BTreeMap::new() }
    }

    /// What everybody is to be told, by validator.
    pub fn casts(&self) -> &[Cast] {
        self.casts.get(&self.terms.me).map_or(&[], Vec::as_slice)
    }

    /// What one operator alone is to be told, by validator. **Secret.**
    pub fn shares_for(&self, operator: OperatorIndex) -> &[SecretKey] {
        self.made.get(&operator).map_or(&[], Vec::as_slice)
    }

    /// Hears what an operator tells everybody.
    pub fn take_casts(&mut self, from: OperatorIndex, casts: Vec<Cast>) -> Result<(), Blame> {
        if self.is_heard(from, self.casts.contains_key(&from)) {
            return Ok(());
        }
        let Terms { validators, threshold, .. } = self.terms;
        let blame = |validator, rule| Err(Blame { culprit: from, validator, rule });
        if casts.len() != validators {
            return blame(None, Rule::Entries { found: casts.len(), wanted: validators });
        }
        for (validator, cast) in casts.iter().enumerate() {
            let found = cast.commitments.points().len();
            if found != threshold.count() {
                return blame(Some(validator), Rule::Degree { found, wanted: threshold.count() });
            }
        }
        let holds =
            |cast: &Cast| cast.commitments.of_secret().is_some_and(|key| cast.proof.holds(from.share(), key));
        let failed = casts.par_iter().map(holds).collect::<Vec<_>>().into_iter().position(|holds| !holds);
        if failed.is_some() {
            return blame(failed, Rule::Proof);
        }
        // The proof binds its owner, not the ceremony nor the validator: whoever repeats a secret repeats somebody's message.
        let mut known: BTreeSet<PublicKey> =
            self.casts.values().flatten().filter_map(|cast| cast.commitments.of_secret()).copied().collect();
        let secrets = casts.iter().map(|cast| cast.commitments.of_secret());
        let repeated = secrets.flatten().position(|secret| !known.insert(*secret));
        if repeated.is_some() {
            return blame(repeated, Rule::Repeated);
        }
        self.casts.insert(from, casts);
        Ok(())
    }

    /// Hears what an operator tells us alone. Whether it fits its commitments is judged at the end: either may come first.
    pub fn take_shares(&mut self, from: OperatorIndex, shares: Vec<SecretKey>) -> Result<(), Blame> {
        if self.is_heard(from, self.received.contains_key(&from)) {
            return Ok(());
        }
        let wanted = self.terms.validators;
        if shares.len() != wanted {
            let rule = Rule::Entries { found: shares.len(), wanted };
            return Err(Blame { culprit: from, validator: None, rule });
        }
        self.received.insert(from, shares);
        Ok(())
    }

    /// Whether a message of `from` does not count: it is a further one, our own, or nobody's.
    fn is_heard(&self, from: OperatorIndex, already: bool) -> bool {
        already || from == self.terms.me || from.position() >= usize::from(self.terms.operators)
    }

    /// Operators of whom something is missing.
    pub fn awaited(&self) -> impl Iterator<Item = OperatorIndex> + '_ {
        let heard = |operator: &OperatorIndex| {
            self.casts.contains_key(operator) && self.received.contains_key(operator)
        };
        self.terms.others().filter(move |operator| !heard(operator))
    }

    /// Judges the shares and puts the parts of all together.
    pub fn finish(self) -> Result<RoundTwo, Abort> {
        let awaited = self.awaited().next();
        if let Some(awaited) = awaited {
            return Err(Abort::Unheard(awaited));
        }
        let keys: Vec<Result<Agreed, Abort>> =
            (0..self.terms.validators).into_par_iter().map(|validator| self.agree(validator)).collect();
        let keys = keys.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(RoundTwo::new(self.terms, keys))
    }

    fn agree(&self, validator: usize) -> Result<Agreed, Abort> {
        let Terms { me, operators, .. } = self.terms;
        for (operator, shares) in &self.received {
            let share = shares.get(validator).map(SecretKey::public_key);
            let cast = self.casts.get(operator).and_then(|casts| casts.get(validator));
            let committed = cast.and_then(|cast| cast.commitments.of_share(me.share()));
            if share.is_none() || share != committed {
                return Err(Blame { culprit: *operator, validator: Some(validator), rule: Rule::Share }.into());
            }
        }
        let degenerate = Abort::Degenerate { validator };
        let casts = self.casts.values().filter_map(|casts| casts.get(validator));
        let joint = JointCommitments::of(&casts.map(|cast| &cast.commitments).collect::<Vec<_>>());
        let joint = joint.ok_or(degenerate)?;
        let own = self.made.get(&me);
        let parts = own.into_iter().chain(self.received.values()).filter_map(|shares| shares.get(validator));
        let public_shares = OperatorIndex::all(operators).map(|operator| joint.of_share(operator.share()));
        Ok(Agreed {
            group: joint.group_key().ok_or(degenerate)?,
            share: SecretKey::sum(parts).ok_or(degenerate)?,
            public_shares: public_shares.collect::<Option<_>>().ok_or(degenerate)?,
        })
    }
}

impl Drawn {
    fn new(terms: &Terms, rng: &mut impl CryptoRng) -> Self {
        Self { polynomial: Polynomial::random(terms.threshold, rng), nonce: SecretKey::generate(rng) }
    }

    fn part(self, terms: &Terms) -> Option<(Cast, Vec<SecretKey>)> {
        let Self { polynomial, nonce } = self;
        let operators = OperatorIndex::all(terms.operators);
        let shares = operators.map(|operator| polynomial.share(operator.share())).collect::<Option<_>>()?;
        let proof = Proof::make(terms.me.share(), &polynomial, nonce)?;
        Some((Cast { commitments: polynomial.commitments(), proof }, shares))
    }
}
