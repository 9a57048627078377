//! The second round: everybody says what key came out, so that nobody goes on with another.

use std::collections::BTreeSet;

use hearth_crypto::{PublicKey, SecretKey};
use hearth_types::OperatorIndex;

use super::{Claim, MadeKey, Terms};
use crate::{Abort, Blame, Rule};

/// A validator's key as this operator computed it.
pub(super) struct Agreed {
    pub(super) group: PublicKey,
    pub(super) share: SecretKey,
    pub(super) public_shares: Vec<PublicKey>,
}

/// The second round of an operator, until everybody was heard.
pub struct RoundTwo {
    terms: Terms,
    keys: Vec<Agreed>,
    heard: BTreeSet<OperatorIndex>,
}

impl RoundTwo {
    pub(super) const fn new(terms: Terms, keys: Vec<Agreed>) -> Self {
        Self { terms, keys, heard: BTreeSet::new() }
    }

    /// What everybody is to be told, by validator.
    pub fn claims(&self) -> Vec<Claim> {
        let claim = |key: &Agreed| {
            let share = key.public_shares.get(self.terms.me.position())?;
            Some(Claim { group: key.group, share: *share })
        };
        self.keys.iter().filter_map(claim).collect()
    }

    /// Hears what an operator tells everybody, and holds it against what follows from the commitments.
    pub fn take_claims(&mut self, from: OperatorIndex, claims: &[Claim]) -> Result<(), Blame> {
        let Terms { me, operators, validators, .. } = self.terms;
        if from == me || from.position() >= usize::from(operators) || self.heard.contains(&from) {
            return Ok(());
        }
        let blame = |validator, rule| Err(Blame { culprit: from, validator, rule });
        if claims.len() != validators {
            return blame(None, Rule::Entries { found: claims.len(), wanted: validators });
        }
        for (validator, (claim, key)) in claims.iter().zip(&self.keys).enumerate() {
            if claim.group != key.group {
                return blame(Some(validator), Rule::GroupKey);
            }
            if Some(&claim.share) != key.public_shares.get(from.position()) {
                return blame(Some(validator), Rule::PublicShare);
            }
        }
        self.heard.insert(from);
        Ok(())
    }

    /// Operators who were not heard yet.
    pub fn awaited(&self) -> impl Iterator<Item = OperatorIndex> + '_ {
        self.terms.others().filter(|operator| !self.heard.contains(operator))
    }

    /// The keys, once everybody has confirmed them.
    pub fn finish(self) -> Result<Vec<MadeKey>, Abort> {
        let awaited = self.awaited().next();
        if let Some(awaited) = awaited {
            return Err(Abort::Unheard(awaited));
        }
        let key = |Agreed { group, share, public_shares }| MadeKey { group, share, public_shares };
        Ok(self.keys.into_iter().map(key).collect())
    }
}
