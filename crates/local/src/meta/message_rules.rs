//! Limits of each kind of outgoing message.

use serde_json::Value;

use super::graph_error::GraphError;

type Checked = Result<(), GraphError>;

/// Checks the object of the named type. `template` is checked elsewhere, because that needs the template.
/// `media_exists` returns whether an uploaded media file is known.
pub(crate) fn check(kind: &str, message: &Value, media_exists: &dyn Fn(&str) -> bool) -> Checked {
    let object = &message[kind];
    let known = [
        "text",
        "image",
        "video",
        "document",
        "audio",
        "sticker",
        "location",
        "contacts",
        "reaction",
        "interactive",
    ];
    if !known.contains(&kind) {
        return Err(GraphError::with_details(
            131_051,
            format!("Message type '{kind}' is not supported"),
        ));
    }
    if object.is_null() {
        return Err(missing(kind));
    }
    match kind {
        "text" => check_text(object),
        "location" => check_location(object),
        "contacts" => check_contacts(object),
        "reaction" => check_reaction(object),
        "interactive" => check_interactive(object, media_exists),
        _ => check_media(kind, object, media_exists),
    }
}

fn missing(parameter: &str) -> GraphError {
    GraphError::with_details(131_008, format!("The parameter {parameter} is required."))
}

fn wrong(details: impl Into<String>) -> GraphError {
    GraphError::with_details(131_009, details)
}

/// A required text of at most `limit` characters.
fn text_up_to(value: &Value, parameter: &str, limit: usize) -> Checked {
    let text = match value {
        Value::Null => return Err(missing(parameter)),
        Value::String(text) if text.is_empty() => return Err(missing(parameter)),
        Value::String(text) => text,
        _ => return Err(wrong(format!("Param {parameter} must be a string."))),
    };
    if text.chars().count() > limit {
        return Err(wrong(format!(
            "Param {parameter} must be at most {limit} characters long."
        )));
    }
    Ok(())
}

fn optional_text_up_to(value: &Value, parameter: &str, limit: usize) -> Checked {
    if value.is_null() {
        Ok(())
    } else {
        text_up_to(value, parameter, limit)
    }
}

fn check_text(text: &Value) -> Checked {
    text_up_to(&text["body"], "text['body']", 4_096)?;
    if !(text["preview_url"].is_null() || text["preview_url"].is_boolean()) {
        return Err(wrong("Param text['preview_url'] must be a boolean."));
    }
    Ok(())
}

fn check_media(kind: &str, media: &Value, media_exists: &dyn Fn(&str) -> bool) -> Checked {
    match (media["id"].as_str(), media["link"].as_str()) {
        (Some(id), None) if media_exists(id) => {}
        (Some(id), None) => return Err(wrong(format!("Param {kind}['id'] names no uploaded media: {id}"))),
        (None, Some(link)) if link.starts_with("http://") || link.starts_with("https://") => {}
        (None, Some(_)) => return Err(wrong(format!("Param {kind}['link'] is not a valid URL."))),
        (Some(_), Some(_)) => return Err(wrong(format!("Param {kind} must have only one of id and link."))),
        (None, None) => return Err(missing(&format!("{kind}['id'] or {kind}['link']"))),
    }
    let allows_caption = matches!(kind, "image" | "video" | "document");
    if !allows_caption && !media["caption"].is_null() {
        return Err(wrong(format!("Param {kind} does not take a caption.")));
    }
    optional_text_up_to(&media["caption"], &format!("{kind}['caption']"), 1_024)?;
    if kind != "document" && !media["filename"].is_null() {
        return Err(wrong(format!("Param {kind} does not take a filename.")));
    }
    Ok(())
}

fn check_location(location: &Value) -> Checked {
    for (name, limit) in [("latitude", 90.0), ("longitude", 180.0)] {
        let value = match &location[name] {
            Value::Null => return Err(missing(&format!("location['{name}']"))),
            Value::String(text) => text.parse::<f64>().ok(),
            other => other.as_f64(),
        };
        if !value.is_some_and(|degrees| degrees.abs() <= limit) {
            return Err(wrong(format!(
                "Param location['{name}'] must be between -{limit} and {limit}."
            )));
        }
    }
    Ok(())
}

fn check_contacts(contacts: &Value) -> Checked {
    let Some(contacts) = contacts.as_array().filter(|contacts| !contacts.is_empty()) else {
        return Err(wrong("Param contacts must be a non-empty array."));
    };
    for contact in contacts {
        text_up_to(
            &contact["name"]["formatted_name"],
            "contacts[]['name']['formatted_name']",
            1_024,
        )?;
        let parts = ["first_name", "last_name", "middle_name", "suffix", "prefix"];
        if !parts.iter().any(|part| contact["name"][part].is_string()) {
            return Err(missing(
                "contacts[]['name']['first_name'] (or another part of the name)",
            ));
        }
    }
    Ok(())
}

fn check_reaction(reaction: &Value) -> Checked {
    text_up_to(&reaction["message_id"], "reaction['message_id']", 512)?;
    match &reaction["emoji"] {
        // An empty text removes the reaction.
        Value::String(emoji) if emoji.chars().count() <= 16 => Ok(()),
        Value::String(_) => Err(wrong("Param reaction['emoji'] must be a single emoji.")),
        _ => Err(missing("reaction['emoji']")),
    }
}

fn check_interactive(interactive: &Value, media_exists: &dyn Fn(&str) -> bool) -> Checked {
    const OTHERS: [&str; 9] = [
        "flow",
        "product",
        "product_list",
        "catalog_message",
        "location_request_message",
        "address_message",
        "carousel",
        "call_permission_request",
        "request_contact_info",
    ];
    let kind = interactive["type"]
        .as_str()
        .ok_or_else(|| missing("interactive['type']"))?;
    let body_limit = if kind == "list" { 4_096 } else { 1_024 };
    if kind != "product" {
        text_up_to(
            &interactive["body"]["text"],
            "interactive['body']['text']",
            body_limit,
        )?;
    }
    optional_text_up_to(
        &interactive["footer"]["text"],
        "interactive['footer']['text']",
        60,
    )?;
    check_interactive_header(kind, &interactive["header"], media_exists)?;
    let action = &interactive["action"];
    if !action.is_object() {
        return Err(missing("interactive['action']"));
    }
    match kind {
        "button" => check_reply_buttons(action),
        "list" => check_list(action),
        "cta_url" => {
            let parameters = &action["parameters"];
            text_up_to(
                &parameters["display_text"],
                "interactive['action']['parameters']['display_text']",
                20,
            )?;
            text_up_to(
                &parameters["url"],
                "interactive['action']['parameters']['url']",
                2_000,
            )
        }
        other if OTHERS.contains(&other) => Ok(()),
        other => Err(wrong(format!(
            "Param interactive['type'] '{other}' is not supported."
        ))),
    }
}

fn check_interactive_header(kind: &str, header: &Value, media_exists: &dyn Fn(&str) -> bool) -> Checked {
    if header.is_null() {
        return Ok(());
    }
    match header["type"].as_str() {
        Some("text") => text_up_to(&header["text"], "interactive['header']['text']", 60),
        Some(medium @ ("image" | "video" | "document")) if kind != "list" => {
            check_media(medium, &header[medium], media_exists)
        }
        Some(_) if kind == "list" => Err(wrong(
            "Param interactive['header']['type'] of a list must be text.",
        )),
        Some(_) => Err(wrong(
            "Param interactive['header']['type'] must be text, image, video or document.",
        )),
        None => Err(missing("interactive['header']['type']")),
    }
}

fn check_reply_buttons(action: &Value) -> Checked {
    let buttons = action["buttons"].as_array().map_or(&[][..], Vec::as_slice);
    if buttons.is_empty() || buttons.len() > 3 {
        return Err(wrong(
            "Param interactive['action']['buttons'] must have between 1 and 3 buttons.",
        ));
    }
    for button in buttons {
        if button["type"] != "reply" {
            return Err(wrong(
                "Param interactive['action']['buttons'][]['type'] must be reply.",
            ));
        }
        text_up_to(
            &button["reply"]["id"],
            "interactive['action']['buttons'][]['reply']['id']",
            256,
        )?;
        text_up_to(
            &button["reply"]["title"],
            "interactive['action']['buttons'][]['reply']['title']",
            20,
        )?;
    }
    unique(buttons.iter().map(|button| &button["reply"]["id"]), "button ids")?;
    unique(
        buttons.iter().map(|button| &button["reply"]["title"]),
        "button titles",
    )
}

fn check_list(action: &Value) -> Checked {
    text_up_to(&action["button"], "interactive['action']['button']", 20)?;
    let sections = action["sections"].as_array().map_or(&[][..], Vec::as_slice);
    if sections.is_empty() || sections.len() > 10 {
        return Err(wrong(
            "Param interactive['action']['sections'] must have between 1 and 10 sections.",
        ));
    }
    for section in sections {
        if sections.len() > 1 {
            text_up_to(
                &section["title"],
                "interactive['action']['sections'][]['title']",
                24,
            )?;
        } else {
            optional_text_up_to(
                &section["title"],
                "interactive['action']['sections'][]['title']",
                24,
            )?;
        }
    }
    let rows: Vec<&Value> = sections
        .iter()
        .filter_map(|section| section["rows"].as_array())
        .flatten()
        .collect();
    if rows.is_empty() || rows.len() > 10 {
        return Err(wrong(
            "Param interactive['action']['sections'] must have between 1 and 10 rows in total.",
        ));
    }
    for row in &rows {
        text_up_to(&row["id"], "rows[]['id']", 200)?;
        text_up_to(&row["title"], "rows[]['title']", 24)?;
        optional_text_up_to(&row["description"], "rows[]['description']", 72)?;
    }
    unique(rows.iter().map(|row| &row["id"]), "row ids")
}

fn unique<'a>(values: impl Iterator<Item = &'a Value>, what: &str) -> Checked {
    let mut seen = std::collections::HashSet::new();
    for value in values {
        if !seen.insert(value.as_str()) {
            return Err(wrong(format!("The {what} must be different from each other.")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(kind: &str, object: Value) -> Result<(), u32> {
        check(kind, &json!({kind: object}), &|id| id == "77").map_err(|error| error.code)
    }

    #[test]
    fn text_has_between_1_and_4096_characters() {
        assert_eq!(outcome("text", json!({"body": "ä".repeat(4_096)})), Ok(()));
        assert_eq!(outcome("text", json!({"body": "ä".repeat(4_097)})), Err(131_009));
        assert_eq!(outcome("text", json!({"body": ""})), Err(131_008));
        assert_eq!(outcome("text", json!({})), Err(131_008));
        assert_eq!(outcome("text", json!({"body": 5})), Err(131_009));
    }

    #[test]
    fn a_type_needs_its_object_and_must_be_known() {
        assert_eq!(check("text", &json!({}), &|_| false).unwrap_err().code, 131_008);
        assert_eq!(outcome("hologram", json!({})), Err(131_051));
    }

    #[test]
    fn media_need_a_known_id_or_a_link() {
        assert_eq!(
            outcome("image", json!({"id": "77", "caption": "x".repeat(1_024)})),
            Ok(())
        );
        assert_eq!(outcome("image", json!({"link": "https://x.test/a.png"})), Ok(()));
        assert_eq!(outcome("image", json!({"id": "78"})), Err(131_009));
        assert_eq!(outcome("image", json!({"link": "ftp://x.test"})), Err(131_009));
        assert_eq!(
            outcome("image", json!({"id": "77", "link": "https://x.test/a.png"})),
            Err(131_009)
        );
        assert_eq!(outcome("image", json!({})), Err(131_008));
        assert_eq!(
            outcome("image", json!({"id": "77", "caption": "x".repeat(1_025)})),
            Err(131_009)
        );
        assert_eq!(
            outcome("audio", json!({"id": "77", "caption": "x"})),
            Err(131_009)
        );
        assert_eq!(
            outcome("document", json!({"id": "77", "filename": "a.pdf"})),
            Ok(())
        );
        assert_eq!(
            outcome("video", json!({"id": "77", "filename": "a.mp4"})),
            Err(131_009)
        );
    }

    #[test]
    fn places_contacts_and_reactions() {
        assert_eq!(
            outcome("location", json!({"latitude": -6.2, "longitude": "106.8"})),
            Ok(())
        );
        assert_eq!(
            outcome("location", json!({"latitude": 91, "longitude": 0})),
            Err(131_009)
        );
        assert_eq!(outcome("location", json!({"latitude": 1})), Err(131_008));
        assert_eq!(
            outcome(
                "contacts",
                json!([{"name": {"formatted_name": "A B", "first_name": "A"}}])
            ),
            Ok(())
        );
        assert_eq!(
            outcome("contacts", json!([{"name": {"formatted_name": "A B"}}])),
            Err(131_008)
        );
        assert_eq!(outcome("contacts", json!([])), Err(131_009));
        assert_eq!(
            outcome("reaction", json!({"message_id": "wamid.x", "emoji": ""})),
            Ok(())
        );
        assert_eq!(
            outcome("reaction", json!({"message_id": "wamid.x"})),
            Err(131_008)
        );
    }

    fn buttons(number: usize, id: usize, title: usize) -> Value {
        let buttons: Vec<Value> = (0..number)
            .map(|n| json!({"type": "reply", "reply": {"id": format!("{n:0id$}"), "title": format!("{n:0title$}")}}))
            .collect();
        json!({"type": "button", "body": {"text": "Choose"}, "action": {"buttons": buttons}})
    }

    #[test]
    fn reply_buttons_are_at_most_3_and_short() {
        assert_eq!(outcome("interactive", buttons(3, 256, 20)), Ok(()));
        assert_eq!(outcome("interactive", buttons(4, 3, 3)), Err(131_009));
        assert_eq!(outcome("interactive", buttons(1, 257, 3)), Err(131_009));
        assert_eq!(outcome("interactive", buttons(1, 3, 21)), Err(131_009));
        let mut long = buttons(1, 3, 3);
        long["body"]["text"] = json!("x".repeat(1_025));
        assert_eq!(outcome("interactive", long), Err(131_009));
        let mut footer = buttons(1, 3, 3);
        footer["footer"] = json!({"text": "x".repeat(61)});
        assert_eq!(outcome("interactive", footer), Err(131_009));
        let mut header = buttons(1, 3, 3);
        header["header"] = json!({"type": "text", "text": "x".repeat(61)});
        assert_eq!(outcome("interactive", header), Err(131_009));
    }

    fn list(sections: usize, rows: usize) -> Value {
        let sections: Vec<Value> = (0..sections)
            .map(|s| {
                let rows: Vec<Value> = (0..rows)
                    .map(|r| json!({"id": format!("{s}-{r}"), "title": "Row"}))
                    .collect();
                json!({"title": format!("Section {s}"), "rows": rows})
            })
            .collect();
        json!({"type": "list", "body": {"text": "x".repeat(4_096)}, "action": {"button": "Open", "sections": sections}})
    }

    #[test]
    fn lists_have_at_most_10_rows_in_total() {
        assert_eq!(outcome("interactive", list(1, 10)), Ok(()));
        assert_eq!(outcome("interactive", list(10, 1)), Ok(()));
        assert_eq!(outcome("interactive", list(1, 11)), Err(131_009));
        assert_eq!(outcome("interactive", list(2, 6)), Err(131_009));
        assert_eq!(outcome("interactive", list(11, 1)), Err(131_009));
        let mut untitled = list(2, 1);
        untitled["action"]["sections"][0]["title"] = Value::Null;
        assert_eq!(outcome("interactive", untitled), Err(131_008));
        let mut described = list(1, 1);
        described["action"]["sections"][0]["rows"][0]["description"] = json!("x".repeat(73));
        assert_eq!(outcome("interactive", described), Err(131_009));
        let mut repeated = list(1, 2);
        repeated["action"]["sections"][0]["rows"][1]["id"] = json!("0-0");
        assert_eq!(outcome("interactive", repeated), Err(131_009));
    }

    #[test]
    fn link_buttons_and_the_open_set_of_other_kinds() {
        let link = |label: &str| {
            json!({"type": "cta_url", "body": {"text": "See"}, "action": {"name": "cta_url",
                "parameters": {"display_text": label, "url": "https://x.test"}}})
        };
        assert_eq!(outcome("interactive", link("Open")), Ok(()));
        assert_eq!(outcome("interactive", link(&"x".repeat(21))), Err(131_009));
        let other = |kind: &str| json!({"type": kind, "body": {"text": "x"}, "action": {}});
        assert_eq!(outcome("interactive", other("flow")), Ok(()));
        assert_eq!(outcome("interactive", other("dance")), Err(131_009));
    }
}
