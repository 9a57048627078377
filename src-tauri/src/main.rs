//! The desktop app: one window on the node of this computer.
//!
//! The node is another process and outlives the app. Everything that the window knows comes from it over the local socket
//! (`hearth-api`), through [`link`]; everything that the window asks goes through the one command in [`rpc`].
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod launch;
mod link;
mod rpc;
mod window;

use std::process::ExitCode;

use tauri::Manager;

use launch::Launcher;
use link::Link;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    if !has_screen() {
        tracing::error!(
            "there is no screen here to open a window on; the node needs none: hearth run, hearth status"
        );
        return ExitCode::FAILURE;
    }
    let outcome = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, _arguments, _folder| window::show(app)))
        .plugin(tauri_plugin_window_state::Builder::new().build())
        .invoke_handler(tauri::generate_handler![rpc::rpc])
        .setup(|app| {
            let launcher = Launcher::of_this_computer(app.path().local_data_dir()?)?;
            let (link, news) = Link::to(launcher.folder().to_owned());
            app.manage(launcher);
            app.manage(link);
            let handle = app.handle().clone();
            tauri::async_runtime::spawn(link::show(news, move |news| {
                // A window that is closed hears nothing, and asks anew when it opens.
                let _unheard = tauri::Emitter::emit(&handle, "node", news);
            }));
            window::open(app.handle())?;
            Ok(())
        })
        .run(tauri::generate_context!());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the window cannot be opened; the node does not need it");
            ExitCode::FAILURE
        }
    }
}

/// Without one, GTK would panic.
fn has_screen() -> bool {
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}
