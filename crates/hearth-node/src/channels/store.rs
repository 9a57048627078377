//! Where the channels are kept: one file, sealed to this computer, because what opens a channel is secret.

use std::path::PathBuf;
use std::sync::Arc;

use hearth_api::{ChannelTarget, ErrorCode, Severity, Telling, UiError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::aside::replace_private;
use crate::installation::Installation;

/// Name of the file in the data folder.
pub(super) const FILE_NAME: &str = "channels.sealed";
const HEADER: &[u8] = b"hearth-sealed-channels-1\n";

/// A channel as it is kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) id: u32,
    pub(super) least: Severity,
    pub(super) target: ChannelTarget,
}

/// What the file holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choices {
    pub(super) telling: Telling,
    pub(super) channels: Vec<Kept>,
}

/// The file.
pub(super) struct Store {
    folder: PathBuf,
    installation: Arc<Installation>,
}

impl Store {
    pub(super) fn new(folder: PathBuf, installation: Arc<Installation>) -> Self {
        Self { folder, installation }
    }

    /// The channels, and what is told; nothing where there is no file.
    pub(super) fn read(&self) -> Result<Choices, UiError> {
        let failed = |error: &dyn std::fmt::Display| {
            let details = format!("{FILE_NAME} in the data folder cannot be opened: {error}");
            UiError {
                remedy: format!("Put {FILE_NAME} elsewhere, restart the node, and set the channels up again."),
                ..UiError::because(ErrorCode::Unreadable, details)
            }
        };
        let file = match std::fs::read(self.folder.join(FILE_NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Choices::default()),
            Err(error) => return Err(failed(&error)),
        };
        let key = self.installation.opening_key().map_err(|error| failed(&error))?;
        let text = key.open(HEADER, &file).map_err(|error| failed(&error))?;
        // What is wrong with it is not told: the text around it is secret.
        serde_json::from_slice(&text).map_err(|_| failed(&"another version of Hearth has written it"))
    }

    /// All or nothing.
    pub(super) fn write(&self, choices: &Choices) -> Result<(), UiError> {
        let failed = |error: &dyn std::fmt::Display| UiError::because(ErrorCode::Unwritable, error);
        let key = self.installation.sealing_key().map_err(|error| failed(&error))?;
        let text = Zeroizing::new(serde_json::to_vec(choices).map_err(|error| failed(&error))?);
        let file = key.close(HEADER, &text, &mut rand::rng());
        replace_private(&self.folder.join(FILE_NAME), &file).map_err(|error| failed(&error))
    }
}
