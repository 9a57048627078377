//! Long work, with a bar that says how far it has come, and which can be stopped.

use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use crate::signals;

/// What long work calls: how many of how many are done; the answer says whether to go on.
pub(crate) type Progress<'a> = &'a mut (dyn FnMut(u64, u64) -> bool + Send);

/// Does blocking work with a progress bar on a terminal. Ctrl-C asks it to stop, and stops it at once when given again.
pub(crate) fn work<T: Send>(
    what: &'static str,
    work: impl FnOnce(Progress<'_>) -> T + Send,
) -> anyhow::Result<T> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").expect("a constant template"),
    );
    bar.set_message(what);
    let outcome = signals::until_stopped(|stopped: &AtomicBool| {
        work(&mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
            !stopped.load(Ordering::Relaxed)
        })
    });
    bar.finish_and_clear();
    outcome
}
