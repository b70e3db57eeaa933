//! The shapes of webhook bodies.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::signed_json;
use crate::meta::account::NumberState;
use crate::meta::graph_error::GraphError;
use crate::meta::ledger::{Entry, Status};

/// The price of a message, as in status webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Pricing {
    billable: bool,
    pricing_model: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    category: &'static str,
}

impl Pricing {
    /// The per-message price. Messages are free within the customer's window, except for marketing and
    /// authentication.
    pub(crate) fn of(template_category: Option<&str>, window_is_open: bool) -> Self {
        let (category, free) = match template_category {
            None => ("service", true),
            Some(name) if name.eq_ignore_ascii_case("utility") => ("utility", window_is_open),
            Some(name) if name.eq_ignore_ascii_case("authentication") => ("authentication", false),
            Some(_) => ("marketing", false),
        };
        let kind = if free { "free_customer_service" } else { "regular" };
        Self {
            billable: !free,
            pricing_model: "PMP",
            kind,
            category,
        }
    }
}

/// A status that is to be posted.
#[derive(Debug, Clone)]
pub(crate) struct StatusUpdate {
    pub(crate) number: Arc<NumberState>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) status: Status,
    pub(crate) pricing: Pricing,
    pub(crate) failure: Option<Arc<GraphError>>,
}

#[derive(Serialize)]
struct StatusElement<'a> {
    id: &'a str,
    status: Status,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Value; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    biz_opaque_callback_data: Option<&'a str>,
}

#[derive(Serialize)]
struct Body<V> {
    object: &'static str,
    entry: [BodyEntry<V>; 1],
}

#[derive(Serialize)]
struct BodyEntry<V> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    changes: [BodyChange<V>; 1],
}

#[derive(Serialize)]
struct BodyChange<V> {
    value: V,
    field: &'static str,
}

#[derive(Serialize)]
struct StatusValue<'a> {
    messaging_product: &'static str,
    metadata: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<Value>,
    statuses: Vec<StatusElement<'a>>,
}

fn body<V: Serialize>(account: &str, time: Option<i64>, field: &'static str, value: V) -> Vec<u8> {
    let changes = [BodyChange { value, field }];
    let entry = [BodyEntry {
        id: account.to_owned(),
        time,
        changes,
    }];
    // Serialisation cannot fail, because all keys of these values are strings.
    signed_json::to_bytes(&Body {
        object: "whatsapp_business_account",
        entry,
    })
    .unwrap_or_default()
}

fn metadata(number: &NumberState) -> Value {
    json!({"display_phone_number": number.digits, "phone_number_id": number.config.phone_number_id})
}

fn contact(number: &NumberState, id: &str) -> Value {
    let mut contact = json!({ (if is_user_id(id) { "user_id" } else { "wa_id" }): id });
    if let Some(name) = number.name_of(id) {
        contact["profile"] = json!({"name": name});
    }
    contact
}

/// Whether the contact is a business-scoped user id. These contain a dot; phone numbers do not.
pub(crate) fn is_user_id(contact: &str) -> bool {
    contact.contains('.')
}

/// The webhook body for statuses of one number.
pub(crate) fn statuses(number: &NumberState, updates: &[StatusUpdate], now_ms: i64) -> Vec<u8> {
    let timestamp = (now_ms / 1_000).to_string();
    let mut contacts: Vec<&str> = Vec::new();
    let mut elements = Vec::with_capacity(updates.len());
    for StatusUpdate {
        entry,
        status,
        pricing,
        failure,
        ..
    } in updates
    {
        let user = is_user_id(&entry.to);
        // Failed statuses have no contacts.
        if failure.is_none() && contacts.last() != Some(&entry.to.as_str()) {
            contacts.push(&entry.to);
        }
        elements.push(StatusElement {
            id: &entry.wamid,
            status: *status,
            timestamp: &timestamp,
            recipient_id: (!user).then_some(entry.to.as_str()),
            recipient_user_id: user.then_some(entry.to.as_str()),
            pricing: matches!(status, Status::Sent | Status::Delivered).then_some(*pricing),
            errors: failure.as_ref().map(|failure| [failure.status_element()]),
            biz_opaque_callback_data: entry.biz_opaque_callback_data.as_deref(),
        });
    }
    contacts.sort_unstable();
    contacts.dedup();
    let value = StatusValue {
        messaging_product: "whatsapp",
        metadata: metadata(number),
        contacts: contacts.into_iter().map(|id| contact(number, id)).collect(),
        statuses: elements,
    };
    body(&number.config.business_account_id, None, "messages", value)
}

/// The webhook body for one customer message.
pub(crate) fn customer_message(number: &NumberState, contact_element: &Value, message: &Value) -> Vec<u8> {
    let mut value = json!({"messaging_product": "whatsapp", "metadata": metadata(number)});
    if !contact_element.is_null() {
        value["contacts"] = json!([contact_element]);
    }
    value["messages"] = json!([message]);
    body(&number.config.business_account_id, None, "messages", value)
}

/// The webhook body for an event of a WABA.
pub(crate) fn account_event(account: &str, field: &'static str, value: &Value, now_ms: i64) -> Vec<u8> {
    body(account, Some(now_ms / 1_000), field, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_depend_on_category_and_window() {
        let free = Pricing::of(Some("UTILITY"), true);
        assert_eq!(
            (free.billable, free.kind, free.category),
            (false, "free_customer_service", "utility")
        );
        let paid = Pricing::of(Some("UTILITY"), false);
        assert_eq!((paid.billable, paid.kind), (true, "regular"));
        assert!(Pricing::of(Some("MARKETING"), true).billable);
        assert_eq!(Pricing::of(None, true).category, "service");
    }
}
