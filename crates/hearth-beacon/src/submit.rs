//! Finished attestations on their way to the beacon nodes.

use std::sync::Arc;

use hearth_duties::ChainFailure;
use hearth_types::{Epoch, ForkName, SingleAttestation, Slot};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use crate::batch::{Pending, Rejection};
use crate::error::BeaconError;
use crate::nodes::{BeaconNodes, Setbacks};
use crate::retry::Backoff;

impl BeaconNodes {
    /// Hands attestations to all nodes of our chain at once, until each was taken by one of them, every failure
    /// is final, or the deadline has passed.
    pub(crate) async fn submit_until(
        &self,
        deadline: Instant,
        slot: Slot,
        mut attestations: Vec<SingleAttestation>,
    ) -> Result<(), ChainFailure> {
        let epoch = self.spec.epoch_of(slot);
        let fork = self.spec.forks.at(epoch).map_err(|e| ChainFailure::Refused(e.to_string()))?.name;
        if fork < ForkName::Electra {
            let reason = format!(
                "attestations of {} have another form; Electra is the first fork supported",
                fork.as_str()
            );
            return Err(ChainFailure::Refused(reason));
        }
        let mut last = Setbacks::default();
        let attempts = async {
            let mut backoff = Backoff::new();
            while !attestations.is_empty() {
                let batch: Arc<[SingleAttestation]> = attestations.as_slice().into();
                let (pending, setbacks) = self.submit(epoch, fork, batch).await;
                let mut index = 0..;
                attestations.retain(|_| index.next().is_some_and(|index| pending.contains(index)));
                last = setbacks;
                last.words.extend(pending.describe());
                last.temporary |= pending.is_temporary();
                last.refused |= pending.describe().is_some();
                if attestations.is_empty() {
                    break;
                }
                if !last.temporary {
                    return false;
                }
                sleep(backoff.delay()).await;
            }
            true
        };
        match timeout_at(deadline, attempts).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(last.into_failure()),
            Err(_) => Err(last.into_silence()),
        }
    }

    /// Hands one batch to all nodes of our chain and waits until all entries were taken or all nodes have
    /// answered.
    ///
    /// The slower nodes get the batch nevertheless: the fastest may be the one without peers.
    async fn submit(
        &self,
        epoch: Epoch,
        fork: ForkName,
        batch: Arc<[SingleAttestation]>,
    ) -> (Pending, Setbacks) {
        let on_our_chain = || -> Vec<usize> {
            let statuses = self.statuses.borrow();
            let shares = statuses.iter().enumerate().filter(|(_, s)| s.shares_chain_at(Some(epoch)));
            shares.map(|(index, _)| index).collect()
        };
        let mut targets = on_our_chain();
        if targets.is_empty() {
            self.check().await;
            targets = on_our_chain();
        }
        let (answers, mut incoming) =
            mpsc::channel::<(usize, Result<Vec<Rejection>, BeaconError>)>(self.nodes.len().max(1));
        for index in targets {
            let Some(node) = self.nodes.get(index).cloned() else { continue };
            let (batch, answers) = (Arc::clone(&batch), answers.clone());
            self.stragglers.spawn(async move {
                let answer = node.submit_attestations(fork, &batch).await;
                // Nobody listens any more once the others have taken the batch.
                let _ = answers.send((index, answer)).await;
            });
        }
        drop(answers);
        let (mut pending, mut setbacks) = (Pending::all(batch.len()), Setbacks::default());
        while let Some((index, answer)) = incoming.recv().await {
            match answer {
                Ok(rejections) => pending.apply(&rejections),
                Err(error) => {
                    self.note(index, &error);
                    setbacks.add(&error);
                }
            }
            if pending.is_empty() {
                break;
            }
        }
        if setbacks.words.is_empty() && pending.describe().is_none() && !pending.is_empty() {
            setbacks.temporary = true;
            setbacks.words = self.statuses.borrow().iter().map(|s| s.complaint(Some(epoch))).collect();
        }
        (pending, setbacks)
    }
}
