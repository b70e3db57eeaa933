//! Files that are forwarded. Meta keeps files per number, and files of customers under ids that cannot be sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use whatsapp::client::FileToUpload;
use whatsapp::client::limits::format_of;

use super::BUCKET;
use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use sending::number_token;

/// A number that needs the file.
#[derive(Deserialize)]
struct Wanted {
    phone_number_id: String,
    upload: Upload,
}

/// The arguments of `finish_upload`.
#[derive(Serialize, Deserialize)]
struct Upload {
    id: Uuid,
    tenant_id: Uuid,
    session_id: Uuid,
    uploaded_by: Uuid,
    kind: String,
    mime_type: Option<String>,
    sha256: Option<String>,
    file_size: Option<u64>,
    file_name: String,
    storage_path: String,
    meta_media_id: Option<String>,
}

/// Uploads the file of a message to Meta for each number that it will be forwarded from. If Meta refuses a file,
/// forwarding it reports that.
pub async fn upload_for_numbers(
    app: &App,
    caller: &Caller,
    message: Uuid,
    conversations: &[Uuid],
) -> Result<(), ApiError> {
    let arguments = json!({ "message_id": message, "conversation_ids": conversations });
    let wanted: Vec<Wanted> = caller.database().rpc("files_to_upload", &arguments).await?;
    for Wanted {
        phone_number_id,
        mut upload,
    } in wanted
    {
        let (id, number) = (upload.id, upload.session_id);
        match upload_for(app, &phone_number_id, &upload).await {
            Ok(meta_media_id) => {
                upload.meta_media_id = Some(meta_media_id);
                let arguments = json!({ "upload": upload });
                let _: Value = caller.service().rpc("finish_upload", &arguments).await?;
            }
            Err(problem) => {
                log::warn!("file {id} of number {number}: not uploaded for forwarding: {problem}");
            }
        }
    }
    Ok(())
}

async fn upload_for(app: &App, phone_number_id: &str, upload: &Upload) -> Result<String, String> {
    let format = upload.mime_type.as_deref().and_then(format_of);
    let format = format.ok_or("Meta does not accept files of this type")?;
    let size = upload.file_size.ok_or("its size is not known")?;
    if size > format.max_bytes {
        return Err("it is larger than Meta accepts".to_owned());
    }
    let token = number_token(app, upload.session_id)
        .await
        .map_err(|error| error.to_string())?;
    let stored = app
        .supabase()
        .storage()
        .download(BUCKET, &upload.storage_path)
        .await
        .map_err(|error| error.to_string())?;
    let file = FileToUpload {
        mime_type: format.mime_type,
        file_name: &upload.file_name,
        size,
    };
    let media = app.graph().media(&token);
    media
        .upload(phone_number_id, file, stored.bytes_stream())
        .await
        .map_err(|error| error.to_string())
}
