//! What Meta's refusals mean to somebody who connects a number.

use axum::http::StatusCode;
use whatsapp::client::{MetaError, SendError};
use whatsapp::error_codes::{self, Locale};

use crate::error::ApiError;
use crate::text::Text;

/// Codes of Meta about the PIN of two-step verification: wrong, to be verified again.
const PIN: [i64; 2] = [133_005, 133_006];
/// Codes of Meta that ask to come back later.
const THROTTLED: [i64; 4] = [133_008, 133_009, 133_015, 133_016];

/// What was asked for, as the field that is wrong when Meta refuses it.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Number,
    BusinessAccount,
    Registration,
    Subscription,
}

/// The error to answer with.
pub(super) fn refusal(error: &SendError, asked: Asked) -> ApiError {
    match error {
        SendError::TokenInvalid { error } => field("token", error),
        SendError::AccountBlocked { error } => {
            ApiError::new(StatusCode::CONFLICT, "account_blocked", sentence(error))
        }
        SendError::Rejected { error } => match error.code {
            3 | 10 | 200..=299 => field("token", error),
            code if PIN.contains(&code) => field("pin", error),
            code if THROTTLED.contains(&code) => ApiError::new(
                StatusCode::CONFLICT,
                "registration_throttled",
                Text::new(
                    "Meta has seen too many attempts to register this number. Please try again after 72 hours.",
                    "Meta menerima terlalu banyak percobaan pendaftaran nomor ini. Silakan coba lagi setelah 72 jam.",
                ),
            ),
            _ => match asked {
                Asked::Number => field("phone_number_id", error),
                Asked::BusinessAccount | Asked::Subscription => field("business_account_id", error),
                Asked::Registration => field("pin", error),
            },
        },
        SendError::Retryable { .. } | SendError::OutcomeUnknown { .. } | SendError::NotSent { .. } => {
            ApiError::unavailable(error.to_string())
        }
    }
}

fn field(name: &str, error: &MetaError) -> ApiError {
    ApiError::field(name, sentence(error))
}

/// Our words for Meta's code, with Meta's own where we have none.
pub(crate) fn sentence(error: &MetaError) -> Text {
    let words = |locale, fallback: &str| {
        error_codes::explain(error.code, locale)
            .map_or_else(|| format!("{fallback}: {}", error.text()), str::to_owned)
    };
    Text::new(
        words(Locale::English, "Meta refuses it"),
        words(Locale::Indonesian, "Meta menolaknya"),
    )
}
