//! Why an owner is told: the rule of a kind of alert, in words.

use super::AlertKind;
use super::computer::{BATTERY_CRITICAL_MINUTES, CLOCK_CRITICAL_MS};
use super::engine::{Delays, SECOND};
use crate::checks::{CLOCK_BAD_MS, DISK_DAYS, DISK_LOW_MIB};

/// When an alert of this kind is told, and when it is over.
pub(super) fn why(kind: &AlertKind, delays: Delays) -> String {
    let condition = condition(kind);
    let told = match delays.raise_ms {
        0 => format!("Told as soon as {condition}."),
        ms => format!("Told when {condition} for {}.", lasting(ms)),
    };
    let over = match (kind, delays.clear_ms) {
        (AlertKind::DutiesMissed { .. }, _) => "Over after two good duties in a row.".to_owned(),
        (AlertKind::Contradicted { .. }, _) => "Over when it was not seen again for a day.".to_owned(),
        (AlertKind::NotSigning { .. }, 0) => "Over after two good duties.".to_owned(),
        (_, 0) => "Over as soon as it is so no more.".to_owned(),
        (_, ms) => format!("Over when it was so no more for {}.", lasting(ms)),
    };
    let severity = match kind {
        AlertKind::OperatorDark { .. } => {
            " Critical when nobody else may leave, a warning when one may, else only for information."
                .to_owned()
        }
        AlertKind::ClockOff { .. } => format!(" Critical from {CLOCK_CRITICAL_MS} ms on."),
        AlertKind::OnBattery { .. } => {
            format!(" Critical with less than {BATTERY_CRITICAL_MINUTES} minutes left.")
        }
        AlertKind::DutiesMissed { .. } => {
            " A warning at first, critical when it goes on for four epochs.".to_owned()
        }
        _ => String::new(),
    };
    format!("{told} {over}{severity}")
}

fn condition(kind: &AlertKind) -> String {
    match kind {
        AlertKind::NotSigning { reason: Some(_), .. } => "this node must not sign".into(),
        AlertKind::NotSigning { .. } => "fewer operators are here than are needed to sign".into(),
        AlertKind::DutiesMissed { .. } => {
            "a validator misses three duties in a row, or more than one in ten in two epochs".into()
        }
        AlertKind::OperatorDark { .. } => "an operator is not seen".into(),
        AlertKind::NoBeaconNode { .. } => "no beacon node can be used".into(),
        AlertKind::BeaconNodeDown { .. } => "a beacon node cannot be used".into(),
        AlertKind::BeaconNodeSlow { limit_ms, .. } => {
            format!("a beacon node takes more than {limit_ms} ms to answer")
        }
        AlertKind::PeerSlow { limit_ms, .. } => {
            format!("a message to an operator and back takes more than {limit_ms} ms")
        }
        AlertKind::ClockOff { .. } => format!("the clock is more than {CLOCK_BAD_MS} ms off"),
        AlertKind::DiskLow { .. } => {
            format!(
                "less than {DISK_LOW_MIB} MiB are free on the disk, or it will be full within {DISK_DAYS} days"
            )
        }
        AlertKind::OnBattery { .. } => "the computer runs on its battery".into(),
        AlertKind::ChannelFails { .. } => "a message through a channel does not arrive".into(),
        AlertKind::LeftOut { .. } => "a cluster in the node's folder cannot be run while others are".into(),
        AlertKind::Contradicted { .. } => "an operator signed two things for one duty".into(),
        AlertKind::Misfit { .. } => "an operator's program or cluster file does not fit ours".into(),
        AlertKind::RelayOnly { .. } => "an operator is reached through a relay only".into(),
    }
}

fn lasting(ms: u64) -> String {
    match ms / SECOND {
        one @ 1 => format!("{one} second"),
        60 => "1 minute".into(),
        minutes if minutes % 60 == 0 => format!("{} minutes", minutes / 60),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::{AT_ONCE, MINUTE};
    use super::*;

    #[test]
    fn the_rule_is_told_with_the_times_that_hold_for_it() {
        let dark = AlertKind::OperatorDark { seat: 2, name: "Maya".into(), here: 3, needed: 3 };
        let delays = Delays { raise_ms: 3 * MINUTE, clear_ms: MINUTE };
        assert!(why(&dark, delays).starts_with(
            "Told when an operator is not seen for 3 minutes. Over when it was so no more for 1 minute. Critical"
        ));
        let disk = AlertKind::DiskLow { free_mib: 1, full_in_days: None };
        assert!(why(&disk, AT_ONCE).starts_with("Told as soon as less than "));
        let battery = AlertKind::OnBattery { minutes_left: None };
        let delays = Delays { raise_ms: 30 * SECOND, clear_ms: 0 };
        assert!(why(&battery, delays).starts_with(
            "Told when the computer runs on its battery for 30 seconds. Over as soon as it is so no more."
        ));
    }
}
