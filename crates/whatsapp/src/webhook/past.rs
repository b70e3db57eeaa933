//! Messages that did not pass through us: from the phone app of the business, and from before the number was
//! connected.

use super::outline::{Element, Object};
use super::read::{Contact, Event, Origin, Reader, contacts, customer, message_of};
use super::{Direction, Message, Reason, Source};

impl Reader {
    /// Reads field `smb_message_echoes`: messages that the business sent from its phone app.
    pub(super) fn echoes(&mut self, origin: Origin<'_>, value: Element<'_>, parts: Object<'_>) {
        let contacts = contacts(parts);
        let mut is_empty = true;
        for (name, part) in parts.members() {
            match &*name {
                "message_echoes" | "messages" => is_empty &= !self.each(origin, &contacts, part, read_echo),
                _ => is_empty &= !self.rest(origin, &name, part),
            }
        }
        self.unmatched(origin, &contacts, is_empty, value);
    }

    /// Reads field `history`: threads, the files of their messages, which arrive later as messages and echoes, or
    /// errors if the business does not share its history.
    pub(super) fn history(&mut self, origin: Origin<'_>, value: Element<'_>, parts: Object<'_>) {
        let business = parts.object("metadata");
        let business = business.and_then(|metadata| metadata.text("display_phone_number"));
        let origin = Origin {
            business: business.as_deref(),
            ..origin
        };
        let contacts = contacts(parts);
        let mut is_empty = true;
        for (name, part) in parts.members() {
            match &*name {
                "messages" => is_empty &= !self.each(origin, &contacts, part, read_past),
                "message_echoes" => is_empty &= !self.each(origin, &contacts, part, read_past_echo),
                "history" => match part.list() {
                    Some(chunks) => {
                        for chunk in chunks {
                            is_empty = false;
                            self.chunk(origin, &contacts, chunk);
                        }
                    }
                    None if part.is_null() => {}
                    None => {
                        is_empty = false;
                        self.other(origin, Some(Reason::NotAList), part);
                    }
                },
                _ => is_empty &= !self.rest(origin, &name, part),
            }
        }
        self.unmatched(origin, &contacts, is_empty, value);
    }

    /// Reads a chunk of the history. Its metadata only says how far the synchronisation is.
    fn chunk(&mut self, origin: Origin<'_>, contacts: &[Contact<'_>], element: Element<'_>) {
        let Some(chunk) = element.object() else {
            return self.other(origin, Some(Reason::NotAnObject), element);
        };
        let Some(threads) = chunk.list("threads") else {
            let is_refusal = chunk.get("errors").is_some_and(Element::holds_something);
            let reason = if is_refusal {
                Reason::ValueErrors
            } else {
                Reason::Empty
            };
            return self.other(origin, Some(reason), element);
        };
        for (name, part) in chunk.members() {
            if name == "errors" && part.holds_something() {
                self.other(origin, Some(Reason::ValueErrors), part);
            }
        }
        self.unknown_members(origin, chunk, &["metadata", "threads", "errors"]);
        for thread in threads {
            self.thread(origin, contacts, thread);
        }
    }

    fn thread(&mut self, origin: Origin<'_>, contacts: &[Contact<'_>], element: Element<'_>) {
        let Some(thread) = element.object() else {
            return self.other(origin, Some(Reason::NotAnObject), element);
        };
        let customer = customer(element, thread);
        let origin = Origin {
            customer: Some(&customer),
            ..origin
        };
        match thread
            .get("messages")
            .filter(|messages| messages.holds_something())
        {
            Some(messages) => {
                self.unknown_members(origin, thread, &["id", "context", "messages"]);
                self.each(origin, contacts, messages, read_past);
            }
            None => self.other(origin, Some(Reason::Empty), element),
        }
    }
}

fn read_echo(
    origin: Origin<'_>,
    contacts: &[Contact<'_>],
    element: Element<'_>,
    message: Object<'_>,
) -> Result<Event, Reason> {
    let to = (message.wa_id("to"), message.user_id("to_user_id"));
    let message = message_of(origin, contacts, element, message, to)?;
    Ok(Event::Past(Message {
        source: Source::Echo,
        direction: Direction::Outbound,
        ..message
    }))
}

/// Reads a message from the phone app that comes with the history: it is of the past, and answers no message of now.
fn read_past_echo(
    origin: Origin<'_>,
    contacts: &[Contact<'_>],
    element: Element<'_>,
    message: Object<'_>,
) -> Result<Event, Reason> {
    past(origin, contacts, element, message, Direction::Outbound)
}

fn read_past(
    origin: Origin<'_>,
    contacts: &[Contact<'_>],
    element: Element<'_>,
    message: Object<'_>,
) -> Result<Event, Reason> {
    past(origin, contacts, element, message, direction(origin, message))
}

fn past(
    origin: Origin<'_>,
    contacts: &[Contact<'_>],
    element: Element<'_>,
    message: Object<'_>,
    direction: Direction,
) -> Result<Event, Reason> {
    let (wa_id, user_id) = match direction {
        Direction::Outbound => (message.wa_id("to"), message.user_id("to_user_id")),
        Direction::Inbound => (
            message.wa_id("from"),
            message
                .user_id("from_user_id")
                .or_else(|| message.business_scoped_id("from")),
        ),
    };
    // Our own number is never a customer.
    let is_customer = |wa_id: &String| !is_business(origin, wa_id);
    let wa_id = wa_id.filter(is_customer);
    let mut person = (wa_id, user_id);
    let mut username = None;
    if let Some(customer) = origin
        .customer
        .filter(|customer| is_same_person(customer, &person))
    {
        person = (
            person.0.or_else(|| customer.wa_id.clone().filter(is_customer)),
            person.1.or_else(|| customer.user_id.clone()),
        );
        username.clone_from(&customer.username);
    }
    let context = message.object("history_context");
    let history_status = context.and_then(|context| context.text("status"));
    let message = message_of(origin, contacts, element, message, person)?;
    Ok(Event::Past(Message {
        source: Source::History,
        direction,
        history_status,
        username: message.username.or(username),
        ..message
    }))
}

/// Tells the side that wrote a message of the history. The sender decides; a person who hides the number has only a user
/// id. The recipient decides only if the message names no sender.
fn direction(origin: Origin<'_>, message: Object<'_>) -> Direction {
    let (from, to) = (message.wa_id("from"), message.wa_id("to"));
    let customer = origin.customer.and_then(|customer| customer.wa_id.as_deref());
    let is_customer = |number: &Option<String>| number.is_some() && number.as_deref() == customer;
    let is_business = |number: &Option<String>| {
        number
            .as_deref()
            .is_some_and(|number| is_business(origin, number))
    };
    let is_ours = if is_business(&from) || is_customer(&from) {
        is_business(&from)
    } else if is_customer(&to) {
        true
    } else if (from.is_some() && origin.business.is_some())
        || message.names("from_user_id")
        || is_business(&to)
    {
        false
    } else {
        to.is_some() || message.names("to_user_id")
    };
    if is_ours {
        Direction::Outbound
    } else {
        Direction::Inbound
    }
}

fn is_business(origin: Origin<'_>, number: &str) -> bool {
    origin
        .business
        .is_some_and(|business| digits(business) == digits(number))
}

/// Whether a message does not name another person than the customer of its thread.
fn is_same_person(customer: &Contact<'_>, (wa_id, user_id): &(Option<String>, Option<String>)) -> bool {
    let differs = |ours: &Option<String>, theirs: &Option<String>| matches!((ours, theirs), (Some(ours), Some(theirs)) if ours != theirs);
    !differs(wa_id, &customer.wa_id) && !differs(user_id, &customer.user_id)
}

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}
