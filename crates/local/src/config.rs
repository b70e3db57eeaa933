//! The configuration of `crm-local serve`: one line of JSON on standard input.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::meta::MetaConfig;

/// The parts to run, and their settings. A part without a port does not run.
#[derive(Deserialize)]
pub struct Config {
    /// The repository: `Cargo.toml` with the functions, `vercel.json`, static files.
    pub root: PathBuf,
    /// Folder of the built function binaries.
    pub functions_dir: PathBuf,
    /// The built binary of `crates/server`, to serve all functions from one process instead of their binaries.
    #[serde(default)]
    pub server: Option<PathBuf>,
    /// The port of the function gateway.
    #[serde(default)]
    pub app_port: Option<u16>,
    /// The port of the Meta simulator.
    #[serde(default)]
    pub meta_port: Option<u16>,
    /// The port of the Redis REST API.
    #[serde(default)]
    pub upstash_port: Option<u16>,
    /// Whether the crons of `vercel.json` run.
    #[serde(default)]
    pub cron: bool,
    /// The secret that cron calls carry.
    #[serde(default)]
    pub cron_secret: String,
    /// The bearer token of the Redis REST API.
    #[serde(default)]
    pub upstash_token: String,
    /// The environment of the functions.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The Meta simulator's secrets, numbers and templates.
    #[serde(default)]
    pub meta: Option<MetaConfig>,
}

/// The reason why a configuration is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The line is not the expected JSON.
    #[error("the configuration line on standard input is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A part is to run, but a setting of it is missing.
    #[error("the configuration lacks {0}")]
    Missing(&'static str),
}

impl Config {
    /// Reads the configuration line and checks that each part that is to run has what it needs.
    pub fn parse(line: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_str(line)?;
        if config.meta_port.is_some() && config.meta.is_none() {
            return Err(ConfigError::Missing("meta, which meta_port needs"));
        }
        if config.upstash_port.is_some() && config.upstash_token.is_empty() {
            return Err(ConfigError::Missing("upstash_token, which upstash_port needs"));
        }
        if config.cron && config.app_port.is_some() && config.cron_secret.is_empty() {
            return Err(ConfigError::Missing("cron_secret, which cron needs"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_without_a_port_are_not_run() {
        let config =
            Config::parse(r#"{"root":"/r","functions_dir":"/f","app_port":null,"cron":true}"#).unwrap();
        assert!(config.app_port.is_none() && config.meta_port.is_none() && config.upstash_port.is_none());
    }

    #[test]
    fn a_part_without_its_secret_is_refused_by_name() {
        let refusal = |line| Config::parse(line).err().unwrap().to_string();
        let upstash = refusal(r#"{"root":"/r","functions_dir":"/f","upstash_port":1}"#);
        assert!(upstash.contains("upstash_token"), "{upstash}");
        let meta = refusal(r#"{"root":"/r","functions_dir":"/f","meta_port":1}"#);
        assert!(meta.contains("meta"), "{meta}");
        let cron = refusal(r#"{"root":"/r","functions_dir":"/f","app_port":1,"cron":true}"#);
        assert!(cron.contains("cron_secret"), "{cron}");
    }
}
