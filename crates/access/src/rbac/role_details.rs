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
    #[schema(example = "Team Lead")]
    name: String,
    /// In Indonesian, or as its tenant named it.
    #[schema(example = "Pemimpin Tim")]
    name_id: String,
    #[schema(example = "Leads a team of agents")]
    description: String,
    #[schema(example = "Memimpin satu tim agen")]
    description_id: String,
    /// 10 is the highest.
    #[schema(example = 7)]
    level: u8,
    /// Whether it holds what the predefined roles of lower levels hold.
    inherits: bool,
    predefined: bool,
    /// What it is given itself.
    #[schema(example = json!(["conversations.assign"]))]
    granted: Vec<String>,
    /// What it does not inherit.
    #[schema(example = json!([]))]
    taken_away: Vec<String>,
    /// What it holds when everything is counted.
    #[schema(example = json!(["conversations.view", "conversations.assign"]))]
    permissions: Vec<String>,
    /// How many active people of the tenant hold it.
    users_count: u64,
    created_at: DateTime<Utc>,
}
