//! `POST /api/quick-replies/{id}/render`: fills in a quick reply for a conversation.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::quick_reply::QuickReplyMedia;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::QuickRepliesView;
use crm_core::public_media::public_url;
use crm_core::routes;

/// The conversation to fill it in for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenderRequest {
    conversation_id: Uuid,
}

/// The answer of the database.
#[derive(Deserialize)]
struct Filled {
    content: String,
    media: Option<QuickReplyMedia>,
    missing: Vec<String>,
}

/// A quick reply with its variables filled in. It can be sent as it is, or changed first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RenderedQuickReply {
    #[schema(example = "Halo Sari, saya Putri.")]
    content: String,
    media: Option<RenderedMedia>,
    /// Variables without a value. They are replaced by nothing.
    #[schema(example = json!(["contact.name"]))]
    missing: Vec<String>,
}

/// A file with its address, ready to be sent: `{"type": "image", "image": {"link", "caption"}}`.
#[derive(Serialize, ToSchema)]
struct RenderedMedia {
    #[serde(flatten)]
    media: QuickReplyMedia,
    #[schema(
        format = "uri",
        example = "https://project.supabase.co/storage/v1/object/public/broadcast-media/menu.pdf"
    )]
    link: String,
}

/// `/api/quick-replies/{id}/render`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(render_quick_reply))
}

/// Fill in a quick reply for a conversation.
///
/// The variables are replaced by the values of the conversation, and the use is counted. Nothing is sent.
#[utoipa::path(
    post, path = "/api/quick-replies/{id}/render", tag = "quick-replies",
    params(("id" = Uuid, Path, description = "The id of the quick reply")),
    request_body = RenderRequest,
    responses((status = 200, body = RenderedQuickReply)),
)]
pub(crate) async fn render_quick_reply(
    State(app): State<App>,
    permitted: Permitted<QuickRepliesView>,
    PathId(id): PathId,
    JsonBody(request): JsonBody<RenderRequest>,
) -> Result<Json<RenderedQuickReply>, ApiError> {
    let arguments = json!({ "quick_reply_id": id, "conversation_id": request.conversation_id });
    let filled: Filled = permitted
        .caller
        .database()
        .rpc("render_quick_reply", &arguments)
        .await?;
    let media = match filled.media {
        None => None,
        Some(media) => {
            let link = public_url(&app.config().supabase.url, &media.path)
                .ok_or_else(|| ApiError::internal("the address of Supabase cannot be extended"))?;
            Some(RenderedMedia {
                link: link.into(),
                media,
            })
        }
    };
    Ok(Json(RenderedQuickReply {
        content: filled.content,
        media,
        missing: filled.missing,
    }))
}
