//! Messages that did not pass through us: from the phone app of the business, and from before the number was
//! connected.

use super::outline::{Element, Object};
use super::read::{Contact, Event, Origin, Reader, contacts, message_of};
use super::{Direction, Message, Reason, Source};

impl Reader {
    /// Reads field `smb_message_echoes`: messages that the business sent from its phone app.
    pub(super) fn echoes(&mut self, origin: Origin<'_>, value: Element<'_>, parts: Object<'_>) {
        let Some(list) = parts.get("message_echoes") else {
            return self.other(origin, Some(Reason::Empty), value);
        };
        self.each(origin, &contacts(parts), list, read_echo);
    }

    /// Reads field `history`: threads, the files of their messages, which arrive later, or an error if the
    /// business does not share its history.
    pub(super) fn history(&mut self, origin: Origin<'_>, value: Element<'_>, parts: Object<'_>) {
        let business = parts.object("metadata");
        let business = business.and_then(|metadata| metadata.text("display_phone_number"));
        let origin = Origin {
            business: business.as_deref(),
            ..origin
        };
        let contacts = contacts(parts);
        let mut is_empty = true;
        if let Some(messages) = parts.get("messages") {
            is_empty &= !self.each(origin, &contacts, messages, read_past);
        }
        let chunks = parts.list("history");
        for chunk in chunks.into_iter().flatten() {
            is_empty = false;
            let threads = chunk.object().and_then(|chunk| chunk.list("threads"));
            let Some(threads) = threads else {
                self.other(origin, Some(Reason::ValueErrors), chunk);
                continue;
            };
            for thread in threads {
                self.thread(origin, &contacts, thread);
            }
        }
        if is_empty {
            self.other(origin, Some(Reason::Empty), value);
        }
    }

    fn thread(&mut self, origin: Origin<'_>, contacts: &[Contact], element: Element<'_>) {
        let Some(thread) = element.object() else {
            return self.other(origin, Some(Reason::NotAnObject), element);
        };
        let customer = thread.wa_id("id");
        let origin = Origin {
            customer: customer.as_deref(),
            ..origin
        };
        match thread.get("messages") {
            Some(messages) => {
                self.each(origin, contacts, messages, read_past);
            }
            None => self.other(origin, Some(Reason::Empty), element),
        }
    }
}

fn read_echo(
    origin: Origin<'_>,
    contacts: &[Contact],
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

fn read_past(
    origin: Origin<'_>,
    contacts: &[Contact],
    element: Element<'_>,
    message: Object<'_>,
) -> Result<Event, Reason> {
    let from = message.wa_id("from");
    let is_ours = match (&from, origin.business) {
        (Some(from), Some(business)) => digits(from) == digits(business),
        _ => message.get("to").is_some() || message.get("to_user_id").is_some(),
    };
    let (customer, direction) = if is_ours {
        let to = message.wa_id("to").or_else(|| origin.customer.map(str::to_owned));
        ((to, message.user_id("to_user_id")), Direction::Outbound)
    } else {
        let from = from.or_else(|| origin.customer.map(str::to_owned));
        ((from, message.user_id("from_user_id")), Direction::Inbound)
    };
    let context = message.object("history_context");
    let history_status = context.and_then(|context| context.text("status"));
    let message = message_of(origin, contacts, element, message, customer)?;
    Ok(Event::Past(Message {
        source: Source::History,
        direction,
        history_status,
        ..message
    }))
}

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}
