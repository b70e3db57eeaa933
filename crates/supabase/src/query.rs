//! Reading and writing rows of one table.

use reqwest::header::CONTENT_RANGE;
use reqwest::{Body, Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::database::{Answer, Database, to_json};
use crate::database_error::{DatabaseError, Source};
use crate::filter::{Condition, FilterValue, Is, LikePattern};

/// A direction to sort in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// Where nulls are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Before every value.
    First,
    /// After every value.
    Last,
}

/// One page of rows and the number of all rows that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows of this page.
    pub rows: Vec<T>,
    /// How many rows match in all.
    pub total: u64,
}

/// A query being built: a read unless `insert`, `upsert`, `update` or `delete` says otherwise.
#[must_use = "a query does nothing until it is fetched or executed"]
pub struct Query<'a> {
    database: Database<'a>,
    url: Url,
    operation: Operation,
    order: String,
    filtered: bool,
    limited: bool,
}

enum Operation {
    Read,
    Insert(Result<Vec<u8>, DatabaseError>),
    Upsert(Result<Vec<u8>, DatabaseError>, &'static str),
    Update(Result<Vec<u8>, DatabaseError>),
    Delete,
}

#[derive(Clone, Copy, PartialEq)]
enum Returning {
    Rows,
    Nothing,
}

#[derive(Clone, Copy, PartialEq)]
enum Count {
    Exact,
    No,
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(self, column: &'static str, value: impl FilterValue) -> Self {
            self.filter(&Condition::$name(column, value))
        }
    )+};
}

impl<'a> Query<'a> {
    pub(crate) fn new(database: Database<'a>, table: &str) -> Self {
        let url = database.table_url(table);
        Self {
            database,
            url,
            operation: Operation::Read,
            order: String::new(),
            filtered: false,
            limited: false,
        }
    }

    /// The columns to return, as PostgREST writes them; embedded resources included.
    pub fn select(mut self, columns: &'static str) -> Self {
        self.url.query_pairs_mut().append_pair("select", columns);
        self
    }

    /// Adds a row, or several when `rows` is a sequence.
    pub fn insert(mut self, rows: &(impl Serialize + ?Sized)) -> Self {
        self.operation = Operation::Insert(to_json(rows));
        self
    }

    /// Adds rows, replacing the given columns of those that exist by the unique columns `on_conflict`.
    pub fn upsert(self, rows: &(impl Serialize + ?Sized), on_conflict: &'static str) -> Self {
        self.write_or(rows, on_conflict, "resolution=merge-duplicates")
    }

    /// Adds the rows that do not exist yet by the unique columns `on_conflict`.
    pub fn insert_missing(self, rows: &(impl Serialize + ?Sized), on_conflict: &'static str) -> Self {
        self.write_or(rows, on_conflict, "resolution=ignore-duplicates")
    }

    /// Changes the rows that match; refused without a condition.
    pub fn update(mut self, changes: &(impl Serialize + ?Sized)) -> Self {
        self.operation = Operation::Update(to_json(changes));
        self
    }

    /// Removes the rows that match; refused without a condition.
    pub fn delete(mut self) -> Self {
        self.operation = Operation::Delete;
        self
    }

    /// Only rows for which `condition` holds, in addition to the conditions so far.
    pub fn filter(mut self, condition: &Condition) -> Self {
        condition.append_to(&mut self.url);
        self.filtered = true;
        self
    }

    /// Only rows for which at least one of the conditions holds.
    pub fn any_of(self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.filter(&Condition::any(conditions))
    }

    comparisons! {
        /// `column = value`
        eq,
        /// `column <> value`
        neq,
        /// `column > value`
        gt,
        /// `column >= value`
        gte,
        /// `column < value`
        lt,
        /// `column <= value`
        lte,
    }

    /// `column is null`, `is not null`, `is true`, `is false`
    pub fn is(self, column: &'static str, what: Is) -> Self {
        self.filter(&Condition::is(column, what))
    }

    /// `column in (values)`; no value matches no row.
    pub fn in_<V: FilterValue>(self, column: &'static str, values: impl IntoIterator<Item = V>) -> Self {
        self.filter(&Condition::in_(column, values))
    }

    /// `column ilike pattern`
    pub fn ilike(self, column: &'static str, pattern: LikePattern) -> Self {
        self.filter(&Condition::ilike(column, pattern))
    }

    /// Sorts by a column, after those given before.
    pub fn order(self, column: &'static str, order: Order) -> Self {
        self.sort(column, order, None)
    }

    /// Sorts by a column that may be null.
    pub fn order_nulls(self, column: &'static str, order: Order, nulls: Nulls) -> Self {
        self.sort(column, order, Some(nulls))
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u32) -> Self {
        self.url.query_pairs_mut().append_pair("limit", &rows.to_string());
        self.limited = true;
        self
    }

    /// Leaves out the first rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.url
            .query_pairs_mut()
            .append_pair("offset", &rows.to_string());
        self
    }

    /// The rows, read or as written.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<T, DatabaseError> {
        self.run(Returning::Rows, Count::No).await?.accepted()?.json()
    }

    /// The first row, if there is one.
    pub async fn fetch_optional<T: DeserializeOwned>(self) -> Result<Option<T>, DatabaseError> {
        let reads_all = matches!(self.operation, Operation::Read) && !self.limited;
        let query = if reads_all { self.limit(1) } else { self };
        let rows: Vec<T> = query.fetch().await?;
        Ok(rows.into_iter().next())
    }

    /// The first row; [`DatabaseError::NotFound`] when there is none.
    pub async fn fetch_one<T: DeserializeOwned>(self) -> Result<T, DatabaseError> {
        let row = self.fetch_optional().await?;
        row.ok_or_else(|| DatabaseError::NotFound(Source::new("no row matched")))
    }

    /// The rows of a page and the number of all that match. A page beyond the last is empty.
    pub async fn fetch_page<T: DeserializeOwned>(self) -> Result<Page<T>, DatabaseError> {
        let answer = self.run(Returning::Rows, Count::Exact).await?;
        if answer.status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Page {
                rows: Vec::new(),
                total: total(&answer)?,
            });
        }
        let answer = answer.accepted()?;
        Ok(Page {
            rows: answer.json()?,
            total: total(&answer)?,
        })
    }

    /// How many rows match, or were written, without returning them.
    pub async fn count_exact(self) -> Result<u64, DatabaseError> {
        total(&self.run(Returning::Nothing, Count::Exact).await?.accepted()?)
    }

    /// Writes without asking for the rows.
    pub async fn execute(self) -> Result<(), DatabaseError> {
        self.run(Returning::Nothing, Count::No).await?.accepted()?;
        Ok(())
    }

    async fn run(mut self, returning: Returning, count: Count) -> Result<Answer, DatabaseError> {
        let everything = matches!(self.operation, Operation::Update(_) | Operation::Delete) && !self.filtered;
        if everything {
            return Err(DatabaseError::Unexpected(Source::new(
                "a write to every row of a table is refused",
            )));
        }
        if !self.order.is_empty() {
            self.url.query_pairs_mut().append_pair("order", &self.order);
        }

        let mut prefer = Vec::with_capacity(3);
        let (method, body) = match self.operation {
            Operation::Read if returning == Returning::Nothing => (Method::HEAD, None),
            Operation::Read => (Method::GET, None),
            Operation::Insert(body) => (Method::POST, Some(body?)),
            Operation::Upsert(body, resolution) => {
                prefer.push(resolution);
                (Method::POST, Some(body?))
            }
            Operation::Update(body) => (Method::PATCH, Some(body?)),
            Operation::Delete => (Method::DELETE, None),
        };
        if method != Method::GET && method != Method::HEAD {
            prefer.push(match returning {
                Returning::Rows => "return=representation",
                Returning::Nothing => "return=minimal",
            });
        }
        if count == Count::Exact {
            prefer.push("count=exact");
        }

        let prefer = prefer.join(",");
        let prefer = Some(prefer.as_str()).filter(|prefer| !prefer.is_empty());
        self.database
            .send(method, self.url, prefer, body.map(Body::from))
            .await
    }

    fn write_or(
        mut self,
        rows: &(impl Serialize + ?Sized),
        on_conflict: &'static str,
        resolution: &'static str,
    ) -> Self {
        self.url.query_pairs_mut().append_pair("on_conflict", on_conflict);
        self.operation = Operation::Upsert(to_json(rows), resolution);
        self
    }

    fn sort(mut self, column: &'static str, order: Order, nulls: Option<Nulls>) -> Self {
        if !self.order.is_empty() {
            self.order.push(',');
        }
        self.order.push_str(column);
        self.order.push_str(match order {
            Order::Ascending => ".asc",
            Order::Descending => ".desc",
        });
        self.order.push_str(match nulls {
            None => "",
            Some(Nulls::First) => ".nullsfirst",
            Some(Nulls::Last) => ".nullslast",
        });
        self
    }
}

/// The number after the slash of `Content-Range: 0-24/3573`.
fn total(answer: &Answer) -> Result<u64, DatabaseError> {
    let range = answer
        .headers
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    range
        .and_then(|range| range.rsplit_once('/'))
        .and_then(|(_, total)| total.parse().ok())
        .ok_or_else(|| {
            DatabaseError::Unexpected(Source::new("the answer does not say how many rows there are"))
        })
}
