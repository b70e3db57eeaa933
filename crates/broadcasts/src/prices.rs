//! `GET` and `PUT /api/broadcast/prices`: prices of Meta's messages, as the tenant entered them.

use axum::Json;
use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::{BroadcastsView, SettingsUpdate};
use crm_core::routes;
use crm_core::text::Text;

/// The most prices of one request.
const MAX_PRICES: usize = 1000;

/// The prices of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct PriceList {
    data: Vec<Price>,
}

crm_core::words! {
    /// The source of a price.
    pub(crate) PriceSource = "own", "listed";
}

/// The price of a delivered message of a category in a country.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Price {
    /// Two capital letters; `*` for all other countries.
    #[schema(example = "ID")]
    country: String,
    category: Category,
    /// The first day of the price.
    effective_from: NaiveDate,
    #[schema(example = "USD")]
    currency: String,
    /// A decimal number as text.
    #[schema(example = "0.0411")]
    amount: String,
    /// `own`: entered by the tenant. `listed`: from the copy of Meta's rate card, as of that day, that the product
    /// ships. An `own` price takes precedence.
    #[schema(example = "own", value_type = PriceSource)]
    source: String,
}

/// A category of message templates.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = PriceCategory)]
enum Category {
    #[serde(alias = "marketing")]
    Marketing,
    #[serde(alias = "utility")]
    Utility,
    #[serde(alias = "authentication")]
    Authentication,
}

/// Prices to be entered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPrices {
    prices: Vec<NewPrice>,
}

/// A price to be entered; without an amount, a price to be removed.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPrice {
    #[schema(example = "ID")]
    country: String,
    category: Category,
    effective_from: NaiveDate,
    #[serde(default = "dollars")]
    #[schema(example = "USD")]
    currency: String,
    /// A decimal number, as text or as a number.
    #[serde(default, deserialize_with = "decimal")]
    #[schema(example = "0.0411")]
    amount: Option<String>,
}

/// Keeps the digits of a number as they were written.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned())),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(serde::de::Error::custom("must be a decimal number")),
    }
}

fn dollars() -> String {
    "USD".to_owned()
}

/// `/api/broadcast/prices`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_prices, set_prices))
}

/// List the message prices.
///
/// Campaign estimates use these prices. An `own` price was entered by the organisation; a `listed` price comes from the
/// copy of Meta's rate card that the product ships.
#[utoipa::path(get, path = "/api/broadcast/prices", tag = "broadcasts", responses((status = 200, body = PriceList)))]
pub(crate) async fn list_prices(permitted: Permitted<BroadcastsView>) -> Result<Json<PriceList>, ApiError> {
    let data = permitted
        .caller
        .database()
        .rpc("list_message_prices", &json!({}))
        .await?;
    Ok(Json(PriceList { data }))
}

/// Enter message prices.
///
/// Each entry is added to the prices that exist, or replaces the one with the same country, category and first day. An
/// entry without `amount` removes that price.
#[utoipa::path(
    put, path = "/api/broadcast/prices", tag = "broadcasts",
    request_body(content = NewPrices, example = json!({"prices": [
        {"country": "ID", "category": "MARKETING", "effective_from": "2026-10-01", "currency": "USD", "amount": "0.0411"}
    ]})),
    responses((status = 200, body = PriceList)),
)]
pub(crate) async fn set_prices(
    permitted: Permitted<SettingsUpdate>,
    JsonBody(NewPrices { mut prices }): JsonBody<NewPrices>,
) -> Result<Json<PriceList>, ApiError> {
    if prices.len() > MAX_PRICES {
        return Err(ApiError::field(
            "prices",
            Text::new("must not list more than 1000", "tidak boleh lebih dari 1000"),
        ));
    }
    for (place, price) in prices.iter_mut().enumerate() {
        price.country = price.country.trim().to_ascii_uppercase();
        price.currency = price.currency.trim().to_ascii_uppercase();
        check(place, price)?;
    }
    let data = permitted
        .caller
        .database()
        .rpc("set_message_prices", &json!({ "prices": prices }))
        .await?;
    Ok(Json(PriceList { data }))
}

fn check(place: usize, price: &NewPrice) -> Result<(), ApiError> {
    let capitals = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    let problem = |field: &str, english: &'static str, indonesian: &'static str| {
        Err(ApiError::field(
            format!("prices[{place}].{field}"),
            Text::new(english, indonesian),
        ))
    };
    if price.country != "*" && !capitals(&price.country, 2) {
        return problem("country", "must be two letters, or *", "harus dua huruf, atau *");
    }
    if !capitals(&price.currency, 3) {
        return problem("currency", "must be three letters", "harus tiga huruf");
    }
    let is_amount = |amount: &str| {
        let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        digits(whole, 6) && digits(part, 6)
    };
    if price.amount.as_deref().is_some_and(|amount| !is_amount(amount)) {
        return problem(
            "amount",
            "must be a decimal number with at most six digits behind the point",
            "harus berupa angka desimal dengan paling banyak enam angka di belakang titik",
        );
    }
    Ok(())
}
