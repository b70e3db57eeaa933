//! `GET` and `POST /api/api-keys`.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::api_key::ApiKey;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::required_text;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::{ApiKeysCreate, ApiKeysView};

/// Which page.
#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    #[schema(max_length = 100)]
    name: String,
    /// What it may do. The caller must be above this role.
    role_id: Uuid,
    /// Without it the key does not expire.
    expires_at: Option<DateTime<Utc>>,
}

/// A key that was just made.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    #[serde(flatten)]
    details: ApiKey,
    /// The key itself. It is shown this once: we keep only its hash.
    key: String,
}

/// `/api/api-keys`.
pub fn router() -> Router<App> {
    Router::new().route("/api/api-keys", get(list_api_keys).post(create_api_key))
}

/// The keys of the tenant, the newest first.
#[utoipa::path(
    get, path = "/api/api-keys", tag = "api-keys", security(("bearer" = [])),
    params(
        ("page" = Option<u32>, Query, minimum = 1),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Paged<ApiKey>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_api_keys(
    permitted: Permitted<ApiKeysView>,
    QueryParameters(Page { page, limit }): QueryParameters<Page>,
) -> Result<Json<Paged<ApiKey>>, ApiError> {
    let arguments = json!({ "page": page, "page_size": limit });
    let rows: Rows<ApiKey> = permitted
        .caller
        .database()
        .rpc("list_api_keys", &arguments)
        .await?;
    Ok(Json(rows.into_page(PageNumber { page, limit })))
}

/// Makes a key. Sent as `Authorization: Bearer crm_...` it is accepted by every route that its role permits.
#[utoipa::path(
    post, path = "/api/api-keys", tag = "api-keys", security(("bearer" = [])), request_body = NewApiKey,
    responses(
        (status = 201, body = CreatedApiKey), (status = 401, body = ErrorBody),
        (status = 403, description = "`forbidden`, `role_too_high` or `permission_not_held`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn create_api_key(
    permitted: Permitted<ApiKeysCreate>,
    JsonBody(key): JsonBody<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), ApiError> {
    let arguments = json!({
        "name": required_text("name", &key.name, 100)?,
        "role_id": key.role_id,
        "expires_at": key.expires_at,
    });
    Ok(created(
        permitted
            .caller
            .database()
            .rpc("create_api_key", &arguments)
            .await?,
    ))
}
