//! Where the log goes and how it reads: standard error or a file, for people or as JSON lines.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// How the log is written.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArguments {
    /// Form of the log.
    #[arg(long, value_enum, default_value = "human")]
    log_format: Format,
    /// Least important level that is logged: error, warn, info, debug, trace; or a filter such as `info,hearth_p2p=debug`.
    #[arg(long, default_value = "info,libp2p_swarm=warn", env = "HEARTH_LOG")]
    log_level: String,
    /// Append the log to this file instead of standard error. One that has grown beyond 10 MB is put aside at the start.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

/// A log file that is larger is put aside.
const LARGE_BYTES: u64 = 10_000_000;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// Starts logging for the rest of the process.
pub(crate) fn start(arguments: &LogArguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&arguments.log_level)
        .map_err(|error| anyhow::anyhow!("--log-level {}: {error}", arguments.log_level))?;
    let (writer, colours) = match &arguments.log_file {
        None => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
        Some(path) => {
            let file = open(path).with_context(|| format!("--log-file {}", path.display()))?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A log that nobody can write any more must not end the node; reporting that on the same broken stream would.
    let builder = builder.log_internal_errors(false);
    match arguments.log_format {
        Format::Human => builder.with_ansi(colours).with_target(false).init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > LARGE_BYTES) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".old");
        std::fs::rename(path, aside)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_has_grown_large_is_put_aside_once_and_a_small_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hearth.log");
        let size = |path: &Path| std::fs::metadata(path).map(|file| file.len()).ok();
        open(&path).unwrap().set_len(LARGE_BYTES).unwrap();
        drop(open(&path).unwrap());
        assert_eq!(size(&path), Some(LARGE_BYTES));
        open(&path).unwrap().set_len(LARGE_BYTES + 1).unwrap();
        drop(open(&path).unwrap());
        assert_eq!(size(&path), Some(0));
        assert_eq!(size(&folder.path().join("hearth.log.old")), Some(LARGE_BYTES + 1));
    }
}
