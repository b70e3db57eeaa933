//! What fills the variables of a template for the people of a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A source for each variable: a list where the template counts them, an object where it names them.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(untagged, expecting = "must be a list of sources, or an object of them")]
pub(crate) enum VariableMapping {
    Positional(Vec<VariableSource>),
    Named(BTreeMap<String, VariableSource>),
}

/// Where a value comes from.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(tag = "source", rename_all = "lowercase")]
pub(crate) enum VariableSource {
    /// A column of the list.
    Column {
        /// Its name.
        #[schema(example = "city")]
        column: String,
    },
    /// What is known of the contact.
    Contact {
        /// `name`, `phone_number`, `email`, `language`, or `custom.` and the key of a field of the tenant's own.
        #[schema(example = "custom.city")]
        field: String,
    },
    /// The same for everybody.
    Text {
        /// The text.
        #[schema(example = "Kopi Senja")]
        text: String,
    },
}
