//! The one window.

use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};

const LABEL: &str = "main";

/// Opens it. It shows the page that was built into the app, and never another.
pub(crate) fn open(app: &AppHandle) -> tauri::Result<()> {
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title("Hearth")
        .inner_size(1080.0, 720.0)
        .min_inner_size(760.0, 560.0)
        .on_navigation(|url| is_own(url.scheme(), url.host_str()))
        .on_new_window(|_url, _features| tauri::webview::NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

/// Brings it to the front, for somebody who started the app a second time.
pub(crate) fn show(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL) {
        let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::warn!(%error, "the window does not come to the front");
        }
    }
}

/// Whether an address is that of the app's own page, which has another form on Windows.
fn is_own(scheme: &str, host: Option<&str>) -> bool {
    match scheme {
        "tauri" => host == Some("localhost"),
        "http" | "https" => host == Some("tauri.localhost"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_page_is_shown() {
        for (scheme, host, own) in [
            ("tauri", Some("localhost"), true),
            ("http", Some("tauri.localhost"), true),
            ("https", Some("example.org"), false),
            ("http", Some("localhost"), false),
            ("tauri", None, false),
            ("file", None, false),
            ("data", None, false),
            ("javascript", None, false),
        ] {
            assert_eq!(is_own(scheme, host), own, "{scheme}://{host:?}");
        }
    }

    #[test]
    fn the_page_may_hear_events_and_load_nothing_from_elsewhere() {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let config = read(include_str!("../tauri.conf.json"));
        let security = &config["app"]["security"];
        let policy = security["csp"].as_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains('*') && !policy.contains("unsafe")
        );
        assert_eq!(config["app"]["withGlobalTauri"], false);
        assert_eq!(security["freezePrototype"], true);
        assert_eq!(security["capabilities"], serde_json::json!(["main"]));
        let capability = read(include_str!("../capabilities/main.json"));
        assert_eq!(capability["windows"], serde_json::json!(["main"]));
        let granted = serde_json::json!(["core:event:allow-listen", "core:event:allow-unlisten"]);
        assert_eq!(capability["permissions"], granted);
    }
}
