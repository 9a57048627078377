//! Clusters on virtual time: seeded faults outside, the real brain, signer and codec inside.
//!
//! Safety is asserted throughout, liveness once the faults have healed. A failure names its seed.

use std::collections::BTreeSet;

use hearth_duties::Report;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use hearth_sim::world::{Behaviour, Disturbance, World};

/// How many seeds each story is told with; more with `HEARTH_SEEDS`.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    0..std::env::var("HEARTH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}

const BYZANTINE: [Behaviour; 6] = [
    Behaviour::Mute,
    Behaviour::Equivocator,
    Behaviour::Replayer,
    Behaviour::Forger,
    Behaviour::DoubleSigner,
    Behaviour::Withholder,
];

fn assert_safe(world: &World) {
    world.assert_no_slashable_pair();
    world.assert_agreement();
    world.assert_nobody_contradicts_himself();
}

#[test]
fn a_healthy_cluster_includes_every_attestation_in_the_first_round() {
    for (operators, validators) in [(3, 1), (4, 5), (7, 2)] {
        let mut world = World::seeded(1).operators(operators).validators(validators).start();
        world.run_until(9);
        assert_safe(&world);
        world.assert_every_attestation_included(0..=7);
        let late = |report: &Report| matches!(report, Report::Decided { round, .. } if round.get() > 1);
        assert!(!world.reports().iter().any(|(_, report)| late(report)), "{operators} operators");
        let blamed = |report: &Report| matches!(report, Report::Misbehaved { .. } | Report::Refused { .. });
        let blamed: Vec<_> = world.reports().iter().filter(|(_, report)| blamed(report)).collect();
        assert!(blamed.is_empty(), "nobody is blamed among the honest: {blamed:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = World::seeded(7).validators(2).start();
        world.disturb(0..4, Disturbance::LossPercent(30));
        world.run_until(6);
        format!("{:?}", world.reports())
    };
    assert_eq!(run(), run());
}

#[test]
fn a_cluster_of_four_survives_one_crash_and_a_lossy_network() {
    for seed in seeds(40) {
        let mut world = World::seeded(seed).validators(2).start();
        world.disturb(0..5, Disturbance::LossPercent(30));
        world.disturb(0..5, Disturbance::DelayUpToMs(400));
        world.disturb(0..5, Disturbance::DuplicatePercent(20));
        world.crash(3, 2..5);
        world.run_until(9);
        assert_safe(&world);
        world.assert_every_attestation_included(6..=7);
    }
}

#[test]
fn with_one_operator_down_the_cluster_keeps_attesting_and_with_two_it_stops_until_one_returns() {
    for seed in seeds(10) {
        let mut world = World::seeded(seed).validators(4).start();
        world.crash(1, 2..10);
        world.crash(2, 5..8);
        world.run_until(12);
        assert_safe(&world);
        world.assert_every_attestation_included(0..=4);
        assert_eq!(world.included(5..=7), 0, "seed {seed}: two of four cannot sign");
        world.assert_every_attestation_included(9..=10);
    }
}

#[test]
fn a_clean_split_down_the_middle_signs_nothing_and_heals() {
    for seed in seeds(10) {
        let mut world = World::seeded(seed).validators(4).start();
        world.disturb(2..5, Disturbance::Split(BTreeSet::from([1, 2])));
        world.run_until(5);
        assert_safe(&world);
        assert_eq!(world.included(2..=4), 0, "seed {seed}");
        world.run_until(8);
        assert_safe(&world);
        world.assert_every_attestation_included(6..=6);
    }
}

#[test]
fn a_one_way_deaf_pair_decides_one_value_or_none() {
    for seed in seeds(10) {
        let mut world = World::seeded(seed).validators(4).start();
        world.disturb(0..5, Disturbance::OneWay(1, 2));
        world.disturb(0..5, Disturbance::OneWay(2, 3));
        world.run_until(8);
        assert_safe(&world);
        world.assert_every_attestation_included(6..=6);
    }
}

#[test]
fn an_ocean_between_the_operators_costs_no_round() {
    let mut world = World::seeded(5).validators(4).start();
    world.disturb(0..6, Disturbance::DelayMs(117));
    world.disturb(0..6, Disturbance::DelayUpToMs(40));
    world.run_until(6);
    assert_safe(&world);
    world.assert_every_attestation_included(0..=4);
    let late = |report: &Report| matches!(report, Report::Decided { round, .. } if round.get() > 1);
    assert!(!world.reports().iter().any(|(_, report)| late(report)));
}

#[test]
fn one_byzantine_operator_of_four_neither_stops_nor_splits_the_cluster() {
    for behaviour in BYZANTINE {
        for seed in seeds(6) {
            let number = u8::try_from(seed % 4).expect("below four") + 1;
            let mut world = World::seeded(seed).validators(4).byzantine(number, behaviour).start();
            world.disturb(0..4, Disturbance::DelayUpToMs(200));
            world.run_until(8);
            assert_safe(&world);
            world.assert_every_attestation_included(4..=6);
        }
    }
}

#[test]
fn a_forger_is_named() {
    let mut world = World::seeded(3).validators(2).byzantine(1, Behaviour::Forger).start();
    world.run_until(6);
    assert_safe(&world);
    let named: BTreeSet<u8> = world
        .reports()
        .iter()
        .filter_map(|(_, report)| match report {
            Report::Misbehaved { operator, .. } => Some(operator.share().get()),
            _ => None,
        })
        .collect();
    assert_eq!(named, BTreeSet::from([1]));
}

/// Who is said to have said two things that exclude each other.
fn accused(world: &World) -> BTreeSet<u8> {
    let reports = world.reports().iter();
    let accused = reports.filter_map(|(_, report)| match report {
        Report::Equivocated { operator, .. } => Some(operator.share().get()),
        _ => None,
    });
    accused.collect()
}

#[test]
fn who_signs_two_things_for_one_duty_is_found_out_and_nobody_else_is_accused() {
    let mut world = World::seeded(5).validators(2).byzantine(2, Behaviour::DoubleSigner).start();
    world.disturb(0..4, Disturbance::LossPercent(30));
    world.run_until(8);
    assert_safe(&world);
    assert_eq!(accused(&world), BTreeSet::from([2]));
}

#[test]
fn who_keeps_his_signatures_from_one_operator_costs_no_duty_and_it_shows_there() {
    let mut world = World::seeded(5).validators(2).byzantine(1, Behaviour::Withholder).start();
    world.run_until(6);
    world.assert_every_attestation_included(0..=4);
    let lacks = |at: u8| {
        let finished = world.reports().iter().filter(move |(by, _)| by.share().get() == at);
        finished.filter(|(_, report)| {
            matches!(report, Report::Finished { signers, .. } if signers.iter().all(|share| share.get() != 1))
        })
    };
    assert!(lacks(2).count() > 0, "operator 2 sees that operator 1 signs nothing");
    assert_eq!(lacks(3).count() + lacks(4).count(), 0, "the others see him sign");
}

/// Whatever can go wrong goes wrong, as the seed has it: at most as much as a cluster of this size is to survive.
#[test]
fn random_faults_split_nothing_and_once_they_heal_every_duty_is_done() {
    for seed in seeds(40) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let operators = [4, 4, 4, 7][rng.random_range(0..4)];
        let mut world = World::seeded(seed).operators(operators).validators(rng.random_range(1..4));
        let bad = rng.random_bool(0.6).then(|| rng.random_range(1..=operators));
        if let Some(number) = bad {
            world = world.byzantine(number, BYZANTINE[rng.random_range(0..BYZANTINE.len())]);
        }
        let mut world = world.start();
        for _ in 0..rng.random_range(1..6) {
            let from = rng.random_range(0..6);
            let slots = from..rng.random_range(from + 1..=6);
            let other = |one: u8, by: u8| (one - 1 + by) % operators + 1;
            let one = rng.random_range(1..=operators);
            let disturbance = match rng.random_range(0..6) {
                0 => Disturbance::LossPercent(rng.random_range(5..60)),
                1 => Disturbance::DelayUpToMs(rng.random_range(50..3_000)),
                2 => Disturbance::DelayMs(rng.random_range(20..800)),
                3 => Disturbance::DuplicatePercent(rng.random_range(10..90)),
                4 => Disturbance::Split((1..=operators).filter(|_| rng.random_bool(0.5)).collect()),
                _ => Disturbance::OneWay(one, other(one, rng.random_range(1..operators))),
            };
            world.disturb(slots, disturbance);
        }
        for _ in 0..rng.random_range(0..6) {
            let number = rng.random_range(1..=operators);
            let (slot, after_ms) = (rng.random_range(1..6), rng.random_range(0..12_000));
            world.stumble(number, slot, after_ms, rng.random_range(20..6_000));
        }
        world.run_until(11);
        assert_safe(&world);
        world.assert_every_attestation_included(8..=9);
        let wrongly: Vec<_> = accused(&world).into_iter().filter(|number| Some(*number) != bad).collect();
        assert!(wrongly.is_empty(), "seed {seed}: {wrongly:?} are accused and {bad:?} is bad");
    }
}

#[test]
fn operators_that_die_in_the_middle_of_a_duty_and_return_never_sign_twice() {
    for seed in seeds(25) {
        let mut world = World::seeded(seed).validators(3).start();
        for slot in 1..7 {
            let number = u8::try_from((seed + slot) % 4).expect("below four") + 1;
            // Around the moment when the duty is due, decided and signed.
            world.stumble(number, slot, 4_000 + (seed * 37 + slot * 11) % 120, 50 + seed % 900);
        }
        world.disturb(0..7, Disturbance::LossPercent(10));
        world.run_until(10);
        assert_safe(&world);
        world.assert_every_attestation_included(8..=8);
    }
}

#[test]
fn whoever_is_killed_in_the_middle_of_a_consensus_and_returns_contradicts_nothing_that_it_said() {
    for seed in seeds(25) {
        let mut world = World::seeded(seed).validators(2).start();
        // Half of what is said is lost, so that rounds pass in which some have prepared a value and others have not.
        world.disturb(1..7, Disturbance::LossPercent(50));
        for slot in 1..7 {
            for number in 1..=4 {
                let after_ms = 4_000 + (seed * 977 + slot * 311 + u64::from(number) * 1_709) % 5_000;
                world.stumble(number, slot, after_ms, 20 + seed % 50);
            }
        }
        world.run_until(11);
        assert_safe(&world);
        world.assert_every_attestation_included(9..=9);
    }
}
