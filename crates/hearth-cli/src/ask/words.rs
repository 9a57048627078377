//! Moments, spans and names as a person reads them.

use hearth_api::Severity;
use hearth_types::DutyKind;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A moment in the time zone of this computer: the time alone if it is today.
pub(super) fn moment(at_ms: u64, now_ms: u64) -> String {
    let zoned = |ms: u64| -> Option<Zoned> {
        let timestamp = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
        Some(timestamp.to_zoned(TimeZone::system()))
    };
    match (zoned(at_ms), zoned(now_ms)) {
        (Some(at), Some(now)) if at.date() == now.date() => at.strftime("%H:%M:%S").to_string(),
        (Some(at), _) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        (None, _) => "an impossible time".into(),
    }
}

/// The now of this computer.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// A span of time, in its two largest units.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}

/// What a duty is called in a sentence.
pub(super) const fn duty(kind: DutyKind) -> &'static str {
    match kind {
        DutyKind::Proposer => "block proposal",
        DutyKind::Attester => "attestation",
        DutyKind::Signature => "signature",
        DutyKind::Exit => "voluntary exit",
        DutyKind::BuilderRegistration => "builder registration",
        DutyKind::Randao => "randao reveal",
        DutyKind::PrepareAggregator => "aggregation selection",
        DutyKind::Aggregator => "aggregation",
        DutyKind::SyncMessage => "sync committee message",
        DutyKind::PrepareSyncContribution => "sync committee selection",
        DutyKind::SyncContribution => "sync committee contribution",
        DutyKind::InfoSync => "exchange of abilities",
    }
}

/// A severity by its shape and its word.
pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "(i) info",
        Severity::Warning => "/!\\ warning",
        Severity::Critical => "[X] critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        for (ms, text) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (192_000, "3 min 12 s"),
            (3_600_000, "1 h 0 min"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn a_moment_of_another_day_bears_its_date() {
        let day = 86_400_000;
        assert_eq!(moment(20 * day + 5_000, 20 * day + 9_000).len(), "00:00:05".len());
        assert_eq!(moment(20 * day, 24 * day).len(), "1970-01-21 00:00:00".len());
        assert_eq!(moment(u64::MAX, 0), "an impossible time");
    }
}
