//! Takes a webhook body apart.

use serde_json::value::RawValue;

use super::clean::{Clean, MAX_DEPTH, depth};
use super::object::{Object, is_null, list, text};
use super::preview::preview;
use super::{Delivery, Message, NotJson, Other, Reason, Status, StatusError};

const OBJECT: &str = "whatsapp_business_account";
const MAX_NAME: usize = 64;

/// Reads a webhook body whose signature has been checked.
pub fn parse(raw: &[u8]) -> Result<Delivery, NotJson> {
    let clean = Clean::of(raw);
    let document: &RawValue = serde_json::from_str(&clean.text).map_err(|_| NotJson)?;
    let mut reader = Reader {
        delivery: Delivery::default(),
        is_deep: clean.is_deep,
    };
    reader.document(document);
    Ok(reader.delivery)
}

struct Reader {
    delivery: Delivery,
    /// Whether the depth of each element has to be looked at.
    is_deep: bool,
}

/// What the levels above say about an element.
#[derive(Clone, Copy, Default)]
struct Origin<'a> {
    field: &'a str,
    business_account_id: Option<&'a str>,
    phone_number_id: Option<&'a str>,
    timestamp: Option<i64>,
}

/// Somebody mentioned beside the messages.
struct Contact {
    wa_id: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
    username: Option<String>,
}

impl Reader {
    fn document(&mut self, document: &RawValue) {
        let nowhere = Origin::default();
        let Some(body) = Object::read(document) else {
            return self.other(nowhere, Some(Reason::NotAnObject), document);
        };
        if body.text("object").is_some_and(|object| object != OBJECT) {
            return self.other(nowhere, Some(Reason::ForeignObject), document);
        }
        match body.list("entry") {
            Some(entries) if !entries.is_empty() => entries.iter().for_each(|entry| self.entry(entry)),
            Some(_) => self.other(nowhere, Some(Reason::Empty), document),
            None => self.other(nowhere, Some(Reason::NotAList), document),
        }
    }

    fn entry(&mut self, raw: &RawValue) {
        let Some(entry) = Object::read(raw) else {
            return self.other(Origin::default(), Some(Reason::NotAnObject), raw);
        };
        let account = entry.id("id");
        let origin = Origin {
            business_account_id: account.as_deref(),
            timestamp: entry.seconds("time"),
            ..Origin::default()
        };
        match entry.list("changes") {
            Some(changes) if !changes.is_empty() => {
                changes.iter().for_each(|change| self.change(origin, change));
            }
            Some(_) => self.other(origin, Some(Reason::Empty), raw),
            None => self.other(origin, Some(Reason::NotAList), raw),
        }
    }

    fn change(&mut self, origin: Origin<'_>, raw: &RawValue) {
        let Some(change) = Object::read(raw) else {
            return self.other(origin, Some(Reason::NotAnObject), raw);
        };
        let field = change.text("field").unwrap_or_default();
        let field = field.get(..MAX_NAME).unwrap_or(&field);
        let origin = Origin { field, ..origin };
        let Some(value) = change.get("value") else {
            return self.other(origin, Some(Reason::Empty), raw);
        };
        let Some(parts) = Object::read(value) else {
            let reason = (field == "messages").then_some(Reason::NotAnObject);
            return self.other(origin, reason, value);
        };

        let number = parts
            .object("metadata")
            .and_then(|metadata| metadata.id("phone_number_id"));
        if field == "messages" {
            self.messages(
                Origin {
                    phone_number_id: number.as_deref(),
                    ..origin
                },
                value,
                &parts,
            );
        } else {
            // Some events name their number elsewhere, and some carry a portfolio's id in place of the account's.
            let settings = parts.object("phone_number_settings");
            let number = number.or_else(|| settings?.id("phone_number_id"));
            let account = parts
                .object("waba_info")
                .and_then(|account| account.id("waba_id"));
            let origin = Origin {
                phone_number_id: number.as_deref(),
                business_account_id: account.as_deref().or(origin.business_account_id),
                ..origin
            };
            self.other(origin, None, value);
        }
    }

    fn messages(&mut self, origin: Origin<'_>, value: &RawValue, parts: &Object<'_>) {
        let contacts = contacts(parts);
        let mut is_empty = true;
        let mut has_unknown_part = false;
        for (name, part) in parts.members() {
            match name {
                "messages" => {
                    let read = |raw: &RawValue, object: &Object<'_>| message(origin, &contacts, raw, object);
                    is_empty &= !self.each(origin, part, read);
                }
                "statuses" => {
                    let read = |raw: &RawValue, object: &Object<'_>| status(origin, &contacts, raw, object);
                    is_empty &= !self.each(origin, part, read);
                }
                "errors" if holds_something(part) => {
                    self.other(origin, Some(Reason::ValueErrors), part);
                    is_empty = false;
                }
                "messaging_product" | "metadata" | "contacts" | "errors" => {}
                _ => has_unknown_part |= holds_something(part),
            }
        }
        if has_unknown_part {
            self.other(origin, Some(Reason::UnknownPart), value);
        } else if is_empty {
            self.other(origin, Some(Reason::Empty), value);
        }
    }

    /// Whether there was anything.
    fn each(
        &mut self,
        origin: Origin<'_>,
        part: &RawValue,
        read: impl Fn(&RawValue, &Object<'_>) -> Result<Element, Reason>,
    ) -> bool {
        let Some(elements) = list(part) else {
            if !is_null(part) {
                self.other(origin, Some(Reason::NotAList), part);
            }
            return !is_null(part);
        };
        for raw in &elements {
            let element = if self.is_deep && depth(raw) > MAX_DEPTH {
                Err(Reason::TooDeep)
            } else {
                Object::read(raw)
                    .ok_or(Reason::NotAnObject)
                    .and_then(|object| read(raw, &object))
            };
            match element {
                Ok(Element::Message(message)) => self.delivery.messages.push(message),
                Ok(Element::Status(status)) => self.delivery.statuses.push(status),
                Err(reason) => self.other(origin, Some(reason), raw),
            }
        }
        !elements.is_empty()
    }

    fn other(&mut self, origin: Origin<'_>, reason: Option<Reason>, payload: &RawValue) {
        let is_too_deep = self.is_deep && depth(payload) > MAX_DEPTH;
        // As a string it is stored all the same.
        let as_text = is_too_deep
            .then(|| serde_json::value::to_raw_value(payload.get()).ok())
            .flatten();
        self.delivery.others.push(Other {
            field: origin.field.to_owned(),
            business_account_id: origin.business_account_id.map(str::to_owned),
            phone_number_id: origin.phone_number_id.map(str::to_owned),
            timestamp: origin.timestamp,
            reason: if is_too_deep {
                Some(Reason::TooDeep)
            } else {
                reason
            },
            payload: as_text.unwrap_or_else(|| payload.to_owned()),
        });
    }
}

enum Element {
    Message(Message),
    Status(Status),
}

fn message(
    origin: Origin<'_>,
    contacts: &[Contact],
    raw: &RawValue,
    message: &Object<'_>,
) -> Result<Element, Reason> {
    let phone_number_id = origin.phone_number_id.ok_or(Reason::NoPhoneNumber)?.to_owned();
    let wamid = message.id("id").ok_or(Reason::NoId)?;
    let (from, user_id) = (message.wa_id("from"), message.id("from_user_id"));
    if from.is_none() && user_id.is_none() {
        return Err(Reason::NoSender);
    }
    let contact = find(contacts, from.as_deref(), user_id.as_deref());
    let kind = message.text("type").filter(|kind| kind.len() <= MAX_NAME);
    let kind = kind.unwrap_or_else(|| "unknown".to_owned());
    Ok(Element::Message(Message {
        phone_number_id,
        business_account_id: origin.business_account_id.map(str::to_owned),
        wamid,
        from: from.or_else(|| contact?.wa_id.clone()),
        user_id: user_id.or_else(|| contact?.user_id.clone()),
        profile_name: contact.and_then(|contact| contact.name.clone()),
        username: contact.and_then(|contact| contact.username.clone()),
        timestamp: message.seconds("timestamp"),
        preview: preview(&kind, message),
        kind,
        context_id: message.object("context").and_then(|context| context.id("id")),
        group_id: message.id("group_id"),
        payload: raw.to_owned(),
    }))
}

fn status(
    origin: Origin<'_>,
    contacts: &[Contact],
    raw: &RawValue,
    status: &Object<'_>,
) -> Result<Element, Reason> {
    if status.text("type").is_some_and(|kind| kind == "call") {
        return Err(Reason::CallStatus);
    }
    let phone_number_id = origin.phone_number_id.ok_or(Reason::NoPhoneNumber)?.to_owned();
    let wamid = status.id("id").ok_or(Reason::NoId)?;
    let name = status
        .text("status")
        .filter(|name| name.len() <= MAX_NAME)
        .ok_or(Reason::NoStatus)?;
    let (recipient_id, user_id) = (status.wa_id("recipient_id"), status.id("recipient_user_id"));
    let contact = find(contacts, recipient_id.as_deref(), user_id.as_deref());
    let errors = status.list("errors").unwrap_or_default();
    Ok(Element::Status(Status {
        phone_number_id,
        business_account_id: origin.business_account_id.map(str::to_owned),
        wamid,
        status: name,
        timestamp: status.seconds("timestamp"),
        recipient_id: recipient_id.or_else(|| contact?.wa_id.clone()),
        recipient_user_id: user_id.or_else(|| contact?.user_id.clone()),
        callback_data: status.text("biz_opaque_callback_data"),
        errors: errors.into_iter().filter_map(error).collect(),
        pricing: status.get("pricing").map(ToOwned::to_owned),
        conversation: status.get("conversation").map(ToOwned::to_owned),
        payload: raw.to_owned(),
    }))
}

fn error(raw: &RawValue) -> Option<StatusError> {
    let error = Object::read(raw)?;
    // Three forms: nested, at the top, and a bare text.
    let nested = error.object("error_data").and_then(|data| data.text("details"));
    let bare = || text(error.get("error_data")?);
    let message = || {
        error
            .text("message")
            .filter(|message| error.text("title").as_ref() != Some(message))
    };
    Some(StatusError {
        code: error.text("code").and_then(|code| code.parse().ok()),
        title: error.text("title").or_else(|| error.text("message")),
        details: nested
            .or_else(|| error.text("details"))
            .or_else(bare)
            .or_else(message),
    })
}

fn contacts(parts: &Object<'_>) -> Vec<Contact> {
    let contacts = parts.list("contacts").unwrap_or_default();
    contacts
        .into_iter()
        .filter_map(Object::read)
        .map(|contact| self::contact(&contact))
        .collect()
}

fn contact(contact: &Object<'_>) -> Contact {
    let profile = contact.object("profile");
    let profile = profile.as_ref();
    Contact {
        wa_id: contact.wa_id("wa_id"),
        user_id: contact.id("user_id"),
        name: profile.and_then(|profile| profile.text("name")),
        username: profile.and_then(|profile| profile.text("username")),
    }
}

/// By id, never by position.
fn find<'a>(contacts: &'a [Contact], wa_id: Option<&str>, user_id: Option<&str>) -> Option<&'a Contact> {
    contacts.iter().find(|contact| {
        let same = |ours: Option<&str>, theirs: &Option<String>| ours.is_some() && ours == theirs.as_deref();
        same(user_id, &contact.user_id) || same(wa_id, &contact.wa_id)
    })
}

fn holds_something(value: &RawValue) -> bool {
    match value.get().as_bytes() {
        [b'[' | b'{', .., last] => {
            let inside = &value.get()[1..value.get().len() - 1];
            matches!(last, b']' | b'}') && !inside.trim().is_empty()
        }
        _ => false,
    }
}
