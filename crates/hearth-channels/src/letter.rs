//! What is said.

use hearth_api::{Alert, News, Severity};
use serde_json::{Value, json};

/// How a message is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    /// A trouble, so bad.
    Trouble(Severity),
    /// The end of one.
    Over,
    /// What happened in a day.
    Digest,
    /// Only a test.
    Test,
}

/// A message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// How it is meant.
    pub tone: Tone,
    /// In a few words.
    pub title: String,
    /// What it means, and what to do.
    pub text: String,
}

impl Letter {
    /// What an owner is told who has just set up a channel.
    pub fn test() -> Self {
        Self {
            tone: Tone::Test,
            title: "Hearth: a test".into(),
            text: "Alerts of your Hearth node will arrive here. Nothing is wrong.".into(),
        }
    }

    /// The news about an alert.
    pub fn of(news: &News<Alert>, now_ms: u64) -> Self {
        match news {
            News::Began { severity, what, .. } => {
                let text = [Some(&what.text), what.action.as_ref()].into_iter().flatten();
                let text = text.map(String::as_str).collect::<Vec<_>>().join(" ");
                Self { tone: Tone::Trouble(*severity), title: format!("Hearth: {}", what.title), text }
            }
            News::Over { what, .. } => Self {
                tone: Tone::Over,
                title: format!("Hearth: over: {}", what.title),
                text: format!("It lasted {}.", lasting(now_ms.saturating_sub(what.since_ms))),
            },
        }
    }

    fn word(&self) -> &'static str {
        match self.tone {
            Tone::Trouble(Severity::Critical) => "critical",
            Tone::Trouble(Severity::Warning) => "warning",
            Tone::Trouble(Severity::Info) => "info",
            Tone::Over => "over",
            Tone::Digest => "digest",
            Tone::Test => "test",
        }
    }

    /// `text` is what Slack shows of it, `content` what Discord does; the rest is for programs.
    pub(crate) fn for_webhook(&self) -> Value {
        let whole = format!("{}\n{}", self.title, self.text);
        json!({"text": whole, "content": whole, "title": self.title, "message": self.text, "state": self.word()})
    }

    /// Source: ntfy's manual, "Publish as JSON": 5 is the highest priority, 3 the usual one.
    pub(crate) fn for_ntfy(&self, topic: &str) -> Value {
        let (priority, tag) = match self.tone {
            Tone::Trouble(Severity::Critical) => (5, "rotating_light"),
            Tone::Trouble(Severity::Warning) => (4, "warning"),
            Tone::Trouble(Severity::Info) => (3, "information_source"),
            Tone::Over => (3, "white_check_mark"),
            Tone::Digest => (2, "newspaper"),
            Tone::Test => (3, "fire"),
        };
        json!({"topic": topic, "title": self.title, "message": self.text, "priority": priority, "tags": [tag]})
    }

    /// Source: Telegram's bot API, `sendMessage`. Without a mode of parsing: nothing in it is markup.
    pub(crate) fn for_telegram(&self, chat: &str) -> Value {
        let quietly = !matches!(self.tone, Tone::Trouble(Severity::Critical | Severity::Warning));
        json!({"chat_id": chat, "text": format!("{}\n{}", self.title, self.text), "disable_notification": quietly})
    }
}

pub(crate) fn lasting(ms: u64) -> String {
    let minutes = ms / 60_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => "less than a minute".into(),
        (0, 1) => "1 minute".into(),
        (0, minutes) => format!("{minutes} minutes"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn alert(since_ms: u64) -> Alert {
        serde_json::from_value(json!({"kind": {"code": "disk_low", "free_mib": 9, "full_in_days": null},
            "cluster": null, "severity": "critical", "since_ms": since_ms, "recovering_since_ms": null,
            "resolved_ms": null, "title": "Disk", "text": "It is full.", "action": "Make room.", "why": "", "rests": null}))
        .unwrap()
    }

    #[test]
    fn a_trouble_says_what_to_do_and_its_end_how_long_it_was() {
        let began = News::Began { key: "k".into(), severity: Severity::Critical, what: alert(0) };
        let letter = Letter::of(&began, 0);
        assert_eq!((letter.title.as_str(), letter.text.as_str()), ("Hearth: Disk", "It is full. Make room."));
        for (ms, words) in [
            (59_999, "less than a minute"),
            (60_000, "1 minute"),
            (120_000, "2 minutes"),
            (3_660_000, "1 h 1 min"),
        ] {
            let over = News::Over { key: "k".into(), what: alert(0) };
            assert_eq!(Letter::of(&over, ms).text, format!("It lasted {words}."));
        }
    }
}
