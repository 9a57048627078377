//! The brain of one operator: every input, and what follows from it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use hearth_crypto::{SlotJob, SlotOutcome, Verified};
use hearth_qbft::{Config, Kind};
use hearth_types::{
    AttestationData, ChainSpec, Duty, Epoch, OperatorIndex, SignatureBytes, SingleAttestation, Slot,
    UnixMillis, ValidatorPubkey, Vote,
};
use serde::Deserialize;
use support::Unsaid;

use crate::account::Account;
use crate::agree::{Agreement, Step};
use crate::collect::{Collection, Combined, Unwelcome, Whole};
use crate::inbox::Inbox;
use crate::schedule::{Definitions, Schedule};
use crate::{
    AgreedAttestation, AgreedValue, ChainFailure, ChainQuery, ChainReply, Cluster, ConsensusDraft,
    ConsensusMessage, Deadlined, Dialect, PartialAttestation, PartialSet, Report, Timer, Value, sign,
};

/// Duties remembered as begun: more than an hour has slots, so that a clock set back by one repeats nothing.
const BEGUN_KEPT: usize = 512;

/// Everything that can happen to an operator.
#[derive(Debug)]
pub enum Input {
    /// A moment that was asked for has come.
    Alarm(Alarm),
    /// The chain answered.
    Chain(ChainReply),
    /// A consensus message arrived, delivered by `via` (its author may be another), or our own came back signed.
    Consensus {
        /// Who delivered it.
        via: OperatorIndex,
        /// The message.
        message: Verified<ConsensusMessage>,
    },
    /// Partial signatures of a peer arrived; their signatures are not checked yet.
    Partials {
        /// The peer.
        from: OperatorIndex,
        /// What it sent.
        set: PartialSet,
    },
    /// The signer answered.
    Signed(SignReply),
    /// The signer said what it would refuse.
    Checked(CheckReply),
    /// A combination is done.
    Combined {
        /// The duty it belongs to.
        duty: Duty,
        /// Its result.
        outcome: SlotOutcome,
    },
}

/// Everything an operator can ask of its surroundings, in the order to be done.
#[derive(Debug)]
pub enum Output {
    /// Call back at this moment (at once if it has passed).
    SetAlarm {
        /// When.
        at: UnixMillis,
        /// With what.
        alarm: Alarm,
    },
    /// Ask the chain.
    Ask(Deadlined),
    /// Put on record that this operator speaks in this slot, if it is not.
    Reserve(Slot),
    /// An epoch ends of which the duties are known: a moment to compare what the operators' programs can do.
    Confer(Slot),
    /// If this operator may speak, sign this, send it to every other operator and feed it back.
    SendConsensus(ConsensusDraft),
    /// Send our partial signatures to every other operator.
    SendPartials(PartialSet),
    /// Ask the signer.
    Sign(SignRequest),
    /// Ask the signer what it would refuse, without signing.
    Check(SignRequest),
    /// Check and combine partial signatures.
    Combine(Combination),
    /// Tell the owner.
    Report(Report),
}

/// A moment that was asked for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Alarm {
    /// A slot starts.
    SlotStart(Slot),
    /// A duty is due.
    Due(Duty),
    /// Time to ask the chain once more about something that it sees in another way than the leader.
    LookAgain(Duty),
    /// A round of consensus ends.
    RoundEnd(Duty, Timer),
    /// Time for the last word on a duty.
    Verdict(Duty),
    /// Nothing about the duty matters any more.
    Expired(Duty),
}

/// Votes to sign, all of one duty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignRequest {
    /// The duty.
    pub duty: Duty,
    /// One vote a validator.
    pub votes: Vec<(ValidatorPubkey, Vote)>,
}

/// The signer's answer, in the order of the request.
#[derive(Clone, Debug)]
pub struct SignReply {
    /// The duty.
    pub duty: Duty,
    /// A partial signature each, or why there is none.
    pub signatures: Vec<(ValidatorPubkey, Result<SignatureBytes, String>)>,
}

/// What the signer would refuse of a request, and why.
#[derive(Clone, Debug)]
pub struct CheckReply {
    /// The duty.
    pub duty: Duty,
    /// About how many votes it was asked.
    pub asked: usize,
    /// What it has against some of them.
    pub objections: Vec<Objection>,
}

/// Why the signer would refuse one vote.
#[derive(Clone, Debug)]
pub struct Objection {
    /// Whose vote.
    pub validator: ValidatorPubkey,
    /// Whether it contradicts what was signed before: such a pair can be slashed. Otherwise the validator only has to wait.
    pub slashable: bool,
    /// The signer's reason.
    pub reason: String,
}

/// What to do where a leader proposes another source or target than our own beacon node would.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Contradiction {
    /// Do not support it, and look whether the beacon node comes to see it that way: of two forks of the chain, one is wrong.
    #[default]
    Refuse,
    /// Support it. The cluster attests as its leaders see the chain.
    Follow,
}

/// Partial signatures to check and combine.
#[derive(Debug)]
pub struct Combination {
    /// The duty they belong to.
    pub duty: Duty,
    /// The work.
    pub job: SlotJob,
}

/// One duty on its way.
#[derive(Debug)]
struct Road {
    definitions: Definitions,
    due: UnixMillis,
    agreement: Agreement,
    /// What our own beacon node says.
    own: Option<AttestationData>,
    /// A PREPARE that is not sent yet, or not at all.
    unsaid: Option<Unsaid>,
    agreed: BTreeMap<ValidatorPubkey, AgreedAttestation>,
    collection: Collection,
    account: Account,
}

/// One operator of one cluster.
#[derive(Debug)]
pub struct Workflow<D> {
    cluster: Cluster,
    spec: ChainSpec,
    dialect: D,
    schedule: Schedule,
    inbox: Inbox,
    roads: BTreeMap<Duty, Road>,
    /// Duties that have begun, those that are over included: none begins twice.
    begun: BTreeSet<Duty>,
    contradiction: Contradiction,
    now: Slot,
}

impl<D: Dialect> Workflow<D> {
    /// An operator that has done nothing yet.
    pub fn new(cluster: Cluster, spec: ChainSpec, dialect: D) -> Self {
        Self {
            cluster,
            spec,
            dialect,
            schedule: Schedule::default(),
            inbox: Inbox::default(),
            roads: BTreeMap::new(),
            begun: BTreeSet::new(),
            contradiction: Contradiction::default(),
            now: Slot::default(),
        }
    }

    /// What to do where a leader and our own beacon node differ.
    #[must_use]
    pub const fn on_contradiction(mut self, contradiction: Contradiction) -> Self {
        self.contradiction = contradiction;
        self
    }

    /// The first thing to do: wait for the slot under way, or for genesis.
    #[must_use]
    pub fn start(&mut self, now: UnixMillis) -> Vec<Output> {
        let slot = self.spec.slot_at(now).unwrap_or_default();
        vec![Output::SetAlarm { at: self.spec.slot_start(slot), alarm: Alarm::SlotStart(slot) }]
    }

    /// Whether a duty is between its start and the beacon node's answer: a bad moment to stop.
    pub fn is_busy(&self, now: UnixMillis) -> bool {
        self.roads.values().any(|road| {
            road.account.taken < road.definitions.len() && now.millis_since(road.due) < self.spec.slot_ms()
        })
    }

    /// The duty that comes next and when it is due, as far as duties are known.
    pub fn next_duty(&self, now: UnixMillis) -> Option<(Duty, UnixMillis)> {
        let slots = self.schedule.slots_from(self.spec.slot_at(now).unwrap_or_default());
        let mut due = slots.map(|slot| (Duty::attester(slot), self.spec.attestation_due(slot)));
        due.find(|(duty, due)| *due > now && !self.begun.contains(duty))
    }

    /// Applies one input and returns what to do next. Pure: no clock, no randomness, no IO.
    #[must_use]
    pub fn step(&mut self, now: UnixMillis, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Alarm(Alarm::SlotStart(_)) => self.start_slot(now, &mut out),
            Input::Alarm(Alarm::Due(duty)) => self.begin(now, duty, &mut out),
            Input::Alarm(Alarm::LookAgain(duty)) => self.look_again(duty, &mut out),
            Input::Alarm(Alarm::RoundEnd(duty, timer)) => self.end_round(now, duty, timer, &mut out),
            Input::Alarm(Alarm::Verdict(duty)) => self.give_verdict(duty, &mut out),
            Input::Alarm(Alarm::Expired(duty)) => self.forget(duty, &mut out),
            Input::Chain(reply) => self.hear_chain(now, reply, &mut out),
            Input::Consensus { via, message } => self.hear_consensus(now, via, message.into_inner(), &mut out),
            Input::Partials { from, set } => self.hear_partials(from, set, &mut out),
            Input::Checked(reply) => self.take_check(now, &reply, &mut out),
            Input::Signed(reply) => self.take_signatures(now, reply, &mut out),
            Input::Combined { duty, outcome } => self.take_wholes(now, duty, &outcome, &mut out),
        }
        out
    }

    // Schedule.

    fn start_slot(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        // After a stall the clock decides, not the alarm that fired late.
        let slot = self.spec.slot_at(now).unwrap_or_default();
        self.now = slot;
        let next = slot.next();
        out.push(Output::SetAlarm { at: self.spec.slot_start(next), alarm: Alarm::SlotStart(next) });
        self.inbox.advance(slot);
        for query in self.schedule.at_slot(&self.spec, &self.cluster, slot) {
            self.ask_within_slot(slot, query, out);
        }
        self.plan(out);
    }

    /// Plans the duties of the slot under way. Being reminded of one twice does no harm.
    fn plan(&self, out: &mut Vec<Output>) {
        let duty = Duty::attester(self.now);
        if self.spec.ends_epoch(self.now) && self.schedule.is_resolved(self.spec.epoch_of(self.now)) {
            out.push(Output::Confer(self.now));
        }
        if self.schedule.definitions(duty).is_some() && !self.begun.contains(&duty) {
            out.push(Output::Reserve(duty.slot));
            out.push(Output::SetAlarm { at: self.spec.attestation_due(duty.slot), alarm: Alarm::Due(duty) });
        }
    }

    fn ask_within_slot(&self, slot: Slot, query: ChainQuery, out: &mut Vec<Output>) {
        out.push(Output::Ask(Deadlined { query, until: self.spec.slot_start(slot.next()) }));
    }

    fn hear_chain(&mut self, now: UnixMillis, reply: ChainReply, out: &mut Vec<Output>) {
        match reply {
            ChainReply::Validators(Ok(records)) => {
                let epoch = self.spec.epoch_of(self.now);
                for query in self.schedule.know_validators(&self.cluster, epoch, &records) {
                    self.ask_within_slot(self.now, query, out);
                }
                if !self.schedule.has_active_validators() {
                    let reason = "the chain does not know any validator of this cluster as active yet";
                    let failure = ChainFailure::Refused(reason.into());
                    out.push(Output::Report(Report::ChainTrouble { about: "validators", failure }));
                }
            }
            ChainReply::AttesterDuties { epoch, duties: Ok(duties) } => {
                self.schedule.know_duties(&self.spec, epoch, &duties);
                self.plan(out);
            }
            ChainReply::AttestationData { slot, data } => self.propose(now, slot, data, out),
            ChainReply::Submitted { slot, validators, outcome } => {
                self.account_submission(now, slot, validators, outcome, out);
            }
            ChainReply::Validators(Err(failure)) => {
                out.push(Output::Report(Report::ChainTrouble { about: "validators", failure }));
            }
            ChainReply::AttesterDuties { duties: Err(failure), .. } => {
                out.push(Output::Report(Report::ChainTrouble { about: "attester duties", failure }));
            }
        }
    }

    // Agree.

    fn begin(&mut self, now: UnixMillis, duty: Duty, out: &mut Vec<Output>) {
        let Some(definitions) = self.schedule.definitions(duty).cloned() else { return };
        let due = self.spec.attestation_due(duty.slot);
        let deadline = self.dialect.duty_deadline(&self.spec, duty).unwrap_or(due);
        // A machine that slept wakes to alarms of long ago.
        if deadline < now || !self.begun.insert(duty) {
            return;
        }
        if self.begun.len() > BEGUN_KEPT {
            self.begun.pop_first();
        }
        let Cluster { me, operators, .. } = self.cluster;
        let first_leader = self.dialect.first_leader(duty, operators);
        let waiting = self.inbox.take(&self.cluster, duty);
        let config = Config { me, operators, first_leader };
        let (agreement, steps) = Agreement::begin(duty, config, waiting.consensus);
        let (collection, account) = (Collection::new(duty), Account::default());
        let (own, unsaid, agreed) = (None, None, BTreeMap::new());
        let road = Road { definitions, due, agreement, own, unsaid, agreed, collection, account };
        self.roads.insert(duty, road);

        let query = ChainQuery::AttestationData { slot: duty.slot };
        out.push(Output::Ask(Deadlined { query, until: deadline }));
        let verdict = due.saturating_add(self.spec.slot_ms());
        out.push(Output::SetAlarm { at: verdict, alarm: Alarm::Verdict(duty) });
        out.push(Output::SetAlarm { at: deadline, alarm: Alarm::Expired(duty) });
        self.carry_out(now, duty, steps, out);
        for (from, partials) in waiting.partials {
            self.hear_partials(from, PartialSet { duty, partials: partials.into_values().collect() }, out);
        }
    }

    fn propose(
        &mut self,
        now: UnixMillis,
        slot: Slot,
        data: Result<AttestationData, ChainFailure>,
        out: &mut Vec<Output>,
    ) {
        let duty = Duty::attester(slot);
        let Some(road) = self.roads.get_mut(&duty) else { return };
        let data = data.and_then(|data| match sign::vote(&self.spec, slot, &data) {
            Ok(_) => Ok(data),
            Err(reason) => Err(ChainFailure::Unusable(reason)),
        });
        match data {
            Ok(data) => {
                let before = road.own.replace(data);
                if before.is_some() {
                    return self.say_what_may_be_said(now, duty, out);
                }
                let agreed =
                    road.definitions.iter().map(|(key, duty)| (*key, AgreedAttestation { data, duty: *duty }));
                let value = self.dialect.encode_value(&AgreedValue::Attestations(agreed.collect()));
                let steps = road.agreement.propose(value);
                self.carry_out(now, duty, steps, out);
            }
            Err(failure) if road.own.is_some() => {
                out.push(Output::Report(Report::ChainTrouble { about: "attestation data", failure }));
            }
            Err(failure) => {
                road.account.fetch_error = Some(failure.to_string());
                out.push(Output::Report(Report::ChainTrouble { about: "attestation data", failure }));
            }
        }
    }

    fn hear_consensus(
        &mut self,
        now: UnixMillis,
        via: OperatorIndex,
        message: ConsensusMessage,
        out: &mut Vec<Output>,
    ) {
        let duty = message.duty;
        match self.roads.get_mut(&duty) {
            Some(road) => {
                let steps = road.agreement.receive(via, message);
                self.carry_out(now, duty, steps, out);
            }
            None => self.inbox.keep_consensus(self.now, &self.cluster, via, message),
        }
    }

    fn end_round(&mut self, now: UnixMillis, duty: Duty, timer: Timer, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get_mut(&duty) else { return };
        let steps = road.agreement.timed_out(timer);
        self.carry_out(now, duty, steps, out);
    }

    fn carry_out(&mut self, now: UnixMillis, duty: Duty, steps: Vec<Step>, out: &mut Vec<Output>) {
        for step in steps {
            match step {
                Step::Send(draft) if draft.draft.vote.kind == Kind::Prepare => self.consider(draft, out),
                Step::Send(draft) => out.push(Output::SendConsensus(draft)),
                Step::Arm(timer) => {
                    let at = self.dialect.round_deadline(&self.spec, duty, timer);
                    out.push(Output::SetAlarm { at, alarm: Alarm::RoundEnd(duty, timer) });
                }
                Step::Accuse(operator, proof) => {
                    out.push(Output::Report(Report::Equivocated { operator, duty, proof }));
                }
                Step::Decided { round, value } => {
                    if let Some(road) = self.roads.get(&duty) {
                        let (leader, after_ms) = (road.agreement.leader(round), now.millis_since(road.due));
                        out.push(Output::Report(Report::Decided { duty, round, leader, after_ms }));
                    }
                    self.ask_to_sign(duty, &value, out);
                }
            }
        }
    }

    // Sign.

    fn ask_to_sign(&mut self, duty: Duty, value: &Value, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get_mut(&duty) else { return };
        let agreed = match self.dialect.decode_value(duty, value) {
            Ok(agreed) => agreed,
            Err(malformed) => {
                road.account.decide_error = Some(malformed.to_string());
                return;
            }
        };
        road.account.decided = true;
        let to_sign = sign::votes(&self.spec, duty.slot, &road.definitions, &agreed);
        let AgreedValue::Attestations(mut attestations) = agreed;
        attestations.retain(|validator, _| to_sign.votes.binary_search_by_key(validator, |(v, _)| *v).is_ok());
        road.agreed = attestations;
        for (validator, reason) in to_sign.refused {
            road.account.sign_error = Some(reason.clone());
            out.push(Output::Report(Report::Refused { duty, validator, reason }));
        }
        if !to_sign.votes.is_empty() {
            out.push(Output::Sign(SignRequest { duty, votes: to_sign.votes }));
        }
    }

    fn take_signatures(&mut self, now: UnixMillis, reply: SignReply, out: &mut Vec<Output>) {
        let duty = reply.duty;
        let Some(road) = self.roads.get_mut(&duty) else { return };
        let share = self.cluster.me.share();
        let mut partials = Vec::new();
        for (validator, signature) in reply.signatures {
            let Some(agreed) = road.agreed.get(&validator) else { continue };
            match signature {
                Ok(signature) => {
                    let partial = PartialAttestation {
                        validator,
                        share,
                        data: agreed.data,
                        validator_index: agreed.duty.validator_index,
                        committee_index: agreed.duty.committee_index,
                        signature,
                    };
                    // Refused is only what the signer answered before.
                    if road.collection.add_own(&self.spec, &self.cluster, partial).is_ok() {
                        partials.push(partial);
                    }
                }
                Err(reason) => {
                    road.account.sign_error = Some(reason.clone());
                    out.push(Output::Report(Report::Refused { duty, validator, reason }));
                }
            }
        }
        if partials.is_empty() {
            return;
        }
        let (validators, after_ms) = (partials.len(), now.millis_since(road.due));
        out.push(Output::SendPartials(PartialSet { duty, partials }));
        out.push(Output::Report(Report::Signed { duty, validators, after_ms }));
        self.combine(duty, out);
    }

    // Collect.

    fn hear_partials(&mut self, from: OperatorIndex, set: PartialSet, out: &mut Vec<Output>) {
        let duty = set.duty;
        if from == self.cluster.me {
            return; // Ours come from our signer.
        }
        let Some(road) = self.roads.get_mut(&duty) else {
            return self.inbox.keep_partials(self.now, &self.cluster, from, set);
        };
        // One report for each kind of offence, however many entries the set has.
        let mut offences: Vec<Unwelcome> = Vec::new();
        for partial in set.partials {
            let Road { collection, definitions, .. } = road;
            match collection.add_of_peer(&self.spec, &self.cluster, definitions, from, partial) {
                Err(unwelcome)
                    if unwelcome.is_offence()
                        && !offences.iter().any(|o| discriminant(o) == discriminant(&unwelcome)) =>
                {
                    offences.push(unwelcome);
                }
                Ok(()) | Err(_) => {}
            }
        }
        for offence in offences {
            out.push(Output::Report(match offence {
                Unwelcome::Equivocation(proof) => Report::Equivocated { operator: from, duty, proof },
                other => Report::Misbehaved { operator: from, reason: other.to_string() },
            }));
        }
        self.combine(duty, out);
    }

    fn combine(&mut self, duty: Duty, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get_mut(&duty) else { return };
        if let Some(job) = road.collection.next_job(&self.cluster) {
            out.push(Output::Combine(Combination { duty, job }));
        }
    }

    fn take_wholes(&mut self, now: UnixMillis, duty: Duty, outcome: &SlotOutcome, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get_mut(&duty) else { return };
        let Combined { wholes, blamed, hopeless } = road.collection.completed(&self.cluster, outcome);
        for share in blamed {
            let reason = format!("sent an invalid partial signature for {duty}");
            out.push(Output::Report(Report::Misbehaved { operator: share.operator(), reason }));
        }
        if hopeless > 0 {
            let reason =
                "every partial signature belongs to its share, but together they do not make the group's";
            road.account.combine_error = Some(format!("{reason} (validators: {hopeless})"));
        }
        if !wholes.is_empty() {
            road.account.complete += wholes.len();
            let (validators, after_ms) = (wholes.len(), now.millis_since(road.due));
            out.push(Output::Report(Report::Completed { duty, validators, after_ms }));
            let until = self.dialect.duty_deadline(&self.spec, duty).unwrap_or(now);
            let attestations = wholes.iter().filter_map(|whole| road.submission(whole)).collect();
            let query = ChainQuery::SubmitAttestations { slot: duty.slot, attestations };
            out.push(Output::Ask(Deadlined { query, until }));
        }
        self.combine(duty, out);
    }

    // Submit and account.

    fn account_submission(
        &mut self,
        now: UnixMillis,
        slot: Slot,
        validators: usize,
        outcome: Result<(), ChainFailure>,
        out: &mut Vec<Output>,
    ) {
        let duty = Duty::attester(slot);
        let Some(road) = self.roads.get_mut(&duty) else { return };
        match outcome {
            Ok(()) => {
                let after_ms = now.millis_since(road.due);
                road.account.taken += validators;
                road.account.taken_after_ms = Some(after_ms);
                out.push(Output::Report(Report::Submitted { duty, validators, after_ms }));
            }
            Err(failure) => {
                road.account.submit_error = Some(failure.to_string());
                out.push(Output::Report(Report::ChainTrouble { about: "submission", failure }));
            }
        }
    }

    fn give_verdict(&mut self, duty: Duty, out: &mut Vec<Output>) {
        let Some(road) = self.roads.get_mut(&duty).filter(|road| !road.account.closed) else { return };
        road.account.closed = true;
        let signers: Vec<_> = road.collection.signers().into_iter().collect();
        let validators: Vec<_> = road.definitions.values().map(|duty| duty.validator_index).collect();
        let least = road.collection.least(road.definitions.keys(), self.cluster.me.share()).unwrap_or_default();
        let round = road.agreement.round().get();
        let failure = road.account.failure(validators.len(), self.cluster.threshold, least, round);
        let after_ms = road.account.taken_after_ms;
        out.push(Output::Report(Report::Finished { duty, validators, failure, signers, after_ms }));
    }

    fn forget(&mut self, duty: Duty, out: &mut Vec<Output>) {
        self.give_verdict(duty, out);
        self.roads.remove(&duty);
    }

    /// The epoch that the operator is in.
    pub fn epoch(&self) -> Epoch {
        self.spec.epoch_of(self.now)
    }
}

impl Road {
    /// The committee comes from our own beacon node, which is the one that must take it; the leader's view of it
    /// is not covered by any signature.
    fn submission(&self, whole: &Whole) -> Option<SingleAttestation> {
        let duty = self.definitions.get(&whole.validator)?;
        Some(SingleAttestation {
            committee_index: duty.committee_index,
            attester_index: duty.validator_index,
            data: whole.data,
            signature: whole.signature,
        })
    }
}
