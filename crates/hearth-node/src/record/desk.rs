//! The record of a running node, asked between duties.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_api::{
    ErrorCode, SlashingExportReply, SlashingExportRequest, SlashingImportReply, SlashingImportRequest,
    SlashingReply, UiError,
};
use hearth_slashing::{EpochStart, SlashingDb};
use hearth_types::{ChainSpec, UnixMillis};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{ClusterKeys, RecordError, read, sum_up, tell, write};
use crate::aside::{absolute, aside};
use crate::clock;
use crate::signing::Work;

/// Epochs that a file may be ahead of this computer's clock.
const AHEAD_EPOCHS: u64 = 2;

/// Asks the thread that holds the record.
pub(crate) struct RecordDesk {
    /// Weak: whoever asks does not keep the thread from ending.
    thread: mpsc::WeakSender<Work>,
    /// Where the record lies.
    path: PathBuf,
    keys: Arc<ClusterKeys>,
    spec: Arc<ChainSpec>,
    /// One question at a time, so that together they take no longer than one.
    turn: Mutex<()>,
}

impl RecordDesk {
    pub(crate) fn new(
        thread: mpsc::WeakSender<Work>,
        path: PathBuf,
        keys: Arc<ClusterKeys>,
        spec: Arc<ChainSpec>,
    ) -> Self {
        Self { thread, path, keys, spec, turn: Mutex::const_new(()) }
    }

    pub(crate) async fn slashing(&self) -> Result<SlashingReply, UiError> {
        let path = self.path.clone();
        self.ask(move |record| sum_up(record, &path)).await
    }

    pub(crate) async fn export(&self, request: SlashingExportRequest) -> Result<SlashingExportReply, UiError> {
        let SlashingExportRequest { cluster: _, path, keys, complete } = request;
        let (path, cluster) = (absolute(&path)?, Arc::clone(&self.keys));
        let interchange = self.ask(move |record| tell(record, &cluster, keys, complete)).await?;
        aside(move || write(&path, &interchange)).await
    }

    pub(crate) async fn import(&self, request: SlashingImportRequest) -> Result<SlashingImportReply, UiError> {
        let SlashingImportRequest { cluster: _, path, confirmed } = request;
        let (path, cluster) = (absolute(&path)?, Arc::clone(&self.keys));
        let foreign = aside(move || read(&path, &cluster)).await?;
        let now = self.spec.slot_at(clock::now()).unwrap_or_default();
        let limit = EpochStart::of(&self.spec, self.spec.epoch_of(now).saturating_add(AHEAD_EPOCHS));
        self.ask(move |record| foreign.add_to(record, Some(limit), confirmed)).await
    }

    /// How long until no duty is due. Before genesis none is.
    fn quiet_in(&self, now: UnixMillis) -> Duration {
        let Some(slot) = self.spec.slot_at(now) else { return Duration::ZERO };
        quiet_in(now.get().saturating_sub(self.spec.slot_start(slot).get()), self.spec.slot_ms())
    }

    /// Lets the thread do `work` when no duty is due. Whoever leaves before that has asked nothing.
    async fn ask<A: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SlashingDb) -> Result<A, RecordError> + Send + 'static,
    ) -> Result<A, UiError> {
        let stopping = || UiError::because(ErrorCode::NotReady, "the node is stopping");
        let _turn = self.turn.lock().await;
        loop {
            let wait = self.quiet_in(clock::now());
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep(wait).await;
        }
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |record: &mut SlashingDb| {
            let _unheard = reply.send(work(record));
        });
        self.thread.upgrade().ok_or_else(stopping)?.send(Work::Record(work)).await.map_err(|_| stopping())?;
        Ok(answer.await.map_err(|_| stopping())??)
    }
}

/// How long until the quiet part of a slot: its second half, when the attestation is signed, but for the last twelfth, so that
/// what begins is over before the next duty.
fn quiet_in(into_slot_ms: u64, slot_ms: u64) -> Duration {
    let (from, to) = (slot_ms / 2, slot_ms - slot_ms / 12);
    Duration::from_millis(match into_slot_ms {
        early if early < from => from - early,
        quiet if quiet < to => 0,
        late => slot_ms.saturating_sub(late) + from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_asked_in_the_second_half_of_a_slot_but_not_at_its_end() {
        for (into_ms, wait_ms) in
            [(0, 6_000), (5_999, 1), (6_000, 0), (10_999, 0), (11_000, 7_000), (11_999, 6_001)]
        {
            assert_eq!(quiet_in(into_ms, 12_000), Duration::from_millis(wait_ms), "{into_ms} ms into the slot");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_is_answered_by_the_thread_and_does_not_keep_it_alive() {
        use super::super::tests::{history, keys, spec};
        use hearth_api::RecordKeys;
        use hearth_types::ValidatorPubkey;

        let folder = tempfile::tempdir().unwrap();
        let spec = Arc::new(spec());
        let record = SlashingDb::in_memory(spec.genesis_validators_root).unwrap();
        let signer = hearth_signer::Signer::new(hearth_signer::Keyring::new([]), record);
        let (answers, _none) = mpsc::channel(1);
        let thread = crate::signing::SigningThread::start(signer, Arc::clone(&spec), answers).unwrap();
        let desk = RecordDesk::new(thread.others(), folder.path().join("none.sqlite"), Arc::new(keys()), spec);

        assert_eq!(desk.slashing().await.unwrap(), SlashingReply::default());
        let file = folder.path().join("in.json");
        let signed = hearth_slashing::Interchange::new(
            desk.spec.genesis_validators_root,
            vec![history(ValidatorPubkey::new([1; 48]), 5, 50)],
        );
        write(&file, &signed).unwrap();
        let request =
            |confirmed| SlashingImportRequest { cluster: None, path: file.display().to_string(), confirmed };
        assert!(!desk.import(request(false)).await.unwrap().imported);
        assert!(desk.import(request(true)).await.unwrap().imported);
        let relative = SlashingExportRequest {
            cluster: None,
            path: "out.json".into(),
            keys: RecordKeys::Validators,
            complete: false,
        };
        assert_eq!(desk.export(relative).await.unwrap_err().code, ErrorCode::ValueRefused);
        let out = folder.path().join("out.json").display().to_string();
        let export =
            SlashingExportRequest { cluster: None, path: out, keys: RecordKeys::Shares, complete: true };
        assert_eq!(desk.export(export).await.unwrap().validators, 1);

        thread.close().await;
        assert_eq!(desk.slashing().await.unwrap_err().code, ErrorCode::NotReady);
    }
}
