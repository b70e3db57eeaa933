//! Keeps the order of a conversation: its messages are sent in the order in which they were written.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crm_core::app::App;

/// How often the database is asked whether the earlier messages have an outcome.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Waits until no earlier message of the conversation is being sent, at most until `deadline`. By then every earlier
/// message has begun its last attempt, because its own deadline was earlier.
pub(super) async fn wait_for_turn(app: &App, message_id: Uuid, deadline: Instant) {
    let arguments = json!({ "message_id": message_id });
    while Instant::now() < deadline {
        let next = app
            .supabase()
            .as_service()
            .rpc::<bool>("message_is_next", &arguments)
            .await;
        match next {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => log::warn!("message {message_id} waits for its turn: {}", error.source_text()),
        }
        sleep(ASK_EVERY).await;
    }
}
