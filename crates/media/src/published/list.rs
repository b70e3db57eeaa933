//! `GET` and `POST /api/whatsapp/media/published`.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::file::{PublishedFile, PublishedFileKind, Row};
use super::publication::{DirectPublication, Publication};
use crate::direct::UploadAddress;
use crate::form::{MAX_BODY, broken_form, invalid_form, is_json, nothing_follows};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{default_limit, first_page, page_number, page_size};
use crm_core::permissions::{MediaPublish, MediaView};
use crm_core::routes;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    kind: Option<PublishedFileKind>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// The answer of the database.
#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
    total: u64,
}

/// One page of published files.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublishedFilePage {
    data: Vec<PublishedFile>,
    /// The number of files on all pages.
    #[schema(example = 1)]
    total: u64,
    #[schema(example = 1)]
    page: u32,
    #[schema(example = 20)]
    limit: u32,
}

/// A form with one file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(crate) struct PublicationForm {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// `/api/whatsapp/media/published`.
pub fn router() -> Routes {
    Routes::new()
        .routes(routes!(list_published_files, publish_file))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// List the published files.
///
/// The newest come first.
#[utoipa::path(
    get, path = "/api/whatsapp/media/published", tag = "whatsapp",
    params(
        ("kind" = inline(Option<PublishedFileKind>), Query, description = "Only files of this kind"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = PublishedFilePage)),
)]
pub(crate) async fn list_published_files(
    State(app): State<App>,
    permitted: Permitted<MediaView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<PublishedFilePage>, ApiError> {
    let arguments = json!({ "kind": filter.kind, "page": filter.page, "page_size": filter.limit });
    let found: Rows = permitted
        .caller
        .database()
        .rpc("list_published_files", &arguments)
        .await?;
    let data: Result<Vec<_>, _> = found.rows.into_iter().map(|row| row.shown(&app)).collect();
    Ok(Json(PublishedFilePage {
        data: data?,
        total: found.total,
        page: filter.page,
        limit: filter.limit,
    }))
}

/// Publish a file for templates and quick replies.
///
/// Everyone who has the `url` of the answer can read the file, so it must not be confidential. Give its `path` to a template
/// as `header.sample_path`, or to a quick reply as `media.path`. The type is recognised from the bytes: images, videos, audio
/// and documents that WhatsApp accepts, within Meta's limits.
///
/// Files larger than a request may be (4.5 MB on Vercel) are uploaded in three steps: ask for an address with a JSON body,
/// `PUT` the file to `upload_url`, then repeat the JSON body with `storage_path`.
#[utoipa::path(
    post, path = "/api/whatsapp/media/published", tag = "whatsapp",
    request_body(content(
        (PublicationForm = "multipart/form-data"),
        (DirectPublication = "application/json"),
    )),
    responses(
        (status = 200, description = "The address asked for", body = UploadAddress),
        (status = 201, body = PublishedFile),
        (status = 400, description = "invalid_form, invalid_json, unreadable_body"),
        (status = 413, description = "payload_too_large"),
        (status = 422, description = "invalid_field"),
        (status = 503, description = "unavailable"),
    ),
)]
pub(crate) async fn publish_file(
    State(app): State<App>,
    permitted: Permitted<MediaPublish>,
    request: Request,
) -> Result<Response, ApiError> {
    let publication = Publication {
        app: &app,
        caller: &permitted.caller,
    };
    if is_json(&request) {
        let JsonBody(direct) = JsonBody::<DirectPublication>::from_request(request, &app).await?;
        return publication.directly(&direct).await;
    }
    let form = Multipart::from_request(request, &app).await;
    let mut form = form.map_err(|_| invalid_form())?;
    let field = form.next_field().await.map_err(|error| broken_form(&error))?;
    let field = field.ok_or_else(|| ApiError::required("file"))?;
    match field.name().unwrap_or_default() {
        "file" => {}
        other => return Err(ApiError::unknown(other.to_owned())),
    }
    let received = publication.receive(field).await?;
    if let Err(error) = nothing_follows(&mut form, &["file"]).await {
        publication.discard(&received).await;
        return Err(error);
    }
    let file = publication.finish(received).await?;
    Ok(created(file).into_response())
}
