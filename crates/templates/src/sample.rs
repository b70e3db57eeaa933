//! Uploads the sample file of a header to Meta.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use whatsapp::client::SystemToken;
use whatsapp::template::{HeaderFormat, LIMITS, SampleLimit};

use super::meta_refusal::refusal;
use super::working_copy::WorkingCopy;
use crm_core::app::App;
use crm_core::error::ApiError;
use crm_core::http_client;
use crm_core::public_media::public_url;
use crm_core::text::Text;

/// Time limit for reading 16 MB from our Storage.
const TIME_LIMIT: Duration = Duration::from_secs(20);
const FIELD: &str = "header.sample_path";

/// Meta's handle of the header's sample file. None if the header is not a file. The file is uploaded again each time,
/// because handles expire.
pub(super) async fn handle(
    app: &App,
    copy: &WorkingCopy,
    account_id: &str,
    token: &SystemToken,
) -> Result<Option<String>, ApiError> {
    let format = copy.composition.header.format;
    if !format.is_file() {
        return Ok(None);
    }
    let Some(path) = &copy.sample_path else {
        return Ok(copy.sample_handle.clone());
    };
    let limit = limit_of(format).ok_or_else(|| ApiError::internal("a header without limits"))?;
    let (mime_type, bytes) = read(app, path, limit).await?;
    let app_id = app_id(app, account_id, token).await?;
    let file_name = path.rsplit('/').next().unwrap_or_default();
    let uploaded = app
        .graph()
        .uploads(&app_id, token)
        .upload(file_name, mime_type, bytes)
        .await;
    uploaded.map(Some).map_err(|error| refusal(&error))
}

fn limit_of(format: HeaderFormat) -> Option<&'static SampleLimit> {
    LIMITS_OF_SAMPLES
        .iter()
        .find(|limit| limit.format == format.name())
}

static LIMITS_OF_SAMPLES: [SampleLimit; 4] = LIMITS.samples;

/// The id of our app that is subscribed to the account: uploads belong to an app. If there are several, Meta accepts
/// the app of the token.
async fn app_id(app: &App, account_id: &str, token: &SystemToken) -> Result<String, ApiError> {
    let apps = app.graph().templates(account_id, token).subscribed_apps().await;
    let mut apps = apps.map_err(|error| refusal(&error))?;
    Ok(match (apps.pop(), apps.is_empty()) {
        (Some(only), true) => only,
        _ => "app".to_owned(),
    })
}

async fn read(
    app: &App,
    path: &str,
    limit: &'static SampleLimit,
) -> Result<(&'static str, Vec<u8>), ApiError> {
    let broken = |error: &dyn std::fmt::Display| ApiError::unavailable(format!("sample not read: {error}"));
    let url = public_url(&app.config().supabase.url, path)
        .ok_or_else(|| ApiError::internal("the address of storage cannot be built"))?;
    let tls = http_client::tls().map_err(|error| broken(&error))?;
    let http = http_client::client(&tls, TIME_LIMIT).map_err(|error| broken(&error))?;
    let asked = http.get(url).send().await;
    let mut response = asked.map_err(|error| broken(&error.without_url()))?;
    match response.status() {
        StatusCode::OK => {}
        status if status.is_client_error() => {
            return Err(ApiError::field(
                FIELD,
                Text::new(
                    "there is no such file in storage",
                    "tidak ada berkas seperti itu di penyimpanan",
                ),
            ));
        }
        status => return Err(broken(&status)),
    }
    let given = response.headers().get(CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim().to_owned();

    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| broken(&error.without_url()))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limit.bytes {
            let megabytes = limit.bytes / (1024 * 1024);
            return Err(ApiError::field(
                FIELD,
                Text::new(
                    format!("must not exceed {megabytes} MB"),
                    format!("tidak boleh lebih dari {megabytes} MB"),
                ),
            ));
        }
    }
    let fitting = limit
        .mime_types
        .iter()
        .find(|mime_type| given.eq_ignore_ascii_case(mime_type) && looks_like(mime_type, &bytes));
    let Some(mime_type) = fitting else {
        let types = limit.mime_types.join(", ");
        return Err(ApiError::field(
            FIELD,
            Text::new(
                format!("must be a file of type {types}"),
                format!("harus berupa berkas jenis {types}"),
            ),
        ));
    };
    Ok((mime_type, bytes))
}

/// Whether the first bytes of a file match its declared type.
fn looks_like(mime_type: &str, bytes: &[u8]) -> bool {
    match mime_type {
        "image/jpeg" => bytes.starts_with(&[0xff, 0xd8, 0xff]),
        "image/png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "application/pdf" => bytes.starts_with(b"%PDF-"),
        _ => bytes.get(4..8) == Some(b"ftyp"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_that_is_a_file_has_its_limits() {
        for format in [
            HeaderFormat::Image,
            HeaderFormat::Video,
            HeaderFormat::Gif,
            HeaderFormat::Document,
        ] {
            assert!(limit_of(format).is_some(), "{format:?}");
        }
    }

    #[test]
    fn files_are_recognised_by_their_first_bytes() {
        assert!(looks_like("image/png", b"\x89PNG\r\n\x1a\n...."));
        assert!(looks_like("video/mp4", b"\0\0\0\x18ftypmp42"));
        assert!(!looks_like("image/jpeg", b"<html>"));
        assert!(!looks_like("application/pdf", b""));
    }
}
