//! What sending takes: access to a number, its breaker, and what became of a message.

pub mod meta_sentence;
mod number_access;
pub mod outcome;

pub use meta_sentence::meta_sentence;
pub use number_access::{
    AccessError, NumberAccess, SendWatch, break_session, breaking, number_token, unusable_token,
};
