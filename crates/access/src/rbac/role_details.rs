//! A role as clients see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A role: a predefined one, which every tenant has, or one of the tenant's own.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Role {
    id: Uuid,
    #[schema(example = "team_lead")]
    key: String,
    /// The English name, or the name that the tenant chose.
    #[schema(example = "Team Lead")]
    name: String,
    /// The Indonesian name, or the name that the tenant chose.
    #[schema(example = "Pemimpin Tim")]
    name_id: String,
    #[schema(example = "Leads a team of agents")]
    description: String,
    #[schema(example = "Memimpin satu tim agen")]
    description_id: String,
    /// The level of the role; 10 is the highest.
    #[schema(example = 7)]
    level: u8,
    /// Whether the role also holds the permissions of predefined roles of lower levels.
    inherits: bool,
    predefined: bool,
    /// The permissions that were granted to this role.
    #[schema(example = json!(["conversations.assign"]))]
    granted: Vec<String>,
    /// The permissions that the role does not inherit.
    #[schema(example = json!([]))]
    taken_away: Vec<String>,
    /// All permissions that the role holds, inherited ones included.
    #[schema(example = json!(["conversations.view", "conversations.assign"]))]
    permissions: Vec<String>,
    /// The number of active people who hold the role.
    users_count: u64,
    created_at: DateTime<Utc>,
}
