//! A dialect in a few lines, and one operator with the hands of the other three.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hearth_crypto::threshold::split;
use hearth_crypto::{SecretKey, SlotJob, Unverified, Verified, Verify, complete_slot, k1};
use hearth_duties::{
    AgreedAttestation, AgreedValue, Alarm, Arming, ChainQuery, ChainReply, CheckReply, Cluster,
    ClusterValidator, Combination, ConsensusDraft, ConsensusMessage, Dialect, Digest, Failure, Input,
    MalformedValue, Objection, Output, PartialAttestation, PartialSet, Proof, Report, Round, SignReply,
    SignRequest, Timer, ValidatorRecord, Value, Workflow,
};
use hearth_qbft::{Kind, Message, Signed, Vote};
use hearth_types::{
    AttestationData, AttesterDuty, ChainSpec, Checkpoint, CommitteeIndex, Duty, Epoch, ForkName, ForkSchedule,
    ForkVersion, OperatorIndex, Root, ScheduledFork, ShareIndex, SignatureBytes, SigningRoot,
    SingleAttestation, Slot, Threshold, UnixMillis, ValidatorIndex, ValidatorPubkey, vote_of,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

pub(crate) const OPERATORS: u8 = 4;
pub(crate) const SLOT_MS: u64 = 12_000;
pub(crate) const SLOTS_PER_EPOCH: u64 = 4;
/// First epoch beyond the known forks.
pub(crate) const HORIZON: u64 = 100;

pub(crate) fn spec() -> ChainSpec {
    let fork = ScheduledFork { name: ForkName::Fulu, epoch: Epoch::new(0), version: ForkVersion::new([6; 4]) };
    let forks = ForkSchedule::new(vec![fork], Epoch::new(HORIZON)).unwrap();
    ChainSpec::new(UnixMillis::new(1_000_000), Root::new([7; 32]), SLOT_MS, SLOTS_PER_EPOCH, forks).unwrap()
}

pub(crate) fn slot(number: u64) -> Slot {
    Slot::new(number)
}

pub(crate) fn duty(number: u64) -> Duty {
    Duty::attester(slot(number))
}

/// The operator that people call number `number`: the first is 1, as its share is.
pub(crate) fn operator(number: u8) -> OperatorIndex {
    share(number).operator()
}

pub(crate) fn share(number: u8) -> ShareIndex {
    ShareIndex::new(number).unwrap()
}

/// Values are JSON; the leader of slot `s` is the operator at position `s mod n`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

type Entry = (ValidatorPubkey, AttestationData, AttesterDuty);

impl Dialect for Plain {
    fn first_leader(&self, duty: Duty, operators: u8) -> OperatorIndex {
        let position = duty.slot.get() % u64::from(operators);
        OperatorIndex::new(u8::try_from(position).unwrap()).unwrap()
    }

    fn round_deadline(&self, spec: &ChainSpec, duty: Duty, timer: Timer) -> UnixMillis {
        let length = timer.round.get().saturating_mul(1_000);
        let doubled = if timer.arming == Arming::Again { length.saturating_mul(2) } else { length };
        spec.attestation_due(duty.slot).saturating_add(doubled)
    }

    fn duty_deadline(&self, spec: &ChainSpec, duty: Duty) -> Option<UnixMillis> {
        Some(spec.slot_start(duty.slot.saturating_add(SLOTS_PER_EPOCH)).saturating_add(SLOT_MS / 12))
    }

    fn encode_value(&self, value: &AgreedValue) -> Value {
        let AgreedValue::Attestations(attestations) = value;
        let entries: Vec<Entry> =
            attestations.iter().map(|(key, agreed)| (*key, agreed.data, agreed.duty)).collect();
        raw_value(&serde_json::to_vec(&entries).unwrap())
    }

    fn decode_value(&self, duty: Duty, value: &Value) -> Result<AgreedValue, MalformedValue> {
        let entries: Vec<Entry> = serde_json::from_slice(&value.bytes)
            .map_err(|error| MalformedValue { duty, reason: error.to_string() })?;
        let agreed = |(key, data, duty)| (key, AgreedAttestation { data, duty });
        Ok(AgreedValue::Attestations(entries.into_iter().map(agreed).collect()))
    }
}

/// A value of any bytes.
pub(crate) fn raw_value(bytes: &[u8]) -> Value {
    Value { digest: Digest(k1::keccak256(bytes)), bytes: bytes.into() }
}

/// One validator, its keys dealt to four operators.
struct Dealt {
    pubkey: ValidatorPubkey,
    keys: ClusterValidator,
    secret: SecretKey,
    shares: Vec<SecretKey>,
}

/// Three validators, any three shares of which suffice. Ascending by public key.
static DEALT: LazyLock<Vec<Dealt>> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut dealt: Vec<Dealt> = (0..3)
        .map(|_| {
            let secret = SecretKey::generate(&mut rng);
            let shares = split(&secret, threshold(), OPERATORS, &mut rng);
            let group = secret.public_key();
            let keys = ClusterValidator { group, shares: shares.iter().map(SecretKey::public_key).collect() };
            Dealt { pubkey: ValidatorPubkey::new(group.to_bytes()), keys, secret, shares }
        })
        .collect();
    dealt.sort_by_key(|validator| validator.pubkey);
    dealt
});

pub(crate) fn threshold() -> Threshold {
    Threshold::new(3, OPERATORS).unwrap()
}

/// The validator at `position`.
pub(crate) fn validator(position: usize) -> ValidatorPubkey {
    DEALT[position].pubkey
}

pub(crate) fn index(position: usize) -> ValidatorIndex {
    ValidatorIndex::new(40 + position as u64)
}

fn position(validator: &ValidatorPubkey) -> usize {
    DEALT.iter().position(|dealt| dealt.pubkey == *validator).unwrap()
}

/// Operator 1's view of the cluster with the first `validators` validators.
pub(crate) fn cluster(validators: usize) -> Cluster {
    Cluster {
        me: operator(1),
        operators: OPERATORS,
        threshold: threshold(),
        validators: DEALT.iter().take(validators).map(|dealt| (dealt.pubkey, dealt.keys.clone())).collect(),
    }
}

pub(crate) fn record(position: usize) -> ValidatorRecord {
    ValidatorRecord {
        pubkey: validator(position),
        index: index(position),
        active: true,
        slashed: false,
        waiting: None,
    }
}

pub(crate) fn attester(position: usize, number: u64) -> AttesterDuty {
    AttesterDuty {
        pubkey: validator(position),
        slot: slot(number),
        validator_index: index(position),
        committee_index: CommitteeIndex::new(position as u64),
        committee_length: 8,
        committees_at_slot: 4,
        position_in_committee: 2,
    }
}

/// A well-formed vote of a slot; `head` tells votes apart.
pub(crate) fn data(number: u64, head: u8) -> AttestationData {
    let target = number / SLOTS_PER_EPOCH;
    AttestationData {
        slot: slot(number),
        index: CommitteeIndex::new(0),
        beacon_block_root: Root::new([head; 32]),
        source: Checkpoint { epoch: Epoch::new(target.saturating_sub(1)), root: Root::new([2; 32]) },
        target: Checkpoint { epoch: Epoch::new(target), root: Root::new([3; 32]) },
    }
}

/// A value in which these validators cast these votes.
pub(crate) fn value_of(votes: &[(usize, AttestationData)]) -> Value {
    let agreed = |(position, data): &(usize, AttestationData)| {
        let duty = attester(*position, data.slot.get());
        (validator(*position), AgreedAttestation { data: *data, duty })
    };
    Plain.encode_value(&AgreedValue::Attestations(votes.iter().map(agreed).collect()))
}

/// The value of a leader to whom all of the first `validators` validators have a duty.
pub(crate) fn value(number: u64, head: u8, validators: usize) -> Value {
    value_of(&(0..validators).map(|position| (position, data(number, head))).collect::<Vec<_>>())
}

pub(crate) fn signing_root(data: &AttestationData) -> SigningRoot {
    vote_of(&spec(), data).unwrap().root
}

/// The signature of one share.
pub(crate) fn signature(number: u8, position: usize, data: &AttestationData) -> SignatureBytes {
    DEALT[position].shares[usize::from(number) - 1].sign(&signing_root(data)).to_bytes()
}

/// The signature that the chain takes.
pub(crate) fn group_signature(position: usize, data: &AttestationData) -> SignatureBytes {
    DEALT[position].secret.sign(&signing_root(data)).to_bytes()
}

pub(crate) fn partial(number: u8, position: usize, data: AttestationData) -> PartialAttestation {
    PartialAttestation {
        validator: validator(position),
        share: share(number),
        data,
        validator_index: index(position),
        committee_index: attester(position, data.slot.get()).committee_index,
        signature: signature(number, position, &data),
    }
}

/// What operator `number` sends for these validators.
pub(crate) fn partials(number: u8, positions: &[usize], data: AttestationData) -> Input {
    set(number, data.slot.get(), positions.iter().map(|at| partial(number, *at, data)).collect())
}

pub(crate) fn set(number: u8, of_slot: u64, partials: Vec<PartialAttestation>) -> Input {
    Input::Partials { from: operator(number), set: PartialSet { duty: duty(of_slot), partials } }
}

pub(crate) fn vote(kind: Kind, from: u8, round: u64, value: Option<&Value>) -> Vote<Digest> {
    Vote {
        kind,
        from: operator(from),
        round: Round::new(round).unwrap(),
        value: value.map(|value| value.digest),
        prepared_round: None,
        prepared_value: None,
    }
}

pub(crate) fn signed(vote: Vote<Digest>) -> Signed<Digest, Proof> {
    Signed { vote, proof: Proof(Vec::new().into()) }
}

/// A message of `from` that it delivers itself, with nothing to justify it.
pub(crate) fn says(number: u64, kind: Kind, from: u8, round: u64, value: &Value) -> Input {
    let named = (kind != Kind::RoundChange).then_some(value);
    let message = Message { signed: signed(vote(kind, from, round, named)), justification: Vec::new() };
    let values = named.cloned().into_iter().collect();
    consensus(from, ConsensusMessage { duty: duty(number), message, values })
}

pub(crate) fn consensus(via: u8, message: ConsensusMessage) -> Input {
    Input::Consensus { via: operator(via), message: verified(message) }
}

struct Believed(ConsensusMessage);

impl Verify for Believed {
    type Context = ();
    type Error = ();
    fn check(&self, (): &()) -> Result<(), ()> {
        Ok(())
    }
}

fn verified(message: ConsensusMessage) -> Verified<ConsensusMessage> {
    Unverified::new(Believed(message)).verify(&()).unwrap().map(|believed| believed.0)
}

/// Our own message as it comes back signed.
pub(crate) fn comes_back(draft: &ConsensusDraft) -> Input {
    let ConsensusDraft { duty, draft, values } = draft.clone();
    let message = Message { signed: signed(draft.vote), justification: draft.justification };
    consensus(1, ConsensusMessage { duty, message, values })
}

/// What our signer answers when it refuses nothing.
pub(crate) fn sign(request: &SignRequest) -> SignReply {
    let signed = |(validator, vote): &(ValidatorPubkey, hearth_types::Vote)| {
        let signature = DEALT[position(validator)].shares[0].sign(&vote.root).to_bytes();
        (*validator, Ok(signature))
    };
    SignReply { duty: request.duty, signatures: request.votes.iter().map(signed).collect() }
}

pub(crate) fn combine(Combination { duty, job }: &Combination) -> Input {
    let outcome = complete_slot(job, &mut ChaCha20Rng::seed_from_u64(3));
    Input::Combined { duty: *duty, outcome }
}

/// Operator 1 at work. Its clock moves only when told to.
pub(crate) struct Operator {
    pub(crate) workflow: Workflow<Plain>,
    pub(crate) now: UnixMillis,
}

impl Operator {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self { workflow: Workflow::new(cluster, spec(), Plain), now: spec().genesis_time }
    }

    /// An operator at the moment when the duty of `number` is due for all of its first `validators` validators; the
    /// duty has begun and nothing was heard of it.
    pub(crate) fn on_duty(number: u64, validators: usize) -> Self {
        let mut operator = Self::new(cluster(validators));
        operator.knows_duties(number, validators);
        operator.begin(number);
        operator
    }

    pub(crate) fn knows_duties(&mut self, number: u64, validators: usize) {
        let _asked = self.start_slot(number);
        let _asked = self.hear(ChainReply::Validators(Ok((0..validators).map(record).collect())));
        let epoch = spec().epoch_of(slot(number));
        let duties = Ok((0..validators).map(|position| attester(position, number)).collect());
        let _planned = self.hear(ChainReply::AttesterDuties { epoch, duties });
    }

    /// One step, and what follows when our signer has nothing against what it is asked about.
    pub(crate) fn step(&mut self, input: Input) -> Vec<Output> {
        let outputs = self.one_step(input);
        let checks: Vec<Input> = checks(&outputs).iter().map(|check| objects(check, &[])).collect();
        outputs.into_iter().chain(checks.into_iter().flat_map(|check| self.one_step(check))).collect()
    }

    pub(crate) fn one_step(&mut self, input: Input) -> Vec<Output> {
        self.workflow.step(self.now, input)
    }

    pub(crate) fn hear(&mut self, reply: ChainReply) -> Vec<Output> {
        self.step(Input::Chain(reply))
    }

    pub(crate) fn ring(&mut self, alarm: Alarm) -> Vec<Output> {
        self.step(Input::Alarm(alarm))
    }

    pub(crate) fn start_slot(&mut self, number: u64) -> Vec<Output> {
        self.now = spec().slot_start(slot(number));
        self.ring(Alarm::SlotStart(slot(number)))
    }

    pub(crate) fn begin(&mut self, number: u64) -> Vec<Output> {
        self.now = spec().attestation_due(slot(number));
        self.ring(Alarm::Due(duty(number)))
    }

    /// The other three say that they are committed to `value`.
    pub(crate) fn decide(&mut self, number: u64, value: &Value) -> Vec<Output> {
        (2..=OPERATORS).flat_map(|from| self.step(says(number, Kind::Commit, from, 1, value))).collect()
    }

    /// The cluster decides, and our signer signs.
    pub(crate) fn decide_and_sign(&mut self, number: u64, value: &Value) -> Vec<Output> {
        let mut outputs = self.decide(number, value);
        for request in requests(&outputs) {
            outputs.extend(self.step(Input::Signed(sign(&request))));
        }
        outputs
    }

    /// Carries out every combination that the outputs ask for, and those that follow from it.
    pub(crate) fn combine_all(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        let (mut all, mut fresh) = (Vec::new(), outputs);
        for _ in 0..100 {
            let answers: Vec<Input> = fresh.iter().filter_map(combination).map(combine).collect();
            all.append(&mut fresh);
            if answers.is_empty() {
                return all;
            }
            fresh = answers.into_iter().flat_map(|answer| self.step(answer)).collect();
        }
        panic!("combinations without end")
    }

    /// The beacon node takes `validators` attestations.
    pub(crate) fn taken(&mut self, number: u64, validators: usize) -> Vec<Output> {
        self.hear(ChainReply::Submitted { slot: slot(number), validators, outcome: Ok(()) })
    }

    /// The last word one slot after the duty was due.
    pub(crate) fn verdict(&mut self, number: u64) -> (Option<Failure>, Vec<ShareIndex>) {
        self.now = spec().attestation_due(slot(number + 1));
        let outputs = self.ring(Alarm::Verdict(duty(number)));
        match &outputs[..] {
            [Output::Report(Report::Finished { failure, signers, .. })] => (failure.clone(), signers.clone()),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn queries(outputs: &[Output]) -> Vec<ChainQuery> {
    let query = |output: &Output| match output {
        Output::Ask(question) => Some(question.query.clone()),
        _ => None,
    };
    outputs.iter().filter_map(query).collect()
}

pub(crate) fn alarms(outputs: &[Output]) -> BTreeMap<Alarm, UnixMillis> {
    let alarm = |output: &Output| match output {
        Output::SetAlarm { at, alarm } => Some((*alarm, *at)),
        _ => None,
    };
    outputs.iter().filter_map(alarm).collect()
}

pub(crate) fn drafts(outputs: &[Output]) -> Vec<ConsensusDraft> {
    let draft = |output: &Output| match output {
        Output::SendConsensus(draft) => Some(draft.clone()),
        _ => None,
    };
    outputs.iter().filter_map(draft).collect()
}

/// What is sent to the other operators, by kind.
pub(crate) fn said(outputs: &[Output]) -> Vec<Kind> {
    drafts(outputs).iter().map(|draft| draft.draft.vote.kind).collect()
}

pub(crate) fn requests(outputs: &[Output]) -> Vec<SignRequest> {
    let request = |output: &Output| match output {
        Output::Sign(request) => Some(request.clone()),
        _ => None,
    };
    outputs.iter().filter_map(request).collect()
}

pub(crate) fn checks(outputs: &[Output]) -> Vec<SignRequest> {
    let check = |output: &Output| match output {
        Output::Check(request) => Some(request.clone()),
        _ => None,
    };
    outputs.iter().filter_map(check).collect()
}

/// What our signer answers that has something against the votes of these validators, slashable or not.
pub(crate) fn objects(request: &SignRequest, against: &[(usize, bool)]) -> Input {
    let objections = against.iter().map(|(position, slashable)| Objection {
        validator: validator(*position),
        slashable: *slashable,
        reason: "on record".into(),
    });
    let (duty, asked) = (request.duty, request.votes.len());
    Input::Checked(CheckReply { duty, asked, objections: objections.collect() })
}

/// Whose proposals were not supported, and why.
pub(crate) fn withheld(outputs: &[Output]) -> Vec<(u8, &str)> {
    let withheld = |output| match output {
        &Output::Report(Report::Withheld { leader, ref reason, .. }) => {
            Some((leader.share().get(), reason.as_str()))
        }
        _ => None,
    };
    outputs.iter().filter_map(withheld).collect()
}

pub(crate) fn combination(output: &Output) -> Option<&Combination> {
    match output {
        Output::Combine(combination) => Some(combination),
        _ => None,
    }
}

pub(crate) fn jobs(outputs: &[Output]) -> Vec<&SlotJob> {
    outputs.iter().filter_map(combination).map(|combination| &combination.job).collect()
}

/// Shares whose partial signatures a combination uses for its first validator.
pub(crate) fn shares_of(job: &SlotJob) -> Vec<u8> {
    job.validators[0].partials.iter().map(|partial| partial.share.get()).collect()
}

pub(crate) fn submissions(outputs: &[Output]) -> Vec<SingleAttestation> {
    let submitted = |query| match query {
        ChainQuery::SubmitAttestations { attestations, .. } => attestations,
        _ => Vec::new(),
    };
    queries(outputs).into_iter().flat_map(submitted).collect()
}

/// Who is named, and for what.
pub(crate) fn blamed(outputs: &[Output]) -> Vec<(u8, &str)> {
    let blame = |output| match output {
        &Output::Report(Report::Misbehaved { operator, ref reason }) => {
            Some((operator.share().get(), reason.as_str()))
        }
        _ => None,
    };
    outputs.iter().filter_map(blame).collect()
}

/// What was not signed, and why.
pub(crate) fn refused(outputs: &[Output]) -> Vec<(ValidatorPubkey, &str)> {
    let refusal = |output| match output {
        &Output::Report(Report::Refused { validator, ref reason, .. }) => Some((validator, reason.as_str())),
        _ => None,
    };
    outputs.iter().filter_map(refusal).collect()
}
