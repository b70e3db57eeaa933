//! Parses a webhook body.

use std::cell::Cell;

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
    pub(super) customer: Option<&'a Contact<'a>>,
}

/// A person in the `contacts` list beside the messages, or the customer of a history thread.
pub(super) struct Contact<'a> {
    pub(super) wa_id: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) username: Option<String>,
    element: Element<'a>,
    /// Whether a message or a status belongs to the person.
    is_matched: Cell<bool>,
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
        self.unknown_members(nowhere, body, &["object", "entry"]);
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
        self.unknown_members(origin, entry, &["id", "time", "changes"]);
        match changes.list() {
            Some(changes) => changes.for_each(|change| self.change(origin, change)),
            None => self.other(origin, Some(Reason::NotAList), changes),
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
        self.unknown_members(origin, change, &["field", "value"]);
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
        for (name, part) in parts.members() {
            match &*name {
                "messages" => is_empty &= !self.each(origin, &contacts, part, read_message),
                "statuses" => is_empty &= !self.each(origin, &contacts, part, read_status),
                _ => is_empty &= !self.rest(origin, &name, part),
            }
        }
        self.unmatched(origin, &contacts, is_empty, value);
    }

    /// Keeps a part of a value that holds no messages and no statuses. Returns whether it holds something.
    pub(super) fn rest(&mut self, origin: Origin<'_>, name: &str, part: Element<'_>) -> bool {
        match name {
            "messaging_product" | "metadata" => return false,
            // the list is read beforehand
            "contacts" if part.list().is_some() => return false,
            _ if !part.holds_something() => return false,
            "errors" => self.other(origin, Some(Reason::ValueErrors), part),
            _ => self.other(origin, Some(Reason::UnknownPart), part),
        }
        true
    }

    /// Keeps the people to whom no element belongs, or the whole value if it has no elements.
    pub(super) fn unmatched(
        &mut self,
        origin: Origin<'_>,
        contacts: &[Contact<'_>],
        is_empty: bool,
        value: Element<'_>,
    ) {
        if is_empty {
            return self.other(origin, Some(Reason::Empty), value);
        }
        for contact in contacts.iter().filter(|contact| !contact.is_matched.get()) {
            self.other(origin, Some(Reason::UnmatchedContact), contact.element);
        }
    }

    /// Keeps the members of an envelope that it does not have in Meta's documents, and those that a later member of
    /// the same name hides.
    pub(super) fn unknown_members(&mut self, origin: Origin<'_>, envelope: Object<'_>, known: &[&str]) {
        for (name, member) in envelope.members() {
            let is_read =
                known.contains(&&*name) && envelope.get(&name).is_some_and(|last| last.is_same(member));
            if !is_read && member.holds_something() {
                self.other(origin, Some(Reason::UnknownPart), member);
            }
        }
    }

    /// Reads each element of a list. Returns whether there was one.
    pub(super) fn each(
        &mut self,
        origin: Origin<'_>,
        contacts: &[Contact<'_>],
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

pub(super) type Read = fn(Origin<'_>, &[Contact<'_>], Element<'_>, Object<'_>) -> Result<Event, Reason>;

fn read_message(
    origin: Origin<'_>,
    contacts: &[Contact<'_>],
    element: Element<'_>,
    message: Object<'_>,
) -> Result<Event, Reason> {
    let names_sender = message.names("from") || message.names("from_user_id");
    let sender = match (sender(message), contacts) {
        // The message names no sender, and there is only one contact. A sender that cannot be read may be another person.
        ((None, None), [contact])
            if !names_sender && (contact.wa_id.is_some() || contact.user_id.is_some()) =>
        {
            contact.is_matched.set(true);
            (contact.wa_id.clone(), contact.user_id.clone())
        }
        (sender, _) => sender,
    };
    message_of(origin, contacts, element, message, sender).map(Event::Message)
}

/// The sender's phone number and user id. A notice of a change may name the person only in its body.
fn sender(message: Object<'_>) -> (Option<String>, Option<String>) {
    let (from, user_id) = (message.wa_id("from"), message.user_id("from_user_id"));
    // Some senders of webhooks give the business-scoped id as `from`.
    let user_id = user_id.or_else(|| message.business_scoped_id("from"));
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
    contacts: &[Contact<'_>],
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
    contacts: &[Contact<'_>],
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
    // The state of a payment has names that states of a message have too, such as `failed`.
    let name = match status.text("type").as_deref() {
        Some("payment") => format!("payment_{name}"),
        _ => name,
    };
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

pub(super) fn contacts(parts: Object<'_>) -> Vec<Contact<'_>> {
    let contacts = parts.list("contacts").into_iter().flatten();
    contacts
        .filter(|contact| contact.holds_something())
        .map(contact)
        .collect()
}

fn contact(element: Element<'_>) -> Contact<'_> {
    let contact = element.object();
    let profile = contact.and_then(|contact| contact.object("profile"));
    Contact {
        wa_id: contact.and_then(|contact| contact.wa_id("wa_id")),
        user_id: contact.and_then(|contact| contact.user_id("user_id")),
        name: profile.and_then(|profile| name(profile, "name")),
        username: profile.and_then(|profile| name(profile, "username")),
        element,
        is_matched: Cell::new(false),
    }
}

/// The customer of a history thread, whose number is hidden if the thread has only a context.
pub(super) fn customer<'a>(element: Element<'a>, thread: Object<'_>) -> Contact<'a> {
    let context = thread.object("context");
    Contact {
        wa_id: thread
            .wa_id("id")
            .or_else(|| context.and_then(|context| context.wa_id("wa_id"))),
        user_id: context.and_then(|context| context.user_id("user_id")),
        name: None,
        username: context.and_then(|context| name(context, "username")),
        element,
        is_matched: Cell::new(false),
    }
}

/// A profile name. A name of white space counts as absent.
fn name(profile: Object<'_>, member: &str) -> Option<String> {
    let name = profile.text(member)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Finds a contact by id, never by position.
fn find<'a, 'b>(
    contacts: &'a [Contact<'b>],
    wa_id: Option<&str>,
    user_id: Option<&str>,
) -> Option<&'a Contact<'b>> {
    let is_person = |contact: &&Contact<'_>| {
        let same = |ours: Option<&str>, theirs: &Option<String>| ours.is_some() && ours == theirs.as_deref();
        same(user_id, &contact.user_id) || same(wa_id, &contact.wa_id)
    };
    let mut found = contacts.iter().filter(is_person);
    let first = found.next()?;
    first.is_matched.set(true);
    // The list may name a person twice.
    found.for_each(|contact| contact.is_matched.set(true));
    Some(first)
}

/// Shortens a field name to more than Meta's longest.
fn shortened(name: String) -> String {
    if name.len() <= MAX_NAME {
        name
    } else {
        name.chars().take(MAX_NAME).collect()
    }
}
