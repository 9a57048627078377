//! Which chain a node is on, learned from what it says about genesis, parameters and forks. Pure.

use hearth_types::{ChainSpec, Epoch, ForkName, ForkSchedule, InvalidSpec, Root, ScheduledFork, UnixMillis};
use thiserror::Error;

use crate::error::short;
use crate::wire::{Config, Genesis, ScheduleEntry};

/// A description of a chain that cannot be true or lacks something.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum SpecProblem {
    /// A value that every chain has.
    #[error("config/spec lacks {0}")]
    Missing(String),
    /// A value that cannot be read.
    #[error("config/spec has an unreadable {0}")]
    Unreadable(String),
    /// A value so large that no moment can be computed from it.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// Two routes of one node tell different stories.
    #[error("the node contradicts itself about {0}")]
    Contradiction(&'static str),
    /// Each value can be read; together they make no chain.
    #[error(transparent)]
    Invalid(#[from] InvalidSpec),
}

/// What tells two chains apart.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub enum Difference {
    /// Other validators at genesis.
    #[error("genesis validators root {ours} against {theirs}")]
    GenesisValidatorsRoot {
        /// Of the first chain.
        ours: Root,
        /// Of the second chain.
        theirs: Root,
    },
    /// Another start.
    #[error("genesis at {ours} ms against {theirs} ms")]
    GenesisTime {
        /// Of the first chain.
        ours: UnixMillis,
        /// Of the second chain.
        theirs: UnixMillis,
    },
    /// Slots of another length.
    #[error("slots of {ours} ms against {theirs} ms")]
    SlotLength {
        /// Of the first chain.
        ours: u64,
        /// Of the second chain.
        theirs: u64,
    },
    /// Epochs of another length.
    #[error("{ours} slots per epoch against {theirs}")]
    EpochLength {
        /// Of the first chain.
        ours: u64,
        /// Of the second chain.
        theirs: u64,
    },
    /// A fork that both know, with another version or at another epoch.
    #[error("fork {} with version {} at epoch {} against {} at epoch {}",
        .ours.name.as_str(), .ours.version, .ours.epoch, .theirs.version, .theirs.epoch)]
    Fork {
        /// Of the first chain.
        ours: ScheduledFork,
        /// Of the second chain.
        theirs: ScheduledFork,
    },
    /// Forks that cannot be brought into one order.
    #[error("forks that do not fit: {0}")]
    Forks(#[from] InvalidSpec),
}

/// The chain that a node describes.
///
/// Forks are read by name. A scheduled fork whose name or version this version of Hearth does not know ends the
/// schedule: nothing is signed from its epoch on. `SLOT_DURATION_MS` is the slot length that counts;
/// `SECONDS_PER_SLOT` serves nodes that do not know it.
pub(crate) fn chain_spec(
    genesis: &Genesis,
    config: &Config,
    schedule: Option<&[ScheduleEntry]>,
) -> Result<ChainSpec, SpecProblem> {
    let forks = known_forks(config)?;
    if forks.first().is_some_and(|first| first.version != genesis.genesis_fork_version) {
        return Err(SpecProblem::Contradiction("the fork version at genesis"));
    }
    let horizon = strange_forks(config)?.min(unnamed_forks(&forks, schedule.unwrap_or_default())?);
    let genesis_ms =
        genesis.genesis_time_s.checked_mul(1_000).ok_or(SpecProblem::OutOfRange("genesis time"))?;
    Ok(ChainSpec::new(
        UnixMillis::new(genesis_ms),
        genesis.genesis_validators_root,
        slot_ms(config)?,
        required(config, "SLOTS_PER_EPOCH")?,
        ForkSchedule::new(forks, horizon)?,
    )?)
}

fn slot_ms(config: &Config) -> Result<u64, SpecProblem> {
    if let Some(slot_ms) = optional(config, "SLOT_DURATION_MS")? {
        return Ok(slot_ms);
    }
    let seconds: u64 = required(config, "SECONDS_PER_SLOT")?;
    seconds.checked_mul(1_000).ok_or(SpecProblem::OutOfRange("SECONDS_PER_SLOT"))
}

/// The forks that this version knows and the node has scheduled, oldest first.
fn known_forks(config: &Config) -> Result<Vec<ScheduledFork>, SpecProblem> {
    let mut forks = Vec::new();
    for name in ForkName::ALL {
        let upper = name.as_str().to_uppercase();
        let (epoch_key, version_key) = match name {
            ForkName::Phase0 => (None, "GENESIS_FORK_VERSION".to_owned()),
            _ => (Some(format!("{upper}_FORK_EPOCH")), format!("{upper}_FORK_VERSION")),
        };
        let epoch = match epoch_key {
            None => Epoch::new(0),
            Some(key) => optional(config, &key)?.unwrap_or(Epoch::FAR_FUTURE),
        };
        if epoch != Epoch::FAR_FUTURE {
            forks.push(ScheduledFork { name, epoch, version: required(config, &version_key)? });
        }
    }
    Ok(forks)
}

/// First epoch of a fork in `config/spec` whose name this version does not know.
fn strange_forks(config: &Config) -> Result<Epoch, SpecProblem> {
    let mut horizon = Epoch::FAR_FUTURE;
    for key in config.keys() {
        let Some(name) = key.strip_suffix("_FORK_EPOCH") else { continue };
        if ForkName::ALL.iter().all(|known| !known.as_str().eq_ignore_ascii_case(name)) {
            horizon = horizon.min(required(config, key)?);
        }
    }
    Ok(horizon)
}

/// First epoch of a fork in `config/fork_schedule` whose version `config/spec` does not explain.
fn unnamed_forks(forks: &[ScheduledFork], schedule: &[ScheduleEntry]) -> Result<Epoch, SpecProblem> {
    let mut horizon = Epoch::FAR_FUTURE;
    for entry in schedule.iter().filter(|entry| entry.epoch != Epoch::FAR_FUTURE) {
        let mut named = forks.iter().filter(|fork| fork.version == entry.current_version).peekable();
        if named.peek().is_none() {
            horizon = horizon.min(entry.epoch);
        } else if named.all(|fork| fork.epoch != entry.epoch) {
            return Err(SpecProblem::Contradiction("the epoch of a fork"));
        }
    }
    Ok(horizon)
}

fn required<T: std::str::FromStr>(config: &Config, key: &str) -> Result<T, SpecProblem> {
    optional(config, key)?.ok_or_else(|| SpecProblem::Missing(short(key)))
}

fn optional<T: std::str::FromStr>(config: &Config, key: &str) -> Result<Option<T>, SpecProblem> {
    let Some(value) = config.get(key) else { return Ok(None) };
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| SpecProblem::Unreadable(short(key)))
}

/// First epoch at which one of two chains has a fork that the other does not know: up to there they are one
/// chain.
///
/// An older node does not know the newest fork; that alone does not make it another network.
/// Errors: what makes them two networks from the start.
pub(crate) fn agree_until(ours: &ChainSpec, theirs: &ChainSpec) -> Result<Epoch, Difference> {
    if ours.genesis_validators_root != theirs.genesis_validators_root {
        let (ours, theirs) = (ours.genesis_validators_root, theirs.genesis_validators_root);
        return Err(Difference::GenesisValidatorsRoot { ours, theirs });
    }
    if ours.genesis_time != theirs.genesis_time {
        return Err(Difference::GenesisTime { ours: ours.genesis_time, theirs: theirs.genesis_time });
    }
    if ours.slot_ms() != theirs.slot_ms() {
        return Err(Difference::SlotLength { ours: ours.slot_ms(), theirs: theirs.slot_ms() });
    }
    if ours.slots_per_epoch() != theirs.slots_per_epoch() {
        let (ours, theirs) = (ours.slots_per_epoch(), theirs.slots_per_epoch());
        return Err(Difference::EpochLength { ours, theirs });
    }
    let mut until = Epoch::FAR_FUTURE;
    if ours.forks.horizon() != theirs.forks.horizon() {
        until = ours.forks.horizon().min(theirs.forks.horizon());
    }
    for name in ForkName::ALL {
        match (fork(&ours.forks, name), fork(&theirs.forks, name)) {
            (Some(ours), Some(theirs)) if ours != theirs => return Err(Difference::Fork { ours, theirs }),
            (Some(known), None) | (None, Some(known)) => until = until.min(known.epoch),
            _ => {}
        }
    }
    Ok(until)
}

/// What two nodes of one chain know together: every fork that either knows, up to the nearer horizon.
pub(crate) fn merge(ours: &ChainSpec, theirs: &ChainSpec) -> Result<ChainSpec, Difference> {
    agree_until(ours, theirs)?;
    let forks = ForkName::ALL
        .into_iter()
        .filter_map(|name| fork(&ours.forks, name).or(fork(&theirs.forks, name)))
        .collect();
    let horizon = ours.forks.horizon().min(theirs.forks.horizon());
    let mut both = ours.clone();
    both.forks = ForkSchedule::new(forks, horizon)?;
    Ok(both)
}

fn fork(schedule: &ForkSchedule, name: ForkName) -> Option<ScheduledFork> {
    schedule.forks().iter().find(|fork| fork.name == name).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn genesis() -> Genesis {
        crate::wire::data(include_bytes!("../tests/vectors/genesis.json")).unwrap()
    }

    fn config() -> Config {
        crate::wire::data(include_bytes!("../tests/vectors/spec.json")).unwrap()
    }

    fn schedule() -> Vec<ScheduleEntry> {
        crate::wire::data(include_bytes!("../tests/vectors/fork_schedule.json")).unwrap()
    }

    fn with(changes: &[(&str, Option<Value>)]) -> Config {
        let mut config = config();
        for (key, value) in changes {
            match value {
                Some(value) => config.insert((*key).to_owned(), value.clone()),
                None => config.remove(*key),
            };
        }
        config
    }

    fn chain(changes: &[(&str, Option<Value>)]) -> Result<ChainSpec, SpecProblem> {
        chain_spec(&genesis(), &with(changes), None)
    }

    const FAR: &str = "18446744073709551615";

    #[test]
    fn the_length_of_a_slot_is_the_one_in_milliseconds_where_there_is_one() {
        for (name, changes, expected) in [
            ("both", vec![], 6_000),
            ("both, different", vec![("SLOT_DURATION_MS", Some(json!("5500")))], 5_500),
            ("seconds only", vec![("SLOT_DURATION_MS", None), ("SECONDS_PER_SLOT", Some(json!("12")))], 12_000),
            ("milliseconds only", vec![("SECONDS_PER_SLOT", None)], 6_000),
        ] {
            assert_eq!(chain(&changes).unwrap().slot_ms(), expected, "{name}");
        }
    }

    #[test]
    fn the_schedule_ends_where_an_unknown_fork_begins() {
        for (name, changes, expected) in [
            ("none scheduled", vec![], Epoch::FAR_FUTURE),
            ("the next fork", vec![("GLOAS_FORK_EPOCH", Some(json!("9")))], Epoch::new(9)),
            (
                "the earlier of two",
                vec![("HEZE_FORK_EPOCH", Some(json!("7"))), ("GLOAS_FORK_EPOCH", Some(json!("9")))],
                Epoch::new(7),
            ),
            ("already there", vec![("GLOAS_FORK_EPOCH", Some(json!("0")))], Epoch::new(0)),
            ("a name of its own", vec![("X_Y_FORK_EPOCH", Some(json!("3")))], Epoch::new(3)),
        ] {
            assert_eq!(chain(&changes).unwrap().forks.horizon(), expected, "{name}");
        }
    }

    #[test]
    fn a_known_fork_that_is_not_scheduled_is_left_out() {
        for epoch in [Some(json!(FAR)), None] {
            let spec = chain(&[("FULU_FORK_EPOCH", epoch), ("FULU_FORK_VERSION", None)]).unwrap();
            assert_eq!(spec.forks.at(Epoch::new(u64::MAX - 1)).unwrap().name, ForkName::Electra);
        }
    }

    #[test]
    fn a_fork_that_only_the_schedule_knows_ends_it_too() {
        let mut entries = schedule();
        let spec = chain_spec(&genesis(), &config(), Some(&entries)).unwrap();
        assert_eq!(spec.forks.horizon(), Epoch::FAR_FUTURE);
        let mut strange =
            ScheduleEntry { current_version: "0x09000042".parse().unwrap(), epoch: Epoch::FAR_FUTURE };
        entries.push(strange);
        let spec = chain_spec(&genesis(), &config(), Some(&entries)).unwrap();
        assert_eq!(spec.forks.horizon(), Epoch::FAR_FUTURE, "announced without a date");
        strange.epoch = Epoch::new(6);
        entries.push(strange);
        let spec = chain_spec(&genesis(), &config(), Some(&entries)).unwrap();
        assert_eq!(spec.forks.horizon(), Epoch::new(6));
    }

    #[test]
    fn what_cannot_be_a_chain_is_refused_with_the_name_of_what_is_wrong() {
        let unreadable = |key: &str| Err(SpecProblem::Unreadable(key.to_owned()));
        let missing = |key: &str| Err(SpecProblem::Missing(key.to_owned()));
        for (key, value, expected) in [
            ("SLOTS_PER_EPOCH", None, missing("SLOTS_PER_EPOCH")),
            ("SLOTS_PER_EPOCH", Some(json!("0")), Err(InvalidSpec::OutOfRange("slots per epoch").into())),
            ("SLOTS_PER_EPOCH", Some(json!(FAR)), Err(InvalidSpec::OutOfRange("slots per epoch").into())),
            ("SLOTS_PER_EPOCH", Some(json!(8)), unreadable("SLOTS_PER_EPOCH")),
            ("SLOT_DURATION_MS", Some(json!("0")), Err(InvalidSpec::OutOfRange("slot duration").into())),
            ("SLOT_DURATION_MS", Some(json!(FAR)), Err(InvalidSpec::OutOfRange("slot duration").into())),
            ("SLOT_DURATION_MS", Some(json!("-1")), unreadable("SLOT_DURATION_MS")),
            ("SLOT_DURATION_MS", Some(json!("")), unreadable("SLOT_DURATION_MS")),
            ("FULU_FORK_VERSION", None, missing("FULU_FORK_VERSION")),
            ("FULU_FORK_VERSION", Some(json!("0x06")), unreadable("FULU_FORK_VERSION")),
            ("FULU_FORK_EPOCH", Some(json!("soon")), unreadable("FULU_FORK_EPOCH")),
            ("FULU_FORK_EPOCH", Some(json!("18446744073709551616")), unreadable("FULU_FORK_EPOCH")),
            ("GLOAS_FORK_EPOCH", Some(json!(["9"])), unreadable("GLOAS_FORK_EPOCH")),
            ("FULU_FORK_EPOCH", Some(json!("1")), Err(InvalidSpec::OutOfOrder("fulu").into())),
            ("GENESIS_FORK_VERSION", None, missing("GENESIS_FORK_VERSION")),
            (
                "GENESIS_FORK_VERSION",
                Some(json!("0x00000001")),
                Err(SpecProblem::Contradiction("the fork version at genesis")),
            ),
        ] {
            assert_eq!(chain(&[(key, value.clone())]), expected, "{key} {value:?}");
        }
        let seconds = [("SLOT_DURATION_MS", None), ("SECONDS_PER_SLOT", Some(json!(FAR)))];
        assert_eq!(chain(&seconds), Err(SpecProblem::OutOfRange("SECONDS_PER_SLOT")));
        let late = Genesis { genesis_time_s: u64::MAX, ..genesis() };
        assert_eq!(chain_spec(&late, &config(), None), Err(SpecProblem::OutOfRange("genesis time")));
        let mut moved = schedule();
        moved.iter_mut().for_each(|entry| entry.epoch = Epoch::new(5));
        assert_eq!(
            chain_spec(&genesis(), &config(), Some(&moved)),
            Err(SpecProblem::Contradiction("the epoch of a fork"))
        );
    }

    #[test]
    fn two_nodes_agree_up_to_the_first_fork_that_only_one_knows() {
        let gloas = |epoch: &str| vec![("GLOAS_FORK_EPOCH", Some(json!(epoch)))];
        let no_fulu = vec![("FULU_FORK_EPOCH", None)];
        for (name, ours, theirs, expected) in [
            ("equal", vec![], vec![], Some(Epoch::FAR_FUTURE)),
            ("both expect gloas", gloas("9"), gloas("9"), Some(Epoch::FAR_FUTURE)),
            ("one expects gloas", vec![], gloas("9"), Some(Epoch::new(9))),
            ("at different epochs", gloas("7"), gloas("9"), Some(Epoch::new(7))),
            ("one does not know fulu", no_fulu.clone(), vec![], Some(Epoch::new(4))),
            ("nor gloas", no_fulu, gloas("3"), Some(Epoch::new(3))),
            ("fulu at another epoch", vec![], vec![("FULU_FORK_EPOCH", Some(json!("5")))], None),
            ("fulu of another version", vec![], vec![("FULU_FORK_VERSION", Some(json!("0x06000043")))], None),
            ("longer slots", vec![], vec![("SLOT_DURATION_MS", Some(json!("12000")))], None),
        ] {
            let (ours, theirs) = (chain(&ours).unwrap(), chain(&theirs).unwrap());
            assert_eq!(agree_until(&ours, &theirs).ok(), expected, "{name}");
            assert_eq!(agree_until(&theirs, &ours).ok(), expected, "{name}, the other way round");
            let Ok(both) = merge(&ours, &theirs) else {
                assert_eq!(expected, None, "{name}");
                continue;
            };
            assert_eq!(merge(&theirs, &ours).as_ref(), Ok(&both), "{name}");
            assert_eq!(both.forks.horizon(), ours.forks.horizon().min(theirs.forks.horizon()), "{name}");
            assert_eq!(both.forks.forks().len(), 7, "{name}: what one knows, both know");
        }
    }
}
