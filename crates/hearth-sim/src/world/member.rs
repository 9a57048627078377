//! One operator of the world: the brain, what survives a power cut, and its bad habits.

use std::collections::{BTreeMap, BTreeSet};

use hearth_crypto::k1::NodeKey;
use hearth_crypto::{SecretKey, Verified};
use hearth_duties::{
    AgreedValue, CheckReply, Cluster, ConsensusDraft, ConsensusMessage, Dialect, Digest, Input, Objection,
    Output, PartialSet, Report, Round, SignReply, SignRequest, Value, Voice, Workflow,
};
use hearth_obol::wire::{ConsensusCodec, Gate, ObolDialect, partial};
use hearth_qbft::Kind;
use hearth_signer::{Keyring, Signer};
use hearth_slashing::SlashingDb;
use hearth_types::{
    ChainSpec, Duty, OperatorIndex, Root, SignatureBytes, Slot, UnixMillis, ValidatorPubkey, vote_of,
};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use super::{Behaviour, Frame};

/// Frames that a replayer remembers.
const REPLAYER_MEMORY: usize = 200;

/// What a vote is about, and what it says.
type Occasion = (Duty, Kind, Round);
type Content = (Option<Digest>, Option<Round>, Option<Digest>);

/// Bytes, and for whom they are.
type Addressed = (OperatorIndex, Vec<u8>);

/// One operator.
#[derive(Debug)]
pub(super) struct Member {
    cluster: Cluster,
    spec: ChainSpec,
    consensus: ConsensusCodec,
    key: NodeKey,
    signer: Signer,
    /// For signing what the signer refuses; of a double signer only.
    bare_shares: BTreeMap<ValidatorPubkey, SecretKey>,
    behaviour: Behaviour,
    brain: Option<Workflow<ObolDialect>>,
    /// The record that outlives a crash, and what follows from it for this life.
    spoken: Option<Slot>,
    voice: Voice,
    /// Every vote that was sent, over all lives.
    said: BTreeMap<Occasion, BTreeSet<Content>>,
    life: u32,
    decisions: Vec<(Duty, Value)>,
    remembered: Vec<Frame>,
}

impl Member {
    pub(super) fn new(
        cluster: Cluster,
        spec: &ChainSpec,
        consensus: ConsensusCodec,
        key: NodeKey,
        shares: Vec<(ValidatorPubkey, SecretKey)>,
        behaviour: Behaviour,
    ) -> Self {
        let bare = shares.iter().filter(|_| behaviour == Behaviour::DoubleSigner);
        let copy = |secret: &SecretKey| SecretKey::from_bytes(&secret.to_bytes()).expect("it is one");
        let bare_shares = bare.map(|(validator, secret)| (*validator, copy(secret))).collect();
        let record =
            SlashingDb::in_memory(spec.genesis_validators_root).expect("memory is always there to open");
        Self {
            signer: Signer::new(Keyring::new(shares), record),
            bare_shares,
            spec: spec.clone(),
            cluster,
            consensus,
            key,
            behaviour,
            brain: None,
            spoken: None,
            voice: Voice::default(),
            said: BTreeMap::new(),
            life: 0,
            decisions: Vec::new(),
            remembered: Vec::new(),
        }
    }

    pub(super) const fn life(&self) -> u32 {
        self.life
    }

    pub(super) fn is_honest(&self) -> bool {
        self.behaviour == Behaviour::Honest
    }

    /// What this operator decided, over all its lives.
    pub(super) fn decisions(&self) -> impl Iterator<Item = (Duty, &Value)> {
        self.decisions.iter().map(|(duty, value)| (*duty, value))
    }

    /// Everything but the record of what was signed is gone.
    pub(super) fn crash(&mut self) {
        self.brain = None;
        self.life += 1;
    }

    pub(super) fn start(&mut self, now: UnixMillis) -> Vec<Output> {
        if self.brain.is_some() {
            return Vec::new();
        }
        self.voice = Voice::new(self.spoken);
        let brain = self.brain.insert(Workflow::new(self.cluster.clone(), self.spec.clone(), ObolDialect));
        brain.start(now)
    }

    pub(super) fn step(&mut self, now: UnixMillis, life: u32, input: Input) -> Vec<Output> {
        match &mut self.brain {
            Some(brain) if life == self.life => {
                let outputs = brain.step(now, input);
                self.note(&outputs);
                outputs
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn receive(
        &mut self,
        now: UnixMillis,
        from: OperatorIndex,
        frame: &Frame,
        gate: &Gate<'_>,
    ) -> Vec<Output> {
        if self.behaviour == Behaviour::Replayer && self.remembered.len() < REPLAYER_MEMORY {
            self.remembered.push(frame.clone());
        }
        let rejected = |reason: String| vec![Output::Report(Report::Misbehaved { operator: from, reason })];
        let input = match frame {
            Frame::Consensus(bytes) => match self.consensus.decode(bytes, gate) {
                Ok(message) => {
                    let me = self.cluster.me;
                    let twin = self.is_honest() && self.voice.is_used_by_another(me, &message);
                    assert!(!twin, "{me} takes what it said itself for a twin's: {message:?}");
                    Input::Consensus { via: from, message }
                }
                Err(rejection) => return rejected(rejection.to_string()),
            },
            Frame::Partials(bytes) => match partial::decode(bytes, &self.cluster, gate) {
                Ok(set) => Input::Partials { from, set },
                Err(rejection) => return rejected(rejection.to_string()),
            },
        };
        self.step(now, self.life, input)
    }

    pub(super) fn sign(&mut self, request: &SignRequest) -> SignReply {
        let outcomes = self.signer.sign_attestations(&request.votes);
        let signatures = request
            .votes
            .iter()
            .zip(outcomes)
            .map(|((validator, _), outcome)| (*validator, outcome.map_err(|refusal| refusal.to_string())))
            .collect();
        SignReply { duty: request.duty, signatures }
    }

    pub(super) fn check(&self, request: &SignRequest) -> CheckReply {
        let objections = self.signer.refusals(&request.votes).expect("memory can be read");
        let objections = objections.into_iter().map(|(validator, refusal)| Objection {
            validator,
            slashable: refusal.is_slashable(),
            reason: refusal.to_string(),
        });
        CheckReply { duty: request.duty, asked: request.votes.len(), objections: objections.collect() }
    }

    /// Puts it on record that something is said in `slot`.
    pub(super) fn reserve(&mut self, slot: Slot) {
        if self.voice.needs_record(slot) {
            self.spoken = self.spoken.max(Some(slot));
            self.voice.has_recorded(slot);
        }
    }

    /// Votes of this operator that contradict each other.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = String> {
        let twice = self.said.iter().filter(|(_, contents)| contents.len() > 1);
        twice.map(|(occasion, contents)| format!("{occasion:?}: {contents:?}"))
    }

    /// What goes to whom, and what comes back to ourselves.
    pub(super) fn write_consensus(
        &mut self,
        draft: &ConsensusDraft,
        rng: &mut ChaCha20Rng,
    ) -> Option<(Vec<Addressed>, Verified<ConsensusMessage>)> {
        let speech = self.voice.speak(draft.clone()).ok()?;
        let vote = &draft.draft.vote;
        if vote.kind != Kind::Decided {
            let content = (vote.value, vote.prepared_round, vote.prepared_value);
            self.said.entry((draft.duty, vote.kind, vote.round)).or_default().insert(content);
        }
        let (bytes, own) = self.consensus.encode(&speech, &self.key).ok()?;
        let peers = self.cluster.peers();
        let frames = match self.behaviour {
            Behaviour::Mute => Vec::new(),
            Behaviour::Equivocator => {
                let other = self.contradiction(draft).and_then(|other| self.voice.speak(other).ok());
                let other = other.and_then(|other| self.consensus.encode(&other, &self.key).ok());
                let other = other.map_or_else(|| bytes.clone(), |(other, _)| other);
                peers.map(|to| (to, if rng.random_bool(0.5) { bytes.clone() } else { other.clone() })).collect()
            }
            _ => peers.map(|to| (to, bytes.clone())).collect(),
        };
        Some((frames, own))
    }

    pub(super) fn write_partials(&mut self, set: &PartialSet) -> Vec<Addressed> {
        let mut set = set.clone();
        match self.behaviour {
            Behaviour::Mute => return Vec::new(),
            Behaviour::DoubleSigner => {
                let Ok(other) = partial::encode(&self.spec, &self.signed_otherwise(&set)) else {
                    return Vec::new();
                };
                let Ok(bytes) = partial::encode(&self.spec, &set) else { return Vec::new() };
                let both = |to| [(to, bytes.clone()), (to, other.clone())];
                return self.cluster.peers().flat_map(both).collect();
            }
            Behaviour::Forger => set.partials.iter_mut().for_each(|partial| {
                // A valid signature of something else.
                partial.signature = self.key_of_a_stranger(&partial.validator);
            }),
            _ => {}
        }
        let Ok(bytes) = partial::encode(&self.spec, &set) else { return Vec::new() };
        // Who withholds leaves out the one after him.
        let left_out = |to: &OperatorIndex| {
            self.behaviour == Behaviour::Withholder
                && to.position() == (self.cluster.me.position() + 1) % usize::from(self.cluster.operators)
        };
        self.cluster.peers().filter(|to| !left_out(to)).map(|to| (to, bytes.clone())).collect()
    }

    pub(super) fn replays(&self, rng: &mut ChaCha20Rng) -> Vec<(OperatorIndex, Frame)> {
        if self.remembered.is_empty() || !rng.random_bool(0.2) {
            return Vec::new();
        }
        let Some(frame) = self.remembered.get(rng.random_range(0..self.remembered.len())) else {
            return Vec::new();
        };
        self.cluster.peers().map(|to| (to, frame.clone())).collect()
    }

    /// The same proposal with another head: well-formed, signed, and irreconcilable with the first.
    fn contradiction(&self, draft: &ConsensusDraft) -> Option<ConsensusDraft> {
        if draft.draft.vote.kind != Kind::PrePrepare {
            return None;
        }
        let value = draft.values.first()?;
        let AgreedValue::Attestations(mut attestations) = ObolDialect.decode_value(draft.duty, value).ok()?;
        for attestation in attestations.values_mut() {
            attestation.data.beacon_block_root = Root::new([0xee; 32]);
        }
        let other = ObolDialect.encode_value(&AgreedValue::Attestations(attestations));
        let mut lie = draft.clone();
        lie.draft.vote.value = Some(other.digest);
        lie.values.push(other);
        Some(lie)
    }

    /// The same with another head, signed as well.
    fn signed_otherwise(&self, set: &PartialSet) -> PartialSet {
        let mut other = set.clone();
        for partial in &mut other.partials {
            let share = self.bare_shares.get(&partial.validator).expect("a double signer keeps them");
            partial.data.beacon_block_root = Root::new([0xee; 32]);
            let root = vote_of(&self.spec, &partial.data).expect("its fork is known").root;
            partial.signature = share.sign(&root).to_bytes();
        }
        other
    }

    fn key_of_a_stranger(&self, validator: &ValidatorPubkey) -> SignatureBytes {
        let secret = SecretKey::from_bytes(&[1; 32]).expect("one repeated is below the order");
        let mut root = [0; 32];
        root.iter_mut().zip(validator.as_bytes()).for_each(|(to, from)| *to = *from);
        secret.sign(&hearth_types::SigningRoot::new(root)).to_bytes()
    }

    fn note(&mut self, outputs: &[Output]) {
        for output in outputs {
            if let Output::Sign(request) = output {
                // What is signed is what was decided; remember it by its root.
                let roots: Vec<u8> = request.votes.iter().flat_map(|(_, vote)| *vote.root.as_bytes()).collect();
                let digest = hearth_duties::Digest(hearth_crypto::k1::keccak256(&roots));
                let value = Value { digest, bytes: roots.into() };
                self.decisions.push((request.duty, value));
            }
        }
    }
}
