//! Alerts as the owner lives with them: quiet while nothing is wrong, one for each cause.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test fail as tests do"
)]

use hearth_api::{
    AlertEngine, AlertKind, BeaconState, BeaconView, ChannelKind, ChannelView, Check, ClockSource,
    ClusterStage, ClusterView, Delivery, DutyOutcome, DutyRecord, DutyStage, Effectiveness, Flame, Health,
    LeftOut, Measured, Miss, NetworkView, NodeState, NodeView, PowerSource, Publisher, Reach, SeatState,
    SeatView, Severity, Trace, Transition,
};
use hearth_types::{DutyKind, LockHash, Slot, ValidatorIndex};

const CLUSTER: LockHash = LockHash::new([7; 32]);
const SLOT_MS: u64 = 12_000;
const SLOTS_PER_EPOCH: u64 = 32;
const MINUTE: u64 = 60_000;
/// Slots of a day.
const DAY: u64 = 24 * 60 * MINUTE / SLOT_MS;

#[test]
fn a_day_with_scattered_misses_is_a_quiet_day() {
    let cases: [(&str, u64, Misses); 4] = [
        ("one validator, one duty of a hundred", 1, one_of_a_hundred),
        ("a hundred validators, one slot of a hundred", 100, one_of_a_hundred),
        ("one validator, at random", 1, at_random),
        ("a hundred validators, at random", 100, at_random),
    ];
    for (name, validators, missed) in cases {
        let mut owner = Owner::of(validators);
        for slot in 0..DAY {
            owner.live_through(slot, missed(slot / if validators == 1 { SLOTS_PER_EPOCH } else { 1 }));
        }
        assert_eq!(owner.told, [], "{name}");
    }
}

#[test]
fn an_outage_of_half_an_hour_is_raised_once_and_resolved_once_whatever_caused_it() {
    let (first, last) = (DAY / 2, DAY / 2 + 30 * MINUTE / SLOT_MS);
    let cases: [(&str, &str, Disturbance); 4] = [
        ("two operators leave", "not_signing", |view, out| dark(view, &[1, 2], out)),
        ("our connection breaks", "not_signing", |view, out| dark(view, &[1, 2, 3], out)),
        ("the beacon node stops", "no_beacon_node", |view, out| {
            view.beacons[0].state = if out { BeaconState::Silent } else { BeaconState::Ready };
        }),
        ("nobody knows why", "duties_missed", |_, _| {}),
    ];
    for validators in [1, 100] {
        for (name, code, disturb) in cases {
            let mut owner = Owner::of(validators);
            for slot in 0..DAY {
                let out = (first..last).contains(&slot);
                disturb(&mut owner.view, out);
                owner.live_through(slot, out || one_of_a_hundred(slot));
            }
            let told: Vec<_> = owner.told.iter().filter(|(what, ..)| *what != "changed").collect();
            let [("raised", raised, at), ("resolved", resolved, end)] = told[..] else {
                panic!("{name}, {validators} validators: {:?}", owner.told);
            };
            assert_eq!((raised.as_str(), resolved.as_str()), (code, code), "{name}");
            assert!((first..last).contains(at) && *end >= last, "{name}: {at} to {end}");
            assert!(owner.engine.current().is_empty());
            assert_eq!(owner.engine.past().count(), 1, "{name}");
        }
    }
}

#[test]
fn an_operator_who_leaves_is_told_after_three_minutes_and_worse_the_fewer_are_left() {
    for (operators, needed, severity) in
        [(4, 3, Severity::Critical), (5, 3, Severity::Warning), (7, 4, Severity::Info)]
    {
        let mut owner = Owner::of_cluster(operators, needed, 1);
        owner.view.clusters[0].seats[1].state = SeatState::Dark;
        for slot in 0..20 {
            owner.live_through(slot, false);
        }
        let [("raised", code, at)] = &owner.told[..] else { panic!("{:?}", owner.told) };
        assert_eq!((code.as_str(), *at), ("operator_dark", 3 * MINUTE / SLOT_MS));
        assert_eq!(owner.engine.current()[0].severity, severity, "{needed} of {operators}");

        owner.view.clusters[0].seats[1].state = SeatState::Here;
        for slot in 20..30 {
            owner.live_through(slot, false);
        }
        assert_eq!(owner.told[1], ("resolved", "operator_dark".into(), 20 + MINUTE / SLOT_MS));
    }
}

#[test]
fn what_follows_from_another_trouble_has_no_alert_of_its_own_but_what_stays_has() {
    let mut owner = Owner::of(1);
    for seat in [1, 2] {
        owner.view.clusters[0].seats[seat].state = SeatState::Dark;
    }
    for slot in 0..100 {
        owner.live_through(slot, true);
    }
    // One of the two returns: the cluster signs again, the other is still missing.
    owner.view.clusters[0].seats[1].state = SeatState::Here;
    for slot in 100..200 {
        owner.live_through(slot, false);
    }
    let told: Vec<_> = owner.told.iter().map(|(what, code, _)| (*what, code.as_str())).collect();
    assert_eq!(told, [("raised", "not_signing"), ("resolved", "not_signing"), ("raised", "operator_dark")]);
}

#[test]
fn a_beacon_node_with_a_spare_is_a_warning_and_the_last_one_is_critical() {
    let mut owner = Owner::of(1);
    let spare = BeaconView { url: "http://spare".into(), ..owner.view.beacons[0].clone() };
    owner.view.beacons.push(spare);
    owner.view.beacons[0].state = BeaconState::Syncing;
    for slot in 0..20 {
        owner.live_through(slot, false);
    }
    owner.view.beacons[1].state = BeaconState::Silent;
    for slot in 20..40 {
        owner.live_through(slot, false);
    }
    let current: Vec<_> =
        owner.engine.current().iter().map(|alert| (code(&alert.kind), alert.severity)).collect();
    assert_eq!(
        current,
        [("no_beacon_node".into(), Severity::Critical), ("beacon_node_down".into(), Severity::Warning)]
    );
    // A beacon node that is taken out of the settings troubles nobody.
    owner.view.beacons.clear();
    owner.live_through(40, false);
    assert!(owner.engine.current().iter().all(|alert| code(&alert.kind) != "beacon_node_down"));
}

#[test]
fn a_value_between_good_and_bad_neither_raises_nor_ends_an_alert() {
    let mut owner = Owner::of(1);
    for (from, to, rtt_ms, expected) in
        [(0, 100, 220, 0), (100, 200, 300, 1), (200, 300, 220, 1), (300, 400, 100, 2)]
    {
        owner.view.clusters[0].seats[2].rtt_ms = Some(rtt_ms);
        for slot in from..to {
            owner.live_through(slot, false);
        }
        assert_eq!(owner.told.len(), expected, "{rtt_ms} ms: {:?}", owner.told);
    }
}

#[test]
fn a_channel_through_which_nothing_arrives_for_a_minute_is_told_until_something_does_or_it_is_gone() {
    let (mut engine, mut view) = (AlertEngine::default(), Owner::of(1).view);
    let channel = |error: Option<&str>| ChannelView {
        id: 1,
        kind: ChannelKind::Email,
        goes_to: "maya@example.org".into(),
        least: Severity::Warning,
        last: Some(Delivery { at_ms: 0, error: error.map(Into::into) }),
    };
    let mut told = |at_ms, channels: Vec<ChannelView>| {
        view.channels = channels;
        let transitions = engine.look(at_ms, &view);
        transitions.into_iter().next().map(|transition| match transition {
            Transition::Raised(alert) => ("raised", alert.title),
            Transition::Changed(alert) => ("changed", alert.title),
            Transition::Resolved(alert) => ("resolved", alert.title),
        })
    };
    let title = || "Alerts by mail do not arrive".to_owned();
    assert_eq!(told(0, vec![ChannelView { last: None, ..channel(None) }]), None, "nothing was sent yet");
    assert_eq!(told(1_000, vec![channel(Some("no"))]), None);
    assert_eq!(told(60_999, vec![channel(Some("no"))]), None);
    assert_eq!(told(61_000, vec![channel(Some("no"))]), Some(("raised", title())));
    assert_eq!(told(62_000, vec![channel(None)]), Some(("resolved", title())));
    assert_eq!(told(63_000, vec![channel(Some("no"))]), None);
    assert_eq!(told(123_000, vec![channel(Some("no"))]), Some(("raised", title())));
    assert_eq!(told(124_000, vec![]), Some(("resolved", title())), "a channel that was removed");
}

#[test]
fn what_is_wrong_with_the_computer_is_told_when_it_lasts_and_taken_back_when_it_is_over() {
    let clock = |offset| Measured::Clock { offset_ms: Some(offset), source: ClockSource::TimeServers };
    let power = |source, minutes_left| Measured::Power { source, minutes_left };
    let disk = |free_mib, full_in_days| Measured::Disk { free_mib: Some(free_mib), full_in_days };
    let (raised, changed, resolved) = ("raised", "changed", "resolved");
    for (name, steps) in [
        (
            "clock_off",
            // 200 ms are borne; between 100 and 200 nothing changes; above 500 it is critical.
            vec![
                (clock(-200), None),
                (clock(-201), Some((raised, Severity::Warning))),
                (clock(-501), Some((changed, Severity::Critical))),
                (clock(150), None),
                (clock(99), Some((resolved, Severity::Critical))),
            ],
        ),
        (
            "on_battery",
            vec![
                (power(PowerSource::Mains, None), None),
                (power(PowerSource::Battery, Some(90)), Some((raised, Severity::Warning))),
                (power(PowerSource::Battery, Some(9)), Some((changed, Severity::Critical))),
                (power(PowerSource::Mains, None), Some((resolved, Severity::Critical))),
            ],
        ),
        (
            "disk_low",
            vec![
                (disk(5_000, Some(4)), None),
                (disk(90_000, Some(3)), Some((raised, Severity::Warning))),
                (disk(4_999, None), None),
                (disk(5_000, None), Some((resolved, Severity::Warning))),
            ],
        ),
    ] {
        let (mut engine, mut view) = (AlertEngine::default(), Owner::of(1).view);
        let mut now_ms = 0;
        for (measured, expected) in steps {
            view.checks = vec![Check::of(measured.clone())];
            let mut told = Vec::new();
            // Five minutes of it.
            for _ in 0..300 {
                now_ms += 1_000;
                told.extend(engine.look(now_ms, &view));
            }
            let told: Vec<_> = told
                .into_iter()
                .map(|transition| match transition {
                    Transition::Raised(alert) => (raised, alert),
                    Transition::Changed(alert) => (changed, alert),
                    Transition::Resolved(alert) => (resolved, alert),
                })
                .map(|(what, alert)| (code(&alert.kind), what, alert.severity))
                .collect();
            let expected: Vec<_> =
                expected.into_iter().map(|(what, severity)| (name.to_owned(), what, severity)).collect();
            assert_eq!(told, expected, "{measured:?}");
        }
    }
}

#[test]
fn a_computer_that_slept_gives_everybody_time_to_come_back() {
    let mut owner = Owner::of(1);
    owner.live_through(0, false);
    owner.view.clusters[0].seats[1].state = SeatState::Dark;
    owner.live_through(1, false);
    owner.live_through(2_000, false);
    owner.view.clusters[0].seats[1].state = SeatState::Here;
    owner.live_through(2_001, false);
    assert_eq!(owner.told, []);
}

#[test]
fn a_node_that_must_not_sign_says_so_at_once() {
    let mut owner = Owner::of(1);
    owner.view.clusters[0].refuses = Some("the slashing record is damaged".into());
    owner.live_through(0, true);
    let alerts = owner.engine.current();
    assert!(
        alerts[0].text.contains("the slashing record is damaged") && alerts[0].action.is_some(),
        "{alerts:?}"
    );
}

#[test]
fn an_operator_that_said_two_things_is_told_for_a_day_and_one_that_does_not_fit_as_long_as_it_does_not() {
    let mut owner = Owner::of(1);
    for slot in 0..DAY + 200 {
        let seat = &mut owner.view.clusters[0].seats[2];
        if slot == 100 {
            seat.contradicted_ms = Some(slot * SLOT_MS);
        }
        seat.misfit = (50..60).contains(&slot).then(|| "It runs version v0.19 of Charon".into());
        owner.live_through(slot, false);
    }
    let told: Vec<_> = owner.told.iter().map(|(what, code, slot)| (*what, code.as_str(), *slot)).collect();
    let expected = [
        ("raised", "misfit", 50),
        ("resolved", "misfit", 60),
        ("raised", "contradicted", 100),
        ("resolved", "contradicted", DAY + 100),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_cluster_that_does_not_run_is_told_and_nothing_is_said_against_the_others() {
    let mut owner = Owner::of(1);
    owner.view.left_out = vec![LeftOut { folder: "family".into(), reason: "its lock is damaged".into() }];
    owner.live_through(0, false);
    let alerts = owner.engine.current();
    assert_eq!((alerts.len(), alerts[0].severity, alerts[0].cluster), (1, Severity::Critical, None));
    assert!(alerts[0].title.contains("family") && alerts[0].text.starts_with("its lock is damaged."));
}

#[test]
fn flame_and_alerts_never_contradict_each_other() {
    let mut owner = Owner::of(1);
    let mut seen = Vec::new();
    for slot in 0..600 {
        let here = |out| if out { SeatState::Dark } else { SeatState::Here };
        owner.view.clusters[0].seats[1].state = here((100..200).contains(&slot));
        owner.view.clusters[0].seats[2].state = here((150..180).contains(&slot));
        owner.view.beacons[0].state =
            if (300..350).contains(&slot) { BeaconState::Silent } else { BeaconState::Ready };
        owner.live_through(slot, (150..180).contains(&slot));
        let Health { flame, sentence, here, spare } = owner.published().health;
        let open: Vec<_> = owner.engine.current();
        let pressing =
            open.iter().any(|alert| alert.severity > Severity::Info && alert.recovering_since_ms.is_none());
        match flame {
            Flame::Lit => assert!(!pressing && here == 4 && spare == 1, "{slot}: {open:?}"),
            Flame::Low => assert!(pressing || spare == 0, "{slot}: {sentence}"),
            Flame::NeedsYou => assert!(pressing, "{slot}"),
            Flame::Dark => assert!(here < 3, "{slot}"),
            Flame::Working | Flame::Ash => panic!("{slot}: {sentence}"),
        }
        if seen.last() != Some(&flame) {
            seen.push(flame);
        }
    }
    let expected = [Flame::Lit, Flame::Low, Flame::Dark, Flame::Low, Flame::Lit, Flame::NeedsYou, Flame::Lit];
    assert_eq!(seen, expected);
}

fn dark(view: &mut NodeView, seats: &[usize], out: bool) {
    for seat in seats {
        view.clusters[0].seats[*seat].state = if out { SeatState::Dark } else { SeatState::Here };
    }
}

/// Whether the duty of this number is missed.
type Misses = fn(u64) -> bool;
/// Puts the node into an outage, or out of it.
type Disturbance = fn(&mut NodeView, bool);

/// A node's owner: what happens, and what he is told.
struct Owner {
    engine: AlertEngine,
    view: NodeView,
    validators: u64,
    told: Vec<(&'static str, String, u64)>,
}

impl Owner {
    fn of(validators: u64) -> Self {
        Self::of_cluster(4, 3, validators)
    }

    fn of_cluster(operators: u8, needed: u8, validators: u64) -> Self {
        let seat = |number| SeatView {
            number,
            me: number == 1,
            state: SeatState::Here,
            path: Reach::Direct,
            rtt_ms: Some(20),
            ..SeatView::default()
        };
        let cluster = ClusterView {
            id: CLUSTER,
            name: "Four friends".into(),
            stage: ClusterStage::Active,
            refuses: None,
            needed,
            seats: (1..=operators).map(seat).collect(),
            validators: validators as u32,
            next_duty: None,
            strip: Vec::new(),
            effectiveness: Effectiveness::default(),
            router: Default::default(),
            health: Health::default(),
        };
        let beacon = BeaconView {
            url: "http://127.0.0.1:5052".into(),
            version: None,
            state: BeaconState::Ready,
            head_slot: None,
            latency_ms: Some(5),
            head_delay_ms: None,
            last_error: None,
        };
        let network = NetworkView {
            name: "hoodi".into(),
            test: true,
            genesis_ms: 0,
            slot_ms: SLOT_MS,
            slots_per_epoch: SLOTS_PER_EPOCH,
        };
        let mut view = NodeView {
            network: Some(network),
            beacons: vec![beacon],
            clusters: vec![cluster],
            ..NodeView::default()
        };
        view.node.state = NodeState::Running;
        Self { engine: AlertEngine::default(), view, validators, told: Vec::new() }
    }

    /// A slot passes. Its duty, if there is one, is known at its end, one slot after it was due.
    fn live_through(&mut self, slot: u64, missed: bool) {
        let now_ms = slot * SLOT_MS;
        self.view.at_ms = now_ms;
        let mine =
            (0..self.validators).filter(|validator| validator % SLOTS_PER_EPOCH == slot % SLOTS_PER_EPOCH);
        let validators: Vec<_> = mine.map(ValidatorIndex::new).collect();
        if !validators.is_empty() {
            self.engine.duty(&record(slot, validators, missed));
        }
        for transition in self.engine.look(now_ms, &self.view) {
            let (what, alert) = match transition {
                Transition::Raised(alert) => ("raised", alert),
                Transition::Changed(alert) => ("changed", alert),
                Transition::Resolved(alert) => ("resolved", alert),
            };
            self.told.push((what, code(&alert.kind), slot));
        }
    }

    fn published(&self) -> NodeView {
        let view = NodeView { alerts: self.engine.current(), ..self.view.clone() };
        NodeView::clone(&Publisher::new(view).current())
    }
}

fn record(slot: u64, validators: Vec<ValidatorIndex>, missed: bool) -> DutyRecord {
    let miss =
        Miss { stage: DutyStage::Agree, code: "no_consensus", detail: "", needed: 3, arrived: 0, missing: &[] };
    DutyRecord {
        cluster: CLUSTER,
        slot: Slot::new(slot),
        kind: DutyKind::Attester,
        due_ms: slot * SLOT_MS,
        validator_count: validators.len() as u32,
        validators,
        trace: Trace::default(),
        leader: None,
        round: None,
        signers: Vec::new(),
        outcome: if missed { DutyOutcome::missed(&miss) } else { DutyOutcome::Sent },
        on_chain: None,
    }
}

fn code(kind: &AlertKind) -> String {
    serde_json::to_value(kind).unwrap()["code"].as_str().unwrap().to_owned()
}

fn one_of_a_hundred(nth: u64) -> bool {
    nth % 100 == 50
}

/// One of a hundred on average, without a rhythm.
fn at_random(nth: u64) -> bool {
    let mut x = nth.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)).is_multiple_of(100)
}
