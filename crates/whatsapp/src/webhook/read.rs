//! Parses a webhook body.

use super::clean::{MAX_DEPTH, cleaned, utf8};
use super::form::form_response;
use super::outline::{Element, Object, Outline};
use super::preview::preview;
use super::{Delivery, Direction, Message, NotJson, Other, Reason, Source, Status, StatusError};

const OBJECT: &str = "whatsapp_business_account";
const MAX_NAME: usize = 64;

/// Parses a webhook body. Its signature must have been verified.
pub fn parse(raw: &[u8]) -> Result<Delivery, NotJson> {
    let text = utf8(raw);
    let outline = Outline::of(&text)?;
    let cleaned = if outline.is_suspicious {
        cleaned(&text)
    } else {
        None
    };
    let mut reader = Reader::default();
    match cleaned {
        Some(cleaned) => reader.document(Outline::of(&cleaned)?.root()),
        None => reader.document(outline.root()),
    }
    Ok(reader.delivery)
}

#[derive(Default)]
pub(super) struct Reader {
    delivery: Delivery,
}

/// The context that the enclosing levels give to an element.
#[derive(Clone, Copy, Default)]
pub(super) struct Origin<'a> {
    pub(super) field: &'a str,
    pub(super) business_account_id: Option<&'a str>,
    pub(super) phone_number_id: Option<&'a str>,
    pub(super) timestamp: Option<i64>,
    /// The number's own digits, for elements whose direction is derived from them.
    pub(super) business: Option<&'a str>,
    /// The customer of a history thread.
    pub(super) customer: Option<&'a str>,
}

/// A person in the `contacts` list beside the messages.
pub(super) struct Contact {
    wa_id: Option<String>,
    user_id: Option<String>,
    name: Option<String>,
    username: Option<String>,
}

impl Reader {
    fn document(&mut self, document: Element<'_>) {
        let nowhere = Origin::default();
        let Some(body) = document.object() else {
            return self.other(nowhere, Some(Reason::NotAnObject), document);
        };
        if body.text("object").is_some_and(|object| object != OBJECT) {
            return self.other(nowhere, Some(Reason::ForeignObject), document);
        }
        let Some(entries) = body.get("entry").filter(|entries| entries.holds_something()) else {
            return self.other(nowhere, Some(Reason::Empty), document);
        };
        match entries.list() {
            Some(entries) => entries.for_each(|entry| self.entry(entry)),
            None => self.other(nowhere, Some(Reason::NotAList), document),
        }
    }

    fn entry(&mut self, element: Element<'_>) {
        let Some(entry) = element.object() else {
            return self.other(Origin::default(), Some(Reason::NotAnObject), element);
        };
        let account = entry.id("id");
        let origin = Origin {
            business_account_id: account.as_deref(),
            timestamp: entry.seconds("time"),
            ..Origin::default()
        };
        let Some(changes) = entry.get("changes").filter(|changes| changes.holds_something()) else {
            return self.other(origin, Some(Reason::Empty), element);
        };
        match changes.list() {
            Some(changes) => changes.for_each(|change| self.change(origin, change)),
            None => self.other(origin, Some(Reason::NotAList), element),
        }
    }

    fn change(&mut self, origin: Origin<'_>, element: Element<'_>) {
        let Some(change) = element.object() else {
            return self.other(origin, Some(Reason::NotAnObject), element);
        };
        let field = change.text("field").map(shortened).unwrap_or_default();
        let origin = Origin {
            field: &field,
            ..origin
        };
        let Some(value) = change.get("value") else {
            return self.other(origin, Some(Reason::Empty), element);
        };
        let Some(parts) = value.object() else {
            let reason = (field == "messages").then_some(Reason::NotAnObject);
            return self.other(origin, reason, value);
        };

        let number = parts
            .object("metadata")
            .and_then(|metadata| metadata.id("phone_number_id"));
        let origin = Origin {
            phone_number_id: number.as_deref(),
            ..origin
        };
        match &*field {
            "messages" => self.messages(origin, value, parts),
            "smb_message_echoes" => self.echoes(origin, value, parts),
            "history" => self.history(origin, value, parts),
            _ => self.event(origin, value, parts),
        }
    }

    fn event(&mut self, origin: Origin<'_>, value: Element<'_>, parts: Object<'_>) {
        // Some events name their number elsewhere, and some carry the id of a portfolio instead of the
        // account's.
        let settings = parts.object("phone_number_settings");
        let number = settings.and_then(|settings| settings.id("phone_number_id"));
        let account = parts
            .object("waba_info")
            .and_then(|account| account.id("waba_id"));
        let origin = Origin {
            phone_number_id: origin.phone_number_id.or(number.as_deref()),
            business_account_id: account.as_deref().or(origin.business_account_id),
            ..origin
        };
        self.other(origin, None, value);
    }

    fn messages(&mut self, origin: Origin<'_>, value: Element<'_>, parts: Object<'_>) {
        let contacts = contacts(parts);
        let mut is_empty = true;
        let mut has_unknown_part = false;
        for (name, part) in parts.members() {
            match &*name {
                "messages" => is_empty &= !self.each(origin, &contacts, part, read_message),
                "statuses" => is_empty &= !self.each(origin, &contacts, part, read_status),
                "errors" if part.holds_something() => {
                    self.other(origin, Some(Reason::ValueErrors), part);
                    is_empty = false;
                }
                "messaging_product" | "metadata" | "contacts" | "errors" => {}
                _ => has_unknown_part |= part.holds_something(),
            }
        }
        if has_unknown_part {
            self.other(origin, Some(Reason::UnknownPart), value);
        } else if is_empty {
            self.other(origin, Some(Reason::Empty), value);
        }
    }

    /// Reads each element of a list. Returns whether there was one.
    pub(super) fn each(
        &mut self,
        origin: Origin<'_>,
        contacts: &[Contact],
        part: Element<'_>,
        read: Read,
    ) -> bool {
        let Some(elements) = part.list() else {
            if !part.is_null() {
                self.other(origin, Some(Reason::NotAList), part);
            }
            return !part.is_null();
        };
        for element in elements {
            let event = if element.depth() > MAX_DEPTH {
                Err(Reason::TooDeep)
            } else {
                element
                    .object()
                    .ok_or(Reason::NotAnObject)
                    .and_then(|object| read(origin, contacts, element, object))
            };
            match event {
                Ok(Event::Message(message)) => self.delivery.messages.push(message),
                Ok(Event::Status(status)) => self.delivery.statuses.push(status),
                Ok(Event::Past(message)) => self.delivery.past.push(message),
                Err(reason) => self.other(origin, Some(reason), element),
            }
        }
        part.holds_something()
    }

    pub(super) fn other(&mut self, origin: Origin<'_>, reason: Option<Reason>, payload: Element<'_>) {
        let is_too_deep = payload.depth() > MAX_DEPTH;
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
            // An element that is nested too deeply can be stored as a string.
            payload: if is_too_deep {
                payload.raw_text()
            } else {
                payload.raw()
            },
        });
    }
}

pub(super) enum Event {
    Message(Message),
    Status(Status),
    Past(Message),
}

pub(super) type Read = fn(Origin<'_>, &[Contact], Element<'_>, Object<'_>) -> Result<Event, Reason>;

fn read_message(
    origin: Origin<'_>,
    contacts: &[Contact],
    element: Element<'_>,
    message: Object<'_>,
) -> Result<Event, Reason> {
    let sender = match (sender(message), contacts) {
        // The message names no sender, and there is only one contact.
        ((None, None), [contact]) => (contact.wa_id.clone(), contact.user_id.clone()),
        (sender, _) => sender,
    };
    message_of(origin, contacts, element, message, sender).map(Event::Message)
}

/// The sender's phone number and user id. A notice of a change may name the person only in its body.
fn sender(message: Object<'_>) -> (Option<String>, Option<String>) {
    let (from, user_id) = (message.wa_id("from"), message.user_id("from_user_id"));
    let notice = message
        .object("system")
        .filter(|_| from.is_none() && user_id.is_none());
    match notice {
        Some(notice) => (
            notice.wa_id("customer"),
            notice
                .user_id("previous_user_id")
                .or_else(|| notice.user_id("user_id")),
        ),
        None => (from, user_id),
    }
}

/// Builds a message from its element, for the customer with this phone number and user id.
pub(super) fn message_of(
    origin: Origin<'_>,
    contacts: &[Contact],
    element: Element<'_>,
    message: Object<'_>,
    (wa_id, user_id): (Option<String>, Option<String>),
) -> Result<Message, Reason> {
    let phone_number_id = origin.phone_number_id.ok_or(Reason::NoPhoneNumber)?.to_owned();
    let wamid = message.id("id").ok_or(Reason::NoId)?;
    if wa_id.is_none() && user_id.is_none() {
        return Err(Reason::NoSender);
    }
    let contact = find(contacts, wa_id.as_deref(), user_id.as_deref());
    let kind = message.text("type").filter(|kind| kind.len() <= MAX_NAME);
    let kind = kind.unwrap_or_else(|| "unknown".to_owned());
    Ok(Message {
        phone_number_id,
        business_account_id: origin.business_account_id.map(str::to_owned),
        wamid,
        from: wa_id.or_else(|| contact?.wa_id.clone()),
        user_id: user_id.or_else(|| contact?.user_id.clone()),
        profile_name: contact.and_then(|contact| contact.name.clone()),
        username: contact.and_then(|contact| contact.username.clone()),
        timestamp: message.seconds("timestamp"),
        preview: preview(&kind, message),
        kind,
        context_id: message.object("context").and_then(|context| context.id("id")),
        group_id: message.id("group_id"),
        form_response: form_response(message),
        source: Source::Live,
        direction: Direction::Inbound,
        history_status: None,
        payload: element.raw(),
    })
}

fn read_status(
    origin: Origin<'_>,
    contacts: &[Contact],
    element: Element<'_>,
    status: Object<'_>,
) -> Result<Event, Reason> {
    if status.text("type").is_some_and(|kind| kind == "call") {
        return Err(Reason::CallStatus);
    }
    let phone_number_id = origin.phone_number_id.ok_or(Reason::NoPhoneNumber)?.to_owned();
    let wamid = status.id("id").ok_or(Reason::NoId)?;
    let name = status
        .text("status")
        .filter(|name| name.len() <= MAX_NAME)
        .ok_or(Reason::NoStatus)?;
    let user_id = status.user_id("recipient_user_id");
    // A group's id is not a phone number.
    let recipient_id = status.wa_id("recipient_id").or_else(|| status.id("recipient_id"));
    let contact = find(contacts, recipient_id.as_deref(), user_id.as_deref());
    let errors = errors(&name, status);
    Ok(Event::Status(Status {
        phone_number_id,
        business_account_id: origin.business_account_id.map(str::to_owned),
        wamid,
        status: name,
        timestamp: status.seconds("timestamp"),
        recipient_id: recipient_id.or_else(|| contact?.wa_id.clone()),
        recipient_user_id: user_id.or_else(|| contact?.user_id.clone()),
        callback_data: status.text("biz_opaque_callback_data"),
        errors,
        pricing: status.get("pricing").map(Element::raw),
        conversation: status.get("conversation").map(Element::raw),
        payload: element.raw(),
    }))
}

/// The reasons of a failure. A failure without one gets a reason that says so.
fn errors(status_name: &str, status: Object<'_>) -> Vec<StatusError> {
    let errors = status.list("errors").into_iter().flatten();
    let mut errors: Vec<StatusError> = errors.filter_map(error).collect();
    // The first reason is the one that is shown, so reasons with a code come first.
    errors.sort_by_key(|error| error.code.is_none());
    if status_name == "failed" && errors.iter().all(StatusError::is_empty) {
        errors.insert(
            0,
            StatusError {
                code: None,
                title: Some("Failed without a reason".to_owned()),
                details: None,
            },
        );
    }
    errors
}

fn error(element: Element<'_>) -> Option<StatusError> {
    let error = element.object()?;
    // Meta uses three forms: nested, at the top level, and a bare text.
    let nested = error.object("error_data").and_then(|data| data.text("details"));
    let bare = || error.text("error_data");
    let message = || {
        error
            .text("message")
            .filter(|message| error.text("title").as_ref() != Some(message))
    };
    let details = nested
        .or_else(|| error.text("details"))
        .or_else(bare)
        .or_else(message);
    Some(StatusError {
        code: error.text("code").and_then(|code| code.parse().ok()),
        title: error
            .text("title")
            .or_else(|| error.text("message"))
            .or_else(|| details.clone()),
        details,
    })
}

pub(super) fn contacts(parts: Object<'_>) -> Vec<Contact> {
    let contacts = parts.list("contacts");
    contacts
        .map(|contacts| contacts.filter_map(Element::object).map(contact).collect())
        .unwrap_or_default()
}

fn contact(contact: Object<'_>) -> Contact {
    let profile = contact.object("profile");
    Contact {
        wa_id: contact.wa_id("wa_id"),
        user_id: contact.user_id("user_id"),
        name: profile.and_then(|profile| name(profile, "name")),
        username: profile.and_then(|profile| name(profile, "username")),
    }
}

/// A profile name. A name of white space counts as absent.
fn name(profile: Object<'_>, member: &str) -> Option<String> {
    let name = profile.text(member)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Finds a contact by id, never by position.
fn find<'a>(contacts: &'a [Contact], wa_id: Option<&str>, user_id: Option<&str>) -> Option<&'a Contact> {
    contacts.iter().find(|contact| {
        let same = |ours: Option<&str>, theirs: &Option<String>| ours.is_some() && ours == theirs.as_deref();
        same(user_id, &contact.user_id) || same(wa_id, &contact.wa_id)
    })
}

/// Shortens a field name to more than Meta's longest.
fn shortened(name: String) -> String {
    if name.len() <= MAX_NAME {
        name
    } else {
        name.chars().take(MAX_NAME).collect()
    }
}
