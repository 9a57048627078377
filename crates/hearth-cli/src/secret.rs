//! Secrets that the owner types. They are never arguments: those are seen by everybody on the computer.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, bail};
use hearth_api::Secret;
use zeroize::Zeroizing;

/// The first line of `file`, or else what is typed in answer to `question`, unseen. `instead` names the option for a file.
pub(crate) fn secret(file: Option<&Path>, question: &str, instead: &str) -> anyhow::Result<Secret> {
    if let Some(file) = file {
        let text = Zeroizing::new(
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
        );
        return Ok(text.lines().next().unwrap_or_default().into());
    }
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on: give {instead}");
    }
    let typed = rpassword::prompt_password(format!("{question}: ")).context("the answer could not be read")?;
    Ok(Zeroizing::new(typed).as_str().into())
}
