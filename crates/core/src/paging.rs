//! Paged lists.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// The most rows of one page.
pub(crate) const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 20;

/// The page of a list: `?page=1&limit=20`. Queries declare the two fields themselves and read them with the functions
/// below, so that a refusal names the wrong one.
#[derive(Debug, Clone, Copy)]
pub struct PageNumber {
    /// The number of the page, from 1.
    pub page: u32,
    /// The most rows of the page.
    pub limit: u32,
}

/// The page if the query names none.
pub fn first_page() -> u32 {
    1
}

/// The size of a page if the query names none.
pub fn default_limit() -> u32 {
    DEFAULT_LIMIT
}

/// Reads a page number, from 1.
pub fn page_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number_between(deserializer, 1, 1_000_000)
}

/// Reads a page size: 1 to 100.
pub fn page_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number_between(deserializer, 1, MAX_LIMIT)
}

fn number_between<'de, D: Deserializer<'de>>(deserializer: D, low: u32, high: u32) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = text
        .parse::<u32>()
        .ok()
        .filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| serde::de::Error::custom(format!("must be a number from {low} to {high}")))
}

/// One page of a list that is paged by number.
#[derive(Debug, Serialize, ToSchema)]
pub struct Paged<T> {
    /// The rows of this page.
    pub(crate) data: Vec<T>,
    /// How many rows there are on all pages.
    #[schema(example = 1)]
    pub(crate) total: u64,
    /// The page, from 1.
    #[schema(example = 1)]
    pub(crate) page: u32,
    /// The most rows of a page.
    #[schema(example = 20)]
    pub(crate) limit: u32,
}

/// The rows of a list as the database returns them.
#[derive(Debug, Deserialize)]
pub struct Rows<T> {
    /// The rows of the page.
    pub rows: Vec<T>,
    /// The number of rows on all pages.
    pub total: u64,
}

impl<T> Rows<T> {
    /// The page as clients see it.
    pub fn into_page(self, number: PageNumber) -> Paged<T> {
        Paged {
            data: self.rows,
            total: self.total,
            page: number.page,
            limit: number.limit,
        }
    }
}
