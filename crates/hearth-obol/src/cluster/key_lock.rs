//! The file beside a node's key that keeps two programs from using it at the same time, and the shares of an edited
//! cluster from being used while those of the old one may be: `charon-enr-private-key.lock`.
//!
//! Whoever uses the key rewrites the file every second and leaves it behind. It is advice between programs that do not
//! know each other: it relies on their clocks.
//! Source: `obol-cluster.md` 10.

use hearth_types::{LockHash, UnixMillis};
use serde::Deserialize;
use thiserror::Error;

use super::shape::{Object, parse};
use super::write::{Json, text};

/// Name of the file.
pub const KEY_LOCK_FILE: &str = "charon-enr-private-key.lock";
/// How often whoever uses the key says so.
pub const KEY_LOCK_REFRESH_MS: u64 = 1_000;
/// Age up to which the file means that somebody uses the key.
const FRESH_MS: u64 = 5_000;
/// Age up to which the shares of another cluster with the same key may still be in use: two epochs of mainnet.
const GRACE_MS: u64 = 768_000;

/// What the file says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyLock {
    /// What uses the key, such as `hearth run`.
    pub command: String,
    /// When it last said so.
    pub timestamp: UnixMillis,
    /// Hash of the cluster that it is used for; empty before there is one.
    pub cluster_lock_hash: String,
    /// The machine that Hearth ran on. Others do not write this, and ignore it.
    pub machine: Option<String>,
}

/// Why the key is not to be used now.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum KeyInUse {
    /// The file is not one of these.
    #[error(
        "it cannot be read, so it does not say whether another program uses the key; if none does, delete it"
    )]
    Unreadable,
    /// Somebody said so a moment ago.
    #[error(
        "`{command}` used the key {age_ms} ms ago: another program runs with it. Two of them would get the validator slashed"
    )]
    Running {
        /// Who.
        command: String,
        /// How long ago.
        age_ms: u64,
    },
    /// Somebody says so in the future.
    #[error(
        "`{command}` says that it used the key {ahead_s} s in the future; check the clock. If no other program uses the key, delete the file"
    )]
    Future {
        /// Who.
        command: String,
        /// How far ahead.
        ahead_s: u64,
    },
    /// Shares of another cluster with this key may be in use yet.
    #[error(
        "`{command}` used the key for the cluster {other} {age_s} s ago; wait {wait_s} s, so that its key shares and the new ones never sign at the same time"
    )]
    OtherCluster {
        /// Who.
        command: String,
        /// The other cluster.
        other: String,
        /// How long ago.
        age_s: u64,
        /// How long to wait.
        wait_s: u64,
    },
}

/// Whoever wants to use the key.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The cluster to use it for, if there is one yet.
    pub cluster: Option<LockHash>,
    /// This machine, where its exclusive use of the folder is proved by other means: what this very machine left behind
    /// then comes from a predecessor that is no more.
    pub machine: Option<&'a str>,
}

impl KeyLock {
    /// Reads the file.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyInUse> {
        let Object(raw): Object<Raw> = parse(json).map_err(|_| KeyInUse::Unreadable)?;
        let at: jiff::Timestamp = raw.timestamp.parse().map_err(|_| KeyInUse::Unreadable)?;
        Ok(Self {
            command: shown(&raw.command),
            timestamp: UnixMillis::new(u64::try_from(at.as_millisecond()).unwrap_or(0)),
            cluster_lock_hash: shown(&raw.cluster_lock_hash.unwrap_or_default()),
            machine: raw.machine,
        })
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        let at = i64::try_from(self.timestamp.get()).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::MAX);
        let or_omitted = |text: &str| {
            if text.is_empty() { Json::Omitted } else { Json::Made(text.to_owned()) }
        };
        text(&Json::Object(vec![
            ("command", Json::Text(&self.command)),
            ("timestamp", Json::Made(format!("{at:.9}"))),
            ("cluster_lock_hash", or_omitted(&self.cluster_lock_hash)),
            ("machine", or_omitted(self.machine.as_deref().unwrap_or_default())),
        ]))
    }

    /// Whether the key may be used although this file was found.
    pub fn admits(&self, claimant: &Claimant<'_>, now: UnixMillis) -> Result<(), KeyInUse> {
        let command = self.command.clone();
        let (now, at) = (now.get(), self.timestamp.get());
        let predecessor = claimant.machine.is_some() && self.machine.as_deref() == claimant.machine;
        if !predecessor {
            if at > now.saturating_add(FRESH_MS) {
                return Err(KeyInUse::Future { command, ahead_s: (at - now).div_ceil(1_000) });
            }
            if now.saturating_sub(at) <= FRESH_MS {
                return Err(KeyInUse::Running { command, age_ms: now.saturating_sub(at) });
            }
        }
        let age_ms = now.saturating_sub(at);
        let own = claimant.cluster.map_or_else(String::new, |hash| hash.to_string());
        let other = &self.cluster_lock_hash;
        if !other.is_empty() && !other.eq_ignore_ascii_case(&own) && age_ms < GRACE_MS {
            return Err(KeyInUse::OtherCluster {
                command,
                other: other.chars().take(10).collect(),
                age_s: age_ms / 1_000,
                wait_s: at.saturating_add(GRACE_MS).saturating_sub(now).div_ceil(1_000),
            });
        }
        Ok(())
    }
}

/// A foreign text as it may be repeated: short, and on one line.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    command: String,
    timestamp: String,
    cluster_lock_hash: Option<String>,
    machine: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::vector_json;

    const NOW: u64 = 1_800_000_000_000;

    fn hash(seed: u8) -> LockHash {
        LockHash::new([seed; 32])
    }

    fn left(age_ms: i64, cluster: Option<u8>, machine: Option<&str>) -> KeyLock {
        KeyLock {
            command: "charon run".to_owned(),
            timestamp: UnixMillis::new(NOW.saturating_add_signed(-age_ms)),
            cluster_lock_hash: cluster.map_or_else(String::new, |seed| hash(seed).to_string()),
            machine: machine.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn a_key_is_free_five_seconds_after_its_last_use_and_768_after_that_for_another_cluster() {
        let ours = Claimant { cluster: Some(hash(1)), machine: Some("here") };
        let stranger = Claimant { cluster: Some(hash(1)), machine: None };
        let unformed = Claimant { cluster: None, machine: None };
        for (name, found, claimant, free) in [
            ("used now", left(0, Some(1), None), ours, false),
            ("at the limit", left(5_000, Some(1), None), ours, false),
            ("just after", left(5_001, Some(1), None), ours, true),
            ("long ago", left(i64::from(u32::MAX), Some(1), None), ours, true),
            ("of before there was a cluster", left(5_001, None, None), ours, true),
            ("of another cluster", left(5_001, Some(2), None), ours, false),
            ("of another cluster, nearly over", left(767_999, Some(2), None), ours, false),
            ("of another cluster, over", left(768_000, Some(2), None), ours, true),
            ("a ceremony beside a running cluster", left(5_001, Some(2), None), unformed, false),
            ("a ceremony after another", left(5_001, None, None), unformed, true),
            ("a clock that is a little ahead", left(-4_000, Some(1), None), ours, false),
            ("a clock that is far ahead", left(-9_000_000, Some(1), None), ours, false),
            ("a predecessor on this machine", left(0, Some(1), Some("here")), ours, true),
            ("a predecessor whose clock was ahead", left(-9_000, Some(1), Some("here")), ours, true),
            ("a predecessor for another cluster", left(0, Some(2), Some("here")), ours, false),
            ("somebody on another machine", left(0, Some(1), Some("there")), ours, false),
            ("without proof of this machine", left(0, Some(1), Some("here")), stranger, false),
            ("nobody knows a machine", left(0, Some(1), None), stranger, false),
        ] {
            let admitted = found.admits(&claimant, UnixMillis::new(NOW));
            assert_eq!(admitted.is_ok(), free, "{name}: {admitted:?}");
        }
        let waiting = left(700_000, Some(2), None).admits(&ours, UnixMillis::new(NOW)).unwrap_err();
        assert!(matches!(waiting, KeyInUse::OtherCluster { age_s: 700, wait_s: 68, .. }), "{waiting}");
    }

    #[test]
    fn what_is_written_is_read_back_and_other_programs_can_read_it() {
        for lock in [left(7, Some(3), Some("here")), left(0, None, None)] {
            assert_eq!(KeyLock::from_json(lock.to_json().as_bytes()), Ok(lock));
        }
        let json = left(0, Some(1), None).to_json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["timestamp"], "2027-01-15T08:00:00.000000000Z");
        assert_eq!(value["cluster_lock_hash"], format!("0x{}", "01".repeat(32)));
        assert_eq!(value.as_object().unwrap().len(), 3, "an absent machine is not written: {json}");
    }

    #[test]
    fn the_sample_of_the_specification_is_read() {
        let Some(sample) = vector_json("node-folders/private-key-lock-sample.json") else { return };
        let lock = KeyLock::from_json(sample["content"].to_string().as_bytes()).unwrap();
        assert_eq!(lock.command, "charon run");
        assert_eq!(lock.timestamp.get(), 1_767_319_445_678);
        assert_eq!(lock.cluster_lock_hash, sample["content"]["cluster_lock_hash"].as_str().unwrap());
        assert_eq!((FRESH_MS, GRACE_MS, KEY_LOCK_REFRESH_MS), (5_000, 768_000, 1_000));
    }

    #[test]
    fn a_file_that_says_nothing_admits_nobody() {
        for json in
            ["", "{", "[]", "{}", r#"{"timestamp":""}"#, r#"{"timestamp":"yesterday"}"#, r#"{"timestamp":5}"#]
        {
            assert_eq!(KeyLock::from_json(json.as_bytes()), Err(KeyInUse::Unreadable), "{json}");
        }
        let odd =
            format!(r#"{{"command":"a\u001b[31m{}","timestamp":"1960-01-01T00:00:00Z"}}"#, "x".repeat(500));
        let read = KeyLock::from_json(odd.as_bytes()).unwrap();
        assert_eq!((read.command.len(), read.timestamp.get()), (80, 0), "no control characters, and short");
    }
}
