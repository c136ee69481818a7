//! A module imports only from modules above it: the order in which data flows (see the map in `lib.rs`).

use std::fs;
use std::path::{Path, PathBuf};

/// From what everything may use to what may use everything. Modules of one line know each other.
const LAYERS: &[&[&str]] = &[
    // Pure: bytes in, bytes out.
    &["protocol"],
    &["config", "error", "disconnect_reason", "id", "counters", "trace"],
    &["engine"],
    // The edge to HTTP, for either kind of server.
    &["service", "client_files", "unread"],
    &["delivery"],
    &["uplink"],
    // What a user touches. They hand each other out: a socket its namespace and its server.
    &[
        "namespace",
        "namespaces",
        "every_namespace",
        "client",
        "inbox",
        "socket",
        "socket_data",
        "handler",
        "ack",
        "broadcast_operator",
        "remote_socket",
        "handshake_record",
        "reached",
        "socket_page",
        "server_side",
        "room_message",
        "worker",
        "nodes",
        "observer",
        "stats",
        "site",
        "server",
        "drain",
    ],
    &["embed", "test"],
    &["node"],
    &["lib", "main"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Code without comments, and without what follows the first test module at the end of a file.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.file_stem().unwrap().to_str().unwrap().ends_with("_tests")
}

/// The modules of a file, from the crate's root: `engine/link.rs` is `["engine", "link"]`.
fn module_path(root: &Path, path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(root).unwrap().with_extension("");
    let mut parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    parts.pop_if(|last| last == "mod");
    parts
}

/// The top-level modules that a file mentions.
fn mentioned(code: &str, depth: usize) -> Vec<String> {
    let from_root = |text: &str| {
        let names: Vec<&str> = match text.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![text],
        };
        names
            .into_iter()
            .map(|name| name.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
            .filter(|name: &String| !name.is_empty())
            .collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        found.extend(from_root(&code[at + "crate::".len()..]));
    }
    let supers = "super::".repeat(depth);
    for (at, _) in code.match_indices(&supers) {
        found.extend(from_root(&code[at + supers.len()..]));
    }
    found
}

#[test]
fn modules_import_only_from_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources are not where they were");
    let mut violations = Vec::new();
    for path in files.iter().filter(|path| !is_test(path)) {
        let modules = module_path(&root, path);
        let Some(own) = layer(&modules[0]) else {
            violations.push(format!("{}: in no layer", modules[0]));
            continue;
        };
        if matches!(&*modules[0], "lib" | "main") {
            continue;
        }
        for mention in mentioned(&code(path), modules.len()) {
            match layer(&mention) {
                Some(other) if other <= own => {}
                _ => violations.push(format!("{} uses {mention}", modules.join("::"))),
            }
        }
    }
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn a_violation_would_be_found() {
    assert_eq!(mentioned("use crate::socket::Socket;\nfoo(crate::id::x)", 1), ["socket", "id"]);
    assert_eq!(mentioned("use crate::{engine::Link, server};", 2), ["engine", "server"]);
    assert_eq!(mentioned("use super::outbox;", 2), Vec::<String>::new());
    assert_eq!(mentioned("use super::super::server;", 2), ["server"]);
    assert!(layer("engine") < layer("socket") && layer("unheard_of").is_none());
}

#[test]
fn what_is_pure_stays_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src/protocol"), &mut files);
    files.extend(
        ["base64", "frame", "packet", "payload"].map(|name| root.join(format!("src/engine/{name}.rs"))),
    );
    for path in files {
        let code = code(&path);
        for name in ["actix", "tokio"] {
            let used = code.contains(&format!("{name}::")) || code.contains(&format!("{name}_"));
            assert!(!used, "{} uses {name}", path.display());
        }
    }
    let cluster = fs::read_to_string(root.join("cluster/Cargo.toml")).unwrap();
    let depends = cluster.lines().any(|line| line.starts_with("actix") || line.starts_with("actix-socketio"));
    assert!(!depends, "the cluster package must not depend on actix or on the server");
}
