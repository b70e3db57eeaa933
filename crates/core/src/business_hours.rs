//! Business hours of a tenant, by the day of the week.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::text::Text;

const MAX_SPANS: usize = 5;

/// The business hours of a week, in the tenant's time zone. A day without hours is closed. Without any day the business
/// is always open.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BusinessHours {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    monday: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tuesday: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wednesday: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thursday: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    friday: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    saturday: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sunday: Vec<Span>,
}

/// A period of a day: `{"from": "09:00", "to": "17:00"}`. `24:00` is the end of the day; an end before the beginning is
/// on the next day.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpeningHours)]
struct Span {
    #[schema(example = "09:00")]
    from: String,
    #[schema(example = "17:00")]
    to: String,
}

impl BusinessHours {
    /// Refuses hours that are not times, that end when they begin, or that overlap.
    pub fn check(&self) -> Result<(), ApiError> {
        let days = [
            ("monday", &self.monday),
            ("tuesday", &self.tuesday),
            ("wednesday", &self.wednesday),
            ("thursday", &self.thursday),
            ("friday", &self.friday),
            ("saturday", &self.saturday),
            ("sunday", &self.sunday),
        ];
        for (day, spans) in days {
            check_day(day, spans)?;
        }
        Ok(())
    }
}

fn check_day(day: &str, spans: &[Span]) -> Result<(), ApiError> {
    let problem = |english: &'static str, indonesian: &'static str| {
        ApiError::field(format!("business_hours.{day}"), Text::new(english, indonesian))
    };
    if spans.len() > MAX_SPANS {
        return Err(problem(
            "must not list more than 5 times",
            "tidak boleh lebih dari 5 rentang waktu",
        ));
    }
    let mut minutes = Vec::with_capacity(spans.len());
    for span in spans {
        let (Some(from), Some(to)) = (minute_of_day(&span.from), minute_of_day(&span.to)) else {
            return Err(problem(
                "must give times as HH:MM",
                "harus menulis waktu sebagai JJ:MM",
            ));
        };
        if from == to {
            return Err(problem(
                "must not end when it begins",
                "tidak boleh berakhir saat dimulai",
            ));
        }
        minutes.push((from, if to < from { to + 24 * 60 } else { to }));
    }
    minutes.sort_unstable();
    if minutes.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(problem("must not overlap", "tidak boleh tumpang tindih"));
    }
    Ok(())
}

fn minute_of_day(text: &str) -> Option<i64> {
    if text == "24:00" {
        return Some(24 * 60);
    }
    let well_formed = text.len() == 5 && text.as_bytes().get(2) == Some(&b':');
    let time = NaiveTime::parse_from_str(text, "%H:%M")
        .ok()
        .filter(|_| well_formed)?;
    Some((time - NaiveTime::MIN).num_minutes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: serde_json::Value) -> Result<(), ApiError> {
        serde_json::from_value::<BusinessHours>(json).unwrap().check()
    }

    #[test]
    fn a_week_of_hours_is_accepted() {
        let hours = serde_json::json!({
            "monday": [{"from": "13:00", "to": "17:00"}, {"from": "08:00", "to": "12:00"}],
            "saturday": [{"from": "18:00", "to": "02:00"}, {"from": "08:00", "to": "12:00"}],
            "sunday": [{"from": "00:00", "to": "24:00"}],
        });
        assert!(check(hours).is_ok());
        assert!(check(serde_json::json!({})).is_ok());
    }

    #[test]
    fn invalid_hours_are_refused() {
        for spans in [
            serde_json::json!([{"from": "9:00", "to": "17:00"}]),
            serde_json::json!([{"from": "09:00", "to": "25:00"}]),
            serde_json::json!([{"from": "20:00", "to": "02:00"}, {"from": "21:00", "to": "22:00"}]),
            serde_json::json!([{"from": "09:00", "to": "09:00"}]),
            serde_json::json!([{"from": "09:00", "to": "12:00"}, {"from": "11:00", "to": "13:00"}]),
        ] {
            assert!(check(serde_json::json!({ "friday": spans })).is_err(), "{spans}");
        }
    }
}
