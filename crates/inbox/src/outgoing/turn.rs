//! The messages of a conversation go out in the order in which they were written.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crm_core::app::App;

/// How often the database is asked whether the earlier messages have their outcome.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Waits until no earlier message of the conversation is on its way, at most until `deadline`. By then every earlier one
/// has begun its last attempt: its own deadline came before.
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
