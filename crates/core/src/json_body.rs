//! Bodies and queries, with refusals that name the wrong field.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::contract::{self, Argument, Contract};
use crate::error::ApiError;
use crate::reader_words;
use crate::text::Text;

/// A JSON body. Malformed JSON answers 400, a wrong or missing field 422 naming it.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                Text::new(
                    "Send the body as application/json.",
                    "Kirim isi permintaan sebagai application/json.",
                ),
            ));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unreadable(&rejection))?;
        refuse_nul(&body)?;
        read(&body).map(Self)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // The reader of text reports a number in the place of a word as bad syntax. The reader of values reports a
        // wrong field.
        match serde_json::from_slice::<Value>(body) {
            Ok(value) if !error.inner().is_data() => {
                from_value::<T>(value).err().unwrap_or_else(|| refuse(&error))
            }
            _ => refuse(&error),
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// A JSON body that may be left out. An absent body is the default.
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let headers = request.headers();
        let is_empty = headers
            .get(header::CONTENT_LENGTH)
            .is_none_or(|length| length == "0")
            && !headers.contains_key(header::TRANSFER_ENCODING);
        if is_empty {
            return Ok(Self(T::default()));
        }
        JsonBody::from_request(request, state)
            .await
            .map(|JsonBody(value)| Self(value))
    }
}

/// Reads a JSON value. A wrong or missing field answers 422 naming it.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| refuse(&error))
}

/// Refuses U+0000, which no text in Postgres can contain. JSON can only write it as an escape, which hardly any body
/// contains.
fn refuse_nul(body: &[u8]) -> Result<(), ApiError> {
    const WRITTEN: &[u8] = b"\\u0000";
    if !body.windows(WRITTEN.len()).any(|window| window == WRITTEN) {
        return Ok(());
    }
    // If the body is not JSON, its reader refuses it.
    let place = serde_json::from_slice(body)
        .ok()
        .and_then(|value| place_of_nul(&value));
    place.map_or(Ok(()), |place| Err(nul_in(place)))
}

/// The path to the first text with U+0000, in the notation of other wrong fields.
fn place_of_nul(value: &Value) -> Option<String> {
    let within = |name: String, inner: String| match inner.as_str() {
        "" => name,
        rest if rest.starts_with('[') => name + rest,
        rest => format!("{name}.{rest}"),
    };
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .find_map(|(nth, one)| Some(within(format!("[{nth}]"), place_of_nul(one)?))),
        Value::Object(members) => members.iter().find_map(|(name, one)| {
            if name.contains('\0') {
                return Some(name.replace('\0', ""));
            }
            Some(within(name.clone(), place_of_nul(one)?))
        }),
        _ => None,
    }
}

fn nul_in(field: String) -> ApiError {
    let field = if field.is_empty() {
        "body".to_owned()
    } else {
        field
    };
    ApiError::field(
        field,
        Text::new(
            "must not contain the character U+0000",
            "tidak boleh berisi karakter U+0000",
        ),
    )
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// The answer to a body that did not arrive completely.
pub fn unreadable(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large();
    }
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "unreadable_body",
        Text::new(
            "The request body did not arrive completely.",
            "Isi permintaan tidak sampai seluruhnya.",
        ),
    )
}

fn refuse(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    if !error.inner().is_data() {
        return malformed(error.inner());
    }
    let mut field = error.path().to_string();
    let problem = problem_of(&error.inner().to_string());
    // A missing field is reported with the path where it should have been.
    if let Some(missing) = missing_field(&problem) {
        field = if field == "." {
            missing.to_owned()
        } else {
            format!("{field}.{missing}")
        };
        return ApiError::required(field);
    }
    if let Some(unknown) = unknown_field(&problem) {
        let field = if field == "." { unknown.to_owned() } else { field };
        return ApiError::field(
            field,
            Text::new("is not a field of this request", "bukan isian permintaan ini"),
        );
    }
    let field = if field == "." { "body".to_owned() } else { field };
    ApiError::field(field, reader_words::in_plain_words(&problem))
}

/// serde's sentence without the position at its end.
fn problem_of(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

fn missing_field(problem: &str) -> Option<&str> {
    problem.strip_prefix("missing field `")?.strip_suffix('`')
}

fn unknown_field(problem: &str) -> Option<&str> {
    problem.strip_prefix("unknown field `")?.split('`').next()
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let place = format!("line {}, column {}", error.line(), error.column());
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "invalid_json",
        Text::new(
            format!("The body is not valid JSON ({place})."),
            format!("Isi permintaan bukan JSON yang valid ({place})."),
        ),
    )
}

/// Query parameters. A wrong one answers 422 naming it.
pub struct QueryParameters<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let mut object = serde_json::Map::new();
        for (name, value) in pairs {
            if value.contains('\0') {
                return Err(nul_in(name.into_owned()));
            }
            object.insert(name.into_owned(), value.into_owned().into());
        }
        serde_path_to_error::deserialize(Value::Object(object))
            .map(Self)
            .map_err(|error| refuse(&error))
    }
}

/// Reads a query parameter that is `true` or `false`.
pub fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(serde::de::Error::custom("must be true or false")),
    }
}

/// Reads a field that may be null, and distinguishes null from an absent field.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A 201 answer.
pub fn created<T>(value: T) -> (StatusCode, Json<T>) {
    (StatusCode::CREATED, Json(value))
}

impl<T> Argument for JsonBody<T> {
    fn state(contract: &mut Contract) {
        contract.refuses(&[
            &contract::UNREADABLE_BODY,
            &contract::TOO_LARGE,
            &contract::NOT_JSON,
            &contract::INVALID,
        ]);
    }
}

impl<T> Argument for OptionalJsonBody<T> {
    fn state(contract: &mut Contract) {
        JsonBody::<T>::state(contract);
    }
}

impl<T> Argument for QueryParameters<T> {
    fn state(contract: &mut Contract) {
        contract.refuses(&[&contract::INVALID]);
    }
}

#[cfg(test)]
mod tests {
    use super::{place_of_nul, read, refuse_nul};
    use serde::Deserialize;
    use serde_json::json;

    #[test]
    fn a_wrong_type_is_a_wrong_field_and_broken_json_is_not() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Size {
            Small,
        }
        #[derive(Debug, Deserialize)]
        struct Shirt {
            size: Option<Size>,
        }
        let refusal = |body: &str| match read::<Shirt>(body.as_bytes()) {
            Ok(shirt) => format!("{:?}", shirt.size),
            Err(error) => format!("{error:?}"),
        };
        assert!(refusal(r#"{"size": "small"}"#).contains("Small"));
        for wrong in ["3", "true", "[]", "\"large\"", "{}", "1e400x"] {
            let answer = refusal(&format!(r#"{{"size": {wrong}}}"#));
            let is_json = wrong != "1e400x";
            assert_eq!(answer.contains("\"size\""), is_json, "{wrong}: {answer}");
            assert_eq!(answer.contains("invalid_json"), !is_json, "{wrong}: {answer}");
        }
    }

    #[test]
    fn a_text_with_nul_is_reported_by_its_path() {
        for (body, place) in [
            (json!("\0"), Some("")),
            (json!({"name": "a\0b"}), Some("name")),
            (
                json!({"recipients": [{"name": "x"}, {"name": "\0"}]}),
                Some("recipients[1].name"),
            ),
            (json!({"variables": {"na\0me": 1}}), Some("variables.name")),
            (json!({"tags": ["x", "\0"]}), Some("tags[1]")),
            (json!({"name": "\\u0000", "list": [1, null, true]}), None),
        ] {
            assert_eq!(place_of_nul(&body).as_deref(), place, "{body}");
            assert_eq!(refuse_nul(body.to_string().as_bytes()).is_err(), place.is_some());
        }
    }
}
