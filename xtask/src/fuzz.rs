//! Looks for bytes that break a promise of a parser, and keeps what it learns about reaching its code.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::prepare;
use crate::steps::{Runner, cargo, root};

/// A parser of foreign files. Its name is that of a program of `hearth-fuzz`, of its corpus and of its dictionary.
#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
pub(crate) enum Target {
    /// `cluster-definition.json`.
    Definition,
    /// `cluster-lock.json`.
    Lock,
    /// Records of node keys.
    Enr,
    /// EIP-2335 keystores.
    Keystore,
    /// Messages of a key ceremony.
    Ceremony,
    /// Invitations, and messages of a gathering.
    Gathering,
    /// Messages between operators who perform duties.
    Wire,
    /// How messages lie on a stream.
    Frame,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Lock => "lock",
            Self::Enr => "enr",
            Self::Keystore => "keystore",
            Self::Ceremony => "ceremony",
            Self::Gathering => "gathering",
            Self::Wire => "wire",
            Self::Frame => "frame",
        }
    }

    /// Room for the largest ordinary file with something added. Longer inputs only cost time.
    const fn longest_bytes(self) -> usize {
        match self {
            Self::Definition => 6 << 10,
            Self::Lock => 12 << 10,
            // Twice what is read, so that the limit is passed as well.
            Self::Enr => 2 << 10,
            Self::Keystore => 3 << 10,
            Self::Ceremony | Self::Gathering | Self::Wire | Self::Frame => 2 << 10,
        }
    }
}

/// What makes the compiler tell libFuzzer which code ran, and which numbers were compared.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// Fuzzes one target or, one after the other, all.
pub(crate) fn run(target: Option<Target>, minutes: u64) -> Result<()> {
    prepare::check(prepare::Need::Rust)?;
    let targets = target.map_or_else(|| Target::value_variants().to_vec(), |target| vec![target]);
    let host = host()?;
    let mut runner = Runner::new(1 + 2 * targets.len());
    runner.step("Building with coverage counters", build(&host))?;
    let mut verdict = String::new();
    for target in targets {
        let campaign = Campaign::of(target, &host)?;
        let name = target.name();
        runner.step(&format!("Fuzzing {name}, minutes: {minutes}"), campaign.search(minutes)?).with_context(
            || {
                let (log, found) = (campaign.log.display(), campaign.findings.display());
                format!(
                    "The end of the log {log}:\n{}\nSee {found} and tests/fuzz/README.md.\n",
                    campaign.said()
                )
            },
        )?;
        let reached = reached(&fs::read_to_string(&campaign.log)?);
        runner.step("Keeping what reached new code", campaign.merge()?)?;
        let files = campaign.keep()?;
        verdict.push_str(&format!("{name}: {reached}; the corpus has {files} files.\n"));
    }
    runner.finish(&format!("{verdict}No input broke a promise."));
    Ok(())
}

/// Programs and corpora of campaigns lie in a target folder of their own: the flags would make everything stale.
fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join("fuzz")
}

fn build(host: &str) -> Command {
    let mut command = cargo(["build", "--package", "hearth-fuzz", "--bins", "--features", "libfuzzer"]);
    // With a target named, build scripts and macros are built without the flags, and run without libFuzzer.
    command.args(["--profile", "fuzz", "--target", host, "--target-dir"]).arg(target_folder());
    command.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    command
}

/// The triple of this machine.
fn host() -> Result<String> {
    let output = cargo(["--version", "--verbose"]).output().context("cannot start cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("cargo does not say which machine this is")?.to_owned())
}

/// One target being fuzzed.
struct Campaign {
    target: Target,
    program: PathBuf,
    /// In the repository.
    corpus: PathBuf,
    /// New inputs. They stay here when a campaign is broken off, and the next one goes on from them.
    new: PathBuf,
    /// The corpus to come.
    merged: PathBuf,
    /// Inputs that broke a promise.
    findings: PathBuf,
    log: PathBuf,
}

impl Campaign {
    fn of(target: Target, host: &str) -> Result<Self> {
        let name = target.name();
        let work = target_folder().join("campaigns").join(name);
        let campaign = Self {
            target,
            program: target_folder().join(host).join("fuzz").join(name),
            corpus: root().join("tests/fuzz/corpus").join(name),
            new: work.join("new"),
            merged: work.join("merged"),
            findings: work.join("findings"),
            log: work.join("log.txt"),
        };
        for folder in [&campaign.corpus, &campaign.new, &campaign.findings] {
            fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        }
        Ok(campaign)
    }

    fn libfuzzer(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(format!("-max_len={}", self.target.longest_bytes()));
        command.args(["-rss_limit_mb=2048", "-timeout=10"]);
        command.arg(format!("-artifact_prefix={}/", self.findings.display()));
        // Coverage of several threads is not the same twice.
        command.env("RAYON_NUM_THREADS", "1");
        command
    }

    /// Runs until the time is over or something is found. libFuzzer puts new inputs into the first folder.
    fn search(&self, minutes: u64) -> Result<Command> {
        let log = File::create(&self.log).with_context(|| format!("{}", self.log.display()))?;
        let mut command = self.libfuzzer();
        command.args([format!("-max_total_time={}", minutes * 60), "-print_final_stats=1".to_owned()]);
        command.arg(format!(
            "-dict={}",
            root().join("tests/fuzz/dictionaries").join(format!("{}.dict", self.target.name())).display()
        ));
        command.args([&self.new, &self.corpus]).stdout(Stdio::null()).stderr(log);
        Ok(command)
    }

    /// Adds to the files that people named the fewest others that reach what was ever reached. How often code ran
    /// does not count here, or the corpus would have thousands of files.
    fn merge(&self) -> Result<Command> {
        if self.merged.exists() {
            fs::remove_dir_all(&self.merged)?;
        }
        fs::create_dir_all(&self.merged)?;
        for file in files(&self.corpus)?.iter().filter(|file| !named_by_libfuzzer(file)) {
            copy_into(file, &self.merged)?;
        }
        let mut command = self.libfuzzer();
        command.args(["-merge=1", "-use_counters=0"]).args([&self.merged, &self.corpus, &self.new]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    /// Puts the merged corpus into the repository and tells how many files it has.
    fn keep(&self) -> Result<usize> {
        for old in files(&self.corpus)?.iter().filter(|file| named_by_libfuzzer(file)) {
            fs::remove_file(old)?;
        }
        let merged = files(&self.merged)?;
        for file in &merged {
            copy_into(file, &self.corpus)?;
        }
        fs::remove_dir_all(&self.new)?;
        Ok(merged.len())
    }

    /// The end of the log: what panicked, where, and which file holds the input.
    fn said(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        lines.split_at_checked(lines.len().saturating_sub(40)).map_or(String::new(), |(_, end)| end.join("\n"))
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?)
}

/// Whether libFuzzer made the file: its name is then the SHA-1 of its content. Other files were made by people, to show
/// something, and stay whatever they reach.
fn named_by_libfuzzer(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 40 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn copy_into(file: &Path, folder: &Path) -> Result<()> {
    let Some(name) = file.file_name() else { bail!("{} is no file", file.display()) };
    fs::copy(file, folder.join(name)).with_context(|| format!("{}", file.display()))?;
    Ok(())
}

/// What a log tells of a campaign that ended well.
fn reached(log: &str) -> String {
    let after = |label: &str| {
        let (_, rest) = log.rsplit_once(label)?;
        rest.split_whitespace().next()
    };
    match (after("stat::number_of_executed_units:"), after(" cov: ")) {
        (Some(inputs), Some(edges)) => format!("{inputs} inputs reached {edges} edges of its code"),
        _ => "the log does not tell how much was tried".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_how_many_inputs_were_tried_and_how_far_they_got() {
        let log = "INFO: seed corpus: files: 30\n\
            #31\tINITED cov: 1200 ft: 1300 corp: 20/9kb exec/s: 0 rss: 40Mb\n\
            #99\tNEW    cov: 1201 ft: 1302 corp: 21/9kb lim: 4096 exec/s: 0 rss: 40Mb L: 3/9 MS: 1 EraseBytes-\n\
            #500\tDONE   cov: 1201 ft: 1302 corp: 21/9kb lim: 4096 exec/s: 8 rss: 40Mb\n\
            Done 500 runs in 60 second(s)\n\
            stat::number_of_executed_units: 500\nstat::average_exec_per_sec:     8\n";
        assert_eq!(reached(log), "500 inputs reached 1201 edges of its code");
        assert_eq!(reached(""), "the log does not tell how much was tried");
    }

    #[test]
    fn only_names_that_libfuzzer_gives_are_replaced() {
        for (name, theirs) in [
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", true),
            ("duplicate-key.json", false),
            ("da39a3ee5e6b4b0d3255bfef95601890afd8070", false),
            ("a-name-of-forty-characters-made-by-hand!", false),
        ] {
            assert_eq!(named_by_libfuzzer(Path::new(name)), theirs, "{name}");
        }
    }
}
