//! Messages that were to be sent later: the every-minute cron sends them.

use serde_json::json;

use super::delivery::{CreatedMessage, Delivery};
use crm_core::app::App;

/// How many are handed out at once: what is sent side by side within seconds.
const BATCH: u32 = 20;
/// How often a run asks for more.
const ROUNDS: u32 = 25;

/// Sends what is due, each once: what is claimed is `sending`, and whatever dies on its way becomes `unknown`.
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
