//! The demo for another program, which holds it at its standard input: a line with an operator's number stops or starts that
//! operator, and the end of the input ends the demo. So it never outlives who showed it, however that ends.

use std::io::BufRead;

use hearth_sim::demo::{Demo, Verdict};
use tokio::sync::mpsc;

/// Lines that may wait.
const WAITING: usize = 16;

/// Goes on until the input ends.
pub(crate) async fn watch(mut demo: Demo) -> anyhow::Result<Verdict> {
    let mut numbers = numbers();
    loop {
        tokio::select! {
            _ = demo.next() => {}
            number = numbers.recv() => match number {
                // An operator that the demo does not have, or that dies at this moment: whoever shows the demo sees it.
                Some(number) => if let Err(error) = demo.toggle(number) {
                    crate::say::aside(format!("operator {number}: {error}"));
                },
                None => return Ok(demo.verdict()),
            }
        }
    }
}

/// What is asked on standard input, from a thread: reading there cannot be given up.
fn numbers() -> mpsc::Receiver<u8> {
    let (ask, asked) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if let Ok(number) = line.trim().parse()
                && ask.blocking_send(number).is_err()
            {
                return;
            }
        }
    });
    asked
}
