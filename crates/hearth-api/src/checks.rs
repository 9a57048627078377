//! What a node looks at around itself: clock, beacon nodes, reachability, disk, memory, sleep, power.
//!
//! The node measures; this file judges a measurement and says what it is, why it matters and what to do. Pure. The setup shows
//! the list before a node has a cluster, health shows it all the time.
//!
//! Source: ux.md G-03 to G-09 and 3.7.

mod beacons;
mod words;

use serde::{Deserialize, Serialize};

use crate::view::{BeaconState, BeaconView, ClusterView, NodeView, Reach, RouterState, SeatState};

pub use beacons::{FindBeaconsReply, FindBeaconsRequest, FoundBeacon};

/// One row of the list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Check {
    /// What was measured.
    pub measured: Measured,
    /// How good that is.
    pub grade: Grade,
    /// What was looked at, in a word or two.
    pub title: String,
    /// What was found, as a sentence.
    pub found: String,
    /// Why it matters.
    pub why: String,
    /// What to do; `None` if nothing.
    pub remedy: Option<String>,
}

/// How good something is, from best to worst.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// As it should be.
    Good,
    /// It was not, or cannot be, measured.
    Unknown,
    /// It works, and could be better.
    Amber,
    /// No node can do its work like this.
    Red,
}

/// A measurement, and what a translation of its text needs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "check", rename_all = "snake_case")]
pub enum Measured {
    /// How right the computer's clock is.
    Clock {
        /// True time minus the computer's: above zero, the clock is behind. `None` if nobody could be asked.
        offset_ms: Option<i64>,
        /// Who says so.
        source: ClockSource,
    },
    /// A beacon node; or that there is none.
    BeaconNode {
        /// Which one; `None` if none is set.
        url: Option<String>,
        /// Whether it can be used.
        state: BeaconState,
        /// How long its last answer took.
        latency_ms: Option<u64>,
        /// How long after the start of a slot it knows that slot's block, in 19 of 20 cases.
        head_delay_ms: Option<u64>,
    },
    /// Whether other operators can reach this node.
    Reachability {
        /// Operators that have opened a connection to this node: the proof that they can.
        dialled_in: Vec<String>,
        /// Operators that are connected straight.
        direct: u8,
        /// Operators that are connected through a relay only.
        relayed: u8,
        /// Other operators, in all clusters.
        others: u8,
        /// What the router at home does.
        router: RouterState,
    },
    /// Space on the disk of the data folder.
    Disk {
        /// What is free.
        free_mib: Option<u64>,
        /// In how many days it is full, if it goes on as in the last hours.
        full_in_days: Option<u32>,
    },
    /// Memory.
    Memory {
        /// What programs may still take.
        available_mib: Option<u64>,
    },
    /// Whether the computer falls asleep.
    Sleep {
        /// What it is set to.
        setting: SleepSetting,
        /// How often it was seen to have slept since the node's start.
        slept: u32,
    },
    /// What the computer runs on.
    Power {
        /// Mains or battery.
        source: PowerSource,
        /// How long a battery lasts.
        minutes_left: Option<u32>,
    },
}

/// Who was asked about the time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// Nobody answered.
    #[default]
    Nobody,
    /// Time servers on the internet.
    TimeServers,
    /// The other operators' nodes.
    Operators,
}

/// When a computer falls asleep by itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SleepSetting {
    /// Not known.
    #[default]
    Unknown,
    /// Never.
    Never,
    /// After a time without use.
    WhenIdle {
        /// That time; zero if not known.
        minutes: u32,
    },
}

/// What a computer runs on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum PowerSource {
    /// Not known.
    #[default]
    Unknown,
    /// Mains, and there is no battery.
    MainsOnly,
    /// Mains, with a battery behind it.
    Mains,
    /// A battery.
    Battery,
}

/// Asks to measure everything again.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ChecksRequest {}

/// What was measured.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChecksReply {
    /// The list, in the order in which it is shown.
    pub checks: Vec<Check>,
}

/// What the node measures of its computer; the rest of the list follows from its view.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Machine {
    /// True time minus the computer's, as time servers have it.
    pub clock_offset_ms: Option<i64>,
    /// Free space on the disk of the data folder.
    pub free_mib: Option<u64>,
    /// In how many days that is gone.
    pub full_in_days: Option<u32>,
    /// Memory that programs may still take.
    pub available_mib: Option<u64>,
    /// When it falls asleep.
    pub sleep: SleepSetting,
    /// How often it slept.
    pub slept: u32,
    /// What it runs on.
    pub power: PowerSource,
    /// How long its battery lasts.
    pub minutes_left: Option<u32>,
}

/// Offset of a clock that is right, and of one that can be worked with. Source: ux.md G-04.
pub(crate) const CLOCK_GOOD_MS: u64 = 50;
pub(crate) const CLOCK_BAD_MS: u64 = 200;
/// Source: ux.md 3.7.
pub(crate) const BEACON_SLOW_MS: u64 = 1_000;
const HEAD_LATE_MS: u64 = 4_000;
pub(crate) const DISK_LOW_MIB: u64 = 5_000;
pub(crate) const DISK_DAYS: u32 = 3;
/// A node that cannot write its record of signed messages does not sign.
const DISK_FULL_MIB: u64 = 200;
const MEMORY_LOW_MIB: u64 = 256;
/// Other operators whose clocks make a judgement.
const CLOCKS: usize = 2;

impl Check {
    /// The row of a measurement.
    pub fn of(measured: Measured) -> Self {
        let (grade, words) = (measured.grade(), words::of(&measured));
        let words::Words { title, found, why, remedy } = words;
        Self { grade, title: title.into(), found, why: why.into(), remedy: remedy.map(Into::into), measured }
    }
}

impl Measured {
    /// How good it is.
    pub fn grade(&self) -> Grade {
        match *self {
            Self::Clock { offset_ms: None, .. } => Grade::Unknown,
            Self::Clock { offset_ms: Some(offset), .. } => match offset.unsigned_abs() {
                off if off <= CLOCK_GOOD_MS => Grade::Good,
                off if off <= CLOCK_BAD_MS => Grade::Amber,
                _ => Grade::Red,
            },
            Self::BeaconNode { url: None, .. } => Grade::Red,
            Self::BeaconNode { state, latency_ms, head_delay_ms, .. } => match state {
                BeaconState::Unknown => Grade::Unknown,
                BeaconState::Silent | BeaconState::OtherNetwork => Grade::Red,
                BeaconState::Syncing | BeaconState::NoExecution => Grade::Amber,
                BeaconState::Ready if latency_ms.is_some_and(|ms| ms > BEACON_SLOW_MS) => Grade::Amber,
                BeaconState::Ready if head_delay_ms.is_some_and(|ms| ms > HEAD_LATE_MS) => Grade::Amber,
                BeaconState::Ready => Grade::Good,
            },
            Self::Reachability { ref dialled_in, .. } if !dialled_in.is_empty() => Grade::Good,
            Self::Reachability { direct: 0, relayed: 1.., .. } => Grade::Amber,
            Self::Reachability { .. } => Grade::Unknown,
            Self::Disk { free_mib: None, .. } => Grade::Unknown,
            Self::Disk { free_mib: Some(..=DISK_FULL_MIB), .. } => Grade::Red,
            Self::Disk { free_mib: Some(..DISK_LOW_MIB), .. }
            | Self::Disk { full_in_days: Some(..=DISK_DAYS), .. } => Grade::Amber,
            Self::Disk { .. } => Grade::Good,
            Self::Memory { available_mib: None } => Grade::Unknown,
            Self::Memory { available_mib: Some(..MEMORY_LOW_MIB) } => Grade::Amber,
            Self::Memory { .. } => Grade::Good,
            Self::Sleep { setting: SleepSetting::WhenIdle { .. }, .. } | Self::Sleep { slept: 1.., .. } => {
                Grade::Amber
            }
            Self::Sleep { setting: SleepSetting::Unknown, .. } => Grade::Unknown,
            Self::Sleep { setting: SleepSetting::Never, .. } => Grade::Good,
            Self::Power { source: PowerSource::Unknown, .. } => Grade::Unknown,
            Self::Power { source: PowerSource::Battery, .. } => Grade::Amber,
            Self::Power { .. } => Grade::Good,
        }
    }
}

/// The list, from what the node's view holds and what was measured of its computer.
pub fn checks(view: &NodeView, machine: &Machine) -> Vec<Check> {
    let mut list = vec![clock(&view.clusters, machine)];
    list.extend(view.beacons.iter().map(beacon_node));
    if view.beacons.is_empty() {
        list.push(Measured::BeaconNode {
            url: None,
            state: BeaconState::Unknown,
            latency_ms: None,
            head_delay_ms: None,
        });
    }
    list.push(reachability(&view.clusters));
    list.push(Measured::Disk { free_mib: machine.free_mib, full_in_days: machine.full_in_days });
    list.push(Measured::Memory { available_mib: machine.available_mib });
    list.push(Measured::Sleep { setting: machine.sleep, slept: machine.slept });
    list.push(Measured::Power { source: machine.power, minutes_left: machine.minutes_left });
    list.into_iter().map(Check::of).collect()
}

fn clock(clusters: &[ClusterView], machine: &Machine) -> Measured {
    if let Some(offset) = machine.clock_offset_ms {
        return Measured::Clock { offset_ms: Some(offset), source: ClockSource::TimeServers };
    }
    let seats = clusters.iter().flat_map(|cluster| &cluster.seats).filter(|seat| !seat.me);
    let mut offsets: Vec<i64> = seats.filter_map(|seat| seat.clock_offset_ms).collect();
    offsets.sort_unstable();
    // The lower of two in the middle: nearer to the truth than either guess about which of them is wrong.
    match offsets.get(offsets.len().saturating_sub(1) / 2) {
        Some(median) if offsets.len() >= CLOCKS => {
            Measured::Clock { offset_ms: Some(*median), source: ClockSource::Operators }
        }
        _ => Measured::Clock { offset_ms: None, source: ClockSource::Nobody },
    }
}

fn beacon_node(beacon: &BeaconView) -> Measured {
    Measured::BeaconNode {
        url: Some(beacon.url.clone()),
        state: beacon.state,
        latency_ms: beacon.latency_ms,
        head_delay_ms: beacon.head_delay_ms,
    }
}

fn reachability(clusters: &[ClusterView]) -> Measured {
    let others = || clusters.iter().flat_map(|cluster| &cluster.seats).filter(|seat| !seat.me);
    let count = |reach: Reach| {
        let there = |state| matches!(state, SeatState::Here | SeatState::Slow);
        let seats = others().filter(|seat| there(seat.state) && seat.path == reach);
        u8::try_from(seats.count()).unwrap_or(u8::MAX)
    };
    Measured::Reachability {
        dialled_in: others().filter(|seat| seat.dialled_in).map(|seat| seat.called()).collect(),
        direct: count(Reach::Direct),
        relayed: count(Reach::Relay),
        others: u8::try_from(others().count()).unwrap_or(u8::MAX),
        // All clusters stand behind the same one.
        router: clusters
            .iter()
            .map(|cluster| &cluster.router)
            .find(|router| **router != RouterState::Unknown)
            .cloned()
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
