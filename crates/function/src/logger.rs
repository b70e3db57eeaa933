//! The log: one JSON object a line on stderr, which Vercel keeps.

use std::io::Write;

use log::{Level, LevelFilter, Log, Metadata, Record};

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
        let ours = ["crm_core", "function"]
            .iter()
            .any(|name| metadata.target().starts_with(name));
        ours && metadata.level() <= Level::Info
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
