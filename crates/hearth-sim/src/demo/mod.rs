//! The demo: a cluster of real processes over real sockets, on the simulated chain.
//!
//! The nodes are ordinary `hearth run` processes and have no demo code path. The demo only makes their folders, plays
//! the beacon node, listens to what they say of themselves, and stops and starts them.

mod junk;
mod operator;
mod origin;
mod plan;
mod verdict;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use hearth_node::offline::CreateError;
use hearth_types::{
    ChainSpec, Epoch, ForkName, ForkSchedule, ForkVersion, InvalidSpec, Root, ScheduledFork, Slot, UnixMillis,
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::chain::Chain;
use crate::http::{Server, SharedChain, now};
use junk::Junk;
use operator::{Heard, Operator, free_ports};
pub use plan::{Absence, Chaos, InvalidAbsence};
pub use verdict::{Missed, Times, Verdict};
pub use view::{OperatorView, SlotView, State, View};

/// Fork version of the demo's chain, on no real network.
const FORK_VERSION: [u8; 4] = [0x00, 0xde, 0x30, 0x01];
/// Slots at the start in which the operators are still finding each other; what is missed there is not held against them.
pub const WARM_UP_SLOTS: u64 = 1;
/// Slots after the last one in which its attestations may still be included.
const LAST_CALL_SLOTS: u64 = 2;

/// What the demo is to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `hearth` program.
    pub program: PathBuf,
    /// An empty or absent folder for everything that the demo writes.
    pub folder: PathBuf,
    /// Operators, 3 to 16.
    pub operators: u8,
    /// Validators of the cluster.
    pub validators: u16,
    /// Whether the operators make the keys in a ceremony. Otherwise a dealer does.
    pub ceremony: bool,
    /// Length of a slot in milliseconds.
    pub slot_ms: u64,
    /// Slots in an epoch: each validator attests once in every epoch.
    pub slots_per_epoch: u64,
    /// Slots to run; for ever if absent.
    pub slots: Option<u64>,
    /// Operators that are to be killed, and when.
    pub absences: Vec<Absence>,
    /// Kill and restart operators at random, from this seed.
    pub chaos: Option<u64>,
    /// The operator in whose place somebody sends junk to all others.
    pub flooder: Option<u8>,
}

/// The demo could not be set up.
#[derive(Debug, Error)]
pub enum DemoError {
    /// Its options contradict each other.
    #[error("{0}")]
    Senseless(String),
    /// The cluster's files could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The operators have made no cluster.
    #[error("the key ceremony failed: {0}")]
    Ceremony(String),
    /// The chain's parameters are impossible.
    #[error(transparent)]
    Spec(#[from] InvalidSpec),
    /// A socket or a process could not be had.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> DemoError {
    move |source| DemoError::System { what, source }
}

/// Something to redraw for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// An operator said or did something.
    Operator,
    /// A slot began; the state of this one is as final as it gets without waiting longer.
    Settled(Slot),
    /// The agreed number of slots is over.
    Over,
}

/// A running demo. Dropping it ends every process.
pub struct Demo {
    options: Options,
    chain: SharedChain,
    _server: Server,
    operators: Vec<Operator>,
    heard: mpsc::Receiver<Heard>,
    view: View,
    chaos: Option<Chaos>,
    /// Operators that will be stopped (`false`) or started, and when.
    planned: Vec<(UnixMillis, u8, bool)>,
    began: UnixMillis,
    /// The newest slot that was looked at.
    settled: Option<Slot>,
    _junk: Option<Junk>,
    /// Processor time of the operators at the first slot at which all were ready.
    processor_before: Option<(Slot, Vec<u64>)>,
}

impl Demo {
    /// Makes the cluster, starts the chain and every operator. `progress` hears what is being done.
    pub async fn start(
        options: Options,
        began: UnixMillis,
        progress: impl Fn(&str),
    ) -> Result<Self, DemoError> {
        if !(3..=16).contains(&options.operators) {
            return Err(DemoError::Senseless("a demo has 3 to 16 operators".into()));
        }
        let group_keys = origin::make(&options, &progress).await?;
        progress("Starting the chain and the operators");
        // A whole second, as the beacon API tells it, and late enough for every operator to be up.
        let genesis = UnixMillis::new(now().get().div_ceil(1_000).saturating_add(2) * 1_000);
        let spec = chain_spec(genesis, &options)?;
        let chain = SharedChain::new(Chain::new(spec, group_keys));
        let server = Server::start(chain.clone()).await.map_err(system("serving the simulated beacon node"))?;
        let (tell, heard) = mpsc::channel(1_024);
        let ports = free_ports(options.operators).map_err(system("finding free ports"))?;
        let mut operators = Operator::prepare(&options, &server.url(), &tell, &ports);
        let mut view = View::new(&options, genesis);
        for operator in operators.iter_mut().filter(|operator| Some(operator.number) != options.flooder) {
            operator.start().map_err(system("starting an operator"))?;
            view.starting(operator.number, operator.life(), operator.pid());
        }
        let junk = options.flooder.map(|number| Junk::start(&options.folder, number, &ports)).transpose();
        let junk = junk.map_err(system("sending junk"))?;
        let chaos = options.chaos.map(|seed| Chaos::new(seed, options.operators));
        Ok(Self {
            options,
            chain,
            _server: server,
            operators,
            heard,
            view,
            chaos,
            planned: Vec::new(),
            began,
            settled: None,
            _junk: junk,
            processor_before: None,
        })
    }

    /// Waits for the next thing that is worth a look. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Change {
        loop {
            self.interfere();
            if let Some(change) = self.settle() {
                return change;
            }
            let next = self.chain.lock().spec().slot_at(now()).map_or(Slot::new(0), Slot::next);
            // A little into the slot, when its block is there.
            let slot = self.view.slot_start(next).saturating_add(self.options.slot_ms / 20);
            let at = self.planned.iter().map(|(at, _, _)| *at).min().map_or(slot, |planned| planned.min(slot));
            let nap = Duration::from_millis(at.millis_since(now()).max(1));
            tokio::select! {
                Some(heard) = self.heard.recv() => {
                    self.view.hear(&heard);
                    return Change::Operator;
                }
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// What there is to see.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Kills an operator that runs, or starts one that does not. Operators count from 1.
    pub fn toggle(&mut self, number: u8) -> Result<(), DemoError> {
        let Some(operator) = self.operators.iter_mut().find(|operator| operator.number == number) else {
            return Ok(());
        };
        if operator.is_running() {
            operator.kill();
            self.view.stopped(number);
        } else {
            operator.start().map_err(system("starting an operator"))?;
            self.view.starting(number, operator.life(), operator.pid());
        }
        Ok(())
    }

    /// What became of every duty so far.
    pub fn verdict(&self) -> Verdict {
        let newest = self.settled.unwrap_or_default();
        let last = self.last_slot().unwrap_or(newest).min(newest);
        let memory = self.operators.iter().filter_map(Operator::resident_kib).max().map(|kib| kib / 1_024);
        let processor = self.processor_ms_per_slot(newest);
        Verdict::of(&self.chain.lock(), &self.view, &self.options, self.began, last, (memory, processor))
    }

    /// Each operator's processor time, if all run in their first life.
    fn processor_ms(&self) -> Option<Vec<u64>> {
        self.operators
            .iter()
            .map(|operator| operator.processor_ms().filter(|_| operator.is_running() && operator.life() <= 1))
            .collect()
    }

    fn processor_ms_per_slot(&self, newest: Slot) -> Option<f64> {
        let (from, before) = self.processor_before.as_ref()?;
        let slots = newest.get().checked_sub(from.get()).filter(|slots| *slots > 0)?;
        let worked =
            self.processor_ms()?.into_iter().zip(before).map(|(now, before)| now.saturating_sub(*before));
        Some(worked.max()? as f64 / slots as f64)
    }

    fn last_slot(&self) -> Option<Slot> {
        self.options.slots.map(|slots| Slot::new(slots.saturating_sub(1)))
    }

    /// Takes note of a slot that began, of operators that ended by themselves, and plans what happens in the slot.
    fn settle(&mut self) -> Option<Change> {
        for operator in &mut self.operators {
            if operator.is_running() && !operator.is_alive() {
                self.view.stopped(operator.number);
            }
        }
        let slot = self.settled.map_or(Slot::new(0), Slot::next);
        let head = self.chain.lock().head();
        if head < slot || now() < self.view.slot_start(slot) {
            return None;
        }
        let passed = self.settled.replace(slot);
        self.plan(slot);
        self.interfere();
        self.view.settle(&self.chain.lock(), slot);
        // Opening keys is work as well, but not that of a slot.
        if self.processor_before.is_none() && self.view.running() == self.operators.len() {
            self.processor_before = self.processor_ms().map(|times| (slot, times));
        }
        let passed = passed?;
        match self.last_slot() {
            Some(last) if passed >= last.saturating_add(LAST_CALL_SLOTS) => Some(Change::Over),
            _ => Some(Change::Settled(passed)),
        }
    }

    /// Absences begin with the slot; chaos strikes at any moment of it.
    fn plan(&mut self, slot: Slot) {
        let start = self.view.slot_start(slot);
        let absences = self.options.absences.iter().filter_map(|absence| absence.at(slot));
        self.planned.extend(absences.map(|(number, run)| (start, number, run)));
        if let Some(chaos) = &mut self.chaos {
            let running: Vec<u8> = self.operators.iter().filter(|o| o.is_running()).map(|o| o.number).collect();
            let strikes = chaos.at(&running, self.options.slot_ms);
            self.planned.extend(
                strikes.into_iter().map(|(into, number, run)| (start.saturating_add(into), number, run)),
            );
        }
    }

    fn interfere(&mut self) {
        let now = now();
        let (due, later) = self.planned.drain(..).partition(|(at, _, _)| *at <= now);
        self.planned = later;
        let due: Vec<(UnixMillis, u8, bool)> = due;
        for (_, number, run) in due {
            let runs = self.operators.iter().any(|operator| operator.number == number && operator.is_running());
            if runs != run {
                // An operator that cannot be started shows as stopped, which is what the view is for.
                let _shown_in_view = self.toggle(number);
            }
        }
    }
}

fn chain_spec(genesis: UnixMillis, options: &Options) -> Result<ChainSpec, InvalidSpec> {
    // Every fork up to the newest is in effect from the start; only the newest signs.
    let [_, rest @ ..] = FORK_VERSION;
    let version = |number: u64| {
        let mut bytes = [u8::try_from(number).unwrap_or(u8::MAX); 4];
        bytes.iter_mut().skip(1).zip(rest).for_each(|(to, from)| *to = from);
        ForkVersion::new(bytes)
    };
    let fork = |name: ForkName| ScheduledFork { name, epoch: Epoch::new(0), version: version(name.number()) };
    let forks = ForkName::ALL.map(fork);
    let schedule = ForkSchedule::new(forks.to_vec(), Epoch::FAR_FUTURE)?;
    ChainSpec::new(genesis, Root::new([0xde; 32]), options.slot_ms, options.slots_per_epoch, schedule)
}

/// A seeded source for everything random in the demo that is not a key.
fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
