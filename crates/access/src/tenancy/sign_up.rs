//! `POST /api/tenant`: a person without an organisation creates one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::person::Person;
use super::tenant::{Locale, Tenant, check_slug};
use crm_core::app::App;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::{JsonBody, created};
use crm_core::routes;

/// An organisation to be created.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    #[schema(example = "Kopi Senja", max_length = 200)]
    name: String,
    /// The short name. If left out it is derived from the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    /// The time zone; `Asia/Jakarta` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    /// The language; `id` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<Locale>,
    /// The name of the person who creates it.
    #[serde(default)]
    #[schema(example = "Putri Ayu")]
    display_name: String,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(create_tenant))
}

/// Create an organisation.
///
/// The caller becomes its Super Admin. The caller has signed up with Supabase Auth, has confirmed the e-mail address,
/// and belongs to no organisation yet.
#[utoipa::path(
    post, path = "/api/tenant", tag = "tenant",
    request_body = NewTenant,
    responses(
        (status = 201, body = Tenant),
        (status = 403, description = "email_not_confirmed"),
        (status = 409, description = "already_member, slug_taken"),
    ),
)]
pub(crate) async fn create_tenant(
    State(app): State<App>,
    Person(token): Person,
    JsonBody(mut tenant): JsonBody<NewTenant>,
) -> Result<(StatusCode, Json<Tenant>), ApiError> {
    tenant.name = required_text("name", &tenant.name, 200)?;
    tenant.display_name = optional_text("display_name", &tenant.display_name, 200)?;
    if let Some(slug) = &tenant.slug {
        check_slug(slug)?;
    }
    Ok(created(
        app.supabase()
            .as_user(&token)
            .rpc("create_tenant", &tenant)
            .await?,
    ))
}
