//! The desktop app: one window on the node of this computer.
//!
//! The node is another process and outlives the app. Everything that the window knows comes from it over the local socket
//! (`hearth-api`), through [`link`]; everything that the window asks goes through the one command in [`rpc`].
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod choose;
mod deep_link;
mod demo;
mod launch;
mod link;
mod login;
mod notify;
mod rpc;
mod tray;
mod window;

use std::process::ExitCode;

use hearth_api::{Client, ErrorCode, Role};
use tauri::{App, AppHandle, Manager, RunEvent};

use demo::Stage;
use launch::Launcher;
use link::Link;
use tray::Companion;
use window::Errand;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    if !has_screen() {
        tracing::error!(
            "there is no screen here to open a window on; the node needs none: hearth run, hearth status"
        );
        return ExitCode::FAILURE;
    }
    let built = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _folder| started_again(app, &arguments)))
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_window_state::Builder::new().build())
        .invoke_handler(tauri::generate_handler![rpc::rpc])
        .setup(|app| Ok(start(app)?))
        .build(tauri::generate_context!());
    match built {
        Ok(app) => {
            app.run(|app, event| on_event(app, &event));
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the window cannot be opened; the node does not need it");
            ExitCode::FAILURE
        }
    }
}

fn start(app: &mut App) -> anyhow::Result<()> {
    let launcher = Launcher::of_this_computer(app.path().local_data_dir()?)?;
    let stage = Stage::new(launcher.folder().to_owned());
    let (link, source, view) = Link::to(stage.folder());
    app.manage(stage);
    app.manage(launcher);
    app.manage(link);
    app.manage(Companion::new(view));
    app.manage(Errand::default());
    let handle = app.handle().clone();
    tauri::async_runtime::spawn(link::show(source, move |news| {
        // A window that is closed hears nothing, and asks anew when it opens.
        let _unheard = tauri::Emitter::emit(&handle, "node", news);
    }));
    tray::show(app.handle());
    tauri::async_runtime::spawn(tray::tend(app.handle().clone()));
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == demo::ARGUMENT) {
        tauri::async_runtime::spawn(begin_with_the_demo(app.handle().clone()));
        return Ok(());
    }
    tauri::async_runtime::spawn(start_the_node(app.handle().clone()));
    let hidden = arguments.iter().any(|argument| argument == login::HIDDEN);
    match deep_link::among(arguments.iter().map(String::as_str)) {
        Some(place) => window::go(app.handle(), &place),
        None if hidden && app.state::<Companion>().has_tray() => {}
        // Without a tray a window that nobody sees could not be reached.
        None if hidden => window::open_minimized(app.handle())?,
        None => drop(window::open(app.handle())?),
    }
    Ok(())
}

/// Once, when the app starts: a node that its owner stopped later stays stopped.
async fn start_the_node(app: AppHandle) {
    let launcher = app.state::<Launcher>();
    let asked = Client::connect(launcher.folder(), Role::Window).await;
    if asked.err().is_some_and(|error| error.code == ErrorCode::NotRunning)
        && let Err(error) = launcher.start()
    {
        tracing::error!(details = error.details, "the node cannot be started");
    }
}

/// The window opens when there is something to see.
async fn begin_with_the_demo(app: AppHandle) {
    let begun = app.state::<Stage>().start_demo(app.state::<Launcher>().program()).await;
    if let Err(error) = begun {
        tracing::error!(details = error.details, "the demo cannot be started");
    }
    let handle = app.clone();
    let _ending = app.run_on_main_thread(move || window::go(&handle, "/"));
}

fn started_again(app: &AppHandle, arguments: &[String]) {
    if arguments.iter().any(|argument| argument == demo::ARGUMENT) {
        tauri::async_runtime::spawn(begin_with_the_demo(app.clone()));
        return;
    }
    let place = deep_link::among(arguments.iter().map(String::as_str));
    if place.is_some() || !arguments.iter().any(|argument| argument == login::HIDDEN) {
        window::go(app, place.as_deref().unwrap_or_default());
    }
}

fn on_event(app: &AppHandle, event: &RunEvent) {
    match event {
        // The last window was closed. Quitting is another thing, and has a code.
        RunEvent::ExitRequested { code: None, api, .. } if app.state::<Companion>().has_tray() => {
            api.prevent_exit();
        }
        RunEvent::Exit => {
            if let Some(ending) = app.state::<Stage>().leave_demo() {
                let _ended = ending.join();
            }
        }
        #[cfg(target_os = "macos")]
        RunEvent::Opened { urls } => {
            if let Some(place) = deep_link::among(urls.iter().map(|url| url.as_str())) {
                window::go(app, &place);
            }
        }
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => window::go(app, ""),
        _ => {}
    }
}

/// Without one, GTK would panic.
fn has_screen() -> bool {
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}
