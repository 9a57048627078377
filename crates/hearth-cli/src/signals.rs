//! Ctrl-C and SIGTERM: asked to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::say;

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn stop_asked() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _asked = tokio::signal::ctrl_c().await;
}

/// Does blocking work that can be asked to stop: it is told through the flag, and its end is waited for. Asked again, the
/// process ends at once; what the work left half-made is hidden, and removed by the next command in the same place.
pub(crate) fn until_stopped<T: Send>(work: impl FnOnce(&AtomicBool) -> T + Send) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stopped, (done, mut finished)) = (AtomicBool::new(false), tokio::sync::oneshot::channel());
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let outcome = work(&stopped);
            let _nobody_waits = done.send(());
            outcome
        });
        runtime.block_on(async {
            tokio::select! {
                _ = &mut finished => return,
                () = stop_asked() => stopped.store(true, Ordering::Relaxed),
            }
            say::aside("stopping after the part under way (ask again to stop at once)");
            tokio::select! {
                _ = finished => {}
                () = stop_asked() => std::process::exit(1),
            }
        });
        worker.join().map_err(|_| anyhow::anyhow!("the work ended abnormally"))
    })
}
