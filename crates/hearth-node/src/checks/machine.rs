//! What the operating system says of the computer: disk, memory, power. Blocks.

use std::path::Path;

use hearth_api::PowerSource;
use starship_battery::{Manager, State};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

const MIB: u64 = 1 << 20;

/// What was seen.
pub(super) struct Seen {
    pub(super) free_mib: Option<u64>,
    pub(super) available_mib: Option<u64>,
    pub(super) power: PowerSource,
    pub(super) minutes_left: Option<u32>,
}

pub(super) fn look(folder: &Path) -> Seen {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let available = System::new_with_specifics(memory).map(|system| system.available_memory());
    let (power, minutes_left) = power();
    Seen {
        free_mib: fs4::available_space(folder).ok().map(|bytes| bytes / MIB),
        available_mib: available.ok().filter(|bytes| *bytes > 0).map(|bytes| bytes / MIB),
        power,
        minutes_left,
    }
}

fn power() -> (PowerSource, Option<u32>) {
    let batteries = Manager::new().and_then(|manager| manager.batteries());
    let Ok(batteries) = batteries else { return (PowerSource::Unknown, None) };
    let states = batteries.flatten().map(|battery| {
        let left = battery.time_to_empty().map(|time| time.value / 60.0);
        (battery.state(), left)
    });
    source(&states.collect::<Vec<_>>())
}

/// On battery if one of them is being emptied and none is charged; as long as the one that lasts longest.
fn source(batteries: &[(State, Option<f32>)]) -> (PowerSource, Option<u32>) {
    let any = |wanted: State| batteries.iter().any(|(state, _)| *state == wanted);
    if batteries.is_empty() {
        return (PowerSource::MainsOnly, None);
    }
    if !any(State::Discharging) || any(State::Charging) {
        return (PowerSource::Mains, None);
    }
    let minutes = batteries
        .iter()
        .filter_map(|(_, left)| *left)
        .fold(None, |most: Option<f32>, left| Some(most.map_or(left, |most| most.max(left))));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of minutes; the cast ends at the bounds"
    )]
    (PowerSource::Battery, minutes.map(|minutes| minutes as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_is_on_battery_while_one_is_emptied_and_none_is_charged() {
        use State::{Charging, Discharging, Full};
        for (name, batteries, expected) in [
            ("none", vec![], (PowerSource::MainsOnly, None)),
            ("full", vec![(Full, None)], (PowerSource::Mains, None)),
            ("charged", vec![(Charging, None)], (PowerSource::Mains, None)),
            ("emptied", vec![(Discharging, Some(14.9))], (PowerSource::Battery, Some(14))),
            ("emptied, nobody knows how fast", vec![(Discharging, None)], (PowerSource::Battery, None)),
            (
                "one after the other",
                vec![(Discharging, Some(90.0)), (Full, None)],
                (PowerSource::Battery, Some(90)),
            ),
            (
                "a second one is charged",
                vec![(Discharging, Some(9.0)), (Charging, None)],
                (PowerSource::Mains, None),
            ),
        ] {
            assert_eq!(source(&batteries), expected, "{name}");
        }
    }
}
