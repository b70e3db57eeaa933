//! A claimed recipient: the message, and the report on it.

use std::collections::HashMap;

use uuid::Uuid;
use whatsapp::client::{Content, OutboundMessage, Recipient};
use whatsapp::template::{ProblemReason, TemplateDefinition, Variables};

use super::sender_queue::{Claim, ClaimedRecipient, RecipientReport, TemplateRow};
use sending::outcome::Report;

/// A recipient that was claimed.
pub(super) struct Job {
    pub(super) recipient: ClaimedRecipient,
    claim_id: Uuid,
    /// The content, or the reason why nothing can be sent.
    content: Result<Content, String>,
}

impl Job {
    /// The message, or a report if it cannot be built.
    pub(super) fn message(&self) -> Result<OutboundMessage, Report> {
        match &self.content {
            Ok(content) => Ok(OutboundMessage {
                callback_data: Some(self.recipient.message_id.to_string()),
                ..OutboundMessage::new(Recipient::Phone(self.recipient.wa_id.clone()), content.clone())
            }),
            Err(problems) => Err(Report {
                error_details: Some(problems.clone()),
                ..Report::refused_here("The stored template cannot be filled for this recipient")
            }),
        }
    }

    /// The report as the queue expects it.
    pub(super) fn report(&self, report: Report) -> RecipientReport {
        RecipientReport {
            recipient_id: self.recipient.recipient_id,
            message_id: self.recipient.message_id,
            claim_id: self.claim_id,
            report,
            pause_campaign: false,
        }
    }
}

/// The recipients of a claim, each with its message.
pub(super) fn jobs_of(claim: Claim) -> impl Iterator<Item = Job> {
    let claim_id = claim.claim_id;
    let templates: HashMap<Uuid, (TemplateRow, Option<TemplateDefinition>)> = claim
        .templates
        .into_iter()
        .map(|(id, row)| {
            let definition = TemplateDefinition::parse(&row.components).ok();
            (id, (row, definition))
        })
        .collect();
    claim.recipients.into_iter().map(move |recipient| {
        let content = match templates.get(&recipient.template_id) {
            Some((row, Some(definition))) => filled(row, definition, &recipient.variables),
            _ => Err("the template cannot be read".to_owned()),
        };
        Job {
            recipient,
            claim_id,
            content,
        }
    })
}

/// The template with a recipient's values, or what is wrong with them. Surplus values are ignored: the template may
/// have had more variables when the campaign was created.
fn filled(
    row: &TemplateRow,
    definition: &TemplateDefinition,
    variables: &Variables,
) -> Result<Content, String> {
    let problems: Vec<String> = definition
        .check(variables)
        .err()
        .unwrap_or_default()
        .iter()
        .filter(|problem| problem.reason != ProblemReason::Unexpected)
        .map(|problem| format!("{}: {}", problem.variable, problem.reason))
        .collect();
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    Ok(Content::Template {
        name: row.name.clone(),
        language: row.language.clone(),
        components: definition.components(variables),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn surplus_values_are_ignored_and_wrong_values_are_named() {
        let components = json!([{"type": "BODY", "text": "Halo {{1}}, apa kabar hari ini?"}]);
        let definition = TemplateDefinition::parse(&components).unwrap();
        let row = TemplateRow {
            name: "promo".to_owned(),
            language: "id".to_owned(),
            components,
        };
        let fill = |values: &[&str]| {
            let values = values.iter().map(ToString::to_string).collect();
            filled(&row, &definition, &Variables::Positional(values))
        };
        assert!(fill(&["Ani", "Solo", ""]).is_ok());
        assert_eq!(fill(&[]).unwrap_err(), "1: a value is missing");
        assert!(fill(&["A\nB"]).unwrap_err().starts_with("1: line breaks"));
    }
}
