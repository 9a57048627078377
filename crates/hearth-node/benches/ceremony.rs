//! Whole key ceremonies of four operators on one machine, over loopback, from the last operator's coming to everybody's files: with
//! keystores whose passwords are easy to guess, which are fast.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../tests/meeting/mod.rs"]
mod meeting;

use std::time::Duration;

use divan::Bencher;
use hearth_node::{Halt, hold_ceremony};
use hearth_obol::cluster::DkgAlgorithm;
use tokio::sync::mpsc;

use meeting::{OPERATORS, free_ports, installation, plan};

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 100, 1_000], sample_count = 3, sample_size = 1)]
fn ceremony(bencher: Bencher<'_, '_>, validators: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let prepared = || {
        let place = tempfile::tempdir().unwrap();
        let definition = plan(place.path(), DkgAlgorithm::Default, validators);
        (place, definition, free_ports())
    };
    bencher.with_inputs(prepared).bench_local_values(|(place, definition, ports)| {
        let operator = |me: u8| {
            let meeting = meeting::meeting(place.path(), &definition, (me, &ports), Duration::from_secs(600));
            let installation = installation(place.path(), me);
            async move {
                let (news, _unheard) = mpsc::unbounded_channel();
                hold_ceremony(meeting, &installation, news, Halt::default()).await.unwrap().lock_hash
            }
        };
        let all = futures::future::join_all((0..OPERATORS).map(operator));
        let hashes = runtime.block_on(all);
        assert!(hashes.windows(2).all(|pair| pair.first() == pair.last()), "all have the same cluster");
    });
}
