//! The webhook parser: messages, statuses of our messages, and all other events.
//!
//! [`parse`] never fails on valid JSON. It reads the body element by element, so that an unreadable element
//! does not affect the others: it is kept as an [`Other`] with the reason.

mod clean;
mod form;
mod outline;
mod past;
mod preview;
mod read;

use serde::Serialize;
use serde_json::value::RawValue;

pub use clean::storable_json;
pub use read::parse;

/// The body is not JSON at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the webhook body is not JSON")]
pub struct NotJson;

/// A parsed webhook body. Serialises to `{"messages":[…],"statuses":[…],"past":[…],"others":[…]}`, in a form
/// that Postgres can store as `jsonb`: without U+0000 and without lone surrogates. Fields without a value are
/// omitted.
#[derive(Debug, Default, Serialize)]
pub struct Delivery {
    /// Messages from people.
    pub messages: Vec<Message>,
    /// Statuses of messages that we sent.
    pub statuses: Vec<Status>,
    /// Messages that did not pass through us: from the phone app, or from before the number was connected.
    pub past: Vec<Message>,
    /// All other events, and elements that could not be read.
    pub others: Vec<Other>,
}

/// A message from a person to one of our numbers. Among the [`past`](Delivery::past) also a message from one
/// of our numbers.
#[derive(Debug, Serialize)]
pub struct Message {
    /// The id of our number.
    pub phone_number_id: String,
    /// The business account of the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// Meta's id of the message. It contains a phone number, so it is personal data.
    pub wamid: String,
    /// The customer's `wa_id`, in digits. Absent if the person hides their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The customer's business-scoped id. Either this or `from` is present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The profile name that the customer chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_name: Option<String>,
    /// The customer's username.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// Meta's name of the message type; `unknown` if Meta gives none.
    pub kind: String,
    /// The text for a list of conversations: the message text, the caption or the button's title. A message
    /// without text has a symbol for its kind.
    pub preview: String,
    /// The id of the message that this one replies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    /// The id of the group it was sent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The answers of a filled-in form (`nfm_reply`), which Meta sends as a string of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_response: Option<Box<RawValue>>,
    /// The way on which it reached us.
    #[serde(skip_serializing_if = "Source::is_live")]
    pub source: Source,
    /// The side that wrote it.
    #[serde(skip_serializing_if = "Direction::is_inbound")]
    pub direction: Direction,
    /// The status of a message from the history: `SENT`, `DELIVERED`, `READ`, `PLAYED`, `ERROR` or `PENDING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_status: Option<String>,
    /// The complete element.
    pub payload: Box<RawValue>,
}

/// The way on which a message reached us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A message that was sent to us just now.
    #[default]
    Live,
    /// A message that the business sent from its phone app.
    Echo,
    /// A message from before the number was connected.
    History,
}

/// The side that wrote a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The customer.
    #[default]
    Inbound,
    /// The business.
    Outbound,
}

impl Source {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_live(&self) -> bool {
        *self == Self::Live
    }
}

impl Direction {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_inbound(&self) -> bool {
        *self == Self::Inbound
    }
}

/// A status of a message that we sent.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The id of the number it was sent from.
    pub phone_number_id: String,
    /// The business account of the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// Meta's id of the message. It contains a phone number, so it is personal data.
    pub wamid: String,
    /// `sent`, `delivered`, `read`, `played` or `failed`; `payment_` and its state for a payment. Meta may add others.
    pub status: String,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// The recipient's `wa_id`, or the group's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<String>,
    /// The recipient's business-scoped id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_user_id: Option<String>,
    /// The data that we sent as `biz_opaque_callback_data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_data: Option<String>,
    /// The reasons for a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<StatusError>,
    /// The price, in Meta's shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Box<RawValue>>,
    /// The conversation that Meta counts the message in, in Meta's shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Box<RawValue>>,
    /// The complete element.
    pub payload: Box<RawValue>,
}

/// A reason for a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusError {
    /// See [`crate::error_codes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Meta's short text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Meta's longer text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

impl StatusError {
    fn is_empty(&self) -> bool {
        self.code.is_none() && self.title.is_none()
    }
}

/// An event of another webhook field, or an element that could not be read.
#[derive(Debug, Serialize)]
pub struct Other {
    /// The webhook field; empty if there was none.
    pub field: String,
    /// The business account that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// The number that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<String>,
    /// Seconds since 1970, for events of an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// The reason why an element of field `messages` is here, or what is wrong with the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The `value` of the change, or the element that could not be read.
    pub payload: Box<RawValue>,
}

/// The reason why an element is among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The body's `object` is not `whatsapp_business_account`.
    ForeignObject,
    /// An object was expected.
    NotAnObject,
    /// A list was expected.
    NotAList,
    /// The entry has no changes, the change has no value, or the value is empty.
    Empty,
    /// No `phone_number_id` names the number.
    NoPhoneNumber,
    /// The id is missing or cannot be one of Meta's.
    NoId,
    /// Both `from` and `from_user_id` are missing.
    NoSender,
    /// The status has no name.
    NoStatus,
    /// The status belongs to a call, not to a message.
    CallStatus,
    /// Errors of the value, which belong to no message.
    ValueErrors,
    /// The value has a part that is neither messages nor statuses.
    UnknownPart,
    /// A person of the list of contacts to whom no message and no status belongs.
    UnmatchedContact,
    /// The element is nested more deeply than Meta's elements are.
    TooDeep,
}
