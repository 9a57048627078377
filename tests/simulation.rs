//! Clusters on virtual time: seeded faults outside, the real brain, signer and codec inside.
//!
//! Safety is asserted throughout, liveness once the faults have healed. A failure names its seed.

use std::collections::BTreeSet;

use hearth_duties::Report;
use hearth_sim::world::{Behaviour, Disturbance, World};

/// How many seeds each story is told with; more with `HEARTH_SEEDS`.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    0..std::env::var("HEARTH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}

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
        world.disturb(0..5, Disturbance::LossPercent(10));
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
    world.run_until(6);
    assert_safe(&world);
    world.assert_every_attestation_included(0..=4);
    let late = |report: &Report| matches!(report, Report::Decided { round, .. } if round.get() > 1);
    assert!(!world.reports().iter().any(|(_, report)| late(report)));
}

#[test]
fn one_byzantine_operator_of_four_neither_stops_nor_splits_the_cluster() {
    for behaviour in [Behaviour::Mute, Behaviour::Equivocator, Behaviour::Replayer, Behaviour::Forger] {
        for seed in seeds(8) {
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
