//! How many bytes an operator sends to each other operator in an epoch, against those of the signatures that have to get there.
//!
//! Counted, not timed: messages of a healthy cluster of four in the seeded world.

#![allow(clippy::print_stdout, reason = "its output is a table")]

use hearth_sim::world::World;

/// Slots of an epoch of Ethereum's, and of the world's.
const SLOTS: u64 = 32;
const WORLDS_SLOTS: u64 = 4;
/// Bytes of a signature.
const SIGNATURE: u64 = 96;
const OPERATORS: u64 = 4;

/// Bytes from one operator to one other in a slot, of consensus and of partial signatures, and the messages.
fn slot(validators: u16, slots: u64) -> [f64; 3] {
    let mut world = World::seeded(1).validators(validators).start();
    world.run_until(WORLDS_SLOTS);
    let before = world.traffic();
    world.run_until(2 * WORLDS_SLOTS);
    let after = world.traffic();
    let each = |after: u64, before: u64| (after - before) as f64 / (OPERATORS * (OPERATORS - 1) * slots) as f64;
    [
        each(after.consensus, before.consensus),
        each(after.partials, before.partials),
        each(after.messages, before.messages),
    ]
}

fn main() {
    println!("| validators | messages | consensus | partial signatures | together | floor | ratio |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    // In an epoch each attests once, so a slot has a 32nd of them; the world's epoch is shorter.
    for (name, in_world, duties) in [("1", 1, 1), ("96", 12, SLOTS), ("992", 124, SLOTS)] {
        let [consensus, partials, messages] = slot(in_world, duties.min(WORLDS_SLOTS));
        let (consensus, partials) = (consensus * duties as f64 / 1e3, partials * duties as f64 / 1e3);
        let floor = (u64::from(in_world) * duties / duties.min(WORLDS_SLOTS) * SIGNATURE) as f64 / 1e3;
        let together = consensus + partials;
        println!(
            "| {name} | {:.0} | {consensus:.1} kB | {partials:.1} kB | {together:.1} kB | {floor:.1} kB | {:.1} |",
            messages * duties as f64,
            together / floor
        );
    }
}
