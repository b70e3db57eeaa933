//! Rotation of the keys that seal tokens: tokens that an older key sealed are sealed again with the first key.

use serde::Deserialize;
use serde_json::json;
use supabase::DatabaseError;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::token_seal::SealedToken;

const PAGE: u32 = 200;

#[derive(Deserialize)]
struct Row {
    session_id: Uuid,
    #[serde(flatten)]
    token: SealedToken,
}

/// Seals tokens again that an older key sealed. Returns how many there were and how many could not be opened.
pub async fn reseal_tokens(app: &App) -> Result<(usize, usize), DatabaseError> {
    let Some(keys) = &app.config().token_keys else {
        return Ok((0, 0));
    };
    let database = app.supabase().as_service();
    let (mut resealed, mut failed) = (0, 0);
    let mut after: Option<Uuid> = None;
    loop {
        let arguments = json!({ "current_key": keys.current_id(), "after": after, "page_size": PAGE });
        let rows: Vec<Row> = database.rpc("list_number_tokens", &arguments).await?;
        let Some(last) = rows.last() else {
            return Ok((resealed, failed));
        };
        after = Some(last.session_id);
        for row in rows {
            let opened = keys.open(row.session_id, &row.token);
            let sealed = opened.and_then(|token| keys.seal(row.session_id, &token));
            let sealed = match sealed {
                Ok(sealed) => sealed,
                Err(error) => {
                    log::error!("number {}: {error}", row.session_id);
                    failed += 1;
                    continue;
                }
            };
            let arguments = json!({
                "session_id": row.session_id, "was": row.token.sealed, "sealed": sealed.sealed, "key_id": sealed.key_id,
            });
            // False when a person has entered another token meanwhile, which is already sealed with the current key.
            if database.rpc::<bool>("reseal_number_token", &arguments).await? {
                resealed += 1;
            }
        }
    }
}
