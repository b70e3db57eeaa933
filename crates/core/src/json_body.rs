//! Bodies and queries, with refusals that name the wrong field.

mod nearest;
mod strict;
mod tree;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::contract::{self, Argument, Contract};
use crate::error::ApiError;
use crate::reader_words;
use crate::text::Text;
use nearest::nearest;
use strict::{NO_OBJECT, Strict, UNKNOWN_FIELD};
use tree::Tree;

/// A JSON body. Malformed JSON answers 400, a wrong, unknown or missing field 422 naming it.
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

/// Reads the text first, and its values after that: a fault of the text is bad syntax, and a fault of a value is a wrong
/// field, whichever comes first.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let Tree(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| refuse(&error))?;
    json.end().map_err(|error| malformed(&error))?;
    from_value(value)
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

/// Reads a JSON value. A wrong, unknown or missing field answers 422 naming it, and so does an array in the place of an
/// object.
#[expect(clippy::needless_pass_by_value, reason = "callers are done with the value")]
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(Strict(&value)).map_err(|error| refuse(&error))
}

/// Reads the fields in `names` as one value and the other fields as another, so that a wrong field of either has its
/// name. Within a flattened struct it has none, and an unknown one is not noticed.
pub fn read_apart<T: DeserializeOwned, U: DeserializeOwned>(
    body: Value,
    names: &[&str],
) -> Result<(T, U), ApiError> {
    let (taken, rest) = match body {
        Value::Object(mut rest) => {
            let taken = names.iter().filter_map(|name| rest.remove_entry(*name)).collect();
            (taken, Value::Object(rest))
        }
        other => (serde_json::Map::new(), other),
    };
    let rest = from_value(rest)?;
    Ok((from_value(Value::Object(taken))?, rest))
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
    if let Some((unknown, known)) = unknown_field(&problem) {
        // serde's own reader reports it with the path of the field, and the strict one with the path of its object.
        let is_of_object = problem.starts_with(UNKNOWN_FIELD);
        let field = match field.as_str() {
            "." => unknown.to_owned(),
            _ if is_of_object => format!("{field}.{unknown}"),
            _ => field,
        };
        return ApiError::field(field, no_such_field(unknown, &known));
    }
    if let Some(name) = repeated_field(&problem) {
        let field = if field == "." {
            name.to_owned()
        } else {
            format!("{field}.{name}")
        };
        return ApiError::field(field, Text::new("is given twice", "diisi dua kali"));
    }
    let field = if field == "." { "body".to_owned() } else { field };
    if problem == NO_OBJECT {
        return ApiError::field(field, Text::new(NO_OBJECT, "harus berupa objek"));
    }
    ApiError::field(field, reader_words::in_plain_words(&problem))
}

/// What is wrong with an unknown field or query parameter: the name that was probably meant, or else all names.
pub(crate) fn no_such_field(unknown: &str, known: &[&str]) -> Text {
    let (english, indonesian) = ("is not a field of this request", "bukan isian permintaan ini");
    if let Some(meant) = nearest(unknown, known.iter().copied()) {
        return Text::new(
            format!("{english}; did you mean `{meant}`?"),
            format!("{indonesian}; apakah maksud Anda `{meant}`?"),
        );
    }
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match names.join(", ") {
        none if none.is_empty() => Text::new(
            format!("{english}: it has none"),
            format!("{indonesian}: permintaan ini tidak memiliki isian"),
        ),
        names => Text::new(
            format!("{english}; the fields are {names}"),
            format!("{indonesian}; isiannya adalah {names}"),
        ),
    }
}

/// The name of a field that an object has twice.
fn repeated_field(problem: &str) -> Option<&str> {
    problem.strip_prefix("duplicate field `")?.split('`').next()
}

/// serde's sentence without the position at its end.
fn problem_of(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

fn missing_field(problem: &str) -> Option<&str> {
    problem.strip_prefix("missing field `")?.strip_suffix('`')
}

/// The unknown field of serde's sentence, and the known ones.
fn unknown_field(problem: &str) -> Option<(&str, Vec<&str>)> {
    let rest = problem
        .strip_prefix(UNKNOWN_FIELD)
        .or_else(|| problem.strip_prefix("unknown field `"))?;
    let (name, rest) = rest.split_once("`, ").unwrap_or((rest.trim_end_matches('`'), ""));
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((name, known))
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

/// Query parameters. A wrong, unknown or repeated one answers 422 naming it.
pub struct QueryParameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = RawPathParams::from_request_parts(parts, state).await.ok();
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let mut object = serde_json::Map::new();
        for (name, value) in pairs {
            if value.contains('\0') {
                return Err(nul_in(name.into_owned()));
            }
            if is_of_path(path.as_ref(), &name, &value) {
                continue;
            }
            let value = Value::from(value.into_owned());
            match object.get_mut(&*name) {
                None => drop(object.insert(name.into_owned(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        let query = Value::Object(object);
        let read = serde_path_to_error::deserialize(Strict(&query));
        read.map(Self).map_err(|error| {
            // Only a parameter with several values takes a list. An id would take its bytes as one.
            let place = error.path().to_string();
            let (name, is_within_list) = match place.split_once('[') {
                Some((name, _)) => (name, true),
                None => (&*place, false),
            };
            if is_within_list || error.inner().to_string().starts_with("invalid type: sequence") {
                let once = Text::new("must be given once", "hanya boleh diberikan satu kali");
                return ApiError::field(name, once);
            }
            refuse(&error)
        })
    }
}

/// Whether a query parameter is the `[id]` of the path. A platform may add it to the query of a dynamic route.
pub(crate) fn is_of_path(path: Option<&RawPathParams>, name: &str, value: &str) -> bool {
    path.is_some_and(|path| path.iter().any(|parameter| parameter == (name, value)))
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
        contract.reads_body = true;
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
        contract.reads_query = true;
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
        for (body, field) in [
            (r#"["small"]"#, "body"),
            (r#"{"sise": "small"}"#, "did you mean `size`"),
            (
                r#"{"size": "small", "size": null}"#,
                r#"("size", Text { english: "is given twice""#,
            ),
            (r#"{"colour": "red"}"#, "the fields are `size`"),
        ] {
            assert!(refusal(body).contains(field), "{body}: {}", refusal(body));
        }
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
