//! The same types for the screens: `bindings/api.ts`, made from this crate and checked by its tests.
//!
//! To refresh it: `UPDATE=1 cargo test -p hearth-api typescript`.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use hearth_types::DutyKind;
use ts_rs::{Config, TS, TypeVisitor};

use crate::commands::for_typescript;
use crate::message::{ClientMessage, PROTOCOL, ServerMessage};
use crate::view::{HEARTBEAT_MS, STALE_MS};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bindings/api.ts");

/// Takes the list of commands.
pub(crate) trait List {
    /// One command.
    fn command<Request: TS + 'static, Reply: TS + 'static>(&mut self, name: &str, acts: bool);
}

/// What was gathered so far.
struct Bindings {
    config: Config,
    seen: BTreeSet<TypeId>,
    /// Declarations by name.
    types: BTreeMap<String, String>,
    commands: String,
}

impl TypeVisitor for Bindings {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        // Types of TypeScript itself have no place of their own.
        if T::output_path().is_some() {
            self.types.insert(T::ident(&self.config), laid_out(&T::decl(&self.config)));
        }
        T::visit_dependencies(self);
    }
}

impl List for Bindings {
    fn command<Request: TS + 'static, Reply: TS + 'static>(&mut self, name: &str, acts: bool) {
        self.visit::<Request>();
        self.visit::<Reply>();
        let (request, reply) = (Request::name(&self.config), Reply::name(&self.config));
        writeln!(self.commands, "  {name}: {{ request: {request}; reply: {reply}; acts: {acts} }};").unwrap();
    }
}

/// Comments of one line on one line, and fields indented.
fn laid_out(declaration: &str) -> String {
    let short = declaration.replace("\n/**\n * ", "\n  /** ").replace("\n */\n", " */\n  ");
    short.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn bindings() -> String {
    // Everything of 64 bits that can exceed 2^53 is a string already; see `view`.
    let config = Config::new().with_large_int("number");
    let mut all = Bindings { config, seen: BTreeSet::new(), types: BTreeMap::new(), commands: String::new() };
    all.visit::<ClientMessage>();
    all.visit::<ServerMessage>();
    for_typescript(&mut all);
    let kinds = DutyKind::ALL.map(|kind| format!("\"{}\"", kind.name())).join(" | ");
    all.types.insert("DutyKind".into(), format!("type DutyKind = {kinds};"));

    let mut text = String::from(
        "// Made from crates/hearth-api; do not edit. To refresh: UPDATE=1 cargo test -p hearth-api typescript\n\n",
    );
    for (name, value) in
        [("PROTOCOL", u64::from(PROTOCOL)), ("HEARTBEAT_MS", HEARTBEAT_MS), ("STALE_MS", STALE_MS)]
    {
        writeln!(text, "export const {name} = {value};").unwrap();
    }
    writeln!(text, "\nexport type Commands = {{\n{}}};", all.commands).unwrap();
    for declaration in all.types.values() {
        writeln!(text, "\nexport {declaration}").unwrap();
    }
    text
}

#[test]
fn the_types_for_typescript_are_those_of_this_crate() {
    let bindings = bindings();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &bindings).unwrap();
    }
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(committed == bindings, "{FILE} is stale; refresh it: UPDATE=1 cargo test -p hearth-api typescript");
}

#[test]
fn a_kind_of_duty_is_called_the_same_in_json_and_in_typescript() {
    for kind in DutyKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}
