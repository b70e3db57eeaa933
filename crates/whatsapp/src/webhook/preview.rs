//! One line for each kind of message.

use super::outline::{Element, Object};

/// What a list of conversations can show. `None` where only the kind says anything (a photo without a caption).
pub(super) fn preview(kind: &str, message: Object<'_>) -> Option<String> {
    match kind {
        "text" => message.object("text")?.text("body"),
        "image" | "video" | "audio" | "sticker" => message.object(kind)?.text("caption"),
        "document" => first_text(message.object(kind)?, &["caption", "filename"]),
        "location" => location(message.object(kind)?),
        "contacts" => contacts(message.list(kind)?),
        "interactive" => interactive(message.object(kind)?),
        "button" => first_text(message.object(kind)?, &["text", "payload"]),
        "reaction" => message.object(kind)?.text("emoji"),
        "order" => message.object(kind)?.text("text"),
        "system" => message.object(kind)?.text("body"),
        "edit" => edited(message.object(kind)?),
        "unsupported" | "unknown" | "ephemeral" => failure(message),
        _ => first_text(
            message.object(kind)?,
            &["body", "text", "caption", "title", "name"],
        ),
    }
}

fn first_text(object: Object<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| object.text(name))
}

fn location(location: Object<'_>) -> Option<String> {
    first_text(location, &["name", "address"]).or_else(|| {
        Some(format!(
            "{}, {}",
            location.text("latitude")?,
            location.text("longitude")?
        ))
    })
}

fn contacts<'a>(contacts: impl Iterator<Item = Element<'a>>) -> Option<String> {
    let names: Vec<String> = contacts.filter_map(contact_name).collect();
    if names.is_empty() {
        None
    } else {
        Some(names.join(", "))
    }
}

fn contact_name(contact: Element<'_>) -> Option<String> {
    let contact = contact.object()?;
    let name = contact
        .object("name")
        .and_then(|name| first_text(name, &["formatted_name", "first_name"]));
    let phone = || contact.list("phones")?.next()?.object()?.text("phone");
    name.or_else(phone)
}

/// The set of subtypes is open: whatever it is called, the answer lies in the member of that name.
fn interactive(interactive: Object<'_>) -> Option<String> {
    let answer = interactive.object(&interactive.text("type")?)?;
    first_text(answer, &["title", "body", "response", "name"])
}

/// The new wording of the message that was changed.
fn edited(edit: Object<'_>) -> Option<String> {
    let message = edit.object("message")?;
    let kind = message.text("type").filter(|kind| kind != "edit")?;
    preview(&kind, message)
}

/// Why Meta could not pass the message on, unless a text came with it all the same.
fn failure(message: Object<'_>) -> Option<String> {
    if let Some(body) = message.object("text").and_then(|body| body.text("body")) {
        return Some(body);
    }
    let error = message.list("errors")?.next()?.object()?;
    let details = error.object("error_data").and_then(|data| data.text("details"));
    details.or_else(|| first_text(error, &["message", "title"]))
}

#[cfg(test)]
mod tests {
    use super::super::outline::Outline;
    use super::preview;

    fn of(kind: &str, json: &str) -> Option<String> {
        preview(kind, Outline::of(json).unwrap().root().object().unwrap())
    }

    #[test]
    fn each_kind_has_its_line() {
        let table = [
            ("text", r#"{"text":{"body":"hello"}}"#, Some("hello")),
            (
                "image",
                r#"{"image":{"id":"1","caption":"a cat"}}"#,
                Some("a cat"),
            ),
            ("image", r#"{"image":{"id":"1"}}"#, None),
            (
                "document",
                r#"{"document":{"id":"1","filename":"bill.pdf"}}"#,
                Some("bill.pdf"),
            ),
            (
                "document",
                r#"{"document":{"caption":"the bill","filename":"b.pdf"}}"#,
                Some("the bill"),
            ),
            (
                "location",
                r#"{"location":{"latitude":-6.2,"longitude":106.8,"address":"Jl. A"}}"#,
                Some("Jl. A"),
            ),
            (
                "location",
                r#"{"location":{"latitude":"-6.2","longitude":106.8}}"#,
                Some("-6.2, 106.8"),
            ),
            (
                "contacts",
                r#"{"contacts":[{"name":{"formatted_name":"A"}},{"phones":[{"phone":"7"}]},5]}"#,
                Some("A, 7"),
            ),
            (
                "interactive",
                r#"{"interactive":{"type":"button_reply","button_reply":{"id":"1","title":"Yes"}}}"#,
                Some("Yes"),
            ),
            (
                "interactive",
                r#"{"interactive":{"type":"nfm_reply","nfm_reply":{"body":"Sent","name":"flow"}}}"#,
                Some("Sent"),
            ),
            ("interactive", r#"{"interactive":{"type":"new_kind"}}"#, None),
            (
                "interactive",
                r#"{"interactive":{"type":"new_kind","new_kind":{"title":"T"}}}"#,
                Some("T"),
            ),
            ("button", r#"{"button":{"payload":"P","text":"T"}}"#, Some("T")),
            ("reaction", r#"{"reaction":{"message_id":"m","emoji":""}}"#, None),
            (
                "reaction",
                r#"{"reaction":{"message_id":"m","emoji":"\ud83d\udc4d"}}"#,
                Some("\u{1f44d}"),
            ),
            (
                "edit",
                r#"{"edit":{"message":{"type":"text","text":{"body":"new"}}}}"#,
                Some("new"),
            ),
            ("edit", r#"{"edit":{"message":{"type":"edit","edit":{}}}}"#, None),
            (
                "unsupported",
                r#"{"errors":[{"title":"T","error_data":{"details":"D"}}]}"#,
                Some("D"),
            ),
            (
                "unknown",
                r#"{"text":{"body":"without a type"}}"#,
                Some("without a type"),
            ),
            ("request_welcome", "{}", None),
            ("brand_new", r#"{"brand_new":{"title":"T"}}"#, Some("T")),
            ("text", r#"{"text":"hello"}"#, None),
            ("text", r#"{"text":null}"#, None),
        ];
        for (kind, json, expected) in table {
            assert_eq!(of(kind, json).as_deref(), expected, "{kind} {json}");
        }
    }

    #[test]
    fn numbers_are_texts_and_nothing_else_is() {
        for (json, expected) in [
            ("12", Some("12")),
            ("\"a\"", Some("a")),
            ("\"\"", None),
            ("true", None),
            ("[1]", None),
        ] {
            assert_eq!(Outline::of(json).unwrap().root().text().as_deref(), expected);
        }
    }
}
