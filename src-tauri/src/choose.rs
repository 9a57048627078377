//! Lets a person choose a file or a folder of this computer in the system's own dialog.

use hearth_api::{ErrorCode, UiError};
use serde::Deserialize;
use serde_json::Value;
use tauri::{AppHandle, Manager};
use tauri_plugin_dialog::{DialogExt, FilePath};
use tokio::sync::oneshot;

/// What is chosen.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
enum Wanted {
    /// A file that is there.
    File,
    /// A folder that is there.
    Folder,
    /// A file that is to be written, and a name for it.
    NewFile { name: String },
}

/// The path that was chosen; `null` if none was.
pub(crate) async fn choose(app: &AppHandle, request: Value) -> Result<Value, UiError> {
    let wanted: Wanted =
        serde_json::from_value(request).map_err(|error| UiError::because(ErrorCode::BadRequest, error))?;
    let mut dialog = app.dialog().file();
    if let Some(window) = app.webview_windows().values().next() {
        dialog = dialog.set_parent(window);
    }
    let (tell, told) = oneshot::channel();
    let chosen = move |path: Option<FilePath>| drop(tell.send(path));
    match wanted {
        Wanted::File => dialog.pick_file(chosen),
        Wanted::Folder => dialog.pick_folder(chosen),
        Wanted::NewFile { name } => dialog.set_file_name(name).save_file(chosen),
    }
    // A dialog that went away chose nothing.
    let path = told.await.ok().flatten().and_then(|path| path.into_path().ok());
    Ok(path.and_then(|path| path.into_os_string().into_string().ok()).map_or(Value::Null, Value::String))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_may_ask_for_three_kinds_and_no_other() {
        let read = |value| serde_json::from_value::<Wanted>(value).ok();
        assert_eq!(read(json!({"what": "file"})), Some(Wanted::File));
        assert_eq!(read(json!({"what": "folder"})), Some(Wanted::Folder));
        assert_eq!(read(json!({"what": "new_file", "name": "a"})), Some(Wanted::NewFile { name: "a".into() }));
        assert_eq!(read(json!({"what": "new_file"})), None);
        assert_eq!(read(json!({"what": "everything"})), None);
    }
}
