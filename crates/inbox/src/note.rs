//! An internal note as clients see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::text::Text;

const LONGEST: usize = 5000;
const MOST_MENTIONS: usize = 50;

/// A note for colleagues about a conversation. The customer never sees it.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConversationNote)]
pub(crate) struct Note {
    id: Uuid,
    conversation_id: Uuid,
    /// The author. Null for an integration.
    author_id: Option<Uuid>,
    #[schema(example = "Stok habis, tanya gudang.")]
    content: String,
    /// The people who were mentioned.
    mentions: Vec<Uuid>,
    created_at: DateTime<Utc>,
    edited_at: Option<DateTime<Utc>>,
}

pub(super) fn checked_content(content: &str) -> Result<String, ApiError> {
    required_text("content", content, LONGEST)
}

pub(super) fn check_mentions(mentions: &[Uuid]) -> Result<(), ApiError> {
    if mentions.len() > MOST_MENTIONS {
        return Err(ApiError::field(
            "mentions",
            Text::new("must not exceed 50 people", "tidak boleh lebih dari 50 orang"),
        ));
    }
    Ok(())
}
