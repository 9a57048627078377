//! A whole cluster on a seeded clock: the brains of real nodes, the real signer and codec, and a network with faults.
//!
//! Time is virtual, so a minute of cluster life takes milliseconds, and a seed decides everything: the same seed gives
//! the same run. The chain judges.

mod faults;
mod member;

use std::collections::BTreeMap;
use std::ops::Range;

use hearth_crypto::k1::NodeKey;
use hearth_crypto::{SecretKey, SlotOutcome, complete_slot, threshold};
use hearth_duties::{
    ChainFailure, ChainQuery, ChainReply, Cluster, ClusterValidator, Combination, Input, Output, Report,
    SignReply, ValidatorRecord,
};
use hearth_obol::wire::{ConsensusCodec, Gate};
use hearth_types::{
    ChainSpec, Duty, Epoch, ForkName, ForkSchedule, ForkVersion, OperatorIndex, Root, ScheduledFork, Slot,
    Threshold, UnixMillis, ValidatorIndex, ValidatorPubkey,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::chain::Chain;
use faults::Faults;
pub use faults::{Behaviour, Disturbance};
use member::Member;

/// Slots as long as Ethereum's.
const SLOT_MS: u64 = 12_000;
/// Slots in an epoch; few, so that every validator attests often.
const SLOTS_PER_EPOCH: u64 = 4;
/// Milliseconds that a good network takes.
const GOOD_NETWORK_MS: Range<u64> = 1..30;
/// Milliseconds that a beacon node on the same machine takes.
const BEACON_NODE_MS: Range<u64> = 2..40;
/// Milliseconds to write a record to disk and sign.
const SIGNING_MS: Range<u64> = 1..15;
/// Milliseconds to look into the record.
const CHECKING_MS: Range<u64> = 0..3;
/// Milliseconds to check and combine the partial signatures of a slot.
const COMBINING_MS: Range<u64> = 2..20;

/// Something that will happen to one operator.
#[derive(Debug)]
enum Happening {
    /// To the program that was started as number `life`; later lives know nothing of it.
    Input { life: u32, input: Input },
    /// Bytes from another operator.
    Frame { from: OperatorIndex, frame: Frame },
    /// The machine loses power.
    Crash,
    /// The machine starts.
    Start,
}

/// What travels between operators.
#[derive(Clone, Debug)]
enum Frame {
    Consensus(Vec<u8>),
    Partials(Vec<u8>),
}

/// A world in the making. See [`World::seeded`].
#[derive(Debug)]
pub struct Builder {
    seed: u64,
    operators: u8,
    validators: u16,
    behaviours: BTreeMap<u8, Behaviour>,
}

/// A running world.
#[derive(Debug)]
pub struct World {
    seed: u64,
    rng: ChaCha20Rng,
    chain: Chain,
    members: Vec<Member>,
    faults: Faults,
    queue: BTreeMap<(UnixMillis, u64), (OperatorIndex, Happening)>,
    queued: u64,
    now: UnixMillis,
    reports: Vec<(OperatorIndex, Report)>,
    traffic: Traffic,
}

/// Bytes of the messages that all operators sent to all others, without what the network adds: some 60 bytes a message for its length,
/// the name of its protocol and the frames of the stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Bytes of consensus messages.
    pub consensus: u64,
    /// Bytes of messages with partial signatures.
    pub partials: u64,
}

impl Builder {
    /// Size of the cluster; 4 unless said.
    #[must_use]
    pub fn operators(mut self, operators: u8) -> Self {
        self.operators = operators;
        self
    }

    /// Validators that it shares; 1 unless said.
    #[must_use]
    pub fn validators(mut self, validators: u16) -> Self {
        self.validators = validators;
        self
    }

    /// Makes an operator (counted from 1) behave badly.
    #[must_use]
    pub fn byzantine(mut self, number: u8, behaviour: Behaviour) -> Self {
        self.behaviours.insert(number, behaviour);
        self
    }

    /// Makes the keys and starts everybody at genesis.
    pub fn start(self) -> World {
        World::new(&self)
    }
}

impl World {
    /// A world that `seed` decides.
    pub fn seeded(seed: u64) -> Builder {
        Builder { seed, operators: 4, validators: 1, behaviours: BTreeMap::new() }
    }

    fn new(plan: &Builder) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(plan.seed);
        let threshold = Threshold::default_for(plan.operators);
        let spec = spec();
        let mut validators = BTreeMap::new();
        let mut shares: Vec<Vec<(ValidatorPubkey, SecretKey)>> =
            (0..plan.operators).map(|_| Vec::new()).collect();
        let mut groups = Vec::new();
        for _ in 0..plan.validators {
            let secret = SecretKey::generate(&mut rng);
            let dealt = threshold::split(&secret, threshold, plan.operators, &mut rng);
            let group = secret.public_key();
            let pubkey = ValidatorPubkey::new(group.to_bytes());
            let keys = dealt.iter().map(SecretKey::public_key).collect();
            validators.insert(pubkey, ClusterValidator { group, shares: keys });
            groups.push(group);
            for (of, share) in shares.iter_mut().zip(dealt) {
                of.push((pubkey, share));
            }
        }
        let keys: Vec<NodeKey> = (0..plan.operators).map(|_| NodeKey::generate(&mut rng)).collect();
        let codec = ConsensusCodec::new(keys.iter().map(NodeKey::public).collect());
        let members: Vec<Member> = OperatorIndex::all(plan.operators)
            .zip(keys.into_iter().zip(shares))
            .map(|(me, (key, shares))| {
                let cluster =
                    Cluster { me, operators: plan.operators, threshold, validators: validators.clone() };
                let behaviour = plan.behaviours.get(&me.share().get()).copied().unwrap_or(Behaviour::Honest);
                Member::new(cluster, &spec, codec.clone(), key, shares, behaviour)
            })
            .collect();
        let mut world = Self {
            seed: plan.seed,
            rng,
            chain: Chain::new(spec.clone(), groups),
            faults: Faults::default(),
            queue: BTreeMap::new(),
            queued: 0,
            now: spec.genesis_time,
            reports: Vec::new(),
            traffic: Traffic::default(),
            members,
        };
        for operator in OperatorIndex::all(plan.operators) {
            world.schedule(world.now, operator, Happening::Start);
        }
        world
    }

    /// Disturbs the network in these slots.
    pub fn disturb(&mut self, slots: Range<u64>, disturbance: Disturbance) {
        let from = self.slot_start(slots.start);
        let until = self.slot_start(slots.end);
        self.faults.add(from..until, disturbance);
    }

    /// Takes an operator (counted from 1) away in these slots, as by a power cut.
    pub fn crash(&mut self, number: u8, slots: Range<u64>) {
        let Some(operator) = number.checked_sub(1).and_then(OperatorIndex::new) else { return };
        self.schedule(self.slot_start(slots.start), operator, Happening::Crash);
        self.schedule(self.slot_start(slots.end), operator, Happening::Start);
    }

    /// Kills an operator at a moment within a slot and starts it again shortly after.
    pub fn stumble(&mut self, number: u8, slot: u64, after_ms: u64, away_ms: u64) {
        let Some(operator) = number.checked_sub(1).and_then(OperatorIndex::new) else { return };
        let at = self.slot_start(slot).saturating_add(after_ms);
        self.schedule(at, operator, Happening::Crash);
        self.schedule(at.saturating_add(away_ms), operator, Happening::Start);
    }

    /// Lets the world run to the start of `slot`.
    pub fn run_until(&mut self, slot: u64) {
        let end = self.slot_start(slot);
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 >= end {
                break;
            }
            let ((at, _), (operator, happening)) = entry.remove_entry();
            self.now = self.now.max(at);
            if let Some(slot) = self.chain.spec().slot_at(self.now) {
                self.chain.advance(slot);
            }
            self.happen(operator, happening);
        }
        self.now = end;
        self.chain.advance(Slot::new(slot));
    }

    /// The judge.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Everything that operators reported, in order.
    pub fn reports(&self) -> &[(OperatorIndex, Report)] {
        &self.reports
    }

    /// Panics, naming the seed, if the chain was ever shown two votes that it would slash for.
    pub fn assert_no_slashable_pair(&self) {
        assert!(self.chain.convictions().is_empty(), "seed {}: {:?}", self.seed, self.chain.convictions());
    }

    /// Panics, naming the seed, if two operators decided one duty differently.
    pub fn assert_agreement(&self) {
        let mut decided: BTreeMap<Duty, &hearth_duties::Value> = BTreeMap::new();
        for member in self.members.iter().filter(|member| member.is_honest()) {
            for (duty, value) in member.decisions() {
                let first = decided.entry(duty).or_insert(value);
                assert_eq!(*first, value, "seed {}: {duty} was decided twice", self.seed);
            }
        }
    }

    /// Panics, naming the seed, if an honest operator said two things in one round of a duty, before and after a crash or
    /// otherwise.
    pub fn assert_nobody_contradicts_himself(&self) {
        for member in self.members.iter().filter(|member| member.is_honest()) {
            let contradictions: Vec<String> = member.contradictions().collect();
            assert!(contradictions.is_empty(), "seed {}: {contradictions:?}", self.seed);
        }
    }

    /// Panics, naming the seed, if a vote of these slots was not included.
    pub fn assert_every_attestation_included(&self, slots: std::ops::RangeInclusive<u64>) {
        let slots = Slot::new(*slots.start())..=Slot::new(*slots.end());
        for validator in self.chain.validators() {
            for inclusion in self.chain.inclusions(validator, slots.clone()) {
                let slot = inclusion.slot;
                assert!(
                    inclusion.included_in.is_some(),
                    "seed {}: validator {validator} is missing in slot {slot}: {:?}",
                    self.seed,
                    self.why(slot)
                );
            }
        }
    }

    /// What was sent so far.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// How many votes of these slots were included.
    pub fn included(&self, slots: std::ops::RangeInclusive<u64>) -> usize {
        let slots = Slot::new(*slots.start())..=Slot::new(*slots.end());
        let all = self.chain.validators().flat_map(|v| self.chain.inclusions(v, slots.clone()));
        all.filter(|inclusion| inclusion.included_in.is_some()).count()
    }

    fn why(&self, slot: Slot) -> Vec<String> {
        let of_slot = |report: &Report| matches!(report, Report::Finished { duty, .. } if duty.slot == slot);
        self.reports
            .iter()
            .filter(|(_, report)| of_slot(report))
            .map(|(operator, report)| format!("{operator}: {report:?}"))
            .collect()
    }

    fn slot_start(&self, slot: u64) -> UnixMillis {
        self.chain.spec().slot_start(Slot::new(slot))
    }

    fn schedule(&mut self, at: UnixMillis, operator: OperatorIndex, happening: Happening) {
        self.queue.insert((at.max(self.now), self.queued), (operator, happening));
        self.queued += 1;
    }

    fn later(&mut self, range: Range<u64>) -> UnixMillis {
        self.now.saturating_add(self.rng.random_range(range))
    }

    fn happen(&mut self, operator: OperatorIndex, happening: Happening) {
        let now = self.now;
        let Some(member) = self.members.get_mut(operator.position()) else { return };
        let outputs = match happening {
            Happening::Crash => return member.crash(),
            Happening::Start => member.start(now),
            Happening::Input { life, input } => member.step(now, life, input),
            Happening::Frame { from, frame } => {
                let gate = Gate::new(self.chain.spec(), now);
                member.receive(now, from, &frame, &gate)
            }
        };
        self.perform(operator, outputs);
        self.play_tricks(operator);
    }

    fn perform(&mut self, operator: OperatorIndex, outputs: Vec<Output>) {
        let Some(life) = self.members.get(operator.position()).map(Member::life) else { return };
        for output in outputs {
            match output {
                Output::SetAlarm { at, alarm } => {
                    self.schedule(at, operator, Happening::Input { life, input: Input::Alarm(alarm) });
                }
                Output::Ask(question) => {
                    let at = self.later(BEACON_NODE_MS);
                    let input = Input::Chain(self.answer(question.query));
                    self.schedule(at, operator, Happening::Input { life, input });
                }
                Output::Sign(request) => {
                    let at = self.later(SIGNING_MS);
                    let Some(member) = self.members.get_mut(operator.position()) else { continue };
                    let reply: SignReply = member.sign(&request);
                    self.schedule(at, operator, Happening::Input { life, input: Input::Signed(reply) });
                }
                Output::Check(request) => {
                    let at = self.later(CHECKING_MS);
                    let Some(member) = self.members.get(operator.position()) else { continue };
                    let input = Input::Checked(member.check(&request));
                    self.schedule(at, operator, Happening::Input { life, input });
                }
                Output::Reserve(slot) => {
                    let Some(member) = self.members.get_mut(operator.position()) else { continue };
                    member.reserve(slot);
                }
                Output::Confer(_) => {}
                Output::Combine(Combination { duty, job }) => {
                    let at = self.later(COMBINING_MS);
                    let outcome: SlotOutcome = complete_slot(&job, &mut self.rng);
                    self.schedule(
                        at,
                        operator,
                        Happening::Input { life, input: Input::Combined { duty, outcome } },
                    );
                }
                Output::SendConsensus(draft) => {
                    let Some(member) = self.members.get_mut(operator.position()) else { continue };
                    let Some((frames, own)) = member.write_consensus(&draft, &mut self.rng) else { continue };
                    for (to, bytes) in frames {
                        self.send(operator, to, &Frame::Consensus(bytes));
                    }
                    let input = Input::Consensus { via: operator, message: own };
                    self.schedule(self.now, operator, Happening::Input { life, input });
                }
                Output::SendPartials(set) => {
                    let Some(member) = self.members.get_mut(operator.position()) else { continue };
                    for (to, bytes) in member.write_partials(&set) {
                        self.send(operator, to, &Frame::Partials(bytes));
                    }
                }
                Output::Report(report) => self.reports.push((operator, report)),
            }
        }
    }

    /// A member that misbehaves by itself gets its chance after every step.
    fn play_tricks(&mut self, operator: OperatorIndex) {
        let Some(member) = self.members.get_mut(operator.position()) else { return };
        for (to, frame) in member.replays(&mut self.rng) {
            self.send(operator, to, &frame);
        }
    }

    fn send(&mut self, from: OperatorIndex, to: OperatorIndex, frame: &Frame) {
        let (count, bytes) = match frame {
            Frame::Consensus(bytes) => (&mut self.traffic.consensus, bytes),
            Frame::Partials(bytes) => (&mut self.traffic.partials, bytes),
        };
        *count += bytes.len() as u64;
        self.traffic.messages += 1;
        for delay in self.faults.travel(self.now, from, to, GOOD_NETWORK_MS, &mut self.rng) {
            let at = self.now.saturating_add(delay);
            self.schedule(at, to, Happening::Frame { from, frame: frame.clone() });
        }
    }

    fn answer(&mut self, query: ChainQuery) -> ChainReply {
        match query {
            ChainQuery::Validators { pubkeys } => {
                let record = |pubkey: &ValidatorPubkey| {
                    let index = self.chain.index_of(pubkey)?;
                    Some(ValidatorRecord {
                        pubkey: *pubkey,
                        index,
                        active: true,
                        slashed: false,
                        waiting: None,
                    })
                };
                ChainReply::Validators(Ok(pubkeys.iter().filter_map(record).collect()))
            }
            ChainQuery::AttesterDuties { epoch, validators } => {
                let duty = |validator: &ValidatorIndex| self.chain.duty(*validator, epoch);
                ChainReply::AttesterDuties { epoch, duties: Ok(validators.iter().filter_map(duty).collect()) }
            }
            ChainQuery::AttestationData { slot } => {
                let data = self.chain.attestation_data(slot);
                let data = data.ok_or_else(|| ChainFailure::Refused("the slot is in the future".into()));
                ChainReply::AttestationData { slot, data }
            }
            ChainQuery::SubmitAttestations { slot, attestations } => {
                let validators = attestations.len();
                // The judge sees every one of them, whatever it says of the first.
                let outcomes: Vec<_> = attestations.into_iter().map(|a| self.chain.submit(a)).collect();
                let refused = outcomes.into_iter().find_map(Result::err);
                let outcome = refused.map_or(Ok(()), |error| Err(ChainFailure::Refused(error.to_string())));
                ChainReply::Submitted { slot, validators, outcome }
            }
        }
    }
}

fn spec() -> ChainSpec {
    let version = ForkVersion::new([6, 0, 0, 1]);
    let fork = ScheduledFork { name: ForkName::Fulu, epoch: Epoch::new(0), version };
    let forks = ForkSchedule::new(vec![fork], Epoch::FAR_FUTURE).expect("one fork at genesis is a schedule");
    let genesis = UnixMillis::new(1_800_000_000_000);
    ChainSpec::new(genesis, Root::new([7; 32]), SLOT_MS, SLOTS_PER_EPOCH, forks)
        .expect("both lengths are in range")
}
