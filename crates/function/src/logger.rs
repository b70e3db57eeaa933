//! The log: one JSON object a line on stderr, which Vercel keeps.

use std::io::Write;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Our crates, as log targets name them.
const OURS: [&str; 17] = [
    "access",
    "automations",
    "broadcasts",
    "contacts",
    "crm",
    "crm_core",
    "function",
    "inbox",
    "media",
    "numbers",
    "recipient_lists",
    "sending",
    "supabase",
    "tables",
    "templates",
    "webhooks",
    "whatsapp",
];

struct JsonLines;

/// Starts logging, warnings and errors of ours. Libraries stay silent: they log addresses and headers.
pub(crate) fn start() {
    // A second logger in a process is a mistake of a test at most; the first one stays.
    if log::set_logger(&JsonLines).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

impl Log for JsonLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let name = metadata.target().split("::").next().unwrap_or_default();
        OURS.contains(&name) && metadata.level() <= Level::Info
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
        // Where logging itself fails there is nobody left to tell.
        drop(writeln!(std::io::stderr().lock(), "{line}"));
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Programs with a log of their own.
    const PROGRAMS: [&str; 1] = ["local"];

    #[test]
    fn every_crate_of_ours_is_logged() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut names: Vec<String> = std::fs::read_dir(crates)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|folder| folder.join("Cargo.toml").is_file())
            .filter(|folder| !PROGRAMS.iter().any(|program| folder.ends_with(program)))
            .map(|folder| {
                let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
                let name = manifest.lines().find_map(|line| line.strip_prefix("name = "));
                name.unwrap().trim_matches('"').replace('-', "_")
            })
            .collect();
        names.sort();
        assert_eq!(names, OURS);
    }

    #[test]
    fn libraries_stay_silent() {
        let enabled = |target| {
            let metadata = Metadata::builder().target(target).level(Level::Error).build();
            JsonLines.enabled(&metadata)
        };
        assert!(enabled("inbox::outgoing::delivery") && enabled("crm_core"));
        assert!(!enabled("reqwest::connect") && !enabled("media_type"));
    }
}
