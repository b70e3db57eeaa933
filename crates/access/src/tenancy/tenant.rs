//! `GET` and `PATCH /api/tenant`: the settings of the caller's organisation.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::business_hours::BusinessHours;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::json_body::JsonBody;
use crm_core::permissions::{SettingsUpdate, SettingsView};
use crm_core::routes;
use crm_core::text::Text;

const MAX_KEYWORDS: usize = 50;
const MAX_KEYWORD: usize = 50;

/// An organisation with its settings.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Tenant {
    id: Uuid,
    #[schema(example = "Kopi Senja")]
    name: String,
    #[schema(example = "kopi-senja")]
    slug: String,
    /// The IANA name of the time zone in which the product reads and shows times.
    #[schema(example = "Asia/Jakarta")]
    timezone: String,
    locale: Locale,
    business_hours: BusinessHours,
    /// Whether agents see unassigned conversations.
    agents_see_unassigned: bool,
    /// Words that end marketing when a customer sends one of them alone.
    #[schema(example = json!(["STOP"]))]
    opt_out_keywords: Vec<String>,
    /// Words that allow marketing again.
    #[schema(example = json!(["MULAI"]))]
    opt_in_keywords: Vec<String>,
    /// The number of days for which the audit log is kept.
    audit_retention_days: u32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A language of the product.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Locale {
    Id,
    En,
}

/// Changes to an organisation. Fields that are left out stay as they are.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Kopi Senja")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<Locale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    business_hours: Option<BusinessHours>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agents_see_unassigned: Option<bool>,
    /// Up to 50 words; they replace the former ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    opt_out_keywords: Option<Vec<String>>,
    /// Up to 50 words; they replace the former ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    opt_in_keywords: Option<Vec<String>>,
    /// From 30 to 3650. Only a Super Admin can change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_retention_days: Option<u32>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(get_tenant, update_tenant))
}

/// Get the settings of the organisation.
///
/// Times in the product are entered and shown in `timezone`.
#[utoipa::path(get, path = "/api/tenant", tag = "tenant", responses((status = 200, body = Tenant)))]
pub(crate) async fn get_tenant(permitted: Permitted<SettingsView>) -> Result<Json<Tenant>, ApiError> {
    Ok(Json(
        permitted.caller.database().rpc("get_tenant", &json!({})).await?,
    ))
}

/// Change the settings of the organisation.
///
/// Fields that are left out stay as they are. Only a Super Admin can change `audit_retention_days`.
#[utoipa::path(
    patch, path = "/api/tenant", tag = "tenant",
    request_body = TenantChanges,
    responses((status = 200, body = Tenant), (status = 409, description = "slug_taken")),
)]
pub(crate) async fn update_tenant(
    permitted: Permitted<SettingsUpdate>,
    JsonBody(mut changes): JsonBody<TenantChanges>,
) -> Result<Json<Tenant>, ApiError> {
    if let Some(name) = &changes.name {
        changes.name = Some(required_text("name", name, 200)?);
    }
    if let Some(slug) = &changes.slug {
        check_slug(slug)?;
    }
    if let Some(hours) = &changes.business_hours {
        hours.check()?;
    }
    changes.opt_out_keywords = checked_keywords("opt_out_keywords", changes.opt_out_keywords)?;
    changes.opt_in_keywords = checked_keywords("opt_in_keywords", changes.opt_in_keywords)?;
    if changes
        .audit_retention_days
        .is_some_and(|days| !(30..=3650).contains(&days))
    {
        return Err(ApiError::field(
            "audit_retention_days",
            Text::new("must be from 30 to 3650", "harus antara 30 dan 3650"),
        ));
    }
    let tenant = permitted
        .caller
        .database()
        .rpc("update_tenant", &json!({ "changes": changes }))
        .await?;
    Ok(Json(tenant))
}

/// Checks keywords, and removes duplicates.
fn checked_keywords(field: &str, words: Option<Vec<String>>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(words) = words else {
        return Ok(None);
    };
    if words.len() > MAX_KEYWORDS {
        return Err(ApiError::field(
            field,
            Text::new(
                "must not list more than 50 words",
                "tidak boleh lebih dari 50 kata",
            ),
        ));
    }
    let mut checked: Vec<String> = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let word = required_text(&format!("{field}[{index}]"), word, MAX_KEYWORD)?;
        if !checked.contains(&word) {
            checked.push(word);
        }
    }
    Ok(Some(checked))
}

/// Refuses a short name that is not made of lower-case letters and digits, with single hyphens between them.
pub(super) fn check_slug(slug: &str) -> Result<(), ApiError> {
    let fits = (1..=63).contains(&slug.len())
        && slug.split('-').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    if fits {
        return Ok(());
    }
    Err(ApiError::field(
        "slug",
        Text::new(
            "must have 1 to 63 lower-case letters and digits, with single hyphens between them",
            "harus terdiri dari 1 sampai 63 huruf kecil dan angka, boleh dipisah tanda hubung tunggal",
        ),
    ))
}
