//! Sends scheduled messages; cron starts it every minute.

use serde_json::json;

use super::delivery::{CreatedMessage, Delivery};
use crm_core::app::App;

/// The number of messages that are claimed and sent at the same time.
const BATCH: u32 = 20;
/// The most claims of one run.
const ROUNDS: u32 = 25;

/// Sends each due message once. A claimed message is `sending`; if the process dies, it becomes `unknown`.
pub(crate) async fn send_scheduled(app: &App) {
    for _ in 0..ROUNDS {
        let claimed = app
            .supabase()
            .as_service()
            .rpc::<Vec<CreatedMessage>>("claim_scheduled_messages", &json!({ "batch": BATCH }))
            .await;
        let due = match claimed {
            Ok(due) => due,
            Err(error) => return log::error!("scheduled messages: {}", error.source_text()),
        };
        if due.is_empty() {
            return;
        }
        let sends = due.into_iter().map(|made| async {
            let (_, delivery) = Delivery::of(made);
            delivery.run(app).await;
        });
        futures_util::future::join_all(sends).await;
    }
}
