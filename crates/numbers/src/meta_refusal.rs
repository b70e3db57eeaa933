//! Meta's refusals as answers to a person who connects a number.

use axum::http::StatusCode;
use whatsapp::client::{MetaError, SendError};

use crm_core::error::ApiError;
use crm_core::text::Text;
use sending::meta_sentence;

/// Meta's code for a wrong PIN of two-step verification.
const WRONG_PIN: i64 = 133_005;
/// Meta's code for a number that must be verified again.
const VERIFY_AGAIN: i64 = 133_006;
/// Meta's codes for an object that does not exist, or not for this token.
const NO_SUCH_OBJECT: [i64; 3] = [33, 100, 803];
/// Meta's codes for too many requests.
const THROTTLED: [i64; 4] = [133_008, 133_009, 133_015, 133_016];

/// The request to Meta. It decides which field is wrong when Meta refuses.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Number,
    BusinessAccount,
    Registration,
    Subscription,
}

/// The answer to a refusal of Meta.
pub(super) fn refusal(error: &SendError, asked: Asked) -> ApiError {
    match error {
        SendError::TokenInvalid { .. } => ApiError::field(
            "token",
            Text::new("is not accepted by Meta", "tidak diterima oleh Meta"),
        ),
        SendError::AccountBlocked { error } => {
            ApiError::new(StatusCode::CONFLICT, "account_blocked", meta_sentence(error))
        }
        SendError::Rejected { error } => match error.code {
            3 | 10 | 200..=299 => ApiError::field(
                "token",
                Text::new(
                    "lacks the permissions to manage and send from this number",
                    "tidak memiliki izin untuk mengelola nomor ini dan mengirim darinya",
                ),
            ),
            WRONG_PIN => ApiError::field(
                "pin",
                Text::new("is not the PIN of this number", "bukan PIN nomor ini"),
            ),
            VERIFY_AGAIN => ApiError::field(
                "pin",
                Text::new(
                    "cannot be used before the number is verified at Meta again",
                    "belum dapat dipakai sebelum nomor diverifikasi ulang di Meta",
                ),
            ),
            code if THROTTLED.contains(&code) => ApiError::new(
                StatusCode::CONFLICT,
                "registration_throttled",
                Text::new(
                    "Meta has seen too many attempts to register this number. Please try again after 72 hours.",
                    "Meta menerima terlalu banyak percobaan pendaftaran nomor ini. Silakan coba lagi setelah 72 jam.",
                ),
            ),
            code if NO_SUCH_OBJECT.contains(&code) && !matches!(asked, Asked::Registration) => {
                ApiError::field(
                    match asked {
                        Asked::Number => "phone_number_id",
                        _ => "business_account_id",
                    },
                    Text::new(
                        "is not known to Meta, or the token may not see it",
                        "tidak dikenal oleh Meta, atau token tidak boleh melihatnya",
                    ),
                )
            }
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
    ApiError::field(name, meta_sentence(error))
}
