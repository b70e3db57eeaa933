//! Numbers that cannot send until a person acts.

use serde_json::json;
use uuid::Uuid;
use whatsapp::client::{MetaError, SendError};
use whatsapp::error_codes::{self, ErrorKind};

use crm_core::app::App;

/// Meta's error codes for a number that is not registered. A person must act.
const NOT_REGISTERED: [i64; 2] = [131_045, 133_010];

/// Meta's error, if it concerns the number itself. Nothing more can be sent from the number until a person acts.
pub(crate) fn breaking(error: &SendError) -> Option<&MetaError> {
    match error {
        SendError::TokenInvalid { error } | SendError::AccountBlocked { error } => Some(error),
        SendError::Rejected { error } if NOT_REGISTERED.contains(&error.code) => Some(error),
        _ => None,
    }
}

/// The reason why a number is broken, as a code for programs.
fn broken_code(error: &MetaError) -> &'static str {
    match error.code {
        code if NOT_REGISTERED.contains(&code) => "not_registered",
        error_codes::PAYMENT_PROBLEM | 131_044 => "payment_problem",
        code if error_codes::kind(code) == Some(ErrorKind::AccountBlocked) => "policy_block",
        _ => "token_invalid",
    }
}

/// Marks a number as broken: Meta refuses its token, has blocked its account, or reports it as not registered.
pub(crate) async fn break_number(app: &App, session_id: Uuid, error: &MetaError) {
    mark_broken(app, session_id, broken_code(error), &error.message).await;
}

/// Marks a number as broken for a reason that Meta did not give.
pub(crate) async fn mark_broken(app: &App, session_id: Uuid, code: &str, reason: &str) {
    let arguments = json!({ "session_id": session_id, "reason": reason, "code": code });
    if let Err(error) = app
        .supabase()
        .as_service()
        .rpc::<()>("break_number", &arguments)
        .await
    {
        log::error!(
            "number {session_id}: not marked as broken: {}",
            error.source_text()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_number_has_a_reason() {
        for (code, expected) in [
            (0, "token_invalid"),
            (190, "token_invalid"),
            (368, "policy_block"),
            (131_031, "policy_block"),
            (131_042, "payment_problem"),
            (131_044, "payment_problem"),
            (131_045, "not_registered"),
            (133_010, "not_registered"),
        ] {
            let error = MetaError {
                code,
                ..MetaError::default()
            };
            assert_eq!(broken_code(&error), expected, "{code}");
        }
        let refused = |code| SendError::Rejected {
            error: Box::new(MetaError {
                code,
                ..MetaError::default()
            }),
        };
        assert!(breaking(&refused(133_010)).is_some() && breaking(&refused(131_026)).is_none());
    }
}
