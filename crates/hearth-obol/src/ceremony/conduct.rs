//! One operator's part in a ceremony, from the first step to the finished files. Pure: it is told what happens, and says what to
//! do; it has no socket, no clock and no file.
//!
//! Whoever drives it connects the operators, carries its messages, reports its step to the others ten times a second, gives up
//! when it lasts too long, and writes the files.
//!
//! Source: `obol-dkg.md` 4 to 11.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::SecretKey;
use hearth_crypto::k1::{NodeKey, NodePublicKey};
use hearth_dkg::frost::{Claim, MadeKey, RoundOne, RoundTwo, Terms};
use hearth_types::{LockHash, OperatorIndex, Threshold};
use rand::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::Release;
use super::broadcast::{self, Content, Notary, Session, Topic};
use super::drafts::Drafts;
use super::failure::{Failure, Reason, of_abort};
use super::frost;
use super::pedersen;
use super::sequence::Sequence;
use super::signatures::{self, Purpose, SignatureRejection};
use super::sync::{Report, Steps, SyncRejection, has_definition, versions_agree};
use crate::cluster::{
    Definition, DepositFile, Networks, PlanError, VerifiedLock, deposit_files, network_of_definition,
};
use crate::enr::Enr;

/// What whoever drives a ceremony has to do.
pub enum Output {
    /// Ask every other operator to sign this, each once.
    Ask(Vec<u8>),
    /// Send this broadcast to every other operator.
    Deliver(Vec<u8>),
    /// Send this share message to one operator. **Secret.**
    Share(OperatorIndex, Zeroizing<Vec<u8>>),
    /// Send this to every other operator, by this protocol: of a ceremony after Pedersen.
    Bundle(&'static str, Vec<u8>),
    /// Send these partial signatures to every other operator.
    Partials(Vec<u8>),
    /// Write these files, all or none, then call [`Ceremony::saved`].
    Save(Box<Formed>),
    /// Everybody has written his files: take leave.
    Done,
}

/// What others send by one-way messages.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A broadcast that all have signed.
    Broadcast(&'a [u8]),
    /// Shares for us alone.
    Shares(&'a [u8]),
    /// Of a ceremony after Pedersen, by this protocol.
    Bundle(&'static str, &'a [u8]),
    /// Partial signatures.
    Partials(&'a [u8]),
}

/// A cluster that was formed, as one operator has it.
#[derive(Debug)]
pub struct Formed {
    /// The same for every operator.
    pub lock: VerifiedLock,
    /// The text of `cluster-lock.json`.
    pub lock_json: String,
    /// Our key shares, in the order of the validators.
    pub shares: Vec<SecretKey>,
    /// The same for every operator.
    pub deposits: Vec<DepositFile>,
}

/// Where in the ceremony this operator is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Not everybody is connected.
    Gathering,
    /// What has to be done before this step is done; the others are not all that far.
    Barrier(i64),
    RoundOne,
    RoundTwo,
    /// After Pedersen: everybody tells his key of the ceremony, then one run follows another.
    NodeKeys,
    Runs,
    Signing(Purpose),
    NodeSignatures,
    Saving,
    Finished,
}

/// A broadcast of ours that not all have signed yet.
struct Asking {
    content: Content,
    digest: [u8; 32],
    signatures: BTreeMap<OperatorIndex, [u8; 65]>,
}

/// One operator's part in a ceremony.
pub struct Ceremony {
    session: Session,
    definition: Definition,
    networks: Networks,
    terms: Terms,
    operators: Vec<NodePublicKey>,
    place: Place,
    step: i64,
    peers: BTreeMap<OperatorIndex, Steps>,
    notary: Notary,
    asking: Option<Asking>,
    delivered: BTreeSet<(OperatorIndex, Topic)>,
    /// After Pedersen; then there are no rounds.
    sequence: Option<Sequence>,
    round_one: Option<RoundOne>,
    round_two: Option<RoundTwo>,
    /// What others came to before us.
    early_claims: BTreeMap<OperatorIndex, Vec<Claim>>,
    made: Vec<MadeKey>,
    drafts: Option<Drafts>,
    lock_hash: Option<LockHash>,
    /// Signatures over the lock, checked once it is known.
    node_signatures: BTreeMap<OperatorIndex, [u8; 65]>,
}

type Outputs = Result<Vec<Output>, Failure>;

impl Ceremony {
    /// The part of the operator with this node key. The definition has passed its checks, or its owner insists.
    ///
    /// The secrets of the first round are drawn here; a ceremony that failed is begun with a new one.
    pub fn new(
        definition: Definition,
        networks: &Networks,
        release: Release,
        key: &NodeKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Failure> {
        let failed = |reason| Failure { culprit: None, step: 0, reason };
        let after_pedersen = match definition.dkg_algorithm.as_str() {
            "" | "default" | "frost" => false,
            "pedersen" => true,
            _ => return Err(failed(Reason::Algorithm(definition.dkg_algorithm))),
        };
        let records = definition.operators.iter().map(|entry| Enr::parse(&entry.enr));
        let operators: Vec<NodePublicKey> = records
            .map(|record| record.map(|record| *record.public_key()))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(Reason::Records(error.to_string())))?;
        if operators.iter().collect::<BTreeSet<_>>().len() < operators.len() {
            return Err(failed(PlanError::DuplicateOperator.into()));
        }
        let count = u8::try_from(operators.len()).ok().filter(|count| *count < u8::MAX);
        let count = count.ok_or_else(|| failed(PlanError::Operators(operators.len()).into()))?;
        let threshold = Threshold::new(definition.threshold, count)
            .map_err(|error| failed(PlanError::Threshold(error).into()))?;
        let ours = OperatorIndex::all(count).zip(&operators).find(|(_, operator)| **operator == key.public());
        let (me, _) = ours.ok_or_else(|| failed(Reason::Records("none of them is this node's".to_owned())))?;
        let validators = usize::try_from(definition.num_validators).unwrap_or(usize::MAX);
        if !(1..=crate::cluster::MAX_VALIDATORS).contains(&validators) {
            return Err(failed(PlanError::Validators(validators).into()));
        }
        let hash = definition.compute_definition_hash().map_err(|error| failed(error.into()))?;
        let terms = Terms { me, operators: count, threshold, validators };
        let others = OperatorIndex::all(count).filter(|operator| *operator != me);
        Ok(Self {
            session: Session { release, definition: *hash.as_bytes() },
            definition,
            networks: networks.clone(),
            terms,
            operators,
            place: Place::Gathering,
            step: 0,
            peers: others.map(|operator| (operator, Steps::default())).collect(),
            notary: Notary::default(),
            asking: None,
            delivered: BTreeSet::new(),
            sequence: after_pedersen.then(|| Sequence::new(terms, hash, rng)),
            round_one: (!after_pedersen).then(|| RoundOne::begin(terms, rng)),
            round_two: None,
            early_claims: BTreeMap::new(),
            made: Vec::new(),
            drafts: None,
            lock_hash: None,
            node_signatures: BTreeMap::new(),
        })
    }

    /// Who this is.
    pub const fn me(&self) -> OperatorIndex {
        self.terms.me
    }

    /// The keys of all operators, in their order.
    pub fn operators(&self) -> &[NodePublicKey] {
        &self.operators
    }

    /// Hash of the definition: what every operator shows that he has.
    pub const fn definition_hash(&self) -> &[u8; 32] {
        &self.session.definition
    }

    /// The release that is spoken.
    pub const fn release(&self) -> Release {
        self.session.release
    }

    /// The step that the others are to be told.
    pub const fn step(&self) -> i64 {
        self.step
    }

    /// The step that an operator has told us.
    pub fn step_of(&self, operator: OperatorIndex) -> Option<i64> {
        self.peers.get(&operator)?.last()
    }

    /// Whom we are waiting for: who is behind, or has not sent what is due.
    pub fn awaited(&self) -> Vec<OperatorIndex> {
        let me = self.terms.me;
        let others = || self.peers.keys().copied();
        match self.place {
            Place::Gathering => others().filter(|operator| self.step_of(*operator).is_none()).collect(),
            Place::Barrier(step) => {
                others().filter(|operator| self.step_of(*operator).is_none_or(|at| at < step)).collect()
            }
            Place::RoundOne | Place::RoundTwo | Place::NodeKeys | Place::NodeSignatures
                if self.asking.is_some() =>
            {
                let signed =
                    self.asking.iter().flat_map(|asking| asking.signatures.keys()).collect::<BTreeSet<_>>();
                others().filter(|operator| !signed.contains(operator)).collect()
            }
            Place::RoundOne => self.round_one.iter().flat_map(RoundOne::awaited).collect(),
            Place::RoundTwo => self.round_two.iter().flat_map(RoundTwo::awaited).collect(),
            Place::NodeKeys => self.sequence.iter().flat_map(Sequence::unknown).collect(),
            Place::Runs => self.sequence.iter().flat_map(Sequence::awaited).collect(),
            Place::Signing(purpose) => {
                let awaited = self.drafts.iter().flat_map(|drafts| drafts.awaited(purpose));
                awaited.filter(|operator| *operator != me).collect()
            }
            Place::NodeSignatures => {
                others().filter(|operator| !self.node_signatures.contains_key(operator)).collect()
            }
            Place::Saving | Place::Finished => Vec::new(),
        }
    }

    /// Everybody is connected: the ceremony begins.
    pub fn begin(&mut self, key: &NodeKey) -> Outputs {
        if self.place != Place::Gathering {
            return Ok(Vec::new());
        }
        self.go_to(1);
        self.advance(key)
    }

    /// Hears how far an operator is.
    ///
    /// Errors: it cannot take part; it is to be told why ([`super::sync::encode_answer`]), and so are the others.
    pub fn report(&mut self, from: OperatorIndex, report: &Report, key: &NodeKey) -> Outputs {
        let blamed = |reason: SyncRejection| (Some(from), Reason::Sync(reason));
        let ours = self.session.release.version();
        if !versions_agree(ours, &report.version) {
            let theirs = report.version.chars().take(32).collect();
            return Err(self.failure(blamed(SyncRejection::Version { theirs, ours })));
        }
        let known = self.operators.get(from.position());
        let same =
            known.is_some_and(|key| has_definition(key, &self.session.definition, &report.hash_signature));
        if !same {
            return Err(self.failure(blamed(SyncRejection::Definition)));
        }
        let Some(steps) = self.peers.get_mut(&from) else { return Ok(Vec::new()) };
        steps.take(report.step).map_err(|error| self.failure(blamed(error)))?;
        self.advance(key)
    }

    /// An operator asks us to sign its broadcast. Returns the answer; to be given at once, whatever we wait for.
    pub fn request(&mut self, from: OperatorIndex, frame: &[u8], key: &NodeKey) -> Result<Vec<u8>, Failure> {
        let signed = || {
            let content = broadcast::decode_request(frame, self.most_content())?;
            // Two who work together could else have us sign the content of one for the other.
            self.read_content(from, &content)?;
            let digest = self.session.digest(&content);
            Ok::<_, Reason>((content.topic, digest))
        };
        let (topic, digest) = signed().map_err(|reason| self.failure((Some(from), reason)))?;
        let admitted = self.notary.admit(from, topic, digest);
        admitted.map_err(|error| self.failure((Some(from), error.into())))?;
        Ok(broadcast::encode_response(topic, &key.sign(&digest)))
    }

    /// An operator has signed our broadcast, or not.
    pub fn answer(&mut self, from: OperatorIndex, frame: &[u8], key: &NodeKey) -> Outputs {
        let (Some(asking), Some(operator)) = (&mut self.asking, self.operators.get(from.position())) else {
            return Ok(Vec::new());
        };
        let (topic, by) = (asking.content.topic, (from, operator));
        let signature = match broadcast::decode_response(frame, topic, &asking.digest, by) {
            Ok(signature) => signature,
            Err(error) => return Err(self.failure((Some(from), error.into()))),
        };
        asking.signatures.insert(from, signature);
        self.advance(key)
    }

    /// Hears a message.
    pub fn hear(&mut self, from: OperatorIndex, message: Message<'_>, key: &NodeKey) -> Outputs {
        if from == self.terms.me || !self.peers.contains_key(&from) {
            return Ok(Vec::new());
        }
        let taken = match message {
            Message::Broadcast(frame) => self.take_broadcast(from, frame),
            Message::Shares(frame) => self.take_shares(from, frame),
            Message::Bundle(protocol, frame) => match &mut self.sequence {
                Some(sequence) => sequence.hear(from, protocol, frame),
                None => Err(Reason::NoSuchPurpose),
            },
            Message::Partials(frame) => self.take_partials(from, frame),
        };
        taken.map_err(|reason| self.failure((Some(from), reason)))?;
        self.advance(key)
    }

    /// The files are written.
    pub fn saved(&mut self, key: &NodeKey) -> Outputs {
        if self.place != Place::Saving {
            return Ok(Vec::new());
        }
        self.go_to(7);
        self.advance(key)
    }

    fn take_broadcast(&mut self, from: OperatorIndex, frame: &[u8]) -> Result<(), Reason> {
        let content = broadcast::decode_message(frame, self.most_content(), &self.session, &self.operators)?;
        if self.delivered.contains(&(from, content.topic)) {
            return Ok(());
        }
        self.notary.confirm(from, content.topic, &self.session.digest(&content))?;
        match self.read_content(from, &content)? {
            Told::Casts(casts) => {
                let round = self.round_one.as_mut().ok_or(Reason::NoSuchPurpose)?;
                round.take_casts(from, casts).map_err(|blame| of_abort(blame.into()).1)?;
            }
            Told::Claims(claims) => {
                self.early_claims.insert(from, claims);
            }
            Told::NodeKey(key) => {
                let sequence = self.sequence.as_mut().ok_or(Reason::NoSuchPurpose)?;
                sequence.take_node_key(from, key);
            }
            Told::NodeSignature(signature) => {
                self.node_signatures.insert(from, signature);
            }
        }
        self.delivered.insert((from, content.topic));
        Ok(())
    }

    fn take_shares(&mut self, from: OperatorIndex, frame: &[u8]) -> Result<(), Reason> {
        let shares = frost::decode_shares(frame, from.share(), &self.terms)?;
        // A second message after the round is over is as good as one during it: ignored.
        let Some(round) = &mut self.round_one else { return Ok(()) };
        round.take_shares(from, shares).map_err(|blame| of_abort(blame.into()).1)
    }

    fn take_partials(&mut self, from: OperatorIndex, frame: &[u8]) -> Result<(), Reason> {
        // Nobody gets that far before us.
        let drafts = self.drafts.as_mut().ok_or(Reason::NoSuchPurpose)?;
        let (purpose, partials) =
            signatures::decode_partials(frame, from.share(), drafts.amounts(), &drafts.validators())?;
        drafts.take(from, purpose, partials)
    }

    /// What a broadcast says, if it is its sender's.
    fn read_content(&self, from: OperatorIndex, content: &Content) -> Result<Told, Reason> {
        let (value, share) = (&content.value, from.share());
        Ok(match content.topic {
            Topic::RoundOne => Told::Casts(frost::decode_casts(value, share, &self.terms)?),
            Topic::RoundTwo => Told::Claims(frost::decode_claims(value, share, &self.terms)?),
            Topic::NodeKey => {
                let sequence = self.sequence.as_ref().ok_or(Reason::NoSuchPurpose)?;
                Told::NodeKey(sequence.read_node_key(value)?)
            }
            Topic::NodeSignature => Told::NodeSignature(signatures::decode_node_signature(value, from)?),
        })
    }

    /// Bytes of the longest message of this ceremony but the steps'. What is longer is no message of it.
    pub fn frame_bytes(&self) -> usize {
        let broadcast = self.most_content() + self.operators.len() * 80;
        let bundle = pedersen::longest(self.terms.operators);
        broadcast.max(bundle).max(signatures::most_bytes(self.terms.validators))
    }

    /// How many different messages, questions and answers of one operator belong to a ceremony, with room to spare.
    pub fn most_messages(&self) -> usize {
        let runs = if self.sequence.is_some() { self.terms.validators } else { 0 };
        32 + self.definition.deposit_amounts.as_ref().map_or(0, Vec::len) + runs.saturating_mul(5)
    }

    /// Bytes of the longest content of a broadcast.
    fn most_content(&self) -> usize {
        let Terms { threshold, validators, .. } = self.terms;
        1_024 + validators.saturating_mul(2 * (80 + (threshold.count() + 1) * 50).max(140))
    }

    /// Does what can be done now.
    fn advance(&mut self, key: &NodeKey) -> Outputs {
        let mut out = Vec::new();
        while self.go_on(key, &mut out).map_err(|blamed| self.failure(blamed))? {}
        Ok(out)
    }

    /// One thing that can be done now; whether there was one.
    fn go_on(&mut self, key: &NodeKey, out: &mut Vec<Output>) -> Result<bool, (Option<OperatorIndex>, Reason)> {
        let nobody = |reason: Reason| (None, reason);
        match self.place {
            Place::Gathering | Place::Saving | Place::Finished => return Ok(false),
            Place::Barrier(step) => {
                for (operator, steps) in &self.peers {
                    let reached = steps.has_reached(step).map_err(|error| (Some(*operator), error.into()))?;
                    if !reached {
                        return Ok(false);
                    }
                }
                self.enter(step, key, out)?;
            }
            Place::RoundOne => {
                if self.asking.is_some() {
                    return Ok(self.deliver(out));
                }
                let Some(round) = self.round_one.take_if(|round| round.awaited().next().is_none()) else {
                    return Ok(false);
                };
                let second = round.finish().map_err(of_abort)?;
                let value = frost::encode_claims(&self.terms, &second.claims());
                self.round_two = Some(second);
                self.place = Place::RoundTwo;
                self.ask(Topic::RoundTwo, value, key, out);
            }
            Place::RoundTwo => {
                if self.asking.is_some() {
                    return Ok(self.deliver(out));
                }
                let Some(round) = &mut self.round_two else { return Ok(false) };
                for (operator, claims) in std::mem::take(&mut self.early_claims) {
                    round.take_claims(operator, &claims).map_err(|blame| of_abort(blame.into()))?;
                }
                let Some(round) = self.round_two.take_if(|round| round.awaited().next().is_none()) else {
                    return Ok(false);
                };
                let made = round.finish().map_err(of_abort)?;
                self.keys_are_made(made).map_err(nobody)?;
            }
            Place::NodeKeys => {
                if self.asking.is_some() {
                    return Ok(self.deliver(out));
                }
                if self.sequence.iter().flat_map(Sequence::unknown).next().is_some() {
                    return Ok(false);
                }
                self.place = Place::Runs;
            }
            Place::Runs => {
                let Some(sequence) = &mut self.sequence else { return Ok(false) };
                let mut sent = Vec::new();
                let made = sequence.go_on(&mut sent);
                out.extend(sent.into_iter().map(|(protocol, bytes)| Output::Bundle(protocol, bytes)));
                match made? {
                    Some(made) => self.keys_are_made(made).map_err(nobody)?,
                    None => return Ok(false),
                }
            }
            Place::Signing(purpose) => {
                let Some(drafts) = &mut self.drafts else { return Ok(false) };
                if drafts.awaited(purpose).next().is_some() {
                    return Ok(false);
                }
                drafts.settle(purpose)?;
                match purpose {
                    Purpose::Deposit(amount) if amount + 1 < drafts.amounts() => {
                        self.sign(Purpose::Deposit(amount + 1), out).map_err(nobody)?;
                    }
                    Purpose::Deposit(_) => self.go_to(3),
                    Purpose::Registration => self.go_to(4),
                    Purpose::Lock => self.go_to(5),
                }
            }
            Place::NodeSignatures => {
                if self.asking.is_some() {
                    return Ok(self.deliver(out));
                }
                if self.node_signatures.len() < self.operators.len() {
                    return Ok(false);
                }
                let lock = self.lock_hash.ok_or_else(|| nobody(Reason::NoSuchPurpose))?;
                for (operator, signature) in &self.node_signatures {
                    let signer = self.operators.get(operator.position());
                    let checked = signer.ok_or(SignatureRejection::NotOurLock);
                    checked
                        .and_then(|signer| signatures::check_node_signature(signature, &lock, signer))
                        .map_err(|error| (Some(*operator), error.into()))?;
                }
                self.go_to(6);
            }
        }
        Ok(true)
    }

    /// Every operator has his shares; what is to be signed with them follows from that.
    fn keys_are_made(&mut self, made: Vec<MadeKey>) -> Result<(), Reason> {
        self.made = made;
        let network = network_of_definition(&self.definition, &self.networks).map_err(PlanError::Definition)?;
        let operators = self.terms.operators;
        self.drafts = Some(Drafts::new(self.definition.clone(), network.clone(), operators, &self.made)?);
        self.go_to(2);
        Ok(())
    }

    /// Begins what comes after a step that everybody has reached.
    fn enter(
        &mut self,
        step: i64,
        key: &NodeKey,
        out: &mut Vec<Output>,
    ) -> Result<(), (Option<OperatorIndex>, Reason)> {
        let nobody = |reason: Reason| (None, reason);
        match step {
            1 => {
                if let Some(sequence) = &self.sequence {
                    let value = sequence.node_key();
                    self.place = Place::NodeKeys;
                    self.ask(Topic::NodeKey, value, key, out);
                } else {
                    let casts =
                        self.round_one.as_ref().map(|round| frost::encode_casts(&self.terms, round.casts()));
                    self.place = Place::RoundOne;
                    self.ask(Topic::RoundOne, casts.unwrap_or_default(), key, out);
                }
            }
            2 => match self.drafts.as_ref().and_then(|drafts| drafts.deposits().next()) {
                Some(first) => self.sign(first, out).map_err(nobody)?,
                None => self.go_to(3),
            },
            3 => self.sign(Purpose::Registration, out).map_err(nobody)?,
            4 => {
                self.lock_hash = self.drafts.as_mut().map(Drafts::close).transpose().map_err(nobody)?;
                self.sign(Purpose::Lock, out).map_err(nobody)?;
            }
            5 => {
                let lock = self.lock_hash.ok_or_else(|| nobody(Reason::NoSuchPurpose))?;
                let signature = key.sign(lock.as_bytes());
                self.node_signatures.insert(self.terms.me, signature);
                self.place = Place::NodeSignatures;
                let value = signatures::encode_node_signature(self.terms.me, &signature);
                self.ask(Topic::NodeSignature, value, key, out);
            }
            6 => {
                let formed = self.form().map_err(nobody)?;
                self.place = Place::Saving;
                out.push(Output::Save(Box::new(formed)));
            }
            7 => self.go_to(8),
            _ => {
                self.place = Place::Finished;
                out.push(Output::Done);
            }
        }
        Ok(())
    }

    fn go_to(&mut self, step: i64) {
        self.step = step;
        self.place = Place::Barrier(step);
    }

    fn ask(&mut self, topic: Topic, value: Vec<u8>, key: &NodeKey, out: &mut Vec<Output>) {
        let content = Content::new(topic, value);
        let digest = self.session.digest(&content);
        out.push(Output::Ask(broadcast::encode_request(&content)));
        let signatures = [(self.terms.me, key.sign(&digest))].into();
        self.asking = Some(Asking { content, digest, signatures });
    }

    /// Sends our broadcast, if all have signed it; and after the first, what each operator alone is to know.
    fn deliver(&mut self, out: &mut Vec<Output>) -> bool {
        let all = self.operators.len();
        let Some(Asking { content, signatures, .. }) =
            self.asking.take_if(|asking| asking.signatures.len() == all)
        else {
            return false;
        };
        let signatures: Vec<[u8; 65]> = signatures.into_values().collect();
        out.push(Output::Deliver(broadcast::encode_message(&content, &signatures)));
        if let (Topic::RoundOne, Some(round)) = (content.topic, &self.round_one) {
            for operator in self.peers.keys().copied() {
                let shares = round.shares_for(operator);
                out.push(Output::Share(operator, frost::encode_shares(&self.terms, operator.share(), shares)));
            }
        }
        true
    }

    fn sign(&mut self, purpose: Purpose, out: &mut Vec<Output>) -> Result<(), Reason> {
        let drafts = self.drafts.as_mut().ok_or(Reason::NoSuchPurpose)?;
        let partials = drafts.sign(purpose, self.made.par_iter().map(|key| &key.share))?;
        out.push(Output::Partials(signatures::encode_partials(purpose, self.terms.me.share(), &partials)));
        drafts.take(self.terms.me, purpose, partials)?;
        self.place = Place::Signing(purpose);
        Ok(())
    }

    /// The finished files, checked as a stranger would.
    fn form(&mut self) -> Result<Formed, Reason> {
        let drafts = self.drafts.take().ok_or(Reason::NoSuchPurpose)?;
        let signatures = std::mem::take(&mut self.node_signatures);
        let lock = drafts.finish(signatures.into_values().map(|signature| signature.to_vec()).collect());
        let lock_json = lock.to_json()?;
        let lock = lock.verify(&self.networks)?;
        let network = network_of_definition(&self.definition, &self.networks).map_err(PlanError::Definition)?;
        let validators = lock.lock().validators.iter();
        let deposits: Vec<_> = validators.flat_map(|validator| validator.deposits.iter().cloned()).collect();
        let deposits = deposit_files(&deposits, network).map_err(PlanError::Deposits)?;
        let shares = std::mem::take(&mut self.made).into_iter().map(|key| key.share).collect();
        Ok(Formed { lock, lock_json, shares, deposits })
    }

    fn failure(&self, (culprit, reason): (Option<OperatorIndex>, Reason)) -> Failure {
        Failure { culprit, step: self.step, reason }
    }
}

/// What a broadcast says.
enum Told {
    Casts(Vec<hearth_dkg::frost::Cast>),
    Claims(Vec<Claim>),
    NodeKey(hearth_crypto::PublicKey),
    NodeSignature([u8; 65]),
}
