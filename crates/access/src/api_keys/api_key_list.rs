//! `GET` and `POST /api/api-keys`.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::api_key::ApiKey;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::{ApiKeysCreate, ApiKeysView};
use crm_core::routes;

/// The page to list.
#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// A key to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    #[schema(max_length = 100, example = "Web shop")]
    name: String,
    /// The role that the key holds. The caller must be above this role.
    role_id: Uuid,
    /// When the key expires. Without it the key does not expire.
    expires_at: Option<DateTime<Utc>>,
}

/// A key that was just created.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    #[serde(flatten)]
    details: ApiKey,
    /// The key itself. Only this answer shows it: the service stores its hash.
    #[schema(example = "crm_1f0e9d8c7b6a5f4e3d2c1b0a")]
    key: String,
}

/// `/api/api-keys`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_api_keys, create_api_key))
}

/// List the API keys.
///
/// The newest key comes first. The list shows how each key begins, never the key itself. Revoked and expired keys stay
/// in the list.
#[utoipa::path(
    get, path = "/api/api-keys", tag = "api-keys",
    params(
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<ApiKey>)),
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

/// Create an API key.
///
/// The answer shows the key once; the service stores only its hash. An integration sends it as `Authorization: Bearer
/// crm_...` and may then call every operation that the role of the key permits. The caller must be above that role.
#[utoipa::path(
    post, path = "/api/api-keys", tag = "api-keys",
    request_body = NewApiKey,
    responses(
        (status = 201, body = CreatedApiKey),
        (status = 403, description = "role_too_high, permission_not_held"),
    ),
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
