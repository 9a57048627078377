//! Whole clusters on virtual time, with a network and members that misbehave. Every run is named by its seed.
//!
//! Asserted in every run: no two correct operators decide differently; what is decided was voted for by enough correct
//! operators; nobody correct ever contradicts itself or says something unjustified. Once the faults have healed,
//! every correct operator decides.
//!
//! Healing includes the villains, who fall silent a few seconds after the network is well. The timer rule leaves no
//! choice: a proposal in round `r` lets everybody wait until `2r` seconds, when rounds up to `2r` are over, too, and
//! `2r + 1` begins. Where `r + 1` is a multiple of the cluster's size, so is `2r + 2`; the same leader comes round
//! again and again. One that equivocates each time delays the duty to its deadline, though never safety.

#![allow(clippy::indexing_slicing, clippy::print_stdout, reason = "a test may fail")]

#[path = "../common/mod.rs"]
mod common;
mod villain;
mod world;

use villain::Villain;
use world::{Plan, World};

/// Sizes whose quorum, tolerance or rest by three differ.
const SIZES: [u8; 6] = [3, 4, 5, 6, 7, 10];

#[test]
fn a_quiet_cluster_decides_the_first_leaders_value_in_round_one() {
    for operators in SIZES {
        for seed in 0..20 {
            let outcome = World::new(seed, Plan::quiet(operators)).run();
            assert_eq!(outcome.rounds, [1].into(), "{operators} operators, seed {seed}");
            assert!(outcome.took_ms < 1_000, "{operators} operators, seed {seed}: {outcome:?}");
        }
    }
}

#[test]
fn no_network_makes_correct_operators_decide_differently() {
    sweep(0..400, Plan::stormy);
}

#[test]
fn no_faulty_operators_of_mixed_kinds_make_correct_operators_decide_differently() {
    sweep(0..600, |operators, seed| Plan {
        villains: Villain::gang(operators, seed),
        ..Plan::stormy(operators, seed)
    });
}

#[test]
fn equivocators_are_survived() {
    sweep_with(|| Villain::Equivocator(None));
}

#[test]
fn yes_sayers_that_vote_for_everything_are_survived() {
    sweep_with(Villain::yes_sayer);
}

#[test]
fn forgers_of_justifications_are_survived() {
    sweep_with(|| Villain::Forger);
}

#[test]
fn replayers_are_survived() {
    sweep_with(|| Villain::Replayer);
}

#[test]
fn mute_operators_are_survived() {
    sweep_with(|| Villain::Mute);
}

#[test]
fn a_cluster_at_the_edge_of_its_quorum_decides_without_those_who_stop() {
    sweep(0..150, |operators, seed| Plan { stops: Plan::spare(operators), ..Plan::stormy(operators, seed) });
}

#[test]
#[ignore = "minutes, even with --release"]
fn a_hundred_thousand_further_runs_hold_what_the_others_hold() {
    sweep(10_000..44_000, |operators, seed| Plan {
        villains: Villain::gang(operators, seed),
        ..Plan::stormy(operators, seed)
    });
}

/// As many faulty operators of one kind as the cluster tolerates.
fn sweep_with(villain: impl Fn() -> Villain) {
    sweep(0..150, |operators, seed| {
        let villains = (0..Plan::tolerated(operators)).map(|_| villain()).collect();
        Plan { villains, ..Plan::stormy(operators, seed) }
    });
}

fn sweep(seeds: std::ops::Range<u64>, plan: impl Fn(u8, u64) -> Plan) {
    let (mut runs, mut beyond_round_one, mut in_several_rounds, mut latest_ms) = (0, 0, 0, 0);
    for seed in seeds {
        for operators in SIZES.iter().skip((seed % 2) as usize).step_by(2) {
            let outcome = World::new(seed, plan(*operators, seed)).run();
            runs += 1;
            beyond_round_one += u64::from(outcome.rounds.last() != Some(&1));
            in_several_rounds += u64::from(outcome.rounds.len() > 1);
            latest_ms = latest_ms.max(outcome.after_healing_ms);
        }
    }
    println!(
        "{runs} runs: {beyond_round_one} went beyond round 1, {in_several_rounds} decided in more than one, all within \
         {latest_ms} ms of healing"
    );
    assert!(in_several_rounds > runs / 50, "too tame: hardly a decision had to be defended in a later round");
}
