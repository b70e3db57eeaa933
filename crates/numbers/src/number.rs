//! A connected number as clients see it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;

crm_core::words! {
    /// The source of a number's access token.
    pub(crate) TokenSource = "own", "environment";
    /// Whether Meta accepts the access token.
    pub(crate) TokenStatus = "valid", "invalid", "unchecked";
}

/// A connected number. No answer contains its access token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ConnectedNumber {
    pub(super) id: Uuid,
    #[schema(example = "Toko Solo")]
    name: String,
    /// Meta's id of the number.
    #[schema(example = "106540352242922")]
    pub(super) phone_number_id: String,
    /// Meta's id of the WhatsApp Business account.
    #[schema(example = "102290129340398")]
    pub(super) business_account_id: String,
    #[schema(example = "+62 811-0009-000")]
    display_phone_number: String,
    /// The name that customers see.
    #[schema(example = "Kopi Senja")]
    verified_name: Option<String>,
    /// `connected`, `paused` (a person stopped sending), `broken` (Meta refuses it, see `status_reason`) or
    /// `disconnected`.
    #[schema(value_type = crm_core::words::NumberStatus)]
    pub(super) status: String,
    status_reason: Option<String>,
    /// The reason why it is broken, as a code: `token_invalid`, `payment_problem`, `policy_block`, `not_registered`,
    /// `number_banned`, `account_disabled` and others.
    status_code: Option<String>,
    /// The pace of campaigns, in messages per second.
    #[schema(example = 10)]
    messages_per_second: u32,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`
    #[schema(example = "GREEN")]
    quality_rating: Option<String>,
    /// The number of people who may be written to in 24 hours, as Meta names it. The whole business portfolio shares
    /// it.
    #[schema(example = "TIER_2K")]
    messaging_limit: Option<String>,
    /// Whether Meta has approved the name.
    #[schema(example = "APPROVED")]
    name_status: Option<String>,
    /// `STANDARD` (80 messages a second) or `HIGH` (1,000)
    #[schema(example = "STANDARD")]
    pub(super) throughput_level: Option<String>,
    /// Meta's status of the number: `CONNECTED`, `BANNED`, `RESTRICTED` and others.
    #[schema(example = "CONNECTED")]
    meta_status: Option<String>,
    /// When the health was last read from Meta.
    health_checked_at: Option<DateTime<Utc>>,
    /// Why the last reading failed.
    health_error: Option<String>,
    /// `own`, or `environment` for the token of this installation.
    #[schema(value_type = TokenSource)]
    pub(super) token_source: String,
    /// `valid`, `invalid` or `unchecked`.
    #[schema(value_type = TokenStatus)]
    token_status: String,
    /// When its own token expires, as it was entered. Null for tokens that do not expire.
    token_expires_at: Option<DateTime<Utc>>,
    /// When its own token was last changed.
    token_changed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
}

/// The version of Meta's API in use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GraphInUse {
    #[schema(example = "v25.0")]
    version: String,
    /// After this day Meta serves another version instead.
    expires: Option<NaiveDate>,
}

impl GraphInUse {
    pub(super) fn of(app: &App) -> Self {
        let version = &app.config().graph_version;
        Self {
            version: version.to_string(),
            expires: version.expires(),
        }
    }
}
