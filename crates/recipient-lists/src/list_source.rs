//! Where the people of a list come from.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::contact_filter::ContactTree;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};

/// Where the people of a list come from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = RecipientListSource)]
pub(crate) enum Source {
    /// A CSV or XLSX file.
    File { file_name: String },
    /// Given one by one.
    Manual,
    /// The contacts that a filter left when the list was made.
    Contacts { filter: ContactFilter },
}

/// Which contacts: those that meet all of it. Empty: all contacts.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RecipientFilter)]
pub(crate) struct ContactFilter {
    /// A part of the name or of the phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_since: Option<DateTime<Utc>>,
    /// Before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_until: Option<DateTime<Utc>>,
    /// Has written since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrote_since: Option<DateTime<Utc>>,
    /// Has a conversation with this number of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Uuid>,
    /// Has this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// Has this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Uuid>,
    /// Is in this segment. `segments.view` is needed for it, and for `segment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment_id: Option<Uuid>,
    /// Passes a filter as segments have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<ContactTree>,
}

impl ContactFilter {
    /// The filter as it is asked and kept.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(search) = self.search.take() {
            let search = optional_text("filter.search", &search, 200)?;
            self.search = (!search.is_empty()).then_some(search);
        }
        if let Some(tag) = &self.tag {
            self.tag = Some(required_text("filter.tag", tag, 200)?);
        }
        self.segment = match self.segment.take() {
            Some(segment) => Some(segment.checked("filter.segment")?),
            None => None,
        };
        Ok(self)
    }
}
