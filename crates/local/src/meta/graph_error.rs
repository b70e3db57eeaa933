//! Errors in the wording of the Graph API.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// The page on which Meta explains its codes.
pub(crate) const HREF: &str = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";

/// An error in the shape of the Graph API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphError {
    pub(crate) status: StatusCode,
    pub(crate) code: u32,
    pub(crate) title: String,
    details: Option<String>,
    pub(crate) subcode: Option<u32>,
    user_message: Option<(String, String)>,
    is_transient: bool,
}

impl GraphError {
    /// The error that Meta documents under this code.
    pub(crate) fn of(code: u32) -> Self {
        let (status, title) = documented(code);
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            code,
            title: title.to_owned(),
            details: None,
            subcode: None,
            user_message: None,
            is_transient: false,
        }
    }

    /// The documented error, with the exact problem in `error_data.details`.
    pub(crate) fn with_details(code: u32, details: impl Into<String>) -> Self {
        let mut error = Self::of(code);
        error.details = Some(details.into());
        error
    }

    /// An error with code 100 and a message of its own.
    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        let mut error = Self::of(100);
        error.title = message.into();
        error
    }

    /// An error with code 100, and the subcode and explanation that template creation uses.
    pub(crate) fn template(subcode: u32, title: &str, explanation: impl Into<String>) -> Self {
        let mut error = Self::of(100);
        error.subcode = Some(subcode);
        error.user_message = Some((title.to_owned(), explanation.into()));
        error
    }

    /// The answer of the Graph API for an id that is unknown or not visible.
    pub(crate) fn no_such_object(method: &http::Method, id: &str) -> Self {
        let mut error = Self::of(100);
        error.subcode = Some(33);
        error.title = format!(
            "Unsupported {} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
             permissions, or does not support this operation. Please read the Graph API documentation at \
             https://developers.facebook.com/docs/graph-api",
            method.as_str().to_lowercase()
        );
        error
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn transient(mut self) -> Self {
        self.is_transient = true;
        self
    }

    /// The error as an element of a failed status.
    pub(crate) fn status_element(&self) -> Value {
        let details = self.details.as_deref().unwrap_or(&self.title);
        json!({
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": details},
            "href": HREF,
        })
    }

    fn body(&self) -> Value {
        let plain = self.code == 190 || self.subcode == Some(33) || self.title.starts_with("(#");
        let message = if plain {
            self.title.clone()
        } else {
            format!("(#{}) {}", self.code, self.title)
        };
        let mut error = json!({"message": message, "type": "OAuthException", "code": self.code});
        if let Some(details) = &self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if let Some((title, message)) = &self.user_message {
            error["error_user_title"] = json!(title);
            error["error_user_msg"] = json!(message);
        }
        if self.is_transient {
            error["is_transient"] = json!(true);
        }
        let trace = uuid::Uuid::new_v4();
        error["fbtrace_id"] = json!(format!("A{}", URL_SAFE_NO_PAD.encode(trace.as_bytes())));
        json!({"error": error})
    }
}

/// The code of an error, attached to its answer so that a single place can count refusals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusedWith(pub(crate) u32);

impl IntoResponse for GraphError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=UTF-8"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("OAuth \"Facebook Platform\" \"invalid_token\""),
            );
        }
        response.extensions_mut().insert(RefusedWith(self.code));
        response
    }
}

fn documented(code: u32) -> (u16, &'static str) {
    match code {
        0 => (401, "AuthException"),
        1 => (400, "API Unknown"),
        2 => (503, "API Service"),
        3 => (500, "API Method"),
        4 => (400, "Application request limit reached"),
        10 => (403, "Application does not have permission for this action"),
        33 => (400, "Parameter value is not valid"),
        100 => (400, "Invalid parameter"),
        190 => (401, "Invalid OAuth access token - Cannot parse access token"),
        200..=299 => (403, "Permissions error"),
        368 => (403, "Temporarily blocked for policies violations"),
        613 => (400, "Calls to this api have exceeded the rate limit"),
        2500 => (400, "Unknown path components"),
        80007 | 80008 => (400, "Rate limit issues"),
        130_403 => (400, "User is blocked by the business"),
        130_429 => (400, "Rate limit hit"),
        130_472 => (400, "User's number is part of an experiment"),
        130_497 => (
            403,
            "Business account is restricted from messaging users in this country",
        ),
        131_000 => (500, "Something went wrong"),
        131_005 => (403, "Access denied"),
        131_008 => (400, "Required parameter is missing"),
        131_009 => (400, "Parameter value is not valid"),
        131_016 => (500, "Service unavailable"),
        131_021 => (400, "Recipient cannot be sender"),
        131_026 => (400, "Message undeliverable"),
        131_030 => (400, "Recipient phone number not in allowed list"),
        131_031 => (403, "Business Account locked"),
        131_037 => (
            400,
            "WhatsApp provided number needs display name approval before message can be sent",
        ),
        131_042 => (400, "Business eligibility payment issue"),
        131_045 => (500, "Incorrect certificate"),
        131_047 => (400, "Re-engagement message"),
        131_048 => (400, "Spam rate limit hit"),
        131_049 => (
            400,
            "This message was not delivered to maintain healthy ecosystem engagement",
        ),
        131_050 => (
            400,
            "User has stopped receiving marketing messages from this business",
        ),
        131_051 => (400, "Unsupported message type"),
        131_052 => (400, "Media download error"),
        131_053 => (400, "Media upload error"),
        131_055 => (400, "Method not allowed"),
        131_056 => (400, "(Business Account, Consumer Account) pair rate limit hit"),
        131_057 => (500, "Account in maintenance mode"),
        131_059 => (400, "Invalid cursor"),
        131_062 => (400, "Business-scoped user id is not supported for this message"),
        131_063 => (400, "Marketing messages are not available on Cloud API"),
        131_064 => (400, "Messaging limited because of template category misuse"),
        132_000 => (
            400,
            "Number of parameters does not match the expected number of params",
        ),
        132_001 => (404, "Template name does not exist in the translation"),
        132_005 => (400, "Translated text too long"),
        132_007 => (400, "Template format character policy violated"),
        132_008 | 132_012 => (
            400,
            "Parameter format does not match format in the created template",
        ),
        132_015 => (400, "Template is paused"),
        132_016 => (400, "Template is disabled"),
        132_018 => (400, "There's an issue with the parameters in your template"),
        132_068 => (400, "Flow is blocked"),
        132_069 => (400, "Flow is throttled"),
        133_004 => (503, "Server is temporarily unavailable"),
        133_005 => (400, "Two step verification PIN mismatch"),
        133_010 => (400, "Phone number not registered"),
        133_016 => (400, "Account register/deregister rate limit exceeded"),
        134_101 => (400, "Template is syncing"),
        135_000 => (400, "Generic user error"),
        2_494_100 => (400, "Phone number is in maintenance mode"),
        _ => (400, "Error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_graph_shape() {
        let body = GraphError::with_details(131_047, "More than 24 hours have passed").body();
        let error = &body["error"];
        assert_eq!(error["message"], "(#131047) Re-engagement message");
        assert_eq!(error["type"], "OAuthException");
        assert_eq!(error["code"], 131_047);
        assert_eq!(error["error_data"]["messaging_product"], "whatsapp");
        assert_eq!(error["error_data"]["details"], "More than 24 hours have passed");
        assert!(error["fbtrace_id"].as_str().unwrap().len() > 10);
        assert!(error.get("is_transient").is_none());
    }

    #[test]
    fn an_unknown_object_names_its_id_and_the_method() {
        let body = GraphError::no_such_object(&http::Method::POST, "42").body();
        assert_eq!(body["error"]["code"], 100);
        assert_eq!(body["error"]["error_subcode"], 33);
        let message = body["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("Unsupported post request. Object with ID '42' does not exist"),
            "{message}"
        );
    }
}
