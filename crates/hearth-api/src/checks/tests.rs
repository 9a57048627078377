use super::*;
use crate::view::SeatView;

fn beacon(state: BeaconState, latency_ms: u64, head_delay_ms: u64) -> Measured {
    let url = Some("http://127.0.0.1:5052".into());
    Measured::BeaconNode { url, state, latency_ms: Some(latency_ms), head_delay_ms: Some(head_delay_ms) }
}

fn reach(dialled_in: &[&str], direct: u8, relayed: u8, others: u8) -> Measured {
    let dialled_in = dialled_in.iter().map(|name| (*name).to_owned()).collect();
    Measured::Reachability { dialled_in, direct, relayed, others, router: RouterState::Unknown }
}

#[test]
fn what_the_router_does_stands_beside_who_reaches_this_node() {
    let with = |router| {
        Check::of(Measured::Reachability { dialled_in: Vec::new(), direct: 0, relayed: 2, others: 3, router })
    };
    let open = RouterState::Open { outside: vec!["203.0.113.7:3610".into()] };
    let long = "x".repeat(200);
    for (router, found, remedy) in [
        (RouterState::Unknown, "a relay only.", "Open the node's port"),
        (RouterState::Silent, "a relay only. No router here opens ports", "Turn on UPnP"),
        (
            RouterState::Refuses { reason: "not\nauthorized.".into() },
            "open a port: notauthorized.",
            "Turn on UPnP",
        ),
        (RouterState::Refuses { reason: long }, "open a port: xxx", "Turn on UPnP"),
        (RouterState::Nested { address: "100.64.3.2".into() }, "(100.64.3.2)", "a public address"),
        (open, "lets others in at 203.0.113.7:3610.", "Open the node's port"),
    ] {
        let check = with(router);
        assert!(check.found.contains(found) && check.found.len() < 250, "{}", check.found);
        assert!(check.remedy.as_deref().is_some_and(|text| text.contains(remedy)), "{:?}", check.remedy);
    }
}

#[test]
fn each_measurement_has_its_grade_and_its_sentence() {
    let clock = |offset_ms, source| Measured::Clock { offset_ms, source };
    let disk = |free_mib, full_in_days| Measured::Disk { free_mib, full_in_days };
    let sleep = |setting, slept| Measured::Sleep { setting, slept };
    let power = |source, minutes_left| Measured::Power { source, minutes_left };
    let (servers, ready) = (ClockSource::TimeServers, BeaconState::Ready);
    let idle = |minutes| SleepSetting::WhenIdle { minutes };
    for (measured, grade, found) in [
        (clock(Some(50), servers), Grade::Good, "50 ms behind, by time servers on the internet."),
        (clock(Some(-51), servers), Grade::Amber, "51 ms ahead, by time servers on the internet."),
        (
            clock(Some(200), ClockSource::Operators),
            Grade::Amber,
            "200 ms behind, by the other operators' clocks.",
        ),
        (clock(Some(-201), servers), Grade::Red, "201 ms ahead, by time servers on the internet."),
        (
            clock(Some(i64::MIN), servers),
            Grade::Red,
            "9223372036854775808 ms ahead, by time servers on the internet.",
        ),
        (clock(Some(0), servers), Grade::Good, "Right to the millisecond, by time servers on the internet."),
        (
            clock(None, ClockSource::Nobody),
            Grade::Unknown,
            "No time server answers, and too few operators are here to compare with.",
        ),
        (
            Measured::BeaconNode {
                url: None,
                state: BeaconState::Unknown,
                latency_ms: None,
                head_delay_ms: None,
            },
            Grade::Red,
            "None is set.",
        ),
        (
            beacon(ready, 1_000, 4_000),
            Grade::Good,
            "http://127.0.0.1:5052 follows the chain, answers in 1000 ms, knows blocks 4.0 s into a slot.",
        ),
        (
            beacon(ready, 1_001, 0),
            Grade::Amber,
            "http://127.0.0.1:5052 follows the chain, answers in 1001 ms, knows blocks 0.0 s into a slot.",
        ),
        (
            beacon(ready, 1, 4_150),
            Grade::Amber,
            "http://127.0.0.1:5052 follows the chain, answers in 1 ms, knows blocks 4.1 s into a slot.",
        ),
        (
            beacon(BeaconState::OtherNetwork, 1, 1),
            Grade::Red,
            "http://127.0.0.1:5052 is on another network, answers in 1 ms, knows blocks 0.0 s into a slot.",
        ),
        (reach(&[], 0, 0, 0), Grade::Unknown, "Known when this node is in a cluster."),
        (reach(&[], 0, 0, 3), Grade::Unknown, "No operator is connected yet."),
        (reach(&[], 0, 2, 3), Grade::Amber, "Others reach this node through a relay only."),
        (reach(&["Maya"], 1, 2, 3), Grade::Good, "Others reach this node directly: Maya did."),
        (disk(None, None), Grade::Unknown, "The free space cannot be read."),
        (disk(Some(200), None), Grade::Red, "200 MiB free."),
        (disk(Some(4_999), None), Grade::Amber, "4.8 GiB free."),
        (disk(Some(5_000), Some(4)), Grade::Good, "4.8 GiB free; full in about 4 days."),
        (disk(Some(90_000), Some(3)), Grade::Amber, "87.8 GiB free; full in about 3 days."),
        (Measured::Memory { available_mib: Some(255) }, Grade::Amber, "255 MiB available."),
        (Measured::Memory { available_mib: Some(256) }, Grade::Good, "256 MiB available."),
        (sleep(SleepSetting::Never, 0), Grade::Good, "It does not fall asleep by itself."),
        (
            sleep(SleepSetting::Never, 1),
            Grade::Amber,
            "It slept once since the node was started. It does not fall asleep by itself.",
        ),
        (sleep(idle(15), 0), Grade::Amber, "It falls asleep after 15 minutes without use."),
        (
            sleep(SleepSetting::Unknown, 0),
            Grade::Unknown,
            "Whether it falls asleep by itself cannot be read here.",
        ),
        (power(PowerSource::MainsOnly, None), Grade::Good, "On mains, without a battery behind it."),
        (power(PowerSource::Battery, Some(14)), Grade::Amber, "On battery, about 14 minutes left."),
    ] {
        let check = Check::of(measured.clone());
        assert_eq!((check.grade, check.found.as_str()), (grade, found), "{measured:?}");
        assert_eq!(check.remedy.is_some(), grade > Grade::Unknown, "{measured:?}: what to do");
        assert!(!check.title.is_empty() && check.why.ends_with('.'), "{measured:?}");
    }
}

fn seats(offsets: &[Option<i64>]) -> NodeView {
    let me = SeatView { me: true, clock_offset_ms: Some(9_999), ..SeatView::default() };
    let others = offsets.iter().map(|offset| SeatView { clock_offset_ms: *offset, ..SeatView::default() });
    let cluster = ClusterView {
        id: hearth_types::LockHash::new([1; 32]),
        name: "four".into(),
        stage: crate::ClusterStage::Unknown,
        refuses: None,
        needed: 3,
        seats: std::iter::once(me).chain(others).collect(),
        validators: 1,
        next_duty: None,
        strip: Vec::new(),
        effectiveness: crate::Effectiveness::default(),
        router: Default::default(),
        health: crate::Health::default(),
    };
    NodeView { clusters: vec![cluster], ..NodeView::default() }
}

#[test]
fn without_time_servers_the_clock_is_compared_with_those_of_at_least_two_others() {
    for (name, offsets, expected) in [
        ("nobody", vec![None, None, None], None),
        ("one", vec![Some(300), None, None], None),
        ("two", vec![Some(300), Some(-20), None], Some(-20)),
        ("one of three is wrong", vec![Some(90_000), Some(7), Some(3)], Some(7)),
    ] {
        let found = clock(&seats(&offsets).clusters, &Machine::default());
        let source = if expected.is_some() { ClockSource::Operators } else { ClockSource::Nobody };
        assert_eq!(found, Measured::Clock { offset_ms: expected, source }, "{name}");
    }
    let servers = Machine { clock_offset_ms: Some(4), ..Machine::default() };
    let found = clock(&seats(&[Some(300), Some(300)]).clusters, &servers);
    assert_eq!(found, Measured::Clock { offset_ms: Some(4), source: ClockSource::TimeServers });
}

#[test]
fn the_list_has_a_row_for_everything_and_one_for_each_beacon_node() {
    let titles = |view: &NodeView| -> Vec<String> {
        checks(view, &Machine::default()).into_iter().map(|check| check.title).collect()
    };
    let rest = ["Reachability", "Disk", "Memory", "Sleep", "Power"];
    assert_eq!(titles(&NodeView::default()), [&["Clock", "Beacon node"], &rest[..]].concat());
    let two = NodeView { beacons: vec![BeaconView::default(), BeaconView::default()], ..NodeView::default() };
    assert_eq!(titles(&two), [&["Clock", "Beacon node", "Beacon node"], &rest[..]].concat());
}
