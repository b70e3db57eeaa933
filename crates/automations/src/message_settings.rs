//! The settings of automatic messages as clients send and receive them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::business_hours::BusinessHours;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;

/// The settings of a tenant, or of one number. A number follows the tenant where a setting is null.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Automations {
    /// The number that these settings belong to. Null: the tenant.
    #[serde(default)]
    pub(super) session_id: Option<Uuid>,
    /// Business hours in the tenant's time zone. Those of the tenant are a setting of `/api/tenant` as well: they stay
    /// as they are if they are left out.
    business_hours: Option<BusinessHours>,
    /// Days of the tenant's calendar on which the business is closed.
    holidays: Option<Vec<Holiday>>,
    greeting: Option<Greeting>,
    away: Option<AwayMessage>,
    csat: Option<SatisfactionQuestion>,
}

/// A day on which the business is closed.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Holiday {
    #[schema(example = "2026-12-25")]
    date: chrono::NaiveDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Natal", nullable = false)]
    name: Option<String>,
}

/// The greeting for customers who write for the first time, or again after some days.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    enabled: bool,
    /// The text, with the variables `{{contact.name}}`, `{{contact.phone_number}}`, `{{contact.custom.…}}` and
    /// `{{tenant.name}}`. Empty: a default text in the tenant's language.
    #[serde(default)]
    #[schema(example = "Halo {{contact.name}}!")]
    text: Option<String>,
    /// The number of days without a message after which a customer is greeted again. Null: never.
    #[serde(default)]
    after_days: Option<u16>,
}

/// The message for customers who write outside of business hours.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AwayMessage {
    enabled: bool,
    /// The text; see the greeting.
    #[serde(default)]
    #[schema(example = "Kami buka lagi besok pukul 09.00.")]
    text: Option<String>,
}

/// The satisfaction question, which is sent after a person has resolved a conversation.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SatisfactionQuestion {
    enabled: bool,
    /// The text; see the greeting.
    #[serde(default)]
    text: Option<String>,
    /// The number of days for which the question is not repeated in the same conversation; 7 if left out.
    #[serde(default)]
    not_again_days: Option<u16>,
}

impl Automations {
    /// The settings as the database stores them. The database itself checks variables and days.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(hours) = &self.business_hours {
            hours.check()?;
        }
        for holiday in self.holidays.iter_mut().flatten() {
            holiday.name = trimmed("holidays", holiday.name.take(), 100)?;
        }
        if let Some(greeting) = &mut self.greeting {
            greeting.text = trimmed("greeting.text", greeting.text.take(), 4000)?;
        }
        if let Some(away) = &mut self.away {
            away.text = trimmed("away.text", away.text.take(), 4000)?;
        }
        if let Some(csat) = &mut self.csat {
            csat.text = trimmed("csat.text", csat.text.take(), 1000)?;
        }
        Ok(self)
    }
}

fn trimmed(field: &str, text: Option<String>, longest: usize) -> Result<Option<String>, ApiError> {
    let text = text
        .map(|text| optional_text(field, &text, longest))
        .transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}
