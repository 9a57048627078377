//! How a check reads: the English of the catalogue.

use super::{BeaconState, ClockSource, Grade, Measured, PowerSource, RouterState, SleepSetting};

pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) found: String,
    pub(super) why: &'static str,
    pub(super) remedy: Option<&'static str>,
}

const CLOCK: &str = "Duties are due at a second that all agree on. A clock that is off makes them late, or makes \
                     the other operators refuse what this node says.";
const BEACON: &str = "Through it this node sees the chain and hands in what was signed.";
const REACH: &str = "Every duty needs messages between the operators. Where others can open a connection to this node, \
                     it does not hang on one side or on a relay.";
const DISK: &str =
    "Nothing is signed that was not written down first: with a full disk this node stops signing.";
const MEMORY: &str = "A computer that runs out of memory becomes slow and ends programs, this one among them.";
const SLEEP: &str = "A computer that sleeps does no duties.";
const POWER: &str = "When the power fails, this node is gone; the others go on if enough of them are here.";

pub(super) fn of(measured: &Measured) -> Words {
    let needs_remedy = measured.grade() > Grade::Unknown;
    let words = match measured {
        Measured::Clock { offset_ms, source } => Words {
            title: "Clock",
            found: clock(*offset_ms, *source),
            why: CLOCK,
            remedy: Some("Turn on the setting of your system that sets the clock by itself."),
        },
        Measured::BeaconNode { url, state, latency_ms, head_delay_ms } => Words {
            title: "Beacon node",
            found: beacon(url.as_deref(), *state, *latency_ms, *head_delay_ms),
            why: BEACON,
            remedy: Some(beacon_remedy(url.is_some(), *state)),
        },
        Measured::Reachability { dialled_in, direct, relayed, others, router } => Words {
            title: "Reachability",
            found: reachability(dialled_in, (*direct, *relayed, *others), router),
            why: REACH,
            remedy: Some(reachability_remedy(router)),
        },
        Measured::Disk { free_mib, full_in_days } => Words {
            title: "Disk",
            found: match (free_mib, full_in_days) {
                (None, _) => "The free space cannot be read.".into(),
                (Some(free), Some(days)) => format!("{} free; full in about {days} days.", size(*free)),
                (Some(free), None) => format!("{} free.", size(*free)),
            },
            why: DISK,
            remedy: Some("Make room on the disk that holds the node's data folder."),
        },
        Measured::Memory { available_mib } => Words {
            title: "Memory",
            found: available_mib
                .map_or("It cannot be read.".into(), |free| format!("{} available.", size(free))),
            why: MEMORY,
            remedy: Some("Close other programs, or give the computer more memory."),
        },
        Measured::Sleep { setting, slept } => Words {
            title: "Sleep",
            found: sleep(*setting, *slept),
            why: SLEEP,
            remedy: Some("Turn off sleep in the power settings of your system."),
        },
        Measured::Power { source, minutes_left } => Words {
            title: "Power",
            found: power(*source, *minutes_left),
            why: POWER,
            remedy: Some("Plug the computer in."),
        },
    };
    Words { remedy: words.remedy.filter(|_| needs_remedy), ..words }
}

fn clock(offset_ms: Option<i64>, source: ClockSource) -> String {
    let Some(offset) = offset_ms else {
        return "No time server answers, and too few operators are here to compare with.".into();
    };
    let by = match source {
        ClockSource::Operators => "by the other operators' clocks",
        ClockSource::TimeServers | ClockSource::Nobody => "by time servers on the internet",
    };
    match offset {
        0 => format!("Right to the millisecond, {by}."),
        1.. => format!("{offset} ms behind, {by}."),
        _ => format!("{} ms ahead, {by}.", offset.unsigned_abs()),
    }
}

fn beacon(url: Option<&str>, state: BeaconState, latency: Option<u64>, head_delay: Option<u64>) -> String {
    let Some(url) = url else { return "None is set.".into() };
    let state = match state {
        BeaconState::Unknown => "was not asked yet",
        BeaconState::Ready => "follows the chain",
        BeaconState::NoExecution => "follows the chain, but has no execution client",
        BeaconState::Syncing => "is still catching up with the chain",
        BeaconState::OtherNetwork => "is on another network",
        BeaconState::Silent => "does not answer",
    };
    let latency = latency.map(|ms| format!(", answers in {ms} ms")).unwrap_or_default();
    let head = head_delay.map(|ms| format!(", knows blocks {} into a slot", seconds(ms))).unwrap_or_default();
    format!("{url} {state}{latency}{head}.")
}

fn beacon_remedy(is_set: bool, state: BeaconState) -> &'static str {
    match state {
        _ if !is_set => "Choose the beacon node that this node shall use.",
        BeaconState::Syncing => "Wait until it has caught up. Meanwhile this node does no duties with it.",
        BeaconState::OtherNetwork => "Choose a beacon node of your cluster's network.",
        BeaconState::NoExecution => "Start the execution client behind it.",
        BeaconState::Ready => {
            "It is slow: give it more of the computer, or a better connection; or set a spare."
        }
        BeaconState::Unknown | BeaconState::Silent => {
            "Start it, or check its address; a spare helps meanwhile."
        }
    }
}

fn reachability(
    dialled_in: &[String],
    (direct, relayed, others): (u8, u8, u8),
    router: &RouterState,
) -> String {
    let found = match dialled_in {
        [] if others == 0 => "Known when this node is in a cluster.".into(),
        [] if direct > 0 => format!(
            "This node reaches {direct} of {others} operators directly. None has had to open a connection to it yet, so \
             that nobody knows whether they could."
        ),
        [] if relayed > 0 => "Others reach this node through a relay only.".into(),
        [] => "No operator is connected yet.".into(),
        names => format!("Others reach this node directly: {} did.", names.join(", ")),
    };
    match router {
        RouterState::Unknown => found,
        RouterState::Silent => {
            format!("{found} No router here opens ports when a program asks (UPnP, PCP or NAT-PMP).")
        }
        RouterState::Refuses { reason } => {
            let reason: String = reason.chars().filter(|c| !c.is_control()).take(80).collect();
            format!("{found} The router does not open a port: {}.", reason.trim_end_matches('.'))
        }
        RouterState::Nested { address } => format!(
            "{found} The router stands behind another one, of the provider or in this house ({address}), so that it cannot \
             let anybody in."
        ),
        RouterState::Open { outside } => {
            format!("{found} The router lets others in at {}.", outside.join(", "))
        }
    }
}

const fn reachability_remedy(router: &RouterState) -> &'static str {
    match router {
        RouterState::Nested { .. } => {
            "Go on with a relay that the others know too; or ask the provider for a public address, or use IPv6."
        }
        RouterState::Silent | RouterState::Refuses { .. } => {
            "Turn on UPnP in your router, or forward the node's port to this computer there; or go on with the relay."
        }
        RouterState::Unknown | RouterState::Open { .. } => {
            "Open the node's port in your router, or go on with the relay."
        }
    }
}

fn sleep(setting: SleepSetting, slept: u32) -> String {
    let setting = match setting {
        SleepSetting::Unknown => "Whether it falls asleep by itself cannot be read here.".into(),
        SleepSetting::Never => "It does not fall asleep by itself.".into(),
        SleepSetting::WhenIdle { minutes: 0 } => "It falls asleep when it is not used.".into(),
        SleepSetting::WhenIdle { minutes } => format!("It falls asleep after {minutes} minutes without use."),
    };
    match slept {
        0 => setting,
        1 => format!("It slept once since the node was started. {setting}"),
        times => format!("It slept {times} times since the node was started. {setting}"),
    }
}

fn power(source: PowerSource, minutes_left: Option<u32>) -> String {
    match (source, minutes_left) {
        (PowerSource::Unknown, _) => "It cannot be read.".into(),
        (PowerSource::MainsOnly, _) => "On mains, without a battery behind it.".into(),
        (PowerSource::Mains, _) => "On mains, with a battery behind it.".into(),
        (PowerSource::Battery, Some(minutes)) => format!("On battery, about {minutes} minutes left."),
        (PowerSource::Battery, None) => "On battery.".into(),
    }
}

fn size(mib: u64) -> String {
    match mib {
        ..1_024 => format!("{mib} MiB"),
        _ => format!("{}.{} GiB", mib / 1_024, mib % 1_024 * 10 / 1_024),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}
