//! An operator that is none: somebody has its key, and sends junk to all others.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use hearth_obol::wire::{CONSENSUS_PROTOCOL, PARTIALS_PROTOCOL};
use hearth_p2p::{HostConfig, Limits, Pattern, PeerConfig, Protocol, Timing};
use hearth_signer::identity;
use hearth_types::OperatorIndex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tokio_util::sync::CancellationToken;

use super::operator::node_folder;

/// A message every five milliseconds to each of the others: 100 Mbit/s in all are shared by them.
const PAUSE: Duration = Duration::from_millis(5);
const BYTES_A_PAUSE: usize = 100_000_000 / 8 / 200;

/// Sends until it is dropped, on a thread of its own.
pub(crate) struct Junk {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Junk {
    /// In the place of operator `number`; `ports` are those of all operators, on this computer.
    pub(crate) fn start(folder: &Path, number: u8, ports: &[u16]) -> std::io::Result<Self> {
        let key = |number| {
            identity::load(&node_folder(folder, number).join(identity::FILE_NAME))
                .map_err(std::io::Error::other)
        };
        let mut peers = Vec::new();
        for (peer, port) in (1_u8..).zip(ports).filter(|(peer, _)| *peer != number) {
            let Some(operator) = OperatorIndex::new(peer - 1) else { continue };
            let public_key = key(peer)?.public().to_bytes();
            peers.push(PeerConfig { operator, public_key, addresses: vec![format!("127.0.0.1:{port}")] });
        }
        let others: Vec<OperatorIndex> = peers.iter().map(|peer| peer.operator).collect();
        let protocol = |id| Protocol { id, max_frame_bytes: 1 << 20, pattern: Pattern::OneWay };
        let config = HostConfig {
            secret_key: key(number)?.to_bytes(),
            listen: Vec::new(),
            quic: false,
            map_ports: false,
            peers,
            relays: Vec::new(),
            protocols: vec![protocol(CONSENSUS_PROTOCOL), protocol(PARTIALS_PROTOCOL)],
            agent: "junk".into(),
            timing: Timing::default(),
            limits: Limits::default(),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("junk".into()).spawn(move || {
            runtime.block_on(stopped.run_until_cancelled_owned(send(config, others))).unwrap_or(())
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Junk {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn send(config: HostConfig, others: Vec<OperatorIndex>) {
    let Ok((host, mut events)) = hearth_p2p::start(config, CancellationToken::new()).await else { return };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut bytes = vec![0; BYTES_A_PAUSE / others.len().max(1)];
    let mut pause = tokio::time::interval(PAUSE);
    for turn in 0_usize.. {
        tokio::select! {
            _ = pause.tick() => {}
            // What it is told is of no interest, but has to be taken.
            Some(_) = events.recv() => continue,
        }
        rng.fill_bytes(&mut bytes);
        let protocol = if turn % 2 == 0 { CONSENSUS_PROTOCOL } else { PARTIALS_PROTOCOL };
        others.iter().for_each(|to| host.send(*to, protocol, bytes.clone()));
    }
}
