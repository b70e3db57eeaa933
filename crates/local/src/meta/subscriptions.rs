//! The app's subscriptions to the webhooks of WABAs.

use serde_json::{Value, json};

use super::Simulator;
use super::account::Subscription;
use super::graph::Call;
use super::graph_error::GraphError;
use super::journal::Record;

fn check_account(simulator: &Simulator, call: &Call) -> Result<(), GraphError> {
    if simulator.accounts.has_business_account(&call.node) {
        Ok(())
    } else {
        Err(call.no_such_object())
    }
}

fn keep(simulator: &Simulator, subscription: Subscription) {
    simulator
        .journal
        .append(&Record::Subscription(subscription.clone()));
    simulator.accounts.put_subscription(subscription);
}

/// `GET /{WABA}/subscribed_apps`.
pub(crate) fn list(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    check_account(simulator, call)?;
    let subscription = simulator.accounts.subscription(&call.node);
    if !subscription.subscribed {
        return Ok(json!({"data": []}));
    }
    let id = &simulator.app_id;
    let link = format!("https://www.facebook.com/games/?app_id={id}");
    let mut row = json!({"whatsapp_business_api_data": {"id": id, "name": "WhatsApp CRM", "link": link}});
    if let Some(uri) = subscription.override_callback_uri {
        row["override_callback_uri"] = json!(uri);
    }
    Ok(json!({"data": [row]}))
}

/// `POST /{WABA}/subscribed_apps`. An empty body clears the override.
pub(crate) async fn add(simulator: &Simulator, call: Call) -> Result<Value, GraphError> {
    check_account(simulator, &call)?;
    let business_account_id = call.node.clone();
    let body = call.json().await?;
    let override_callback_uri = match body["override_callback_uri"].as_str() {
        None => None,
        Some(uri) => {
            let token = body["verify_token"].as_str().unwrap_or_default();
            if uri.chars().count() > 200 || token.is_empty() {
                return Err(GraphError::invalid_parameter(
                    "override_callback_uri must be at most 200 characters long and come with verify_token",
                ));
            }
            simulator.poster.verify(uri, token).await.map_err(|reason| {
                GraphError::invalid_parameter(format!("Callback verification failed: {reason}"))
            })?;
            Some(uri.to_owned())
        }
    };
    keep(
        simulator,
        Subscription {
            business_account_id,
            subscribed: true,
            override_callback_uri,
        },
    );
    Ok(json!({"success": true}))
}

/// `DELETE /{WABA}/subscribed_apps`.
pub(crate) fn remove(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    check_account(simulator, call)?;
    let business_account_id = call.node.clone();
    keep(
        simulator,
        Subscription {
            business_account_id,
            subscribed: false,
            override_callback_uri: None,
        },
    );
    Ok(json!({"success": true}))
}
