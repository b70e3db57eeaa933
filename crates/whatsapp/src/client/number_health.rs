//! What Meta says about a number.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) const FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,name_status,status,\
throughput,code_verification_status,platform_type,health_status,whatsapp_business_manager_messaging_limit";

/// What Meta says about a number. Fields it does not know or does not tell are absent.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct NumberHealth {
    /// The `phone_number_id`.
    pub id: String,
    /// The number as people write it.
    #[serde(default)]
    pub display_phone_number: Option<String>,
    /// The name people see.
    #[serde(default)]
    pub verified_name: Option<String>,
    /// `GREEN`, `YELLOW`, `RED`, `UNKNOWN`.
    #[serde(default)]
    pub quality_rating: Option<String>,
    /// Whether the name has been approved.
    #[serde(default)]
    pub name_status: Option<String>,
    /// `CONNECTED`, `DISCONNECTED`, `BANNED` and others.
    #[serde(default)]
    pub status: Option<String>,
    /// How fast it may send: `{"level": "STANDARD"}`.
    #[serde(default)]
    pub throughput: Option<Value>,
    /// Whether the number has been verified.
    #[serde(default)]
    pub code_verification_status: Option<String>,
    /// `CLOUD_API` and others.
    #[serde(default)]
    pub platform_type: Option<String>,
    /// Whether messages can be sent, and if not, why.
    #[serde(default)]
    pub health_status: Option<Value>,
    /// How many people may be written to in 24 hours: `TIER_250` and so on, shared by the portfolio.
    #[serde(default)]
    pub whatsapp_business_manager_messaging_limit: Option<Value>,
}
