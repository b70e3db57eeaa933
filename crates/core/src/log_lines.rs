//! The log: one JSON object per line on standard error, which Vercel and other hosts keep.

use std::io::Write;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The crates that may log. Libraries may not: they log addresses and headers.
const OURS: [&str; 15] = [
    "access",
    "automations",
    "broadcasts",
    "contacts",
    "crm",
    "crm_core",
    "crm_server",
    "function",
    "inbox",
    "media",
    "numbers",
    "sending",
    "tables",
    "templates",
    "webhooks",
];

struct JsonLines;

/// Starts logging warnings and errors of our crates.
pub fn start() {
    // Only a test can set a second logger; the first one stays.
    if log::set_logger(&JsonLines).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

fn is_ours(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or_default();
    OURS.contains(&name)
}

impl Log for JsonLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata.target()) && metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = serde_json::json!({
            "level": record.level().as_str().to_ascii_lowercase(),
            "message": record.args().to_string(),
            "at": record.target(),
        });
        // There is no second place to report that a line could not be written.
        drop(writeln!(std::io::stderr().lock(), "{line}"));
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_crate_of_ours_that_logs_is_listed() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut logging = BTreeSet::new();
        for folder in std::fs::read_dir(crates).unwrap() {
            let manifest = folder.unwrap().path().join("Cargo.toml");
            let Ok(text) = std::fs::read_to_string(manifest) else {
                continue;
            };
            let manifest: toml::Table = text.parse().unwrap();
            let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
            if dependencies.is_some_and(|named| named.contains_key("log")) {
                let name = manifest["package"]["name"].as_str().unwrap();
                logging.insert(name.replace('-', "_"));
            }
        }
        let heard: BTreeSet<String> = OURS.map(str::to_owned).into();
        assert_eq!(logging, heard);
    }

    #[test]
    fn libraries_are_not_logged() {
        assert!(is_ours("inbox::read"));
        assert!(is_ours("function"));
        assert!(!is_ours("functional::x"));
        assert!(!is_ours("hyper::client"));
    }
}
