//! One run: one validator's key.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::{Commitments, JointCommitments, Polynomial, PublicKey, SecretKey, open_share, seal_share};
use hearth_types::OperatorIndex;
use rand::CryptoRng;

use super::bundle::number;
use super::{Deal, DealBundle, Fault, JustificationBundle, NoKey, Response, ResponseBundle, Session};
use crate::frost::{MadeKey, Terms};

/// A bundle of another operator.
#[derive(Debug)]
pub enum Bundle {
    /// In the first phase.
    Deals(DealBundle),
    /// In the second.
    Responses(ResponseBundle),
    /// In the third, if there is one.
    Justification(JustificationBundle),
}

/// What comes of a step.
#[derive(Debug)]
pub enum Step {
    /// Nothing yet: somebody's bundle is awaited, or the end of the phase.
    Waits,
    /// To be sent to everybody.
    Responds(ResponseBundle),
    /// To be sent to everybody; `None` where nobody has complained of this operator. Others are waited for.
    Justifies(Option<JustificationBundle>),
    /// The key.
    Done(Box<MadeKey>),
}

/// Bundles of one kind, by author; `None` where somebody sent two different ones.
type Heard<T> = BTreeMap<OperatorIndex, Option<T>>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Deals,
    Responses,
    Justifications,
}

/// A run, as one operator sees it.
pub struct Run {
    terms: Terms,
    session: Session,
    key: SecretKey,
    /// Everybody's key of the ceremony, in order.
    keys: Vec<PublicKey>,
    polynomial: Polynomial,
    phase: Phase,
    deals: Heard<DealBundle>,
    responses: Heard<ResponseBundle>,
    justifications: Heard<JustificationBundle>,
    /// What each dealer has committed to, and the shares that this operator was dealt.
    commitments: BTreeMap<OperatorIndex, Commitments>,
    shares: BTreeMap<OperatorIndex, SecretKey>,
    /// Pairs of dealer and receiver between whom all is well.
    good: BTreeSet<(OperatorIndex, OperatorIndex)>,
    /// Who is left out, and why. Dealers and holders alike: neither has a part in the key.
    faults: BTreeMap<OperatorIndex, Fault>,
}

impl Run {
    /// Deals. `key` is this operator's of the ceremony, `keys` are everybody's, in order; `validator` counts from zero. `None` where
    /// `keys` are not the ceremony's, or a random number was zero, which happens once in 2^255 times.
    pub fn begin(
        terms: Terms,
        (key, keys): (SecretKey, Vec<PublicKey>),
        validator: u32,
        rng: &mut impl CryptoRng,
    ) -> Option<(Self, DealBundle)> {
        let polynomial = Polynomial::random(terms.threshold, rng);
        let ephemeral = terms.others().map(|_| SecretKey::generate(rng)).collect();
        Self::with((terms, validator), (key, keys), polynomial, ephemeral)
    }

    /// The same with given randomness.
    pub fn with(
        (terms, validator): (Terms, u32),
        (key, keys): (SecretKey, Vec<PublicKey>),
        polynomial: Polynomial,
        ephemeral: Vec<SecretKey>,
    ) -> Option<(Self, DealBundle)> {
        if keys.len() != usize::from(terms.operators)
            || keys.get(terms.me.position()) != Some(&key.public_key())
        {
            return None;
        }
        let session = Session::of(&keys, validator);
        let deal = |(operator, ephemeral): (OperatorIndex, SecretKey)| {
            let share = polynomial.share(operator.share())?;
            let sealed = seal_share(&share, keys.get(operator.position())?, &ephemeral)?;
            Some(Deal { to: number(operator), sealed })
        };
        let deals: Option<Vec<Deal>> = terms.others().zip(ephemeral).map(deal).collect();
        let commitments = polynomial.commitments();
        let public = commitments.points().to_vec();
        let bundle = DealBundle::sign((terms.me, &key), deals?, public, session);
        let own = polynomial.share(terms.me.share())?;
        let run = Self {
            terms,
            session,
            key,
            keys,
            polynomial,
            phase: Phase::Deals,
            deals: Heard::new(),
            responses: Heard::new(),
            justifications: Heard::new(),
            commitments: BTreeMap::from([(terms.me, commitments)]),
            shares: BTreeMap::from([(terms.me, own)]),
            good: OperatorIndex::all(terms.operators).map(|operator| (operator, operator)).collect(),
            faults: BTreeMap::new(),
        };
        Some((run, bundle))
    }

    /// What its bundles are known by.
    pub const fn session(&self) -> Session {
        self.session
    }

    /// Takes a bundle. One of whom nobody in the ceremony is the author is ignored.
    pub fn hear(&mut self, bundle: Bundle) {
        let keys = &self.keys;
        let signed = |author: OperatorIndex, hash: [u8; 32], signature: &hearth_crypto::Signature| {
            keys.get(author.position()).is_some_and(|key| signature.verify_message(key, &hash))
        };
        match bundle {
            Bundle::Deals(bundle) if signed(bundle.dealer, bundle.hash(), &bundle.signature) => {
                put(&mut self.deals, bundle.dealer, bundle, |one, other| one == other);
            }
            Bundle::Responses(bundle) if signed(bundle.holder, bundle.hash(), &bundle.signature) => {
                put(&mut self.responses, bundle.holder, bundle, |one, other| one == other);
            }
            Bundle::Justification(bundle) if signed(bundle.dealer, bundle.hash(), &bundle.signature) => {
                put(&mut self.justifications, bundle.dealer, bundle, |one, other| one.hash() == other.hash());
            }
            Bundle::Deals(_) | Bundle::Responses(_) | Bundle::Justification(_) => {}
        }
    }

    /// Whom the phase waits for.
    pub fn awaited(&self) -> Vec<OperatorIndex> {
        let others = self.terms.others();
        match self.phase {
            Phase::Deals => others.filter(|operator| !self.deals.contains_key(operator)).collect(),
            Phase::Responses => others.filter(|operator| !self.responses.contains_key(operator)).collect(),
            Phase::Justifications => others
                .filter(|operator| {
                    !self.complaints(*operator).is_empty() && !self.faults.contains_key(operator)
                })
                .filter(|operator| !self.justifications.contains_key(operator))
                .collect(),
        }
    }

    /// Goes on where the phase is over: everybody is heard, or `time_is_up`.
    pub fn step(&mut self, time_is_up: bool) -> Result<Step, NoKey> {
        if !time_is_up && !self.awaited().is_empty() {
            return Ok(Step::Waits);
        }
        match self.phase {
            Phase::Deals => Ok(Step::Responds(self.respond())),
            Phase::Responses => self.weigh(),
            Phase::Justifications => {
                self.hear_justifications();
                self.finish().map(|key| Step::Done(Box::new(key)))
            }
        }
    }

    /// An operator's public share, as it claims. It has to follow from the commitments (MUST-H).
    pub fn check_public_share(
        key: &MadeKey,
        operator: OperatorIndex,
        claimed: &PublicKey,
    ) -> Result<(), Fault> {
        let known = key.public_shares.get(operator.position());
        if known == Some(claimed) { Ok(()) } else { Err(Fault::PublicShare) }
    }

    fn respond(&mut self) -> ResponseBundle {
        for dealer in self.terms.others() {
            match self.judge_deals(dealer) {
                Ok(Some((commitments, share))) => {
                    if let Some(share) = share {
                        self.shares.insert(dealer, share);
                        self.good.insert((dealer, self.terms.me));
                    }
                    self.commitments.insert(dealer, commitments);
                }
                Ok(None) => {}
                Err(fault) => drop(self.faults.insert(dealer, fault)),
            }
        }
        self.phase = Phase::Responses;
        let responses = OperatorIndex::all(self.terms.operators)
            .filter(|dealer| !self.faults.contains_key(dealer))
            .map(|dealer| Response {
                dealer: number(dealer),
                good: self.good.contains(&(dealer, self.terms.me)),
            })
            .collect();
        ResponseBundle::sign((self.terms.me, &self.key), responses, self.session)
    }

    /// What a dealer has committed to, and our share if it is right. `None` of one who has not dealt.
    fn judge_deals(&self, dealer: OperatorIndex) -> Result<Option<(Commitments, Option<SecretKey>)>, Fault> {
        let Some(Some(bundle)) = self.deals.get(&dealer) else { return Ok(None) };
        if bundle.session != self.session {
            return Err(Fault::DealsOfAnotherRun);
        }
        let (found, wanted) = (bundle.public.len(), self.terms.threshold.count());
        let commitments = Commitments::new(bundle.public.clone()).filter(|_| found == wanted);
        let commitments = commitments.ok_or(Fault::Degree { found, wanted })?;
        let mut receivers = BTreeSet::new();
        let known = |to: u32| to < u32::from(self.terms.operators) && to != number(dealer);
        if !bundle.deals.iter().all(|deal| known(deal.to) && receivers.insert(deal.to)) {
            return Err(Fault::Receiver);
        }
        let mine = bundle.deals.iter().find(|deal| deal.to == number(self.terms.me));
        let share = mine.and_then(|deal| open_share(&deal.sealed, &self.key));
        let share = share.filter(|share| lies_on(&commitments, self.terms.me, share));
        Ok(Some((commitments, share)))
    }

    /// Counts the responses: either all is well, or dealers have to justify themselves.
    fn weigh(&mut self) -> Result<Step, NoKey> {
        let mut complained = false;
        for holder in self.terms.others() {
            let Some(Some(bundle)) = self.responses.get(&holder) else {
                self.faults.entry(holder).or_insert(Fault::NoResponse);
                continue;
            };
            let known = |response: &Response| response.dealer < u32::from(self.terms.operators);
            if bundle.session != self.session || !bundle.responses.iter().all(known) {
                self.faults.entry(holder).or_insert(Fault::Response);
                continue;
            }
            for dealer in OperatorIndex::all(self.terms.operators) {
                let said = bundle.responses.iter().find(|response| response.dealer == number(dealer));
                match said {
                    Some(Response { good: true, .. }) => drop(self.good.insert((dealer, holder))),
                    Some(Response { good: false, .. }) => complained = true,
                    None => {}
                }
            }
        }
        let pairs = usize::from(self.terms.operators).pow(2);
        if !complained && self.good.len() == pairs {
            return self.finish().map(|key| Step::Done(Box::new(key)));
        }
        for dealer in OperatorIndex::all(self.terms.operators) {
            let complaints = self.complaints(dealer).len();
            if complaints >= self.terms.threshold.count() {
                let fault = if self.commitments.contains_key(&dealer) {
                    Fault::Complaints(complaints)
                } else {
                    Fault::NoDeals
                };
                self.faults.entry(dealer).or_insert(fault);
            }
        }
        self.phase = Phase::Justifications;
        if let Some(fault) = self.faults.get(&self.terms.me) {
            return Err(NoKey::LeftOut(*fault));
        }
        let shares: Vec<(u32, SecretKey)> = self
            .complaints(self.terms.me)
            .into_iter()
            .filter_map(|holder| Some((number(holder), self.polynomial.share(holder.share())?)))
            .collect();
        // What is shown here is lost as a secret; fewer than the threshold are.
        let holders: Vec<OperatorIndex> = self.complaints(self.terms.me);
        self.good.extend(holders.into_iter().map(|holder| (self.terms.me, holder)));
        let bundle = (!shares.is_empty())
            .then(|| JustificationBundle::sign((self.terms.me, &self.key), shares, self.session));
        Ok(Step::Justifies(bundle))
    }

    /// To whom a dealer's share is not known to be right.
    fn complaints(&self, dealer: OperatorIndex) -> Vec<OperatorIndex> {
        let all = OperatorIndex::all(self.terms.operators);
        all.filter(|holder| !self.good.contains(&(dealer, *holder))).collect()
    }

    fn hear_justifications(&mut self) {
        for dealer in self.terms.others() {
            let Some(Some(bundle)) = self.justifications.remove(&dealer) else { continue };
            let commitments = self.commitments.get(&dealer).filter(|_| bundle.session == self.session);
            let Some(commitments) = commitments.cloned() else {
                self.faults.entry(dealer).or_insert(Fault::Justification);
                continue;
            };
            for (to, share) in bundle.shares {
                let holder = u8::try_from(to).ok().and_then(OperatorIndex::new);
                let holder = holder.filter(|holder| holder.position() < usize::from(self.terms.operators));
                match holder {
                    Some(holder) if lies_on(&commitments, holder, &share) => {
                        self.good.insert((dealer, holder));
                        if holder == self.terms.me {
                            self.shares.insert(dealer, share);
                        }
                    }
                    _ => drop(self.faults.entry(dealer).or_insert(Fault::Justification)),
                }
            }
        }
    }

    fn finish(&mut self) -> Result<MadeKey, NoKey> {
        let mut qualified = Vec::new();
        for dealer in OperatorIndex::all(self.terms.operators) {
            if !self.complaints(dealer).is_empty() {
                let fault = if self.commitments.contains_key(&dealer) { Fault::Share } else { Fault::NoDeals };
                self.faults.entry(dealer).or_insert(fault);
            }
            if !self.faults.contains_key(&dealer) {
                qualified.push(dealer);
            }
        }
        if let Some(fault) = self.faults.get(&self.terms.me) {
            return Err(NoKey::LeftOut(*fault));
        }
        let needed = self.terms.threshold.count();
        if qualified.len() < needed {
            let faults = self.faults.iter().map(|(operator, fault)| (*operator, *fault)).collect();
            return Err(NoKey::TooFew { qualified: qualified.len(), needed, faults });
        }
        let commitments: Vec<&Commitments> =
            qualified.iter().filter_map(|dealer| self.commitments.get(dealer)).collect();
        let joint = JointCommitments::of(&commitments).ok_or(NoKey::Degenerate)?;
        let shares = qualified.iter().filter_map(|dealer| self.shares.get(dealer));
        let share = SecretKey::sum(shares).ok_or(NoKey::Degenerate)?;
        let public_shares: Option<Vec<PublicKey>> =
            OperatorIndex::all(self.terms.operators).map(|operator| joint.of_share(operator.share())).collect();
        let group = joint.group_key().ok_or(NoKey::Degenerate)?;
        Ok(MadeKey { group, share, public_shares: public_shares.ok_or(NoKey::Degenerate)? })
    }

    /// Who was left out, and why.
    pub fn faults(&self) -> impl Iterator<Item = (OperatorIndex, Fault)> + '_ {
        self.faults.iter().map(|(operator, fault)| (*operator, *fault))
    }
}

/// The first bundle of an author counts; a second that differs makes it none.
fn put<T>(heard: &mut Heard<T>, author: OperatorIndex, bundle: T, same: impl Fn(&T, &T) -> bool) {
    match heard.get_mut(&author) {
        None => drop(heard.insert(author, Some(bundle))),
        Some(first) => {
            if first.as_ref().is_some_and(|first| !same(first, &bundle)) {
                *first = None;
            }
        }
    }
}

fn lies_on(commitments: &Commitments, holder: OperatorIndex, share: &SecretKey) -> bool {
    commitments.of_share(holder.share()) == Some(share.public_key())
}
