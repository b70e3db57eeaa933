//! Recipients as people enter them.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use whatsapp::template::Variables;

use crm_core::text::Text;
use tables::phone_number;

/// A recipient: `"+62 812-3456-7890"`, or an object with name and variables.
#[derive(Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "must be a phone number or an object with `phone_number` and, at choice, `name` and `variables`"
)]
pub(super) enum RecipientInput {
    /// A phone number with its country code; one that begins with 0 is Indonesian.
    Number(String),
    Person {
        /// A phone number with its country code; one that begins with 0 is Indonesian. `+`, spaces, dashes, dots and brackets do not matter.
        #[serde(
            alias = "phone",
            alias = "number",
            alias = "wa_id",
            deserialize_with = "text_or_number"
        )]
        #[schema(example = "+62 812-3456-7890")]
        phone_number: String,
        /// The name of the contact, if it is new.
        #[schema(example = "Ani")]
        name: Option<String>,
        /// The values of the variables: a list for `{{1}}`, `{{2}}` …, an object for named variables.
        #[serde(default)]
        #[schema(value_type = Value, example = json!(["Ani"]))]
        variables: Variables,
    },
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrNumber {
        Text(String),
        Number(u64),
    }
    Ok(match TextOrNumber::deserialize(deserializer)? {
        TextOrNumber::Text(text) => text,
        TextOrNumber::Number(number) => number.to_string(),
    })
}

/// A recipient as the database expects it.
#[derive(Serialize)]
pub(super) struct Recipient {
    pub(super) wa_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) variables: Variables,
}

impl RecipientInput {
    /// Checks the recipient. The error is the wrong field with the reason.
    pub(super) fn checked(self) -> Result<Recipient, (&'static str, Text)> {
        let (number, name, variables) = match self {
            Self::Number(number) => (number, None, Variables::default()),
            Self::Person {
                phone_number,
                name,
                variables,
            } => (phone_number, name, variables),
        };
        let name = name
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        if name.as_ref().is_some_and(|name| name.chars().count() > 200) {
            let problem = Text::new(
                "must not exceed 200 characters",
                "tidak boleh lebih dari 200 karakter",
            );
            return Err(("name", problem));
        }
        let wa_id =
            phone_number::read_addressed(&number).map_err(|problem| ("phone_number", problem.text()))?;
        Ok(Recipient {
            wa_id,
            name,
            variables,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_a_number_or_an_object() {
        let list: Vec<RecipientInput> = serde_json::from_str(
            r#"["+6281234567890", {"phone_number": 6281234567891, "name": " Ani ", "variables": ["x"]}]"#,
        )
        .unwrap();
        let list: Vec<Recipient> = list
            .into_iter()
            .map(|recipient| recipient.checked().unwrap())
            .collect();
        assert_eq!(list[0].wa_id, "6281234567890");
        assert_eq!(list[1].name.as_deref(), Some("Ani"));
    }

    #[test]
    fn a_number_may_be_written_in_the_national_form() {
        for written in [
            "0812-3456-7890",
            "+62 812 3456 7890",
            "0062 81234567890",
            "62 (812) 34567890",
        ] {
            let recipient = RecipientInput::Number(written.to_owned()).checked().unwrap();
            assert_eq!(recipient.wa_id, "6281234567890", "{written}");
        }
        let refused = RecipientInput::Number("0812".to_owned()).checked();
        assert!(matches!(refused, Err(("phone_number", _))));
    }
}
