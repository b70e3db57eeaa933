//! `GET /api/broadcast/templates`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::reader::Reader;
use super::template::{Template, TemplateRow};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::TemplatesView;
use crm_core::routes;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    status: Option<String>,
    category: Option<String>,
    language: Option<String>,
    search: Option<String>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_templates))
}

/// List the message templates.
///
/// The newest template comes first. Deleted templates are listed only with `status=DELETED`.
#[utoipa::path(
    get, path = "/api/broadcast/templates", tag = "templates",
    params(
        ("status" = Option<String>, Query, description = "Only templates in this state, for example `APPROVED`"),
        ("category" = inline(Option<crm_core::words::TemplateCategory>), Query, description = "Only templates of this category"),
        ("language" = Option<String>, Query, description = "Only templates in this language"),
        ("search" = Option<String>, Query, description = "A part of the name or the content"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<Template>)),
)]
pub(crate) async fn list_templates(
    State(app): State<App>,
    permitted: Permitted<TemplatesView>,
    Reader(locale): Reader,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<Paged<Template>>, ApiError> {
    let Filter { page, limit, .. } = filter;
    // An empty filter of a form counts as none. No template contains U+0000.
    let given = |text: Option<String>| {
        let text = text?.trim().replace('\0', "\u{fffd}");
        (!text.is_empty()).then_some(text)
    };
    let arguments = json!({
        "status_filter": given(filter.status).map(|status| status.to_uppercase()),
        "category_filter": given(filter.category).map(|category| category.to_uppercase()),
        "language_filter": given(filter.language),
        "search": given(filter.search),
        "page": page,
        "page_size": limit,
    });
    let rows: Rows<TemplateRow> = permitted
        .caller
        .database()
        .rpc("list_templates", &arguments)
        .await?;
    let templates = Rows {
        total: rows.total,
        rows: rows
            .rows
            .into_iter()
            .map(|row| row.into_template(&app, locale))
            .collect(),
    };
    Ok(Json(templates.into_page(PageNumber { page, limit })))
}
