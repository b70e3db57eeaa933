//! A role as clients see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A role: predefined and the same everywhere, or of the tenant's own.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Role {
    id: Uuid,
    #[schema(example = "team_lead")]
    key: String,
    /// In English, or as its tenant named it.
    name: String,
    /// In Indonesian, or as its tenant named it.
    name_id: String,
    description: String,
    description_id: String,
    /// 10 is the highest.
    level: u8,
    /// Whether it holds what the predefined roles of lower levels hold.
    inherits: bool,
    predefined: bool,
    /// What it is given itself.
    granted: Vec<String>,
    /// What it does not inherit.
    taken_away: Vec<String>,
    /// What it holds when everything is counted.
    permissions: Vec<String>,
    /// How many active people of the tenant hold it.
    users_count: u64,
    created_at: DateTime<Utc>,
}
