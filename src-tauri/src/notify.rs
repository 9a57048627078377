//! Notifications of the desktop: one for each alert that begins or becomes worse, taken back when it is over.
//!
//! [`Notifier::look`] decides and is pure; [`Desktop`] shows. Nothing waits for either.

use std::collections::{BTreeMap, BTreeSet};

use hearth_api::{ClusterStage, Herald, Hush, Mark, News, NodeView, STALE_MS, Severity};

/// What makes two sights of an alert the same alert.
type Key = String;

/// A node that says nothing for so long is told about: a restart takes less.
const SILENCE_MS: u64 = 60_000;
const SILENCE: &str = "silence";

/// Something to show, or to take back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Note {
    /// A trouble.
    Show {
        /// Replaces what was shown under the same key.
        key: Key,
        /// In a few words.
        title: String,
        /// What it means and what to do.
        body: String,
        /// Whether it stays until somebody has seen it.
        stays: bool,
    },
    /// It is over.
    TakeBack {
        /// What was shown.
        key: Key,
        /// What was the matter.
        title: String,
    },
}

/// Knows what was told.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    /// Of each trouble title and body.
    herald: Herald<(String, String)>,
    paused_until_ms: u64,
    /// When a node answered last; the app's start before the first.
    heard_ms: Option<u64>,
    /// Clusters that wait for their first duty.
    unlit: BTreeSet<String>,
}

impl Notifier {
    /// Nothing is shown until then.
    pub(crate) fn pause_until(&mut self, ms: u64) {
        self.paused_until_ms = ms;
    }

    pub(crate) fn is_paused(&self, now_ms: u64) -> bool {
        now_ms < self.paused_until_ms
    }

    /// What there is to show, now that the node shows `view`. What only informs is not told.
    pub(crate) fn look(&mut self, now_ms: u64, view: Option<&NodeView>) -> Vec<Note> {
        let fresh = view.filter(|view| now_ms.saturating_sub(view.at_ms) <= STALE_MS);
        let heard_ms = *self.heard_ms.get_or_insert(now_ms);
        let mut there: BTreeMap<Key, (Severity, (String, String))> = BTreeMap::new();
        match fresh {
            Some(view) => {
                self.heard_ms = Some(now_ms);
                for alert in view.alerts.iter().filter(|alert| alert.severity > Severity::Info) {
                    let body = || {
                        let body = [Some(&alert.text), alert.action.as_ref()].into_iter().flatten();
                        body.map(String::as_str).collect::<Vec<_>>().join(" ")
                    };
                    there.extend(self.herald.sight(alert, || (alert.title.clone(), body())));
                }
            }
            None => {
                // Whether they are over is not known: they stay, and nothing new is seen.
                there.clone_from(self.herald.told());
                if now_ms.saturating_sub(heard_ms) >= SILENCE_MS {
                    there.insert(
                        SILENCE.into(),
                        (
                            Severity::Critical,
                            (
                                "The Hearth node does not answer".into(),
                                "Your share does not sign. The other operators keep the validator running if enough of them are here. \
                                 Open Hearth to start the node."
                                    .into(),
                            ),
                        ),
                    );
                }
            }
        }
        let hush = match fresh {
            _ if self.is_paused(now_ms) => Hush::News,
            Some(view) if view.node.quiet => Hush::AllButCritical,
            _ => Hush::Nothing,
        };
        let note = |news| match news {
            News::Began { key, severity, what: (title, body) } => {
                Note::Show { key, title, body, stays: severity == Severity::Critical }
            }
            News::Over { key, what: (title, _) } => Note::TakeBack { key, title },
        };
        let mut notes: Vec<Note> = self.herald.look(there, hush).into_iter().map(note).collect();
        notes.extend(fresh.into_iter().flat_map(|view| self.first_duties(view)));
        notes
    }

    /// The one good thing that is told: once for each cluster, when what it waited for has come.
    fn first_duties(&mut self, view: &NodeView) -> Vec<Note> {
        let mut notes = Vec::new();
        for cluster in &view.clusters {
            let id = cluster.id.to_string();
            if cluster.stage == ClusterStage::Queued {
                self.unlit.insert(id);
            } else if cluster.strip.iter().any(|duty| duty.mark == Mark::Done) && self.unlit.remove(&id) {
                notes.push(Note::Show {
                    key: format!("first duty {id}"),
                    title: format!("{} is lit", cluster.name),
                    body: "Its first duty is done. All of you did that.".into(),
                    stays: false,
                });
            }
        }
        notes
    }
}

/// The desktop's notifications. A desktop without any is no error: window and tray show the same.
#[derive(Debug, Default)]
pub(crate) struct Desktop {
    #[cfg(target_os = "linux")]
    shown: BTreeMap<Key, notify_rust::NotificationHandle>,
}

impl Desktop {
    /// Shows or takes back. Talks to the desktop, which may be slow.
    pub(crate) fn tell(&mut self, note: Note) {
        match note {
            Note::Show { key, title, body, stays } => {
                let mut notification = notify_rust::Notification::new();
                notification.appname("Hearth").summary(&title).body(&body);
                if stays {
                    notification.timeout(notify_rust::Timeout::Never);
                }
                self.show(Some(key), &notification);
            }
            Note::TakeBack { key, title } => {
                self.close(&key);
                let mut notification = notify_rust::Notification::new();
                notification.appname("Hearth").summary("Back to normal").body(&title);
                self.show(None, &notification);
            }
        }
    }

    /// `key`: by which it can be taken back.
    fn show(&mut self, key: Option<Key>, notification: &notify_rust::Notification) {
        match notification.show() {
            #[cfg(target_os = "linux")]
            Ok(handle) => self.shown.extend(key.map(|key| (key, handle))),
            #[cfg(not(target_os = "linux"))]
            Ok(_) => drop(key),
            Err(error) => tracing::debug!(%error, "this desktop shows no notifications"),
        }
    }

    #[cfg(target_os = "linux")]
    fn close(&mut self, key: &str) {
        if let Some(handle) = self.shown.remove(key) {
            handle.close();
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "other systems take nothing back")]
    fn close(&mut self, _key: &str) {}
}

#[cfg(test)]
mod tests {
    use hearth_api::{Alert, ClusterView};
    use serde_json::json;

    use super::*;

    fn alert(free_mib: u64, severity: &str) -> Alert {
        serde_json::from_value(json!({"kind": {"code": "disk_low", "free_mib": free_mib, "full_in_days": null},
            "cluster": null, "severity": severity, "since_ms": 1, "recovering_since_ms": null, "resolved_ms": null,
            "title": format!("{free_mib} MiB"), "text": "It is so.", "action": "Make room.", "why": "", "rests": null}))
        .unwrap()
    }

    fn view(at_ms: u64, alerts: Vec<Alert>) -> NodeView {
        NodeView { at_ms, alerts, ..NodeView::default() }
    }

    fn words(notes: &[Note]) -> Vec<String> {
        let word = |note: &Note| match note {
            Note::Show { title, body, stays, .. } => {
                format!("show {title}: {body}{}", if *stays { " stays" } else { "" })
            }
            Note::TakeBack { title, .. } => format!("over {title}"),
        };
        notes.iter().map(word).collect()
    }

    #[test]
    fn an_alert_is_told_when_it_begins_and_when_it_becomes_worse_and_is_taken_back_once() {
        let mut notifier = Notifier::default();
        for (name, alerts, expected) in [
            ("quiet", vec![], vec![]),
            ("information", vec![alert(9, "info")], vec![]),
            ("begins", vec![alert(9, "warning")], vec!["show 9 MiB: It is so. Make room."]),
            ("goes on with other numbers", vec![alert(8, "warning")], vec![]),
            ("worse", vec![alert(7, "critical")], vec!["show 7 MiB: It is so. Make room. stays"]),
            ("better", vec![alert(7, "warning")], vec![]),
            ("over", vec![], vec!["over 7 MiB"]),
            ("still over", vec![], vec![]),
        ] {
            let notes = notifier.look(1_000, Some(&view(1_000, alerts)));
            assert_eq!(words(&notes), expected, "{name}");
        }
    }

    #[test]
    fn while_paused_nothing_is_shown_and_afterwards_what_is_still_so() {
        let mut notifier = Notifier::default();
        notifier.pause_until(2_000);
        assert!(notifier.look(1_000, Some(&view(1_000, vec![alert(9, "critical")]))).is_empty());
        let later = notifier.look(2_000, Some(&view(2_000, vec![alert(9, "critical")])));
        assert_eq!(later.len(), 1);
    }

    #[test]
    fn in_quiet_hours_only_what_is_critical_is_shown() {
        let mut notifier = Notifier::default();
        let mut night = view(1_000, vec![alert(9, "warning")]);
        night.node.quiet = true;
        assert!(notifier.look(1_000, Some(&night)).is_empty());
        night.alerts = vec![alert(9, "critical")];
        assert_eq!(words(&notifier.look(1_000, Some(&night))), ["show 9 MiB: It is so. Make room. stays"]);
    }

    #[test]
    fn an_alert_that_rests_is_not_shown_and_one_that_was_shown_is_not_taken_back() {
        let mut notifier = Notifier::default();
        let resting =
            |free| hearth_api::Alert { rests: Some(hearth_api::Rest::Muted), ..alert(free, "warning") };
        assert!(notifier.look(1_000, Some(&view(1_000, vec![resting(9)]))).is_empty());
        assert_eq!(notifier.look(2_000, Some(&view(2_000, vec![alert(9, "warning")]))).len(), 1);
        assert!(notifier.look(3_000, Some(&view(3_000, vec![resting(9)]))).is_empty());
        let worse = hearth_api::Alert { severity: Severity::Critical, ..resting(9) };
        assert_eq!(
            notifier.look(4_000, Some(&view(4_000, vec![worse]))).len(),
            1,
            "what is critical does not rest"
        );
        assert_eq!(words(&notifier.look(5_000, Some(&view(5_000, vec![])))), ["over 9 MiB"]);
    }

    #[test]
    fn the_first_duty_of_a_cluster_that_waited_for_it_is_told_once() {
        let cluster = |stage: &str, strip: serde_json::Value| -> ClusterView {
            let cluster = json!({"id": format!("0x{}", "1".repeat(64)), "name": "Sunday hearth", "stage": stage,
                "needed": 3, "seats": [], "validators": 1, "next_duty": null, "strip": strip,
                "effectiveness": {"day": null, "week": null, "month": null},
                "health": {"flame": "ash", "sentence": "", "here": 0, "spare": 0}});
            serde_json::from_value(cluster).unwrap()
        };
        let done = json!([{"slot": "3", "kind": "attester", "mark": "done", "delay": 1}]);
        let mut notifier = Notifier::default();
        for (name, stage, strip, told) in [
            ("it waits", "queued", json!([]), 0),
            ("it has duties", "active", json!([]), 0),
            ("one is done", "active", done.clone(), 1),
            ("another is", "active", done.clone(), 0),
        ] {
            let view = NodeView { clusters: vec![cluster(stage, strip)], ..view(1_000, vec![]) };
            assert_eq!(notifier.look(1_000, Some(&view)).len(), told, "{name}");
        }
        let old = NodeView { clusters: vec![cluster("active", done)], ..view(1_000, vec![]) };
        assert!(Notifier::default().look(1_000, Some(&old)).is_empty(), "one that was lit before");
    }

    #[test]
    fn a_node_that_falls_silent_is_told_once_after_a_minute_and_hides_nothing() {
        let mut notifier = Notifier::default();
        let last = view(1_000, vec![alert(9, "warning")]);
        assert_eq!(notifier.look(1_000, Some(&last)).len(), 1);
        assert!(notifier.look(30_000, Some(&last)).is_empty(), "an old view ends no alert");
        assert!(notifier.look(60_999, Some(&last)).is_empty());
        let told = notifier.look(61_000, None);
        assert!(matches!(told.as_slice(), [Note::Show { key, .. }] if key == SILENCE), "{told:?}");
        assert!(notifier.look(90_000, None).is_empty());
        let back = notifier.look(100_000, Some(&view(100_000, vec![alert(9, "warning")])));
        assert_eq!(words(&back), ["over The Hearth node does not answer"]);
    }
}
