//! Configuration, read once from the environment.

use std::collections::HashMap;

use url::Url;
use uuid::Uuid;
use whatsapp::GraphVersion;
use whatsapp::client::SystemToken;
use whatsapp::signature::AppSecrets;

use crate::token_seal::TokenKeys;

/// The configuration of the functions, from their environment.
pub struct Config {
    /// `SUPABASE_URL` or `NEXT_PUBLIC_SUPABASE_URL`, `SUPABASE_ANON_KEY` or `NEXT_PUBLIC_SUPABASE_ANON_KEY`,
    /// `SUPABASE_SERVICE_ROLE_KEY`
    pub supabase: supabase::Config,
    /// `SUPABASE_JWT_SECRET`: only where the project still signs with HS256
    pub jwt_secret: Option<String>,
    /// `META_APP_SECRET`: one, or several separated by commas during a rotation
    pub app_secrets: AppSecrets,
    /// `META_WEBHOOK_VERIFY_TOKEN`
    pub verify_token: String,
    /// `META_WHATSAPP_TOKEN`
    pub meta_token: SystemToken,
    /// `META_WHATSAPP_PHONE_NUMBER_ID` and `META_WHATSAPP_BUSINESS_ACCOUNT_ID`: the number of the default tenant
    pub default_number: Option<DefaultNumber>,
    /// `TOKEN_ENCRYPTION_KEY`: needed once a number is connected with a token of its own. The first key seals; the
    /// others, separated by commas, only open
    pub token_keys: Option<TokenKeys>,
    /// `META_GRAPH_BASE_URL`, by default `https://graph.facebook.com`
    pub graph_base_url: String,
    /// `META_GRAPH_VERSION`, by default `v25.0`
    pub graph_version: GraphVersion,
    /// `CRON_SECRET`
    pub cron_secret: String,
    /// `UPSTASH_REDIS_REST_URL` and `UPSTASH_REDIS_REST_TOKEN`: both or neither
    pub redis: Option<RedisConfig>,
    /// `NEXT_PUBLIC_APP_URL`: the address to which links in mails lead
    pub app_url: Option<String>,
    /// The address at which this deployment reaches its own functions: `NEXT_PUBLIC_APP_URL`, or the address that
    /// Vercel gives (`VERCEL_URL`)
    pub own_address: Option<String>,
    /// `DEFAULT_TENANT_ID` or `NEXT_PUBLIC_DEFAULT_TENANT_ID`
    pub default_tenant_id: Option<Uuid>,
}

/// The number that `META_WHATSAPP_TOKEN` belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultNumber {
    /// `META_WHATSAPP_PHONE_NUMBER_ID`
    pub phone_number_id: String,
    /// `META_WHATSAPP_BUSINESS_ACCOUNT_ID`
    pub business_account_id: String,
}

/// The address of Redis, and its token.
pub struct RedisConfig {
    /// `UPSTASH_REDIS_REST_URL`
    pub url: String,
    /// `UPSTASH_REDIS_REST_TOKEN`
    pub token: String,
}

/// Everything that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment is not complete: {}", .0.join("; "))]
pub struct ConfigError(Vec<String>);

impl Config {
    /// Reads the environment of the process.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(&std::env::vars().collect())
    }

    /// Reads the given variables. An empty one counts as missing.
    pub fn read(variables: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            variables,
            problems: Vec::new(),
        };
        let supabase = supabase::Config {
            url: reader.web_address(&["SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL"]),
            anon_key: reader.required(&["SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY"]),
            service_role_key: reader.required(&["SUPABASE_SERVICE_ROLE_KEY"]),
        };
        let jwt_secret = reader.optional("SUPABASE_JWT_SECRET");
        let app_secrets = reader.parsed("META_APP_SECRET", None, AppSecrets::parse);
        let verify_token = reader.required(&["META_WEBHOOK_VERIFY_TOKEN"]);
        let meta_token = reader.parsed("META_WHATSAPP_TOKEN", None, SystemToken::parse);
        let graph_base_url = reader
            .optional_web_address("META_GRAPH_BASE_URL")
            .unwrap_or_else(|| "https://graph.facebook.com".to_owned());
        let graph_version = reader.parsed("META_GRAPH_VERSION", Some("v25.0"), GraphVersion::parse);
        let cron_secret = reader.required(&["CRON_SECRET"]);
        let redis = reader.redis();
        let app_url = reader.optional_web_address("NEXT_PUBLIC_APP_URL");
        let own_address = app_url.clone().or_else(|| {
            reader
                .optional("VERCEL_URL")
                .map(|host| format!("https://{host}"))
        });
        let default_tenant_id = reader.default_tenant_id();
        let default_number = reader.default_number();
        let token_keys = reader
            .optional("TOKEN_ENCRYPTION_KEY")
            .and_then(|_| reader.parsed("TOKEN_ENCRYPTION_KEY", None, TokenKeys::parse));

        match (app_secrets, meta_token, graph_version) {
            (Some(app_secrets), Some(meta_token), Some(graph_version)) if reader.problems.is_empty() => {
                Ok(Self {
                    supabase,
                    jwt_secret,
                    app_secrets,
                    verify_token,
                    meta_token,
                    default_number,
                    token_keys,
                    graph_base_url,
                    graph_version,
                    cron_secret,
                    redis,
                    app_url,
                    own_address,
                    default_tenant_id,
                })
            }
            _ => Err(ConfigError(reader.problems)),
        }
    }
}

struct Reader<'a> {
    variables: &'a HashMap<String, String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn optional(&self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn required(&mut self, names: &[&str]) -> String {
        if let Some(value) = names.iter().find_map(|name| self.optional(name)) {
            return value;
        }
        self.problems.push(format!(
            "{} is missing",
            names.join(" (or ") + if names.len() > 1 { ")" } else { "" }
        ));
        String::new()
    }

    fn web_address(&mut self, names: &[&str]) -> String {
        let value = self.required(names);
        if !value.is_empty() {
            self.check_web_address(names[0], &value);
        }
        value
    }

    fn optional_web_address(&mut self, name: &str) -> Option<String> {
        let value = self.optional(name)?;
        self.check_web_address(name, &value);
        Some(value.trim_end_matches('/').to_owned())
    }

    fn check_web_address(&mut self, name: &str, value: &str) {
        let fits =
            Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !fits {
            self.problems.push(format!("{name} is not an http(s) address"));
        }
    }

    fn parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = match self.optional(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => value,
            None => self.required(&[name]),
        };
        if value.is_empty() {
            return None;
        }
        match parse(&value) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problems.push(format!("{name}: {error}"));
                None
            }
        }
    }

    fn redis(&mut self) -> Option<RedisConfig> {
        let url = self.optional_web_address("UPSTASH_REDIS_REST_URL");
        let token = self.optional("UPSTASH_REDIS_REST_TOKEN");
        match (url, token) {
            (Some(url), Some(token)) => Some(RedisConfig { url, token }),
            (None, None) => None,
            (Some(_), None) => {
                self.problems
                    .push("UPSTASH_REDIS_REST_TOKEN is missing".to_owned());
                None
            }
            (None, Some(_)) => {
                self.problems.push("UPSTASH_REDIS_REST_URL is missing".to_owned());
                None
            }
        }
    }

    fn default_number(&mut self) -> Option<DefaultNumber> {
        let number = DefaultNumber {
            phone_number_id: self.optional("META_WHATSAPP_PHONE_NUMBER_ID")?,
            business_account_id: self.optional("META_WHATSAPP_BUSINESS_ACCOUNT_ID")?,
        };
        for (name, id) in [
            ("META_WHATSAPP_PHONE_NUMBER_ID", &number.phone_number_id),
            ("META_WHATSAPP_BUSINESS_ACCOUNT_ID", &number.business_account_id),
        ] {
            if id.len() > 32 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
                self.problems.push(format!("{name} is not an id of Meta"));
            }
        }
        Some(number)
    }

    fn default_tenant_id(&mut self) -> Option<Uuid> {
        let name = "DEFAULT_TENANT_ID";
        let value = self
            .optional(name)
            .or_else(|| self.optional("NEXT_PUBLIC_DEFAULT_TENANT_ID"))?;
        let id = value.parse().ok();
        if id.is_none() {
            self.problems.push(format!("{name} is not a UUID"));
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> HashMap<String, String> {
        [
            ("NEXT_PUBLIC_SUPABASE_URL", "http://127.0.0.1:1"),
            ("NEXT_PUBLIC_SUPABASE_ANON_KEY", "anon"),
            ("SUPABASE_SERVICE_ROLE_KEY", "service"),
            ("META_APP_SECRET", "one,two"),
            ("META_WEBHOOK_VERIFY_TOKEN", "verify"),
            ("META_WHATSAPP_TOKEN", "token"),
            ("CRON_SECRET", "cron"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn a_complete_environment_is_read() {
        let config = Config::read(&complete()).unwrap();
        assert_eq!(config.graph_base_url, "https://graph.facebook.com");
        assert!(config.redis.is_none());
        assert!(config.token_keys.is_none() && config.default_number.is_none());
    }

    #[test]
    fn a_deployment_knows_its_own_address() {
        let own_address = |variables: &HashMap<String, String>| Config::read(variables).unwrap().own_address;
        let mut variables = complete();
        assert_eq!(own_address(&variables), None);
        variables.insert("VERCEL_URL".to_owned(), "crm-abc.vercel.app".to_owned());
        assert_eq!(
            own_address(&variables).as_deref(),
            Some("https://crm-abc.vercel.app")
        );
        variables.insert(
            "NEXT_PUBLIC_APP_URL".to_owned(),
            "https://crm.example.test/".to_owned(),
        );
        assert_eq!(
            own_address(&variables).as_deref(),
            Some("https://crm.example.test")
        );
    }

    #[test]
    fn everything_missing_is_named_at_once() {
        let error = Config::read(&HashMap::new()).err().unwrap().to_string();
        for name in [
            "NEXT_PUBLIC_SUPABASE_URL",
            "NEXT_PUBLIC_SUPABASE_ANON_KEY",
            "SUPABASE_SERVICE_ROLE_KEY",
            "META_APP_SECRET",
            "META_WEBHOOK_VERIFY_TOKEN",
            "META_WHATSAPP_TOKEN",
            "CRON_SECRET",
        ] {
            assert!(error.contains(name), "{name} is not in: {error}");
        }
    }

    #[test]
    fn an_empty_secret_is_a_missing_one() {
        let mut variables = complete();
        variables.insert("CRON_SECRET".to_owned(), "  ".to_owned());
        let error = Config::read(&variables).err().unwrap().to_string();
        assert!(error.contains("CRON_SECRET is missing"), "{error}");
    }

    #[test]
    fn nonsense_is_named() {
        let mut variables = complete();
        variables.insert("META_GRAPH_VERSION".to_owned(), "latest".to_owned());
        variables.insert(
            "UPSTASH_REDIS_REST_URL".to_owned(),
            "http://127.0.0.1:1".to_owned(),
        );
        variables.insert("DEFAULT_TENANT_ID".to_owned(), "one".to_owned());
        variables.insert("TOKEN_ENCRYPTION_KEY".to_owned(), "c2hvcnQ=".to_owned());
        variables.insert("META_WHATSAPP_PHONE_NUMBER_ID".to_owned(), "+62".to_owned());
        variables.insert("META_WHATSAPP_BUSINESS_ACCOUNT_ID".to_owned(), "1".to_owned());
        let error = Config::read(&variables).err().unwrap().to_string();
        for name in [
            "META_GRAPH_VERSION",
            "UPSTASH_REDIS_REST_TOKEN",
            "DEFAULT_TENANT_ID",
            "TOKEN_ENCRYPTION_KEY",
            "META_WHATSAPP_PHONE_NUMBER_ID",
        ] {
            assert!(error.contains(name), "{name} is not in: {error}");
        }
    }
}
