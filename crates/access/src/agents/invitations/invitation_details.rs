//! An invitation in the form clients see.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::tenancy::tenant::Locale;
use crm_core::caller::RoleSummary;

/// An invitation that is neither accepted nor withdrawn.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Invitation {
    pub(super) id: Uuid,
    #[schema(example = "putri@kopi.test")]
    email: String,
    #[schema(example = "Putri Ayu")]
    display_name: String,
    locale: Option<Locale>,
    /// The roles that the person gets.
    roles: Vec<RoleSummary>,
    /// The person who invited. Null: an integration.
    invited_by: Option<Uuid>,
    status: InvitationStatus,
    created_at: DateTime<Utc>,
    /// Seven days after the last mail.
    expires_at: DateTime<Utc>,
    /// The time of the last mail. Null: Auth has not been given it yet. If it stays null, resend the invitation.
    mailed_at: Option<DateTime<Utc>>,
}

/// Whether an invitation can still be accepted.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum InvitationStatus {
    Open,
    Expired,
}
