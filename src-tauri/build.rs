//! Makes what Tauri needs at compile time.

use std::fs;
use std::path::Path;

/// What the window shows where nobody has built its screens: `cargo build` works without npm, and says so.
const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><title>Hearth</title><h1>The screens were not built</h1>\
    <p>Build them and then the app: cd ui &amp;&amp; npm ci &amp;&amp; npm run build. The node needs no window: hearth run.</p></html>";

fn main() {
    let dist = Path::new("../ui/dist");
    println!("cargo::rerun-if-changed=../ui/dist");
    if !dist.join("index.html").exists() {
        let written = fs::create_dir_all(dist).and_then(|()| fs::write(dist.join("index.html"), PLACEHOLDER));
        if let Err(error) = written {
            println!("cargo::error=cannot write {}: {error}", dist.display());
        }
    }
    tauri_build::build();
}
