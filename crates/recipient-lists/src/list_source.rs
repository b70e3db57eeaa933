//! The source of a recipient list.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::contact_filter::ContactTree;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};

/// The source of a recipient list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = RecipientListSource)]
pub(crate) enum Source {
    /// A CSV or XLSX file.
    File { file_name: String },
    /// Recipients that the request listed.
    Manual,
    /// The contacts that the filter selected when the list was created.
    Contacts { filter: ContactFilter },
}

/// A filter of contacts. A contact must meet all of its conditions. Empty: all contacts.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RecipientFilter)]
pub(crate) struct ContactFilter {
    /// A part of the name or of the phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_since: Option<DateTime<Utc>>,
    /// Created before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_until: Option<DateTime<Utc>>,
    /// Wrote at or after this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrote_since: Option<DateTime<Utc>>,
    /// Has a conversation with this connected number.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Uuid>,
    /// Has this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// Has this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Uuid>,
    /// Is in this segment. `segments.view` is needed for `segment_id` and for `segment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment_id: Option<Uuid>,
    /// Passes this filter, which has the form of a segment's filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<ContactTree>,
}

impl ContactFilter {
    /// The filter as it is checked and stored.
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
