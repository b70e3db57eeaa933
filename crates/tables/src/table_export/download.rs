//! Downloads the result of a query as a table, page by page. Every download of the product uses this module.

use std::io;

use axum::body::Body;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{TableExport, TableFormat};
use crate::csv_table;
use crm_core::caller::Caller;
use crm_core::error::ApiError;

/// A download as the audit log records it.
pub struct Export<'a> {
    /// Who downloads.
    pub caller: &'a Caller,
    /// The name of the table in the database.
    pub table: &'static str,
    /// The row whose parts are downloaded, such as a campaign.
    pub of: Option<Uuid>,
    /// The filters of the query by their names. The log says which were used. Their values may name people, and stay out.
    pub filters: Value,
}

/// A query whose whole result can be downloaded.
pub trait PagedQuery: Send + Sync + 'static {
    /// The rows as the database returns them.
    type Page: Send;
    /// The position of a page.
    type Cursor: Send;

    /// Reads the page after `cursor`, or the first one.
    fn page(&self, cursor: Option<Self::Cursor>)
    -> impl Future<Output = Result<Self::Page, ApiError>> + Send;

    /// The position of the next page. None after the last one.
    fn next(page: &Self::Page) -> Option<Self::Cursor>;

    /// The names of the columns, for the first row of the table.
    fn columns(&self, first: &Self::Page) -> Vec<String>;

    /// The cells of each row of a page, in the order of the columns.
    fn rows(&self, page: &Self::Page) -> Vec<Vec<String>>;
}

/// A query whose download the audit log records.
pub trait AuditedQuery: PagedQuery {
    /// The entry of the audit log.
    fn export(&self) -> Export<'_>;
}

/// The result of a query as a file named `name` with the ending of its format.
///
/// The first page is read before the answer begins, so that a refusal is an error of the API. The audit log then records
/// the download; without the entry there is no download. If a later page fails, the download is cut off, so that an
/// incomplete file cannot be taken for a complete one. Memory is bounded by a page. `name` must have only characters that
/// a header can hold.
pub async fn download<Q: AuditedQuery>(
    query: Q,
    format: TableFormat,
    name: &'static str,
) -> Result<Response, ApiError> {
    let first = query.page(None).await?;
    record(&query.export(), format).await?;
    answer(query, first, format, name)
}

fn answer<Q: PagedQuery>(
    query: Q,
    first: Q::Page,
    format: TableFormat,
    name: &'static str,
) -> Result<Response, ApiError> {
    let table = TableExport::new(format, &query.columns(&first))
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let state = Some((query, table, Next::Read(first)));
    let pieces = stream::unfold(state, move |state| async move {
        let (query, mut table, next) = state?;
        let page = match next {
            Next::Read(page) => page,
            Next::Behind(cursor) => match query.page(Some(cursor)).await {
                Ok(page) => page,
                Err(error) => {
                    log::error!("the download of {name} was cut off: {}", error.code());
                    return Some((Err(io::Error::other("the download was cut off")), None));
                }
            },
            Next::End => return Some((table.finish(), None)),
        };
        if let Err(error) = query.rows(&page).iter().try_for_each(|row| table.push(row)) {
            return Some((Err(error), None));
        }
        let next = Q::next(&page).map_or(Next::End, Next::Behind);
        Some((Ok(table.take()), Some((query, table, next))))
    });
    Ok((headers(format, name), Body::from_stream(pieces)).into_response())
}

async fn record(export: &Export<'_>, format: TableFormat) -> Result<(), ApiError> {
    let details = json!({ "format": format.ending(), "filters": used(&export.filters) });
    export
        .caller
        .record_export(export.table, export.of, &details)
        .await
}

/// The names of the filters that have a value.
fn used(filters: &Value) -> Vec<&str> {
    let members = filters.as_object().into_iter().flatten();
    members
        .filter(|(_, value)| !value.is_null())
        .map(|(name, _)| name.as_str())
        .collect()
}

/// The next step of a download.
enum Next<P, C> {
    Read(P),
    Behind(C),
    End,
}

fn headers(format: TableFormat, name: &str) -> [(HeaderName, String); 2] {
    match format {
        TableFormat::Csv => csv_table::headers(&format!("{name}.csv")),
        TableFormat::Xlsx => [
            (
                header::CONTENT_TYPE,
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned(),
            ),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{name}.xlsx\""),
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages with one row each, one of which may fail.
    struct People {
        pages: u32,
        failing: Option<u32>,
    }

    impl PagedQuery for People {
        type Page = (u32, bool);
        type Cursor = u32;

        async fn page(&self, cursor: Option<u32>) -> Result<Self::Page, ApiError> {
            let page = cursor.unwrap_or(1);
            if self.failing == Some(page) {
                return Err(ApiError::not_found());
            }
            Ok((page, page < self.pages))
        }

        fn next(page: &Self::Page) -> Option<u32> {
            page.1.then_some(page.0 + 1)
        }

        fn columns(&self, _first: &Self::Page) -> Vec<String> {
            vec!["nama".to_owned()]
        }

        fn rows(&self, page: &Self::Page) -> Vec<Vec<String>> {
            vec![vec![format!("Ani {}", page.0)]]
        }
    }

    #[tokio::test]
    async fn a_page_that_fails_cuts_the_download_off() {
        let people = async |pages, failing| {
            let query = People { pages, failing };
            let first = query.page(None).await?;
            answer(query, first, TableFormat::Csv, "people")
        };
        let whole = people(2, None).await.unwrap();
        assert_eq!(
            whole.headers()[header::CONTENT_DISPOSITION],
            "attachment; filename=\"people.csv\""
        );
        let whole = axum::body::to_bytes(whole.into_body(), 1000).await.unwrap();
        assert_eq!(whole, "\u{feff}nama\r\nAni 1\r\nAni 2\r\n".as_bytes());

        let broken = people(2, Some(2)).await.unwrap();
        assert!(axum::body::to_bytes(broken.into_body(), 1000).await.is_err());
        assert_eq!(people(2, Some(1)).await.unwrap_err().code(), "not_found");
    }
}
