//! The alerts, with the wishes of the owner to be left in peace.

use std::collections::BTreeMap;

use hearth_api::{Alert, AlertEngine, AlertsReply, DutyRecord, NodeView, Rest, SnoozeRequest, UiError};

/// Longest rest: a week.
const LONGEST_MS: u64 = 7 * 24 * 3_600_000;

/// Which alerts there are, and which of them rest.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    engine: AlertEngine,
    /// By the key of an alert, until when.
    snoozed: BTreeMap<String, u64>,
    /// Codes of kinds.
    muted: Vec<String>,
    now_ms: u64,
}

impl Lookout {
    pub(super) fn duty(&mut self, duty: &DutyRecord) {
        self.engine.duty(duty);
    }

    /// Looks at the node, whose view says which kinds are muted.
    pub(super) fn look(&mut self, now_ms: u64, view: &NodeView) {
        self.engine.look(now_ms, view);
        (self.now_ms, self.muted) = (now_ms, view.telling.muted.clone());
        let there: Vec<String> = self.engine.current().iter().map(Alert::key).collect();
        self.snoozed.retain(|key, until_ms| *until_ms > now_ms && there.contains(key));
    }

    /// The alerts that there are: worst first, those that rest last.
    pub(super) fn current(&self) -> Vec<Alert> {
        let mut alerts = self.engine.current();
        for alert in &mut alerts {
            let snoozed = self.snoozed.get(&alert.key()).map(|until_ms| Rest::Snoozed { until_ms: *until_ms });
            let muted = || self.muted.contains(&alert.kind.code()).then_some(Rest::Muted);
            alert.rests = snoozed.or_else(muted);
        }
        alerts.sort_by_key(Alert::is_resting);
        alerts
    }

    pub(super) fn reply(&self, past: u32) -> AlertsReply {
        let most = usize::try_from(past).unwrap_or(usize::MAX);
        AlertsReply { current: self.current(), past: self.engine.past().take(most).cloned().collect() }
    }

    /// Lets an alert rest, or wakes it.
    pub(super) fn snooze(&mut self, request: &SnoozeRequest) -> Result<(), UiError> {
        let SnoozeRequest { kind, cluster, until_ms } = request;
        let subject = kind.subject(*cluster);
        let wanted = |alert: &&Alert| alert.kind.subject(alert.cluster) == subject;
        let alerts = self.engine.current();
        let over = || UiError::value_refused("Look at the alerts again: this one is over.");
        let key = alerts.iter().find(wanted).ok_or_else(over)?.key();
        match until_ms {
            None => self.snoozed.remove(&key),
            Some(until_ms) => {
                let latest = self.now_ms.saturating_add(LONGEST_MS);
                self.snoozed.insert(key, *until_ms.min(&latest))
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hearth_api::{AlertKind, LeftOut, Severity, Telling};

    use super::*;

    fn low_disk(now_ms: u64) -> NodeView {
        let machine = hearth_api::Machine { free_mib: Some(9), ..hearth_api::Machine::default() };
        let mut view = NodeView { at_ms: now_ms, ..NodeView::default() };
        view.checks = hearth_api::checks(&view, &machine);
        view
    }

    fn rests(lookout: &Lookout) -> Option<Rest> {
        lookout.current().first().unwrap().rests
    }

    #[test]
    fn an_alert_rests_until_its_time_is_over_or_it_is_woken_or_its_kind_is_muted() {
        let mut lookout = Lookout::default();
        lookout.look(1_000, &low_disk(1_000));
        // What changes while it lasts makes it no other.
        let kind = AlertKind::DiskLow { free_mib: 12, full_in_days: Some(1) };
        let until = |until_ms| SnoozeRequest { kind: kind.clone(), cluster: None, until_ms };
        assert_eq!(rests(&lookout), None);
        lookout.snooze(&until(Some(5_000))).unwrap();
        assert_eq!(rests(&lookout), Some(Rest::Snoozed { until_ms: 5_000 }));
        lookout.look(5_000, &low_disk(5_000));
        assert_eq!(rests(&lookout), None, "its time is over");
        lookout.snooze(&until(Some(u64::MAX))).unwrap();
        assert_eq!(rests(&lookout), Some(Rest::Snoozed { until_ms: 5_000 + LONGEST_MS }));
        lookout.snooze(&until(None)).unwrap();
        assert_eq!(rests(&lookout), None, "woken");
        let telling = Telling { muted: vec!["disk_low".into()], ..Telling::default() };
        lookout.look(6_000, &NodeView { telling, ..low_disk(6_000) });
        assert_eq!(rests(&lookout), Some(Rest::Muted));
        lookout.look(7_000, &NodeView::default());
        assert!(lookout.snooze(&until(Some(9_000))).is_err(), "there is none");
    }

    #[test]
    fn what_is_critical_is_shown_first_and_does_not_count_as_resting() {
        let mut lookout = Lookout::default();
        let mut view = low_disk(1_000);
        view.left_out = vec![LeftOut { folder: "f".into(), reason: "r".into() }];
        view.telling.muted = vec!["disk_low".into(), "left_out".into()];
        lookout.look(1_000, &view);
        let alerts = lookout.current();
        let seen: Vec<_> = alerts.iter().map(|alert| (alert.severity, alert.is_resting())).collect();
        assert_eq!(seen, [(Severity::Critical, false), (Severity::Warning, true)]);
    }
}
