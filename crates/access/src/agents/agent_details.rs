//! A person of a tenant as clients see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::RoleSummary;

/// A person of the tenant.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Agent {
    id: Uuid,
    #[schema(example = "putri@kopi.test")]
    email: String,
    #[schema(example = "Putri Ayu")]
    display_name: String,
    /// The language of the person. Null: the language of the organisation.
    #[schema(value_type = Option<crate::tenancy::tenant::Locale>)]
    locale: Option<String>,
    active: bool,
    deactivated_at: Option<DateTime<Utc>>,
    /// Whether the person has left or joined another organisation. Then only an invitation brings them back.
    left: bool,
    /// `online`, `busy` or `offline`. Automatic assignment gives conversations to people who are online.
    #[schema(value_type = super::agent::Availability)]
    availability: String,
    last_sign_in_at: Option<DateTime<Utc>>,
    roles: Vec<RoleSummary>,
    /// The number of open conversations assigned to the person.
    open_conversations: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// After a change: the number of conversations that went to another person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reassigned_conversations: Option<u64>,
}
