//! The settings of messages that are sent by themselves, as clients give and get them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::business_hours::BusinessHours;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;

/// How a tenant's numbers behave, or one number. Of a number, what is null is the tenant's.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Automations {
    /// The number it is of; null: the tenant.
    #[serde(default)]
    pub(super) session_id: Option<Uuid>,
    /// In the tenant's time zone. Those of the tenant are a setting of `/api/tenant` as well, and stay when they are left
    /// out.
    business_hours: Option<BusinessHours>,
    /// Days of the tenant's calendar on which nobody is there.
    holidays: Option<Vec<Holiday>>,
    greeting: Option<Greeting>,
    away: Option<AwayMessage>,
    csat: Option<SatisfactionQuestion>,
}

/// A day on which business does not open.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Holiday {
    #[schema(example = "2026-12-25")]
    date: chrono::NaiveDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Natal", nullable = false)]
    name: Option<String>,
}

/// What customers are told who write for the first time, or after a while.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    enabled: bool,
    /// With `{{contact.name}}`, `{{contact.phone_number}}`, `{{contact.custom.…}}` and `{{tenant.name}}`. Empty: ours, in
    /// the tenant's language.
    #[serde(default)]
    #[schema(example = "Halo {{contact.name}}!")]
    text: Option<String>,
    /// After how many days without a word of theirs they are greeted again. Null: never again.
    #[serde(default)]
    after_days: Option<u16>,
}

/// What customers are told outside of business hours.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AwayMessage {
    enabled: bool,
    /// As of the greeting.
    #[serde(default)]
    #[schema(example = "Kami buka lagi besok pukul 09.00.")]
    text: Option<String>,
}

/// How customers are asked how it was, after a person resolved their conversation.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SatisfactionQuestion {
    enabled: bool,
    /// As of the greeting.
    #[serde(default)]
    text: Option<String>,
    /// For how many days nobody is asked again in the same conversation; by default 7.
    #[serde(default)]
    not_again_days: Option<u16>,
}

impl Automations {
    /// The settings as they are kept; variables and days are the database's to check.
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
