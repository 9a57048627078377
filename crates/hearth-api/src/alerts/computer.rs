//! What could be wrong with the computer that the node runs on, found in its checks.

use super::engine::{AT_ONCE, Cause, Delays, Finding, MINUTE, SECOND, Verdict};
use super::{AlertKind, Severity};
use crate::checks::{CLOCK_BAD_MS, Check, DISK_DAYS, DISK_LOW_MIB, Measured, PowerSource};

/// Source: ux.md 3.7.
const CLOCK_OFF: Delays = Delays { raise_ms: MINUTE, clear_ms: MINUTE };
const ON_BATTERY: Delays = Delays { raise_ms: 30 * SECOND, clear_ms: 0 };
const CLOCK_CLEAR_MS: u64 = 100;
pub(super) const CLOCK_CRITICAL_MS: u64 = 500;
pub(super) const BATTERY_CRITICAL_MINUTES: u32 = 10;

/// The trouble that a check could be.
pub(super) fn finding(check: &Check) -> Option<Finding> {
    let found = |cause, kind, severity, verdict, delays| Finding {
        cause,
        cluster: None,
        kind,
        severity,
        verdict,
        delays,
        held: false,
    };
    let critical_if = |critical| if critical { Severity::Critical } else { Severity::Warning };
    match check.measured {
        Measured::Clock { offset_ms, .. } => {
            let off = offset_ms.map(i64::unsigned_abs);
            let verdict = match off {
                Some(off) if off > CLOCK_BAD_MS => Verdict::Bad,
                Some(off) if off >= CLOCK_CLEAR_MS => Verdict::Between,
                Some(_) => Verdict::Good,
                None => Verdict::Unknown,
            };
            let severity = critical_if(off.is_some_and(|off| off > CLOCK_CRITICAL_MS));
            let kind = AlertKind::ClockOff { offset_ms: offset_ms.unwrap_or_default() };
            Some(found(Cause::ClockOff, kind, severity, verdict, CLOCK_OFF))
        }
        Measured::Disk { free_mib, full_in_days } => {
            let low = |free| free < DISK_LOW_MIB || full_in_days.is_some_and(|days| days <= DISK_DAYS);
            let kind = AlertKind::DiskLow { free_mib: free_mib.unwrap_or_default(), full_in_days };
            let verdict = Verdict::bad_if(free_mib.map(low));
            Some(found(Cause::DiskLow, kind, Severity::Warning, verdict, AT_ONCE))
        }
        Measured::Power { source, minutes_left } => {
            let on_battery = match source {
                PowerSource::Unknown => None,
                PowerSource::MainsOnly | PowerSource::Mains => Some(false),
                PowerSource::Battery => Some(true),
            };
            let critical = minutes_left.is_some_and(|minutes| minutes < BATTERY_CRITICAL_MINUTES);
            let kind = AlertKind::OnBattery { minutes_left };
            Some(found(Cause::OnBattery, kind, critical_if(critical), Verdict::bad_if(on_battery), ON_BATTERY))
        }
        // Those of the beacon nodes and of other operators come from the view, and what a computer is set to alarms nobody.
        Measured::BeaconNode { .. }
        | Measured::Reachability { .. }
        | Measured::Memory { .. }
        | Measured::Sleep { .. } => None,
    }
}
