//! The sources of a template's variables for entries of a recipient list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A source for each variable: a list for numbered variables, an object for named ones.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(untagged, expecting = "must be a list of sources, or an object of them")]
pub(crate) enum VariableMapping {
    Positional(Vec<VariableSource>),
    Named(BTreeMap<String, VariableSource>),
}

/// The source of a value.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum VariableSource {
    /// A column of the recipient list.
    Column {
        /// The name of the column.
        #[schema(example = "city")]
        column: String,
        /// The value for recipients who have none.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(example = "kota Anda")]
        fallback: Option<String>,
    },
    /// A value of the contact.
    Contact {
        /// `name`, `phone_number`, `email`, `language`, or `custom.` and the key of a custom field.
        #[schema(example = "custom.city")]
        field: String,
        /// The value for recipients who have none.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(example = "Pelanggan")]
        fallback: Option<String>,
    },
    /// The same text for every recipient.
    Text {
        /// The text.
        #[schema(example = "Kopi Senja")]
        text: String,
    },
}
