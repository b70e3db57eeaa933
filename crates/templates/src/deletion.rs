//! `DELETE /api/broadcast/templates/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::meta_access;
use super::meta_refusal::{is_gone, refusal};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::path_id::PathId;
use crm_core::permissions::TemplatesDelete;
use crm_core::routes;

/// The languages to delete.
#[derive(Deserialize)]
pub(crate) struct Extent {
    #[serde(default)]
    all_languages: AllLanguages,
}

/// A boolean in a query, which holds only text.
#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
enum AllLanguages {
    #[default]
    #[serde(rename = "false", alias = "0")]
    No,
    #[serde(rename = "true", alias = "1", alias = "")]
    Yes,
}

#[derive(Deserialize)]
struct Begun {
    ids: Vec<Uuid>,
    /// A number of the account, if Meta must delete the template as well.
    session_id: Option<Uuid>,
    business_account_id: Option<String>,
    name: Option<String>,
    meta_template_id: Option<String>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(delete_template))
}

/// Delete a message template.
///
/// The template is deleted at Meta as well: this language, or all languages of its name. Meta does not accept the name
/// of an approved template again for 30 days. A template that campaigns were sent with stays in the product as
/// `DELETED`.
#[utoipa::path(
    delete, path = "/api/broadcast/templates/{id}", tag = "templates",
    params(
        ("id" = Uuid, Path, description = "The id of the message template"),
        ("all_languages" = Option<bool>, Query, description = "Whether to delete all languages of the name"),
    ),
    responses(
        (status = 204),
        (status = 409, description = "template_in_use, template_not_deletable, template_submitting, no_connected_number, whatsapp_account_unusable"),
        (status = 422, description = "template_refused"),
        (status = 429, description = "whatsapp_busy"),
        (status = 503, description = "whatsapp_unreachable"),
    ),
)]
pub(crate) async fn delete_template(
    State(app): State<App>,
    permitted: Permitted<TemplatesDelete>,
    PathId(id): PathId,
    QueryParameters(Extent { all_languages }): QueryParameters<Extent>,
) -> Result<StatusCode, ApiError> {
    let caller = &permitted.caller;
    let all_languages = all_languages == AllLanguages::Yes;
    let arguments = json!({ "template_id": id, "all_languages": all_languages });
    let begun: Begun = caller
        .database()
        .rpc("begin_template_deletion", &arguments)
        .await?;
    let (Some(session_id), Some(account), Some(name)) =
        (begun.session_id, begun.business_account_id, begun.name)
    else {
        return Ok(StatusCode::NO_CONTENT);
    };

    let token = meta_access::token(&app, session_id).await?;
    let only = begun.meta_template_id.as_deref().filter(|_| !all_languages);
    match app.graph().templates(&account, &token).delete(&name, only).await {
        Ok(()) => {}
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(refusal(&error)),
    }
    let arguments = json!({ "ids": begun.ids, "actor": caller.access.user_id });
    caller
        .service()
        .rpc::<()>("record_template_deletion", &arguments)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
