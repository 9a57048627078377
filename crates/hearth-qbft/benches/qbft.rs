//! What agreeing costs without network and signatures: every message of a cluster through every instance.

use std::collections::VecDeque;

use divan::{Bencher, black_box};
use hearth_qbft::{Config, Input, Message, Output, Qbft, Signed};
use hearth_types::OperatorIndex;

fn main() {
    divan::main();
}

type Digest = [u8; 32];

/// From the start of all operators until all have decided in round 1, everything delivered in order.
#[divan::bench(args = [4, 7, 10])]
fn decide_in_round_one(bencher: Bencher<'_, '_>, operators: u8) {
    assert_eq!(decisions(operators), usize::from(operators));
    bencher.bench(|| decisions(black_box(operators)));
}

fn decisions(operators: u8) -> usize {
    let all = || OperatorIndex::all(operators);
    let Some(first_leader) = all().next() else { return 0 };
    let mut instances: Vec<Qbft<Digest, ()>> =
        all().map(|me| Qbft::new(Config { me, operators, first_leader })).collect();
    let mut inputs: VecDeque<(OperatorIndex, Input<Digest, ()>)> = VecDeque::new();
    inputs.extend(all().map(|me| (me, Input::Start)));
    inputs.extend(all().map(|me| (me, Input::Propose([u8::from(me); 32]))));

    let mut decisions = 0;
    while let Some((to, input)) = inputs.pop_front() {
        let outputs = instances.get_mut(to.position()).map(|instance| instance.step(input)).unwrap_or_default();
        for output in outputs {
            match output {
                Output::Broadcast(draft) => {
                    let signed = Signed { vote: draft.vote, proof: () };
                    let message = Message { signed, justification: draft.justification };
                    inputs.extend(all().map(|to| (to, Input::Received(message.clone()))));
                }
                Output::StartTimer(_) => {}
                Output::Decide { .. } => decisions += 1,
            }
        }
    }
    decisions
}
