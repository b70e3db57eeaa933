//! Meta's description of a number.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) const FIELDS: &str = "id,display_phone_number,verified_name,quality_rating,name_status,status,\
throughput,code_verification_status,platform_type,health_status,whatsapp_business_manager_messaging_limit";

/// Meta's description of a number. Fields that Meta does not know or omits are `None`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct NumberHealth {
    /// The `phone_number_id`.
    pub id: String,
    /// The number as people write it.
    #[serde(default)]
    pub display_phone_number: Option<String>,
    /// The display name.
    #[serde(default)]
    pub verified_name: Option<String>,
    /// `GREEN`, `YELLOW`, `RED`, `UNKNOWN`.
    #[serde(default)]
    pub quality_rating: Option<String>,
    /// The review status of the display name.
    #[serde(default)]
    pub name_status: Option<String>,
    /// `CONNECTED`, `DISCONNECTED`, `BANNED` and others.
    #[serde(default)]
    pub status: Option<String>,
    /// The throughput level: `{"level": "STANDARD"}`.
    #[serde(default)]
    pub throughput: Option<Value>,
    /// The verification status of the number.
    #[serde(default)]
    pub code_verification_status: Option<String>,
    /// `CLOUD_API` and others.
    #[serde(default)]
    pub platform_type: Option<String>,
    /// Whether the number can send messages, with the reasons if it cannot.
    #[serde(default)]
    pub health_status: Option<Value>,
    /// The number of people who may be written to in 24 hours, as in `TIER_250`. The business portfolio
    /// shares it.
    #[serde(default)]
    pub whatsapp_business_manager_messaging_limit: Option<Value>,
}
