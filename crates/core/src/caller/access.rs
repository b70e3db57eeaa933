//! The access of a caller as the database knows it, and the memory of recent callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How long a process remembers the access of a caller. It does not rely on it: every call sends the known version to
/// the database, which refuses an older one.
const REMEMBERED: Duration = Duration::from_secs(15);
/// The most callers that are remembered. Beyond it the memory is emptied.
const MAX_REMEMBERED: usize = 1000;

/// The access of a caller as the database knows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Access {
    /// The kind of the caller: `user` is a person, `api_key` an integration.
    pub(crate) kind: CallerKind,
    /// The id of the person or of the key.
    pub user_id: Uuid,
    #[schema(example = "Putri Ayu")]
    pub(crate) display_name: String,
    /// The language of the person: `id` or `en`.
    #[schema(value_type = crate::words::LanguageCode)]
    pub(crate) locale: String,
    /// The caller's organisation.
    pub tenant: TenantSummary,
    pub(crate) roles: Vec<RoleSummary>,
    /// Permissions such as `messages.send`, inherited ones included, without those of disabled modules.
    #[schema(example = json!(["conversations.view", "messages.send"]))]
    pub(crate) permissions: Vec<String>,
    /// The modules that are enabled.
    #[schema(example = json!(["inbox", "broadcast"]))]
    pub(crate) modules: Vec<String>,
    #[serde(skip_serializing)]
    pub(crate) disabled_permissions: Vec<String>,
    #[serde(skip_serializing)]
    pub(crate) version: i64,
}

/// The kind of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// A person with an access token.
    User,
    /// An integration with an API key.
    ApiKey,
}

/// The caller's tenant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TenantSummary {
    pub id: Uuid,
    #[schema(example = "Kopi Senja")]
    name: String,
    #[schema(example = "kopi-senja")]
    slug: String,
    /// The IANA name of the time zone in which times are shown, for example `Asia/Jakarta`.
    #[schema(example = "Asia/Jakarta")]
    pub(crate) timezone: String,
    /// `id` or `en`
    #[schema(value_type = crate::words::LanguageCode)]
    locale: String,
}

/// A role of a caller.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RoleSummary {
    id: Uuid,
    #[schema(example = "agent")]
    key: String,
    #[schema(example = "Agent")]
    name: String,
    /// The level of the role; 10 is the highest.
    #[schema(example = 5)]
    level: u8,
}

/// The access of recent callers, by their credential.
#[derive(Default)]
pub struct AccessCache {
    entries: Mutex<HashMap<String, (Instant, Arc<Access>)>>,
}

impl AccessCache {
    pub(super) fn remembered(&self, credential: &str) -> Option<Arc<Access>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, access) = entries.get(credential)?;
        (since.elapsed() < REMEMBERED).then(|| Arc::clone(access))
    }

    pub(super) fn remember(&self, credential: &str, access: Access) -> Arc<Access> {
        let access = Arc::new(access);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_REMEMBERED {
            entries.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        }
        if entries.len() >= MAX_REMEMBERED {
            entries.clear();
        }
        entries.insert(credential.to_owned(), (Instant::now(), Arc::clone(&access)));
        access
    }
}
