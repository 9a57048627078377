//! What the page asks: the node's commands, passed on, and a few of the app's own.

use std::path::Path;

use hearth_api::{Client, ErrorCode, Role, UiError};
use serde_json::{Value, json};
use tauri::{AppHandle, State};

use crate::choose::choose;
use crate::demo::Stage;
use crate::launch::Launcher;
use crate::link::Link;
use crate::login::starts_at_login;
use crate::window;

/// The one command of the page.
#[tauri::command]
pub(crate) async fn rpc(
    command: String,
    request: Value,
    app: AppHandle,
    link: State<'_, Link>,
    launcher: State<'_, Launcher>,
    stage: State<'_, Stage>,
) -> Result<Value, UiError> {
    match command.as_str() {
        "app_watch" => {
            link.again();
            window::page_listens(&app);
        }
        "app_info" => {
            return Ok(
                json!({ "version": env!("CARGO_PKG_VERSION"), "log": launcher.log().display().to_string(),
                        "demo": stage.shows_demo() }),
            );
        }
        "app_start_demo" => stage.start_demo(launcher.program()).await?,
        "app_leave_demo" => drop(stage.leave_demo()),
        "app_toggle_operator" => {
            let number =
                request.get("number").and_then(Value::as_u64).and_then(|number| u8::try_from(number).ok());
            stage.toggle_operator(number.unwrap_or_default())?;
        }
        "app_start_node" => launcher.start()?,
        "app_starts_at_login" => {
            let wanted = request.get("wanted").and_then(Value::as_bool);
            return starts_at_login(wanted).map(Value::Bool);
        }
        "app_choose" => return choose(&app, request).await,
        "app_quit" => app.exit(0),
        _ => {
            let folder = stage.folder().borrow().clone();
            return ask(&folder, &command, request).await;
        }
    }
    Ok(Value::Null)
}

/// A connection for each question: they are rare, and one that takes long keeps no other waiting.
async fn ask(folder: &Path, command: &str, request: Value) -> Result<Value, UiError> {
    if command.starts_with("app_") {
        return Err(UiError::new(ErrorCode::UnknownCommand, None));
    }
    let mut node = Client::connect(folder, Role::Window).await?;
    node.pass_on(command, request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_reaches_the_nodes_commands_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        for (command, code) in [("app_sign", ErrorCode::UnknownCommand), ("status", ErrorCode::NotRunning)] {
            let refused = ask(folder.path(), command, json!({})).await.unwrap_err();
            assert_eq!(refused.code, code, "{command}");
        }
    }
}
