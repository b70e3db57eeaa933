//! A one-line preview for each kind of message.

use super::outline::{Element, Object};

/// The text for a list of conversations: the text of the message, or a symbol for its kind if it has no text.
/// Symbols need no translation; a client that prefers words has the kind.
pub(super) fn preview(kind: &str, message: Object<'_>) -> String {
    words(kind, message).unwrap_or_else(|| sign(kind, message))
}

fn words(kind: &str, message: Object<'_>) -> Option<String> {
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

fn sign(kind: &str, message: Object<'_>) -> String {
    let sign = match kind {
        "image" => "\u{1f4f7}",
        "video" => "\u{1f3a5}",
        "audio" if is_voice(message) => "\u{1f3a4}",
        "audio" => "\u{1f3b5}",
        "sticker" => "\u{1f3f7}\u{fe0f}",
        "document" => "\u{1f4c4}",
        "media_placeholder" => "\u{1f4ce}",
        "location" => "\u{1f4cd}",
        "contacts" => "\u{1f464}",
        "interactive" | "button" => "\u{2611}\u{fe0f}",
        "order" => return format!("\u{1f6d2} {}", pieces(message)),
        "system" => "\u{2139}\u{fe0f}",
        "request_welcome" => "\u{1f44b}",
        "reaction" => "\u{21a9}\u{fe0f}",
        "edit" => "\u{270f}\u{fe0f}",
        "revoke" => "\u{1f6ab}",
        _ => "\u{2754}",
    };
    sign.to_owned()
}

fn is_voice(message: Object<'_>) -> bool {
    let voice = message.object("audio").and_then(|audio| audio.get("voice"));
    voice.is_some_and(|voice| voice.json() == "true")
}

/// The number of distinct items in an order.
fn pieces(message: Object<'_>) -> usize {
    let items = message
        .object("order")
        .and_then(|order| order.list("product_items"));
    items.map_or(0, Iterator::count)
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
    let company = || contact.object("org")?.text("company");
    let phone = || contact.list("phones")?.next()?.object()?.text("phone");
    name.or_else(company).or_else(phone)
}

/// The title of the answer. Meta may add subtypes: the answer is in the member with the subtype's name, or in
/// the only member.
fn interactive(interactive: Object<'_>) -> Option<String> {
    let named = interactive
        .text("type")
        .and_then(|kind| interactive.object(&kind));
    let answer = named.or_else(|| interactive.members().find_map(|(_, member)| member.object()))?;
    first_text(answer, &["title", "body", "response", "name"])
}

/// The new text of an edited message.
fn edited(edit: Object<'_>) -> Option<String> {
    let message = edit.object("message")?;
    let kind = message.text("type").filter(|kind| kind != "edit")?;
    // Without a caption, the preview is the same as that of an unedited message without one.
    Some(words(&kind, message).unwrap_or_else(|| sign(&kind, message)))
}

/// The reason why Meta could not pass the message on. `None` if a text came with it.
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

    fn of(kind: &str, json: &str) -> String {
        preview(kind, Outline::of(json).unwrap().root().object().unwrap())
    }

    #[test]
    fn each_kind_has_its_preview() {
        let table = [
            ("text", r#"{"text":{"body":"hello"}}"#, "hello"),
            ("image", r#"{"image":{"id":"1","caption":"a cat"}}"#, "a cat"),
            ("image", r#"{"image":{"id":"1"}}"#, "\u{1f4f7}"),
            ("audio", r#"{"audio":{"id":"1"}}"#, "\u{1f3b5}"),
            ("audio", r#"{"audio":{"id":"1","voice":true}}"#, "\u{1f3a4}"),
            ("sticker", r#"{"sticker":{"id":"1"}}"#, "\u{1f3f7}\u{fe0f}"),
            ("location", r#"{"location":{"latitude":1}}"#, "\u{1f4cd}"),
            (
                "order",
                r#"{"order":{"text":"","product_items":[{},{}]}}"#,
                "\u{1f6d2} 2",
            ),
            (
                "order",
                r#"{"order":{"text":"two, please","product_items":[{},{}]}}"#,
                "two, please",
            ),
            ("revoke", r#"{"revoke":{"original_message_id":"m"}}"#, "\u{1f6ab}"),
            (
                "document",
                r#"{"document":{"id":"1","filename":"bill.pdf"}}"#,
                "bill.pdf",
            ),
            (
                "document",
                r#"{"document":{"caption":"the bill","filename":"b.pdf"}}"#,
                "the bill",
            ),
            (
                "location",
                r#"{"location":{"latitude":-6.2,"longitude":106.8,"address":"Jl. A"}}"#,
                "Jl. A",
            ),
            (
                "location",
                r#"{"location":{"latitude":"-6.2","longitude":106.8}}"#,
                "-6.2, 106.8",
            ),
            (
                "contacts",
                r#"{"contacts":[{"name":{"formatted_name":"A"}},{"phones":[{"phone":"7"}]},5,{"org":{"company":"C"}}]}"#,
                "A, 7, C",
            ),
            (
                "interactive",
                r#"{"interactive":{"type":"button_reply","button_reply":{"id":"1","title":"Yes"}}}"#,
                "Yes",
            ),
            (
                "interactive",
                r#"{"interactive":{"type":"nfm_reply","nfm_reply":{"body":"Sent","name":"flow"}}}"#,
                "Sent",
            ),
            (
                "interactive",
                r#"{"interactive":{"type":"new_kind"}}"#,
                "\u{2611}\u{fe0f}",
            ),
            (
                "interactive",
                r#"{"interactive":{"type":"new_kind","new_kind":{"title":"T"}}}"#,
                "T",
            ),
            ("button", r#"{"button":{"payload":"P","text":"T"}}"#, "T"),
            (
                "reaction",
                r#"{"reaction":{"message_id":"m","emoji":""}}"#,
                "\u{21a9}\u{fe0f}",
            ),
            (
                "reaction",
                r#"{"reaction":{"message_id":"m","emoji":"\ud83d\udc4d"}}"#,
                "\u{1f44d}",
            ),
            (
                "edit",
                r#"{"edit":{"message":{"type":"text","text":{"body":"new"}}}}"#,
                "new",
            ),
            (
                "edit",
                r#"{"edit":{"message":{"type":"edit","edit":{}}}}"#,
                "\u{270f}\u{fe0f}",
            ),
            (
                "edit",
                r#"{"edit":{"message":{"type":"image","image":{"id":"1"}}}}"#,
                "\u{1f4f7}",
            ),
            (
                "interactive",
                r#"{"interactive":{"button_reply":{"id":"1","title":"Yes"}}}"#,
                "Yes",
            ),
            (
                "unsupported",
                r#"{"errors":[{"title":"T","error_data":{"details":"D"}}]}"#,
                "D",
            ),
            (
                "unknown",
                r#"{"text":{"body":"without a type"}}"#,
                "without a type",
            ),
            ("request_welcome", "{}", "\u{1f44b}"),
            ("brand_new", r#"{"brand_new":{"title":"T"}}"#, "T"),
            ("text", r#"{"text":"hello"}"#, "\u{2754}"),
            ("text", r#"{"text":null}"#, "\u{2754}"),
        ];
        for (kind, json, expected) in table {
            assert_eq!(of(kind, json), expected, "{kind} {json}");
        }
    }

    #[test]
    fn only_strings_and_numbers_are_read_as_text() {
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
