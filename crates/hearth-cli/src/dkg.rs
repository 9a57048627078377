//! `hearth dkg`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use hearth_node::offline::read_definition;
use hearth_node::{
    CeremonyError, CeremonyNews, Halt, Held, Meeting, Release, Settings, hold_ceremony, step_words, words_of,
};
use tokio::sync::mpsc;

use crate::installation::installation;
use crate::logging::{self, LogArguments};
use crate::say;
use crate::scrutiny::ScrutinyArguments;
use crate::signals::stop_asked;

/// Options of `hearth dkg`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What all have agreed on: a file that hearth create dkg or Obol's launchpad has made, or its https address.
    #[arg(long, visible_alias = "definition-file", value_name = "FILE|URL")]
    definition: String,
    /// The node's folder: it has the key whose record the definition names (hearth create enr), and no cluster yet.
    #[arg(long, default_value = ".charon", value_name = "DIR")]
    data_dir: PathBuf,
    /// Address to listen on for the other operators, such as 0.0.0.0:3610.
    #[arg(long, value_delimiter = ',', value_name = "IP:PORT")]
    p2p_tcp_address: Vec<String>,
    /// Where another operator is reached: its number in the definition and its address, such as 2=192.168.1.20:3610.
    #[arg(long = "peer", value_name = "NUMBER=ADDRESS")]
    peers: Vec<String>,
    /// Relay through which this node is reached and reaches others, as hearth relay names itself: /ip4/…/tcp/…/p2p/…
    #[arg(long = "relay", value_delimiter = ',', value_name = "ADDRESS")]
    relays: Vec<String>,
    /// Name that the other operators see; at most 32 bytes.
    #[arg(long)]
    nickname: Option<String>,
    /// How long a step may last once all are connected, in seconds. For the others to come there is no limit.
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..=86_400))]
    timeout: u64,
    /// Whose ceremonies are spoken: all operators have to say the same. 1.11 needs Charon 1.11.0-rc3 or later.
    #[arg(long, value_enum, default_value_t = Dialect::V1_11, value_name = "VERSION")]
    charon: Dialect,
    /// Keystores with passwords that are easy to guess, which are fast. Test networks only.
    #[arg(long)]
    insecure_keys: bool,
    #[command(flatten)]
    scrutiny: ScrutinyArguments,
    #[command(flatten)]
    log: LogArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dialect {
    #[value(name = "1.10")]
    V1_10,
    #[value(name = "1.11")]
    V1_11,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    logging::start(&arguments.log)?;
    let meeting = meeting(arguments)?;
    introduce(&meeting)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let halt = Halt::default();
        let (news, mut heard) = mpsc::unbounded_channel();
        let installation = installation();
        let ceremony = hold_ceremony(meeting.clone(), &installation, news, halt.clone());
        tokio::pin!(ceremony);
        let mut teller = Teller::new(&meeting);
        loop {
            tokio::select! {
                outcome = &mut ceremony => {
                    while let Ok(news) = heard.try_recv() {
                        teller.tell(news);
                    }
                    return outcome;
                }
                Some(news) = heard.recv() => teller.tell(news),
                () = stop_asked(), if !halt.give_up.is_cancelled() => {
                    say::aside("stopping; the others are told");
                    halt.give_up.cancel();
                }
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    let held = outcome.map_err(explained)?;
    conclude(&meeting, &held);
    Ok(ExitCode::SUCCESS)
}

fn meeting(arguments: &Arguments) -> anyhow::Result<Meeting> {
    let mut settings = Settings::load(&arguments.data_dir)?;
    if !arguments.p2p_tcp_address.is_empty() {
        settings.listen.clone_from(&arguments.p2p_tcp_address);
    }
    for peer in &arguments.peers {
        settings.add_peer(peer)?;
    }
    if !arguments.relays.is_empty() {
        settings.relays.clone_from(&arguments.relays);
    }
    if let Some(nickname) = &arguments.nickname {
        settings.nickname.clone_from(nickname);
    }
    Ok(Meeting {
        folder: arguments.data_dir.clone(),
        definition: read_definition(&arguments.definition)?,
        scrutiny: arguments.scrutiny.for_own(&arguments.data_dir)?,
        listen: settings.listen,
        peers: settings.peers,
        relays: settings.relays,
        nickname: settings.nickname,
        patience: Duration::from_secs(arguments.timeout),
        release: match arguments.charon {
            Dialect::V1_10 => Release::V1_10,
            Dialect::V1_11 => Release::V1_11,
        },
        insecure_keys: arguments.insecure_keys,
    })
}

/// What is agreed on, before anybody is waited for.
fn introduce(meeting: &Meeting) -> anyhow::Result<()> {
    let definition = &meeting.definition;
    let (hash, words) = words_of(definition).context("the definition cannot be hashed")?;
    let validators = usize::try_from(definition.num_validators)?;
    say::line(format!(
        "A ceremony of {} operators for {}; any {} of them will be able to sign.\n\n  cluster  {}\n  definition hash  {hash}\n  \
         words  {}\n\nWhoever has the same words has the same definition.",
        definition.operators.len(),
        say::counted(validators, "validator"),
        definition.threshold,
        say::plain(&definition.name),
        words.join(" "),
    ));
    for (validator, addresses) in definition.validators.iter().enumerate().take(3) {
        say::line(format!(
            "  stake and rewards of validator {} go to {}",
            validator + 1,
            say::plain(&addresses.withdrawal)
        ));
    }
    Ok(())
}

/// Tells what happens, a line each.
struct Teller {
    operators: usize,
    here: BTreeSet<u8>,
    /// Who goes now has what he came for.
    ending: bool,
}

impl Teller {
    fn new(meeting: &Meeting) -> Self {
        Self { operators: meeting.definition.operators.len(), here: BTreeSet::new(), ending: false }
    }

    fn tell(&mut self, news: CeremonyNews) {
        match news {
            CeremonyNews::Listening(addresses) if addresses.is_empty() => {
                say::line(
                    "\nWaiting for the others (this node only dials: no address to listen on was given).",
                );
            }
            CeremonyNews::Listening(addresses) => {
                say::line(format!("\nWaiting for the others, at {}", addresses.join(", ")));
            }
            CeremonyNews::Here(operator, here) => {
                let number = operator.share().get();
                let changed = if here { self.here.insert(number) } else { self.here.remove(&number) };
                if changed && !self.ending {
                    let word = if here { "is here" } else { "is gone" };
                    say::line(format!(
                        "  operator {number} {word}: {} of {} are",
                        self.here.len() + 1,
                        self.operators
                    ));
                }
            }
            CeremonyNews::Back(step) => {
                say::line(format!(
                    "  This operator was interrupted at step {step} ({}). Asking the others whether they have waited …",
                    step_words(step)
                ));
            }
            CeremonyNews::Anew => say::line("  They have not. All begin again together."),
            CeremonyNews::Step(step @ 1..=7) => {
                self.ending = step == 7;
                say::line(format!("  {step} of 7  {}", step_words(step)));
            }
            CeremonyNews::Saving(done, total) if done == total => {
                say::line(format!("  {} written", say::counted(total, "key share")));
            }
            CeremonyNews::Step(_) | CeremonyNews::At(..) | CeremonyNews::Saving(..) => {}
        }
    }
}

/// With what to do about it.
fn explained(error: CeremonyError) -> anyhow::Error {
    let remedy = match &error {
        CeremonyError::Failed(_)
        | CeremonyError::GaveUp { .. }
        | CeremonyError::Silence { .. }
        | CeremonyError::Unnoted(_) => {
            "No keys were kept and nobody should deposit. All operators begin again together, with the same command."
        }
        CeremonyError::Unconfirmed { .. } => {
            "Nobody should deposit before every operator has said that he has the same lock (hearth cluster show). If one has \
             none, all move the new files away and begin again together."
        }
        CeremonyError::Unsaved(_) => {
            "Nobody should deposit: this operator has no share. Put it right, then all begin again together."
        }
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}\n{remedy}")
}

fn conclude(meeting: &Meeting, held: &Held) {
    say::line(format!(
        "\nThe cluster is formed. You are operator {}; its lock hash is {}.\n",
        held.number, held.lock_hash
    ));
    for validator in &held.validators {
        say::line(format!("  0x{}", validator.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    }
    let folder = meeting.folder.display();
    say::line(format!(
        "\nThe key shares, the lock and the deposit data are in {folder}.\n\
         Before anybody deposits: make a backup (hearth backup create FILE), practise its restore, and see that every operator\n\
         has the same deposit data. Then: hearth run --data-dir {folder} --beacon-node URL"
    ));
}
