//! The demo without a terminal: a line a slot.

use hearth_sim::demo::{Change, Demo, SlotView, Verdict};
use hearth_types::Slot;

use crate::say;

/// Runs the agreed number of slots; says one line for each unless `quiet`.
pub(crate) async fn watch(mut demo: Demo, quiet: bool) -> anyhow::Result<Verdict> {
    let mut said = None;
    loop {
        match demo.next().await {
            Change::Operator => {}
            Change::Settled(slot) => {
                // The block after a slot holds its votes, so a slot is told when the next one has passed.
                let told = slot.saturating_sub(1);
                if !quiet && slot > Slot::new(0) && said != Some(told) {
                    if let Some(seen) = demo.view().slots.get(&told) {
                        say::line(describe(told, seen));
                    }
                    said = Some(told);
                }
            }
            Change::Over => return Ok(demo.verdict()),
        }
    }
}

/// One slot in one line.
pub(crate) fn describe(slot: Slot, seen: &SlotView) -> String {
    let mut text = format!("slot {slot:>4}  ");
    if seen.duties == 0 {
        return text + "no duty";
    }
    match (seen.leader, seen.round, seen.decided_ms.values().min()) {
        (Some(leader), Some(round), Some(after)) => {
            text += &format!("led by operator {leader}, round {round}, decided after {after:>4} ms, ");
        }
        _ => text += "not decided, ",
    }
    let signers: Vec<String> = seen.signers.iter().map(u8::to_string).collect();
    let signed = if signers.is_empty() { "nobody".to_owned() } else { signers.join(" ") };
    text += &format!("signed by {signed}, ");
    match (seen.included, seen.distance) {
        (included, Some(distance)) if included == seen.duties => {
            text + &format!("included {}", blocks(distance))
        }
        (0, _) => text + "NOT included",
        (included, _) => text + &format!("only {included} of {} included", seen.duties),
    }
}

pub(crate) fn blocks(distance: u64) -> String {
    match distance {
        1 => "in the next block".into(),
        more => format!("{more} blocks later"),
    }
}
