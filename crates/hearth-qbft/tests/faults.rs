//! What one instance does with each kind of misbehaviour, and the rules that need a named example.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{at, change, cluster_of, each, message, round, signed, vote};
use hearth_qbft::{Arming, Config, Draft, Input, Kind, Message, Output, Qbft, Round, Timer, Vote};

use Kind::{Commit, Decided, PrePrepare, Prepare};

const A: u64 = 0xa;
const B: u64 = 0xb;
const OWN: u64 = 0xc;
const NONE: (u64, u64) = (0, 0);

type Instance = Qbft<u64, ()>;
type Outputs = Vec<Output<u64, ()>>;

// Audit findings, by their number in the list of faults.

/// Fault 17.
#[test]
fn a_leader_that_proposes_twice_gets_one_prepare() {
    let mut instance = running();
    assert_eq!(said(&receive(&mut instance, vote(PrePrepare, 2, 1, A), &[])), [vote(Prepare, 0, 1, A)]);
    assert_eq!(receive(&mut instance, vote(PrePrepare, 2, 1, B), &[]), []);
    assert_eq!(receive(&mut instance, vote(PrePrepare, 2, 1, A), &[]), []);
}

/// Fault 17, where the proposal itself moves the instance to its round.
#[test]
fn a_leader_that_proposes_twice_for_a_later_round_gets_one_prepare() {
    let mut instance = running();
    let grounds = [1, 2, 3].map(|from| change(from, 2, NONE));
    let outputs = receive(&mut instance, vote(PrePrepare, 3, 2, A), &grounds);
    assert_eq!(said(&outputs), [vote(Prepare, 0, 2, A)]);
    assert_eq!(receive(&mut instance, vote(PrePrepare, 3, 2, B), &grounds), []);
}

/// Fault 18.
#[test]
fn the_zero_value_is_neither_prepared_nor_decided() {
    let mut instance = running();
    assert_eq!(receive(&mut instance, vote(PrePrepare, 2, 1, 0), &[]), []);
    for kind in [Prepare, Commit] {
        for from in 0..4 {
            assert_eq!(receive(&mut instance, vote(kind, from, 1, 0), &[]), []);
        }
    }
    assert_eq!(receive(&mut instance, vote(Decided, 1, 1, 0), &each(Commit, &[1, 2, 3], 1, 0)), []);
    assert_eq!(receive(&mut instance, change(1, 2, (1, 0)), &each(Prepare, &[1, 2, 3], 1, 0)), []);
    let outputs = instance.step(Input::TimedOut(timer(1, Arming::First)));
    assert_eq!(said(&outputs), [change(0, 2, NONE)]);
    assert_eq!(instance.decided(), None);
}

/// Fault 19. Votes of another duty or cluster never get here; those of another round do.
#[test]
fn votes_of_one_round_justify_nothing_in_another() {
    let mut instance = running();
    let earlier = [1, 2, 3].map(|from| change(from, 2, NONE));
    assert_eq!(receive(&mut instance, vote(PrePrepare, 0, 3, A), &earlier), []);
    assert_eq!(receive(&mut instance, vote(Decided, 1, 2, A), &each(Commit, &[1, 2, 3], 1, A)), []);
    assert_eq!(receive(&mut instance, change(1, 3, (2, A)), &each(Prepare, &[1, 2, 3], 1, A)), []);
    assert_eq!((instance.round(), instance.decided()), (Round::FIRST, None));
}

/// Fault 20. Whether a vote is its author's is checked before; whether he is one of us is held here, too.
#[test]
fn votes_of_strangers_do_not_count() {
    let mut instance = running();
    for stranger in [4, 5, 253] {
        assert_eq!(receive(&mut instance, vote(Prepare, stranger, 1, A), &[]), []);
        assert_eq!(receive(&mut instance, vote(Commit, stranger, 1, A), &[]), []);
        assert_eq!(receive(&mut instance, change(stranger, 5, NONE), &[]), []);
    }
    assert_eq!(receive(&mut instance, vote(Decided, 1, 1, A), &each(Commit, &[1, 4, 5], 1, A)), []);
    assert_eq!((instance.round(), instance.decided()), (Round::FIRST, None));
}

/// Fault 21.
#[test]
fn commits_of_mixed_rounds_or_values_or_of_one_author_do_not_decide() {
    for (name, commits) in [
        ("values", [vote(Commit, 1, 1, A), vote(Commit, 2, 1, A), vote(Commit, 3, 1, B)]),
        ("rounds", [vote(Commit, 1, 1, A), vote(Commit, 2, 1, A), vote(Commit, 3, 2, A)]),
        ("one author", [vote(Commit, 1, 1, A), vote(Commit, 2, 1, A), vote(Commit, 2, 1, A)]),
        ("not commits", [vote(Commit, 1, 1, A), vote(Commit, 2, 1, A), vote(Prepare, 3, 1, A)]),
    ] {
        let mut one_by_one = running();
        for commit in commits {
            let _outputs = receive(&mut one_by_one, commit, &[]);
        }
        assert_eq!(one_by_one.decided(), None, "{name}, one by one");

        let mut at_once = running();
        assert_eq!(receive(&mut at_once, vote(Decided, 1, 1, A), &commits), [], "{name}, within a DECIDED");
        assert_eq!(at_once.decided(), None, "{name}, within a DECIDED");
    }
}

/// Fault 22.
#[test]
fn huge_rounds_cost_bounded_memory_and_move_nobody_alone() {
    let mut instance = running();
    let size = |instance: &Instance| format!("{instance:?}").len();
    let mut after_a_hundred = 0;
    for n in 0..2_000 {
        assert_eq!(receive(&mut instance, change(1, (1 << 63) + n, NONE), &[]), []);
        assert_eq!(receive(&mut instance, vote(Prepare, 1, u64::MAX - n, A), &[]), []);
        assert_eq!(receive(&mut instance, vote(Commit, 1, (1 << 63) - 1 - n, A), &[]), []);
        if n == 100 {
            after_a_hundred = size(&instance);
        }
    }
    assert!(size(&instance) < after_a_hundred + after_a_hundred / 10, "more votes cost more memory");
    assert_eq!(instance.round(), Round::FIRST);

    let outputs = receive(&mut instance, change(2, 3, NONE), &[]);
    assert_eq!(
        said(&outputs),
        [change(0, 3, NONE)],
        "the lower of two rounds is the correct operator's at most"
    );
}

/// Fault 22: the last round that a number can name has no next one.
#[test]
fn the_last_round_is_never_left() {
    let mut instance = running();
    let _outputs = receive(&mut instance, change(1, u64::MAX, NONE), &[]);
    let outputs = receive(&mut instance, change(2, u64::MAX, NONE), &[]);
    assert_eq!(outputs.first(), Some(&Output::StartTimer(timer(u64::MAX, Arming::First))));
    assert_eq!(instance.step(Input::TimedOut(timer(u64::MAX, Arming::First))), []);
    assert_eq!(instance.round().get(), u64::MAX);
}

/// Fault 23. What the prepared value stands for may be missing; that is no reason to propose another.
#[test]
fn a_leader_that_knows_of_a_prepared_value_never_proposes_its_own() {
    for (name, own_value_first) in [("own value known before", true), ("own value known after", false)] {
        let mut instance = running();
        let mut outputs = Vec::new();
        if own_value_first {
            outputs.extend(instance.step(Input::Propose(OWN)));
        }
        outputs.extend(receive(&mut instance, change(1, 3, (1, A)), &each(Prepare, &[1, 2, 3], 1, A)));
        outputs.extend(receive(&mut instance, change(2, 3, NONE), &[]));
        outputs.extend(receive(&mut instance, change(0, 3, NONE), &[]));
        if !own_value_first {
            outputs.extend(instance.step(Input::Propose(OWN)));
        }
        let proposals: Vec<_> = drafts(&outputs).filter(|draft| draft.vote.kind == PrePrepare).collect();
        assert_eq!(proposals.len(), 1, "{name}");
        assert_eq!(proposals[0].vote, vote(PrePrepare, 0, 3, A), "{name}");
        assert_eq!(proposals[0].justification.len(), 6, "{name}");
    }
}

/// Fault 24 to 26: objecting is dropping the PREPARE. The others still decide, and this operator with them.
#[test]
fn an_operator_that_withholds_its_prepare_follows_the_others() {
    let mut instance = running();
    let _withheld = receive(&mut instance, vote(PrePrepare, 2, 1, A), &[]);
    for from in [1, 2] {
        assert_eq!(receive(&mut instance, vote(Prepare, from, 1, A), &[]), []);
    }
    let outputs = receive(&mut instance, vote(Prepare, 3, 1, A), &[]);
    assert_eq!(said(&outputs), [vote(Commit, 0, 1, A)]);
}

// Proposing.

#[test]
fn the_first_leader_proposes_as_soon_as_it_has_started_and_knows_its_value() {
    let config = Config { me: at(2), ..cluster_of(4) };
    let proposal = vote(PrePrepare, 2, 1, OWN);
    for (name, first, second) in
        [("value first", Input::Propose(OWN), Input::Start), ("start first", Input::Start, Input::Propose(OWN))]
    {
        let mut instance = Instance::new(config);
        let mut outputs = instance.step(first);
        outputs.extend(instance.step(second));
        assert_eq!(said(&outputs), [proposal], "{name}");
        assert!(outputs.contains(&Output::StartTimer(timer(1, Arming::First))), "{name}");
        assert_eq!(instance.step(Input::Propose(B)), [], "{name}: a second value");
        assert_eq!(instance.step(Input::Start), [], "{name}: a second start");
    }
}

#[test]
fn a_leader_proposes_once_a_round_whatever_round_changes_say() {
    let mut instance = Instance::new(Config { me: at(2), ..cluster_of(4) });
    let _value = instance.step(Input::Propose(OWN));
    let _proposal = instance.step(Input::Start);
    for from in [0, 1, 3] {
        assert_eq!(receive(&mut instance, change(from, 1, NONE), &[]), [], "round changes for round 1");
    }
}

#[test]
fn a_right_to_propose_ends_with_its_round() {
    let mut instance = running();
    for from in [1, 2, 0] {
        let _outputs = receive(&mut instance, change(from, 3, NONE), &[]);
    }
    assert_eq!(instance.round(), round(3), "operator 0 leads round 3 and has nothing to propose");
    let _outputs = instance.step(Input::TimedOut(timer(3, Arming::First)));
    assert_eq!(instance.step(Input::Propose(OWN)), []);
}

#[test]
fn a_leader_leaves_a_prepared_round_change_out_when_a_quorum_prepared_nothing() {
    let mut instance = running();
    let _value = instance.step(Input::Propose(OWN));
    let _outputs = receive(&mut instance, change(1, 3, NONE), &[]);
    let _outputs = receive(&mut instance, change(2, 3, NONE), &[]);
    // Its PREPAREs are two short of what a claim needs, so that only the null quorum can justify anything.
    let stray = message(vote(Prepare, 3, 1, A), &[change(3, 3, (1, A))]);
    let _outputs = instance.step(Input::Received(stray));
    let outputs = receive(&mut instance, change(0, 3, NONE), &[]);
    let proposal = drafts(&outputs).next().unwrap();
    let authors: Vec<_> = proposal.justification.iter().map(|signed| signed.vote.from.position()).collect();
    assert_eq!((proposal.vote, authors), (vote(PrePrepare, 0, 3, OWN), vec![1, 2, 0]));
}

// Changing rounds.

#[test]
fn a_prepared_value_is_reported_in_every_later_round() {
    let mut instance = running();
    for from in [1, 2, 3] {
        let _outputs = receive(&mut instance, vote(Prepare, from, 1, A), &[]);
    }
    for number in [1, 2, 3] {
        let outputs = instance.step(Input::TimedOut(timer(number, Arming::First)));
        let draft = drafts(&outputs).next().unwrap();
        assert_eq!(draft.vote, change(0, number + 1, (1, A)));
        assert_eq!(
            draft.justification,
            each(Prepare, &[1, 2, 3], 1, A).into_iter().map(signed).collect::<Vec<_>>()
        );
    }
}

#[test]
fn only_the_timer_that_was_armed_last_ends_a_round() {
    let mut instance = running();
    assert_eq!(instance.step(Input::TimedOut(timer(2, Arming::First))), []);
    assert_eq!(instance.step(Input::TimedOut(timer(1, Arming::Again))), []);
    let outputs = receive(&mut instance, vote(PrePrepare, 2, 1, A), &[]);
    assert_eq!(outputs.first(), Some(&Output::StartTimer(timer(1, Arming::Again))));
    assert_eq!(instance.step(Input::TimedOut(timer(1, Arming::First))), [], "replaced");
    let outputs = instance.step(Input::TimedOut(timer(1, Arming::Again)));
    assert_eq!(outputs.first(), Some(&Output::StartTimer(timer(2, Arming::First))));
    assert_eq!(instance.step(Input::TimedOut(timer(1, Arming::Again))), [], "of a round already left");
}

#[test]
fn a_round_entered_by_a_jump_has_the_first_deadline() {
    let mut instance = running();
    let grounds = [1, 2, 3].map(|from| change(from, 6, NONE));
    let outputs = receive(&mut instance, vote(PrePrepare, 3, 6, A), &grounds);
    assert_eq!(outputs.first(), Some(&Output::StartTimer(timer(6, Arming::First))));
}

#[test]
fn one_faulty_operator_more_than_tolerated_moves_the_rest() {
    for (operators, needed) in [(3, 1), (4, 2), (6, 2), (7, 3), (10, 4)] {
        let mut instance = Instance::new(cluster_of(operators));
        let _started = instance.step(Input::Start);
        for from in 1..needed {
            assert_eq!(receive(&mut instance, change(from, 9, NONE), &[]), [], "{operators} operators");
        }
        let outputs = receive(&mut instance, change(needed, 5, NONE), &[]);
        assert_eq!(said(&outputs), [change(0, 5, NONE)], "{operators} operators");
    }
}

#[test]
fn prepares_that_came_early_count_when_their_round_begins() {
    let mut instance = running();
    for from in [1, 2, 3] {
        assert_eq!(receive(&mut instance, vote(Prepare, from, 2, A), &[]), []);
    }
    let outputs = instance.step(Input::TimedOut(timer(1, Arming::First)));
    assert_eq!(said(&outputs), [change(0, 2, NONE), vote(Commit, 0, 2, A)]);
    let outputs = instance.step(Input::TimedOut(timer(2, Arming::First)));
    assert_eq!(said(&outputs), [change(0, 3, (2, A))]);
}

#[test]
fn a_proposal_does_not_touch_what_was_prepared() {
    let mut instance = running();
    for from in [1, 2, 3] {
        let _outputs = receive(&mut instance, vote(Prepare, from, 1, A), &[]);
    }
    let grounds = [1, 2, 3].map(|from| change(from, 2, NONE));
    let outputs = receive(&mut instance, vote(PrePrepare, 3, 2, B), &grounds);
    assert_eq!(said(&outputs), [vote(Prepare, 0, 2, B)]);
    let outputs = instance.step(Input::TimedOut(timer(2, Arming::First)));
    assert_eq!(said(&outputs), [change(0, 3, (1, A))]);
}

// Deciding.

#[test]
fn commits_decide_in_whatever_round_their_reader_is() {
    for (name, number) in [("a round already left", 1), ("the round at hand", 2), ("a round to come", 9)] {
        let mut instance = running();
        let _second_round = instance.step(Input::TimedOut(timer(1, Arming::First)));
        for from in [1, 2] {
            assert_eq!(receive(&mut instance, vote(Commit, from, number, A), &[]), [], "{name}");
        }
        let outputs = receive(&mut instance, vote(Commit, 3, number, A), &[]);
        assert_eq!(outputs, [Output::Decide { round: round(number), value: A }], "{name}");
        assert_eq!(instance.decided(), Some((round(number), A)), "{name}");
    }
}

#[test]
fn what_arrived_before_the_start_counts_from_the_start() {
    let mut instance = Instance::new(cluster_of(4));
    assert_eq!(receive(&mut instance, vote(PrePrepare, 2, 1, A), &[]), []);
    for kind in [Prepare, Commit] {
        for from in [1, 2, 3] {
            assert_eq!(receive(&mut instance, vote(kind, from, 1, A), &[]), []);
        }
    }
    let outputs = instance.step(Input::Start);
    assert_eq!(said(&outputs), [vote(Prepare, 0, 1, A), vote(Commit, 0, 1, A)]);
    assert_eq!(outputs.last(), Some(&Output::Decide { round: Round::FIRST, value: A }));
}

#[test]
fn a_decision_is_final_and_silent() {
    let mut instance = decided();
    let other = each(Commit, &[0, 1, 2, 3], 2, B);
    for commit in other.clone() {
        assert_eq!(receive(&mut instance, commit, &[]), []);
    }
    assert_eq!(receive(&mut instance, vote(Decided, 1, 2, B), &other), []);
    assert_eq!(receive(&mut instance, vote(PrePrepare, 2, 1, B), &[]), []);
    assert_eq!(instance.step(Input::TimedOut(timer(1, Arming::First))), []);
    assert_eq!(instance.step(Input::Propose(OWN)), []);
    assert_eq!(instance.decided(), Some((Round::FIRST, A)));
}

#[test]
fn who_is_late_is_told_the_decision_once_a_round() {
    let mut instance = decided();
    let answers = |instance: &mut Instance, vote, because: &[Vote<u64>]| receive(instance, vote, because);
    let told = answers(&mut instance, change(1, 2, NONE), &[]);
    assert_eq!(said(&told), [vote(Decided, 0, 1, A)]);
    let quorum = &drafts(&told).next().unwrap().justification;
    assert_eq!(*quorum, each(Commit, &[1, 2, 3], 1, A).into_iter().map(signed).collect::<Vec<_>>());

    assert_eq!(answers(&mut instance, change(1, 2, NONE), &[]), [], "the same round");
    assert_eq!(answers(&mut instance, change(1, 1, NONE), &[]), [], "a lower round");
    assert_eq!(answers(&mut instance, change(0, 2, NONE), &[]), [], "our own");
    assert_eq!(answers(&mut instance, vote(Prepare, 2, 2, A), &[]), [], "another kind");
    assert_eq!(answers(&mut instance, change(3, 7, (5, B)), &[]).len(), 1, "justified or not");
    assert_eq!(answers(&mut instance, change(1, 3, NONE), &[]).len(), 1, "a higher round");
    assert_eq!(answers(&mut instance, change(2, 2, NONE), &[]).len(), 1, "another author");
}

#[test]
fn one_author_gets_sixteen_answers() {
    let mut instance = decided();
    let mut answers = |from| {
        (2..100).filter(|&number| !receive(&mut instance, change(from, number, NONE), &[]).is_empty()).count()
    };
    assert_eq!([answers(1), answers(1), answers(2)], [16, 0, 16]);
}

fn running() -> Instance {
    let mut instance = Instance::new(cluster_of(4));
    assert_eq!(instance.step(Input::Start), [Output::StartTimer(timer(1, Arming::First))]);
    instance
}

fn decided() -> Instance {
    let mut instance = running();
    for from in [1, 2, 3] {
        let _outputs = receive(&mut instance, vote(Commit, from, 1, A), &[]);
    }
    assert!(instance.decided().is_some());
    instance
}

fn receive(instance: &mut Instance, vote: Vote<u64>, because: &[Vote<u64>]) -> Outputs {
    let message: Message<u64, ()> = message(vote, because);
    instance.step(Input::Received(message))
}

fn timer(number: u64, arming: Arming) -> Timer {
    Timer { round: round(number), arming }
}

fn drafts(outputs: &Outputs) -> impl Iterator<Item = &Draft<u64, ()>> {
    outputs.iter().filter_map(|output| match output {
        Output::Broadcast(draft) => Some(draft),
        Output::StartTimer(_) | Output::Decide { .. } => None,
    })
}

fn said(outputs: &Outputs) -> Vec<Vote<u64>> {
    drafts(outputs).map(|draft| draft.vote).collect()
}
