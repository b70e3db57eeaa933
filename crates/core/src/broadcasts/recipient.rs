//! Recipients as people give them.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use whatsapp::template::Variables;

use crate::text::Text;

/// A recipient: `"+62 812-3456-7890"`, or with a name and what fills the template.
#[derive(Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "must be a phone number or an object with `phone_number`"
)]
pub(super) enum RecipientInput {
    /// A phone number with its country code.
    Number(String),
    Person {
        /// A phone number with its country code; `+`, spaces, dashes, dots and brackets do not matter.
        #[serde(
            alias = "phone",
            alias = "number",
            alias = "wa_id",
            deserialize_with = "text_or_number"
        )]
        phone_number: String,
        /// How the contact is named, if it is new.
        name: Option<String>,
        /// What fills the template: a list for `{{1}}`, `{{2}}` …, an object for named variables.
        #[serde(default)]
        #[schema(value_type = Object)]
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

/// A recipient as the database takes it.
#[derive(Serialize)]
pub(super) struct Recipient {
    pub(super) wa_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) variables: Variables,
}

impl RecipientInput {
    /// The recipient, or the field that is wrong and why.
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
        let wa_id = normalise(&number).map_err(|problem| ("phone_number", problem))?;
        Ok(Recipient {
            wa_id,
            name,
            variables,
        })
    }
}

/// A phone number as WhatsApp writes it: digits with the country code.
pub(crate) fn normalise(number: &str) -> Result<String, Text> {
    let mut digits = String::with_capacity(15);
    for character in number.trim().chars() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if digits.is_empty() => {}
            ' ' | '\u{a0}' | '-' | '\u{2010}'..='\u{2015}' | '.' | '(' | ')' => {}
            _ => {
                return Err(Text::new(
                    "is not a phone number: only digits, `+`, spaces and dashes may occur",
                    "bukan nomor telepon: hanya boleh berisi angka, `+`, spasi, dan tanda hubung",
                ));
            }
        }
    }
    if digits.starts_with('0') {
        return Err(Text::new(
            "must begin with the country code, for example 62 instead of 0",
            "harus diawali kode negara, misalnya 62 sebagai ganti 0",
        ));
    }
    if !(8..=15).contains(&digits.len()) {
        return Err(Text::new(
            "must have 8 to 15 digits",
            "harus terdiri dari 8 sampai 15 angka",
        ));
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for written in [
            "+62 812-3456-7890",
            "6281234567890",
            "(62) 812.3456.7890",
            " 62\u{a0}81234567890 ",
        ] {
            assert_eq!(normalise(written).unwrap(), "6281234567890", "{written}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for written in [
            "",
            "0812345678",
            "62812x345",
            "1234567",
            "1234567890123456",
            "62+812345678",
        ] {
            assert!(normalise(written).is_err(), "{written}");
        }
    }

    #[test]
    fn a_recipient_is_a_number_or_a_person() {
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
}
