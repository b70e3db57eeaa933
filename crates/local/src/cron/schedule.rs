//! Cron expressions in Vercel's form: 5 fields, UTC, numbers only.

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// The times at which a path is called.
#[derive(Debug, Clone)]
pub struct Schedule(Cron);

/// An expression that Vercel would refuse.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression does not consist of 5 fields of numbers, `*`, `,`, `-` and `/`.
    #[error("{0:?} is not a cron expression of 5 fields of numbers")]
    Form(String),
    /// The expression has both a day of the month and a day of the week.
    #[error("{0:?} names a day of the month and a day of the week, which Vercel does not take")]
    BothDays(String),
}

impl Schedule {
    /// Parses an expression such as `*/5 * * * *`.
    pub fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let wrong = || ScheduleError::Form(expression.to_owned());
        if !expression
            .chars()
            .all(|sign| sign.is_ascii_digit() || "*,-/ ".contains(sign))
        {
            return Err(wrong());
        }
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let [_, _, day_of_month, _, day_of_week] = fields.as_slice() else {
            return Err(wrong());
        };
        if *day_of_month != "*" && *day_of_week != "*" {
            return Err(ScheduleError::BothDays(expression.to_owned()));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        parser.parse(expression).map(Self).map_err(|_| wrong())
    }

    /// The first time after `time`; `None` for a date that never occurs.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.find_next_occurrence(&time, false).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, from: &str) -> String {
        let from = from.parse().unwrap();
        Schedule::parse(expression)
            .unwrap()
            .next_after(from)
            .map_or("never".to_owned(), |time| time.to_rfc3339())
    }

    #[test]
    fn the_next_time_is_found() {
        for (expression, from, expected) in [
            ("* * * * *", "2026-11-22T10:00:00Z", "2026-11-22T10:01:00+00:00"),
            (
                "* * * * *",
                "2026-11-22T10:00:59.999Z",
                "2026-11-22T10:01:00+00:00",
            ),
            (
                "*/15 * * * *",
                "2026-11-22T10:59:00Z",
                "2026-11-22T11:00:00+00:00",
            ),
            ("0 3 * * *", "2026-12-31T03:00:00Z", "2027-01-01T03:00:00+00:00"),
            (
                "30 9-17/4 * * 1-5",
                "2026-11-20T17:30:00Z",
                "2026-11-23T09:30:00+00:00",
            ),
            ("0 0 * * 0", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00+00:00"),
            ("0 0 29 2 *", "2026-11-22T00:00:00Z", "2028-02-29T00:00:00+00:00"),
            (
                "5,35 0 1 1,7 *",
                "2026-01-01T00:05:00Z",
                "2026-01-01T00:35:00+00:00",
            ),
        ] {
            assert_eq!(next(expression, from), expected, "{expression} from {from}");
        }
        assert_eq!(next("0 0 31 2 *", "2026-11-22T00:00:00Z"), "never");
    }

    #[test]
    fn expressions_that_vercel_refuses_are_refused() {
        for expression in [
            "",
            "* * * *",
            "* * * * * *",
            "@hourly",
            "0 0 * * MON",
            "0 0 L * *",
            "61 * * * *",
            "a",
        ] {
            assert_eq!(
                Schedule::parse(expression).unwrap_err(),
                ScheduleError::Form(expression.to_owned())
            );
        }
        assert!(matches!(
            Schedule::parse("0 0 1 * 1").unwrap_err(),
            ScheduleError::BothDays(_)
        ));
    }
}
