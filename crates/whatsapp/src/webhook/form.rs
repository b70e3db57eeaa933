//! The answers of a filled-in form.

use serde_json::value::RawValue;

use super::clean::storable_json;
use super::outline::Object;

/// The answers of a form. Meta sends them as a string of JSON with any content: one that is not an object, or
/// that cannot be stored, remains in the payload only. An object that Meta sends directly is used unchanged.
pub(super) fn form_response(message: Object<'_>) -> Option<Box<RawValue>> {
    let reply = message.object("interactive")?.object("nfm_reply")?;
    let response = reply.get("response_json")?;
    if response.object().is_some() {
        return Some(response.raw());
    }
    let json = response.text()?;
    let storable = storable_json(json.as_bytes()).ok()?;
    let storable = storable.trim();
    if !storable.starts_with('{') {
        return None;
    }
    serde_json::from_str(storable).ok()
}

#[cfg(test)]
mod tests {
    use super::super::outline::Outline;
    use super::form_response;

    fn of(response: &str) -> Option<String> {
        let json = serde_json::json!({"interactive": {"nfm_reply": {"response_json": response}}}).to_string();
        let outline = Outline::of(&json).unwrap();
        form_response(outline.root().object().unwrap()).map(|raw| raw.get().to_owned())
    }

    #[test]
    fn answers_sent_as_an_object_are_kept_unchanged() {
        let json = r#"{"interactive":{"nfm_reply":{"response_json":{"a":[1]}}}}"#;
        let outline = Outline::of(json).unwrap();
        let response = form_response(outline.root().object().unwrap()).unwrap();
        assert_eq!(response.get(), r#"{"a":[1]}"#);
    }

    #[test]
    fn answers_are_read_from_a_json_string() {
        assert_eq!(of(r#" {"a":"b"} "#).as_deref(), Some(r#"{"a":"b"}"#));
        assert_eq!(of(r#"{"a":"x\u0000y"}"#).as_deref(), Some(r#"{"a":"xy"}"#));
        for unreadable in ["", "{", "[1]", "\"x\"", "null"] {
            assert_eq!(of(unreadable), None, "{unreadable}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert_eq!(of(&deep), None);
    }
}
