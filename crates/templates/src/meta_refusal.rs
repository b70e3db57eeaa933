//! Meta's refusals as answers to a client.

use axum::http::StatusCode;
use whatsapp::client::{MetaError, SendError};
use whatsapp::error_codes::Locale;
use whatsapp::template::explain_refusal;

use crm_core::error::ApiError;
use crm_core::text::Text;

/// The answer to a call that Meta refused or did not answer.
pub(super) fn refusal(error: &SendError) -> ApiError {
    match error {
        SendError::Rejected { error } => rejected(error),
        SendError::Retryable {
            error, retry_after, ..
        } => {
            let seconds = retry_after.map_or(60, |wait| u32::try_from(wait.as_secs()).unwrap_or(3600));
            let text = sentences(
                error,
                "WhatsApp asks to wait before the next request.",
                "WhatsApp meminta jeda sebelum permintaan berikutnya.",
            );
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "whatsapp_busy", text).retry_after(seconds)
        }
        SendError::TokenInvalid { error } | SendError::AccountBlocked { error } => ApiError::new(
            StatusCode::CONFLICT,
            "whatsapp_account_unusable",
            sentences(
                error,
                "WhatsApp does not let us use this account.",
                "WhatsApp tidak mengizinkan kami memakai akun ini.",
            ),
        ),
        SendError::NotSent { reason } | SendError::OutcomeUnknown { reason, .. } => unreachable_now(reason),
    }
}

/// The answer if it is not known whether Meta did anything.
fn unreachable_now(reason: &str) -> ApiError {
    log::warn!("templates: Meta did not answer: {reason}");
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "whatsapp_unreachable",
        Text::new(
            "WhatsApp did not answer. Please synchronise, then try again.",
            "WhatsApp tidak menjawab. Silakan sinkronkan, lalu coba lagi.",
        ),
    )
    .retry_after(30)
}

fn rejected(error: &MetaError) -> ApiError {
    let text = sentences(
        error,
        "WhatsApp does not accept the template.",
        "WhatsApp tidak menerima template ini.",
    );
    let refused = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "template_refused", text.clone());
    match field_of(error) {
        Some(field) => refused.with_field(field, text),
        None => refused,
    }
}

/// Our sentence, followed by Meta's own, which is more precise.
fn sentences(error: &MetaError, english: &'static str, indonesian: &'static str) -> Text {
    let with_metas = |ours: &str| match error.text().trim() {
        "" => ours.to_owned(),
        metas => format!("{ours} (WhatsApp: {metas})"),
    };
    let ours = |locale, otherwise| explain_refusal(error, locale).unwrap_or(otherwise);
    Text::new(
        with_metas(ours(Locale::English, english)),
        with_metas(ours(Locale::Indonesian, indonesian)),
    )
}

/// The field that Meta's error code refers to.
fn field_of(error: &MetaError) -> Option<&'static str> {
    let code = error
        .subcode
        .filter(|code| *code > 2_000_000)
        .unwrap_or(error.code);
    Some(match code {
        2_388_019 => "buttons",
        2_388_023 | 2_388_024 => "name",
        2_388_040 | 2_388_072 | 2_388_293 | 2_388_299 => "content",
        2_388_043 => "variables",
        2_388_047 => "header",
        2_388_073 => "footer",
        _ => return None,
    })
}

/// Whether Meta does not have the template, or no longer.
pub(super) fn is_gone(error: &SendError) -> bool {
    error.meta_error().is_some_and(|error| {
        error.subcode == Some(2_593_002)
            || error.code == 33
            || (error.code == 100 && error.subcode == Some(33))
    })
}
