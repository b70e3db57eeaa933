//! What Meta reports: messages, the fate of our messages, and everything else.
//!
//! [`parse`] never fails on valid JSON. It takes the body apart element by element, so that one that cannot be
//! read costs none of the others: it is kept as an [`Other`] with the reason.

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

/// One webhook body, taken apart. Serialises to `{"messages":[…],"statuses":[…],"past":[…],"others":[…]}`, in a
/// form that Postgres can store as `jsonb`: without U+0000 and without lone surrogates. Fields without a value are
/// left out.
#[derive(Debug, Default, Serialize)]
pub struct Delivery {
    /// Messages people sent.
    pub messages: Vec<Message>,
    /// What became of messages we sent.
    pub statuses: Vec<Status>,
    /// Messages that went by without us: sent from the phone app, or from before the number was connected.
    pub past: Vec<Message>,
    /// Every other event, and what could not be read.
    pub others: Vec<Other>,
}

/// A message somebody sent to one of our numbers; or, among the [`past`](Delivery::past), one the number sent.
#[derive(Debug, Serialize)]
pub struct Message {
    /// The number it was sent to.
    pub phone_number_id: String,
    /// The number's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// Meta's id of the message; holds a phone number, so it is personal data.
    pub wamid: String,
    /// The customer's `wa_id`: digits. Absent when the person hides their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The customer's business-scoped id. This or `from` is present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The name the customer gave themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_name: Option<String>,
    /// The customer's username.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// Meta's name of the type; `unknown` where it gives none.
    pub kind: String,
    /// What a list of conversations can show: the text, the caption, the button's title; a sign for the kind where
    /// there are no words.
    pub preview: String,
    /// The message this one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    /// The group it was sent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The answers of a filled-in form (`nfm_reply`), which Meta sends as a string of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_response: Option<Box<RawValue>>,
    /// How it came to us.
    #[serde(skip_serializing_if = "Source::is_live")]
    pub source: Source,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Direction::is_inbound")]
    pub direction: Direction,
    /// How far a message of the history came: `SENT`, `DELIVERED`, `READ`, `PLAYED`, `ERROR`, `PENDING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_status: Option<String>,
    /// The whole element.
    pub payload: Box<RawValue>,
}

/// How a message came to us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Sent to us just now.
    #[default]
    Live,
    /// Sent from the phone app of the business.
    Echo,
    /// From before the number was connected.
    History,
}

/// Who wrote a message.
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

/// What became of a message we sent.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The number it was sent from.
    pub phone_number_id: String,
    /// The number's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// Meta's id of the message; holds a phone number, so it is personal data.
    pub wamid: String,
    /// `sent`, `delivered`, `read`, `played`, `failed`, and whatever Meta adds.
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
    /// What we sent as `biz_opaque_callback_data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_data: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<StatusError>,
    /// What it costs, as Meta wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Box<RawValue>>,
    /// The conversation it was counted in, as Meta wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Box<RawValue>>,
    /// The whole element.
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
    fn says_nothing(&self) -> bool {
        self.code.is_none() && self.title.is_none()
    }
}

/// An event of another field, or an element that could not be read.
#[derive(Debug, Serialize)]
pub struct Other {
    /// The field as subscribed; empty where there was none.
    pub field: String,
    /// The account it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_account_id: Option<String>,
    /// The number it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<String>,
    /// Seconds since 1970, for events of an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// Why it is here although its field is `messages`, or what is wrong with the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The `value` of the change, or the element that could not be read.
    pub payload: Box<RawValue>,
}

/// Why something ended among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The body's `object` is not `whatsapp_business_account`.
    ForeignObject,
    /// An object was expected.
    NotAnObject,
    /// A list was expected.
    NotAList,
    /// An entry without changes, a change without a value, a value without anything in it.
    Empty,
    /// No `phone_number_id` says which number it belongs to.
    NoPhoneNumber,
    /// No id, or one that cannot be Meta's.
    NoId,
    /// Neither `from` nor `from_user_id`.
    NoSender,
    /// A status without its name.
    NoStatus,
    /// The state of a call among the states of messages.
    CallStatus,
    /// Errors of the value itself, which belong to no message.
    ValueErrors,
    /// The value holds something besides messages and statuses.
    UnknownPart,
    /// Nested more deeply than anything Meta sends.
    TooDeep,
}
