//! Reads one row of a table. Everything else is a function of the database.

use std::fmt::Display;

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use crate::database::Database;
use crate::database_error::DatabaseError;

/// A query that is being built.
#[must_use = "a query does nothing until it is fetched"]
pub struct Query<'a> {
    database: Database<'a>,
    url: Url,
}

impl<'a> Query<'a> {
    pub(crate) fn new(database: Database<'a>, table: &str) -> Self {
        let url = database.table_url(table);
        Self { database, url }
    }

    /// The columns to return, as PostgREST writes them.
    pub fn select(mut self, columns: &'static str) -> Self {
        self.url.query_pairs_mut().append_pair("select", columns);
        self
    }

    /// Adds the condition `column = value`. Column names are `'static`, so that a request cannot choose them.
    pub fn eq(mut self, column: &'static str, value: impl Display) -> Self {
        equals(&mut self.url, column, value);
        self
    }

    /// The first row, if there is one.
    pub async fn fetch_optional<T: DeserializeOwned>(mut self) -> Result<Option<T>, DatabaseError> {
        self.url.query_pairs_mut().append_pair("limit", "1");
        let answer = self.database.send(Method::GET, self.url, None).await?;
        let rows: Vec<T> = answer.accepted()?.json()?;
        Ok(rows.into_iter().next())
    }
}

/// Writes `column = value`. The value is everything after the operator, without quotes.
fn equals(url: &mut Url, column: &'static str, value: impl Display) {
    url.query_pairs_mut().append_pair(column, &format!("eq.{value}"));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;

    use super::equals;

    /// Texts with many characters that have a meaning in PostgREST.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            r#"[",.()\\{}&=+%#*:;<> a-z0-9\u{0}\u{e9}]{0,24}"#,
            any::<String>(),
            Just("x),id=not.is.null&or=(id.gt.0".to_owned()),
            Just("\\\"),id.gt.\"0".to_owned()),
            Just("(any).{a,b}".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn a_value_never_adds_a_parameter(value in hostile(), other in hostile()) {
            let mut url = Url::parse("http://host/rest/v1/t").unwrap();
            equals(&mut url, "a", &value);
            equals(&mut url, "b", &other);
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [
                ("a".to_owned(), format!("eq.{value}")),
                ("b".to_owned(), format!("eq.{other}")),
            ]);
        }
    }
}
