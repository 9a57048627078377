//! The runs of a ceremony by Pedersen's protocol, one after another: what belongs to which run, what came too early, and when the
//! next begins.
//!
//! Charon goes on without a dealer who breaks a rule, and then wants the public share of every operator all the same. Here a broken
//! rule ends the ceremony, and names who broke it.
//!
//! Source: `obol-dkg.md` 13.

use std::collections::{BTreeMap, VecDeque};

use hearth_crypto::{Polynomial, PublicKey, SecretKey};
use hearth_dkg::frost::{MadeKey, Terms};
use hearth_dkg::pedersen::{Bundle, NoKey, Run, Session, Step};
use hearth_types::{OperatorIndex, Root};
use rand::CryptoRng;

use super::failure::Reason;
use super::pedersen::{
    DEALS_PROTOCOL, JUSTIFICATIONS_PROTOCOL, PUBLIC_SHARES_PROTOCOL, PedersenRejection, RESPONSES_PROTOCOL,
    decode_bundle, decode_node_key, decode_public_share, encode_deals, encode_justification, encode_node_key,
    encode_public_share, encode_responses, longest,
};

/// Messages of one operator that may wait for a run: he can be one run ahead of us, with three bundles and a share.
const EARLY: usize = 8;

/// What everybody is to be sent, by which protocol.
pub(super) type Sent = (&'static str, Vec<u8>);

/// Whoever is to blame, and why.
type Blamed = (Option<OperatorIndex>, Reason);

/// All runs of a ceremony.
pub(super) struct Sequence {
    terms: Terms,
    ceremony: Root,
    key: SecretKey,
    /// Everybody's key of the ceremony.
    keys: BTreeMap<OperatorIndex, PublicKey>,
    /// What each run to come is begun with.
    drawn: VecDeque<(Polynomial, Vec<SecretKey>)>,
    run: Option<Run>,
    /// The key of the run that is over, until everybody has told his public share.
    key_made: Option<MadeKey>,
    made: Vec<MadeKey>,
    /// Bundles of runs that have not begun, and public shares of runs that are not over.
    early: BTreeMap<OperatorIndex, Vec<(Session, Bundle)>>,
    shares: BTreeMap<OperatorIndex, VecDeque<PublicKey>>,
    newest: BTreeMap<OperatorIndex, PublicKey>,
}

impl Sequence {
    /// Draws all that is secret.
    pub(super) fn new(terms: Terms, ceremony: Root, rng: &mut impl CryptoRng) -> Self {
        let key = SecretKey::generate(rng);
        let others = usize::from(terms.operators).saturating_sub(1);
        let drawn = (0..terms.validators).map(|_| {
            let ephemeral = (0..others).map(|_| SecretKey::generate(rng)).collect();
            (Polynomial::random(terms.threshold, rng), ephemeral)
        });
        Self {
            terms,
            ceremony,
            drawn: drawn.collect(),
            keys: BTreeMap::from([(terms.me, key.public_key())]),
            key,
            run: None,
            key_made: None,
            made: Vec::new(),
            early: BTreeMap::new(),
            shares: BTreeMap::new(),
            newest: BTreeMap::new(),
        }
    }

    /// What we broadcast first.
    pub(super) fn node_key(&self) -> Vec<u8> {
        encode_node_key(&self.ceremony, &self.key.public_key())
    }

    /// What an operator broadcasts first.
    pub(super) fn read_node_key(&self, value: &[u8]) -> Result<PublicKey, Reason> {
        Ok(decode_node_key(value, &self.ceremony, longest(self.terms.operators))?)
    }

    pub(super) fn take_node_key(&mut self, from: OperatorIndex, key: PublicKey) {
        self.keys.insert(from, key);
    }

    /// Operators whose keys are not known yet.
    pub(super) fn unknown(&self) -> impl Iterator<Item = OperatorIndex> + '_ {
        OperatorIndex::all(self.terms.operators).filter(|operator| !self.keys.contains_key(operator))
    }

    /// Whom the present run waits for.
    pub(super) fn awaited(&self) -> Vec<OperatorIndex> {
        match &self.run {
            Some(run) => run.awaited(),
            None => self.silent().collect(),
        }
    }

    /// Others whose public share is not there.
    fn silent(&self) -> impl Iterator<Item = OperatorIndex> + '_ {
        let others = OperatorIndex::all(self.terms.operators).filter(|operator| *operator != self.terms.me);
        others.filter(|operator| self.shares.get(operator).is_none_or(VecDeque::is_empty))
    }

    /// Takes a message by one of the protocols of this kind of ceremony.
    pub(super) fn hear(&mut self, from: OperatorIndex, protocol: &str, bytes: &[u8]) -> Result<(), Reason> {
        let most = longest(self.terms.operators);
        if protocol == PUBLIC_SHARES_PROTOCOL {
            let share = decode_public_share(bytes, &self.ceremony, most)?;
            // A message can come twice; two validators never have the same share.
            if self.newest.insert(from, share) != Some(share) {
                let waiting = self.shares.entry(from).or_default();
                if waiting.len() >= EARLY {
                    return Err(PedersenRejection::TooMany.into());
                }
                waiting.push_back(share);
            }
            return Ok(());
        }
        let bundle = decode_bundle(protocol, bytes, from, most)?;
        let session = session_of(&bundle);
        if let Some(run) = self.run.as_mut().filter(|run| run.session() == session) {
            run.hear(bundle);
            return Ok(());
        }
        let waiting = self.early.entry(from).or_default();
        if waiting.len() >= EARLY {
            return Err(PedersenRejection::TooMany.into());
        }
        waiting.push((session, bundle));
        Ok(())
    }

    /// Does what can be done. Returns all keys once they are made.
    pub(super) fn go_on(&mut self, out: &mut Vec<Sent>) -> Result<Option<Vec<MadeKey>>, Blamed> {
        loop {
            if let Some(key) = self.key_made.take() {
                if self.silent().next().is_some() {
                    self.key_made = Some(key);
                    return Ok(None);
                }
                for (operator, shares) in &mut self.shares {
                    let Some(claimed) = shares.pop_front() else { continue };
                    let checked = Run::check_public_share(&key, *operator, &claimed);
                    checked.map_err(|fault| (Some(*operator), fault.into()))?;
                }
                self.made.push(key);
            }
            if self.run.is_none() && !self.begin(out)? {
                return Ok(Some(std::mem::take(&mut self.made)));
            }
            if !self.step(out)? {
                return Ok(None);
            }
        }
    }

    /// Begins the next run, if there is one.
    fn begin(&mut self, out: &mut Vec<Sent>) -> Result<bool, Blamed> {
        let Some((polynomial, ephemeral)) = self.drawn.pop_front() else { return Ok(false) };
        let validator = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        // Once more from its bytes: each run wipes its own.
        let key = SecretKey::from_bytes(&self.key.to_bytes()).map_err(|_| degenerate(validator))?;
        let keys = self.keys.values().copied().collect();
        let begun = Run::with((self.terms, validator), (key, keys), polynomial, ephemeral);
        let (mut run, deals) = begun.ok_or_else(|| degenerate(validator))?;
        let ours = run.session();
        for waiting in self.early.values_mut() {
            for (_, bundle) in waiting.extract_if(.., |(session, _)| *session == ours) {
                run.hear(bundle);
            }
        }
        out.push((DEALS_PROTOCOL, encode_deals(&deals)));
        self.run = Some(run);
        Ok(true)
    }

    /// Whether the run went on.
    fn step(&mut self, out: &mut Vec<Sent>) -> Result<bool, Blamed> {
        let Some(run) = &mut self.run else { return Ok(false) };
        let validator = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        let step = run.step(false);
        let fault = run.faults().next();
        match step.map_err(|why| of_no_key(why, validator))? {
            Step::Waits => return Ok(false),
            Step::Responds(bundle) => out.push((RESPONSES_PROTOCOL, encode_responses(&bundle))),
            Step::Justifies(Some(bundle)) => out.push((JUSTIFICATIONS_PROTOCOL, encode_justification(&bundle))),
            Step::Justifies(None) => {}
            Step::Done(key) => {
                if let Some((operator, fault)) = fault {
                    return Err((Some(operator), fault.into()));
                }
                out.push((
                    PUBLIC_SHARES_PROTOCOL,
                    encode_public_share(&self.ceremony, &key.share.public_key()),
                ));
                self.key_made = Some(*key);
                self.run = None;
            }
        }
        Ok(true)
    }
}

fn session_of(bundle: &Bundle) -> Session {
    match bundle {
        Bundle::Deals(bundle) => bundle.session,
        Bundle::Responses(bundle) => bundle.session,
        Bundle::Justification(bundle) => bundle.session,
    }
}

fn degenerate(validator: u32) -> Blamed {
    (None, Reason::Degenerate { validator: usize::try_from(validator).unwrap_or(usize::MAX) })
}

fn of_no_key(why: NoKey, validator: u32) -> Blamed {
    match why {
        NoKey::TooFew { faults, .. } => match faults.first() {
            Some((operator, fault)) => (Some(*operator), (*fault).into()),
            None => degenerate(validator),
        },
        NoKey::LeftOut(fault) => (None, Reason::LeftOut(fault)),
        NoKey::Degenerate => degenerate(validator),
    }
}
