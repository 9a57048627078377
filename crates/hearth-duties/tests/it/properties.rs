//! Whatever happens, in whatever order and however often.

use std::collections::BTreeMap;

use hearth_crypto::SlotOutcome;
use hearth_duties::{
    Alarm, Arming, ChainFailure, ChainQuery, ChainReply, ConsensusDraft, Input, Output, PartialAttestation,
    Report, Round, SignReply, SignRequest, Timer, ValidatorRecord, Value,
};
use hearth_qbft::Kind;
use hearth_types::{CommitteeIndex, Epoch, SignatureBytes, SigningRoot, Slot, ValidatorPubkey};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{
    Operator, attester, cluster, comes_back, data, duty, group_signature, index, partials, raw_value, record,
    says, set, share, sign, slot, spec, validator, value, value_of,
};

/// Slots that the sequences play in, few so that much happens in each: one in each of two epochs.
fn slots() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![3 => Just(9), 1 => Just(12)]
}

/// One thing that may happen, small enough to be drawn at random.
#[derive(Clone, Debug)]
enum Event {
    Wait(u64),
    SlotStart(u64),
    Due(u64),
    RoundEnd(u64, u64, bool),
    Verdict(u64),
    Expired(u64),
    Validators(u8),
    Duties(u64, u64, u8),
    Data(u64, u8),
    Vote {
        slot: u64,
        kind: Kind,
        from: u8,
        round: u64,
        value: u8,
    },
    Partials {
        slot: u64,
        from: u8,
        trick: u8,
    },
    Signed(u64, bool),
    Combined(u64, u8),
    Submitted(u64, usize),
    /// Our own message comes back: the one at this place among all that were sent.
    ComesBack(usize),
}

fn events() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        2 => Just(Kind::PrePrepare),
        2 => Just(Kind::Prepare),
        6 => Just(Kind::Commit),
        1 => Just(Kind::RoundChange),
    ];
    prop_oneof![
        1 => (0..15_000_u64).prop_map(Event::Wait),
        2 => slots().prop_map(Event::SlotStart),
        4 => slots().prop_map(Event::Due),
        1 => (slots(), 1..4_u64, any::<bool>()).prop_map(|(slot, round, again)| Event::RoundEnd(slot, round, again)),
        1 => slots().prop_map(Event::Verdict),
        1 => slots().prop_map(Event::Expired),
        1 => (0..4_u8).prop_map(Event::Validators),
        2 => (2..4_u64, slots(), 0..3_u8).prop_map(|(epoch, slot, trick)| Event::Duties(epoch, slot, trick)),
        2 => (slots(), 0..4_u8).prop_map(|(slot, head)| Event::Data(slot, head)),
        24 => (slots(), kind, 2..=4_u8, 1..3_u64, prop_oneof![9 => 0..2_u8, 1 => 2..6_u8])
            .prop_map(|(slot, kind, from, round, value)| Event::Vote { slot, kind, from, round, value }),
        6 => (slots(), 1..=5_u8, 0..6_u8).prop_map(|(slot, from, trick)| Event::Partials { slot, from, trick }),
        3 => (slots(), any::<bool>()).prop_map(|(slot, refused)| Event::Signed(slot, refused)),
        3 => (slots(), 0..4_u8).prop_map(|(slot, trick)| Event::Combined(slot, trick)),
        1 => (slots(), 0..4_usize).prop_map(|(slot, validators)| Event::Submitted(slot, validators)),
        3 => any::<usize>().prop_map(Event::ComesBack),
    ]
}

/// Values that leaders may name: two good ones, and four that are bad in their own way.
fn named(number: u64, which: u8) -> Value {
    match which {
        0 => value(number, 1, 2),
        1 => value(number, 2, 2),
        2 => value(number, 1, 1),
        3 => value(number + 1, 1, 2),
        4 => value_of(&[(0, data(number, 1)), (1, data(number, 2)), (2, data(number, 3))]),
        _ => raw_value(&[which]),
    }
}

fn records(trick: u8) -> Result<Vec<ValidatorRecord>, ChainFailure> {
    match trick {
        0 => Err(ChainFailure::Unreachable("connection refused".into())),
        1 => Ok(vec![]),
        2 => Ok(vec![record(0), ValidatorRecord { slashed: true, ..record(1) }]),
        _ => Ok(vec![record(0), record(1)]),
    }
}

/// Whether signatures are good is not what these sequences are about, and good ones take long to make.
const NO_SIGNATURE: SignatureBytes = SignatureBytes::new([0xab; 96]);

fn unsigned(position: usize) -> PartialAttestation {
    PartialAttestation {
        validator: validator(position),
        share: share(1),
        data: data(0, 0),
        validator_index: index(position),
        committee_index: CommitteeIndex::new(0),
        signature: NO_SIGNATURE,
    }
}

fn some_partials(number: u64, from: u8, trick: u8) -> Input {
    let of = |position, data| PartialAttestation { share: share(from), data, ..unsigned(position) };
    let good = of(0, data(number, 1));
    let sent: Vec<PartialAttestation> = match trick {
        0 => vec![good],
        1 => vec![good, of(1, data(number, 1))],
        2 => vec![of(0, data(number, 2))],
        3 => vec![PartialAttestation { share: share(3), ..good }],
        4 => vec![PartialAttestation { validator: ValidatorPubkey::new([1; 48]), ..good }, good],
        _ => vec![PartialAttestation { data: data(number + 1, 1), ..good }],
    };
    set(from, number, sent)
}

fn input(event: Event, operator: &mut Operator, asked: &[SignRequest], sent: &[Output]) -> Option<Input> {
    Some(match event {
        Event::Wait(ms) => {
            operator.now = operator.now.saturating_add(ms);
            return None;
        }
        Event::SlotStart(number) => {
            // Clocks are set, too.
            operator.now = spec().slot_start(slot(number));
            Input::Alarm(Alarm::SlotStart(slot(number)))
        }
        Event::Due(number) => Input::Alarm(Alarm::Due(duty(number))),
        Event::RoundEnd(number, round, again) => {
            let arming = if again { Arming::Again } else { Arming::First };
            Input::Alarm(Alarm::RoundEnd(duty(number), Timer { round: Round::new(round)?, arming }))
        }
        Event::Verdict(number) => Input::Alarm(Alarm::Verdict(duty(number))),
        Event::Expired(number) => Input::Alarm(Alarm::Expired(duty(number))),
        Event::Validators(trick) => Input::Chain(ChainReply::Validators(records(trick))),
        Event::Duties(epoch, number, trick) => {
            let duties = match trick {
                0 => Err(ChainFailure::Refused("no".into())),
                1 => Ok(vec![attester(0, number), attester(2, number)]),
                _ => Ok(vec![attester(0, number), attester(1, number)]),
            };
            Input::Chain(ChainReply::AttesterDuties { epoch: Epoch::new(epoch), duties })
        }
        Event::Data(number, head) => {
            let data = match head {
                0 => Err(ChainFailure::Refused("no".into())),
                1 => Ok(data(number + 1, 1)),
                head => Ok(data(number, head)),
            };
            Input::Chain(ChainReply::AttestationData { slot: slot(number), data })
        }
        Event::Vote { slot, kind, from, round, value } => says(slot, kind, from, round, &named(slot, value)),
        Event::Partials { slot, from, trick } => some_partials(slot, from, trick),
        Event::Signed(number, refused) => {
            let request = asked.iter().find(|request| request.duty == duty(number))?;
            let answer = |(key, _): &_| (*key, if refused { Err("no".into()) } else { Ok(NO_SIGNATURE) });
            let signatures = request.votes.iter().map(answer).collect();
            Input::Signed(SignReply { duty: request.duty, signatures })
        }
        Event::Combined(number, trick) => {
            let whole = Some(NO_SIGNATURE);
            let (signatures, invalid) = match trick {
                0 => (vec![whole, whole], vec![]),
                1 => (vec![None, whole], vec![(0, share(2))]),
                2 => (vec![], vec![(9, share(9))]),
                _ => (vec![None; 3], vec![]),
            };
            Input::Combined { duty: duty(number), outcome: SlotOutcome { signatures, invalid } }
        }
        Event::Submitted(number, validators) => {
            let outcome = if validators == 0 { Err(ChainFailure::Refused("no".into())) } else { Ok(()) };
            Input::Chain(ChainReply::Submitted { slot: slot(number), validators, outcome })
        }
        Event::ComesBack(place) => {
            let drafts: Vec<_> = sent
                .iter()
                .filter_map(|output| match output {
                    Output::SendConsensus(draft) => Some(draft),
                    _ => None,
                })
                .collect();
            comes_back(drafts.get(place.checked_rem(drafts.len())?)?)
        }
    })
}

/// An operator that knows the duties of both its validators in both epochs.
fn knowing() -> Operator {
    let mut operator = Operator::new(cluster(2));
    let _ = operator.start_slot(8);
    let _ = operator.hear(ChainReply::Validators(records(3)));
    for (epoch, duties) in
        [(2, vec![attester(0, 9), attester(1, 9)]), (3, vec![attester(0, 12), attester(1, 12)])]
    {
        let _ = operator.hear(ChainReply::AttesterDuties { epoch: Epoch::new(epoch), duties: Ok(duties) });
    }
    operator
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_sequence_panics_or_asks_to_sign_two_votes_of_one_validator_in_one_slot(
        events in vec(events(), 1..160),
    ) {
        let mut operator = knowing();
        let mut asked: Vec<SignRequest> = Vec::new();
        let mut all: Vec<Output> = Vec::new();
        let mut votes: BTreeMap<(ValidatorPubkey, Slot), SigningRoot> = BTreeMap::new();
        for event in events {
            let Some(input) = input(event, &mut operator, &asked, &all) else { continue };
            let outputs = operator.step(input);
            for output in &outputs {
                match output {
                    Output::Sign(request) => {
                        for (key, vote) in &request.votes {
                            prop_assert!([validator(0), validator(1)].contains(key));
                            prop_assert_eq!(vote.slot, request.duty.slot);
                            prop_assert_eq!(vote.target, spec().epoch_of(vote.slot));
                            let first = *votes.entry((*key, vote.slot)).or_insert(vote.root);
                            prop_assert_eq!(first, vote.root, "two votes in slot {}", vote.slot);
                        }
                        asked.push(request.clone());
                    }
                    Output::Report(Report::Submitted { validators, .. }) => prop_assert!(*validators < 4),
                    _ => {}
                }
            }
            all.extend(outputs);
        }
    }
}

/// Something that will reach the operator, perhaps more than once.
#[derive(Clone, Debug)]
enum Pending {
    Vote(Kind, u8),
    Partials(u8, usize),
    Due,
    Chain(ChainReply),
    Sign(SignRequest),
    ComesBack(ConsensusDraft),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_duty_is_done_in_whatever_order_and_however_often_its_messages_come(
        choices in vec((any::<prop::sample::Index>(), prop::bool::weighted(0.3)), 0..60),
    ) {
        const SLOT: u64 = 9;
        let mut operator = Operator::new(cluster(2));
        operator.knows_duties(SLOT, 2);
        let agreed = value(SLOT, 1, 2);
        let mut pending = vec![Pending::Due];
        pending.extend((2..=4).flat_map(|from| [Pending::Vote(Kind::Prepare, from), Pending::Vote(Kind::Commit, from)]));
        pending.push(Pending::Vote(Kind::PrePrepare, 2));
        pending.extend((2..=4).flat_map(|from| [Pending::Partials(from, 0), Pending::Partials(from, 1)]));
        let (mut choices, mut submitted, mut sent) = (choices.into_iter(), Vec::new(), 0);
        while !pending.is_empty() {
            let (at, again) = choices.next().map_or((0, false), |(at, again)| (at.index(pending.len()), again));
            let next = if again { pending[at].clone() } else { pending.remove(at) };
            let input = match next {
                Pending::Due => Input::Alarm(Alarm::Due(duty(SLOT))),
                Pending::Vote(kind, from) => says(SLOT, kind, from, 1, &agreed),
                Pending::Partials(from, position) => partials(from, &[position], data(SLOT, 1)),
                Pending::Chain(reply) => Input::Chain(reply),
                Pending::Sign(request) => Input::Signed(sign(&request)),
                Pending::ComesBack(draft) => comes_back(&draft),
            };
            let outputs = operator.step(input);
            for output in operator.combine_all(outputs) {
                match output {
                    Output::SendConsensus(draft) => pending.push(Pending::ComesBack(draft)),
                    Output::Sign(request) => pending.push(Pending::Sign(request)),
                    Output::SendPartials(_) => sent += 1,
                    Output::Ask(question) => match question.query {
                        ChainQuery::AttestationData { .. } => {
                            let data = Ok(data(SLOT, 5));
                            pending.push(Pending::Chain(ChainReply::AttestationData { slot: slot(SLOT), data }));
                        }
                        ChainQuery::SubmitAttestations { attestations, .. } => submitted.extend(attestations),
                        other => prop_assert!(false, "{:?}", other),
                    },
                    Output::Report(Report::Misbehaved { reason, .. }) => prop_assert!(false, "{}", reason),
                    _ => {}
                }
            }
        }
        prop_assert_eq!(sent, 1);
        submitted.sort_by_key(|attestation| attestation.attester_index);
        let indexes: Vec<_> = submitted.iter().map(|attestation| attestation.attester_index).collect();
        prop_assert_eq!(indexes, [index(0), index(1)]);
        for (position, attestation) in submitted.iter().enumerate() {
            let expected = group_signature(position, &data(SLOT, 1));
            prop_assert_eq!(attestation.signature, expected);
        }
    }
}
