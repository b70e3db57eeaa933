//! `GET /api/broadcast/recipient-lists/template`: the sample file.

use axum::response::IntoResponse;
use serde::{Deserialize, Deserializer};

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::permissions::RecipientListsView;
use crm_core::routes;
use tables::csv_table;

const MAX_VARIABLES: usize = 20;
/// The values of the example's variables; further variables are numbered. The example's phone number does not exist, so
/// that a row that was left in the file reaches no person.
const EXAMPLE: [&str; 5] = [
    "Budi Santoso",
    "6289xxxxxxxxx",
    "Premium",
    "ORD-123",
    "2024-02-17",
];

/// The number of columns for variables.
#[derive(Deserialize)]
pub(crate) struct SampleFileQuery {
    #[serde(default = "default_variables", deserialize_with = "number_of_variables")]
    variables: usize,
}

fn default_variables() -> usize {
    3
}

fn number_of_variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = text.parse().ok().filter(|number| *number <= MAX_VARIABLES);
    number.ok_or_else(|| serde::de::Error::custom(format!("must be a number from 0 to {MAX_VARIABLES}")))
}

/// `/api/broadcast/recipient-lists/template`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(download_sample_file))
}

/// Download a sample file for recipient lists.
///
/// The CSV file has the columns that an import reads, and one row as an example.
#[utoipa::path(
    get, path = "/api/broadcast/recipient-lists/template", tag = "recipient-lists",
    params(
        ("variables" = Option<u32>, Query, description = "How many columns for variables; 3 if left out", maximum = 20),
    ),
    responses((status = 200, content_type = "text/csv", body = String)),
)]
pub(crate) async fn download_sample_file(
    _permitted: Permitted<RecipientListsView>,
    QueryParameters(query): QueryParameters<SampleFileQuery>,
) -> Result<impl IntoResponse, ApiError> {
    Ok((csv_table::headers("recipient-list.csv"), table(query.variables)))
}

fn table(variables: usize) -> String {
    let mut table = csv_table::MARK.to_owned();
    let names = (1..=variables).map(|place| format!("var{place}"));
    let header: Vec<String> = ["contacts_name", "phone_number"]
        .map(str::to_owned)
        .into_iter()
        .chain(names)
        .collect();
    csv_table::push_line(&mut table, &header);
    let further = (EXAMPLE.len() - 1..).map(|place| format!("value {place}"));
    let example: Vec<String> = EXAMPLE
        .map(str::to_owned)
        .into_iter()
        .chain(further)
        .take(header.len())
        .collect();
    csv_table::push_line(&mut table, &example);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_file_can_be_imported() {
        assert_eq!(
            table(0),
            "\u{feff}contacts_name,phone_number\r\nBudi Santoso,6289xxxxxxxxx\r\n"
        );
        assert_eq!(
            table(4),
            "\u{feff}contacts_name,phone_number,var1,var2,var3,var4\r\n\
             Budi Santoso,6289xxxxxxxxx,Premium,ORD-123,2024-02-17,value 4\r\n"
        );
    }
}
