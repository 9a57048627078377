//! Whether the app starts when the user signs in.

use auto_launch::{AutoLaunch, AutoLaunchBuilder};
use hearth_api::{ErrorCode, UiError};

/// Starts without a window: only the tray shows.
pub(crate) const HIDDEN: &str = "--hidden";

/// Decides it, unless `wanted` is `None`; whether it is so now.
pub(crate) fn starts_at_login(wanted: Option<bool>) -> Result<bool, UiError> {
    let failed = |error: &dyn std::fmt::Display| UiError::because(ErrorCode::Unwritable, error);
    let entry = entry().map_err(|error| failed(&error))?;
    match wanted {
        Some(true) => entry.enable(),
        Some(false) if entry.is_enabled().unwrap_or(false) => entry.disable(),
        _ => Ok(()),
    }
    .map_err(|error| failed(&error))?;
    entry.is_enabled().map_err(|error| failed(&error))
}

fn entry() -> Result<AutoLaunch, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let mut entry = AutoLaunchBuilder::new();
    entry.set_app_name("Hearth").set_app_path(&program.to_string_lossy()).set_args(&[HIDDEN]);
    Ok(entry.build()?)
}
