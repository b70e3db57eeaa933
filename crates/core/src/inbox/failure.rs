//! Why a message failed, for programs and for people.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use whatsapp::error_codes::{Locale, explain};

use crate::outcome::ANSWER_LOST;
use crate::text::{Language, Text};

/// What Meta said, and what it means. All null unless the message failed, or nobody knows whether it was sent.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub(crate) struct Failure {
    /// Meta's code, when it failed.
    error_code: Option<i32>,
    /// Meta's own words.
    error_title: Option<String>,
    error_details: Option<String>,
    /// The same in one place, with a sentence in the language of the request.
    #[serde(skip_deserializing)]
    #[schema(read_only)]
    error: Option<Explained>,
}

/// A failure explained.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Explained {
    /// Meta's code.
    code: Option<i32>,
    /// Meta's own words.
    title: Option<String>,
    /// What it means and what can be done, in the language of the request.
    explanation: String,
}

impl Failure {
    fn explained(&self, language: Language) -> Option<Explained> {
        if self.error_code.is_none() && self.error_title.is_none() {
            return None;
        }
        let locale = match language {
            Language::English => Locale::English,
            Language::Indonesian => Locale::Indonesian,
        };
        let known = self.error_code.and_then(|code| explain(code.into(), locale));
        let unknown = if self.error_title.as_deref() == Some(ANSWER_LOST) {
            Text::new(
                "WhatsApp did not answer. It is not certain whether the message was sent.",
                "WhatsApp tidak menjawab. Belum pasti apakah pesan terkirim.",
            )
        } else {
            Text::new(
                "WhatsApp did not deliver this message.",
                "WhatsApp tidak menyampaikan pesan ini.",
            )
        };
        Some(Explained {
            code: self.error_code,
            title: self.error_title.clone(),
            explanation: known.unwrap_or_else(|| unknown.in_language(language)).to_owned(),
        })
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut failure = serializer.serialize_struct("Failure", 4)?;
        failure.serialize_field("error_code", &self.error_code)?;
        failure.serialize_field("error_title", &self.error_title)?;
        failure.serialize_field("error_details", &self.error_details)?;
        failure.serialize_field("error", &self.explained(Language::of_request()))?;
        failure.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Failure;
    use crate::text::Language;

    fn answer(failure: &Value, language: Language) -> Value {
        let failure: Failure = serde_json::from_value(failure.clone()).unwrap();
        let written = language.speaks(async move { serde_json::to_value(failure) });
        futures_util::FutureExt::now_or_never(written).unwrap().unwrap()
    }

    #[test]
    fn a_failure_is_explained_in_the_language_of_the_request() {
        let failed =
            json!({"error_code": 131_047, "error_title": "Re-engagement message", "error_details": null});
        let english = answer(&failed, Language::English);
        let indonesian = answer(&failed, Language::Indonesian);
        assert_eq!(english["error_code"], 131_047);
        assert_eq!(english["error"]["title"], "Re-engagement message");
        assert!(
            english["error"]["explanation"]
                .as_str()
                .unwrap()
                .contains("24 hours")
        );
        assert!(
            indonesian["error"]["explanation"]
                .as_str()
                .unwrap()
                .contains("24 jam")
        );
    }

    #[test]
    fn a_code_nobody_knows_has_a_sentence_too() {
        let failed = json!({"error_code": 77, "error_title": null, "error_details": null});
        let english = answer(&failed, Language::English);
        assert_eq!(
            english["error"]["explanation"],
            "WhatsApp did not deliver this message."
        );
    }

    #[test]
    fn what_did_not_fail_has_no_error() {
        let well = json!({"error_code": null, "error_title": null, "error_details": null});
        assert_eq!(answer(&well, Language::English)["error"], Value::Null);
    }

    #[test]
    fn what_may_have_been_sent_is_not_called_undelivered() {
        let lost = json!({"error_code": null, "error_title": super::ANSWER_LOST, "error_details": null});
        let english = answer(&lost, Language::English);
        let explanation = english["error"]["explanation"].as_str().unwrap();
        assert!(explanation.contains("not certain"), "{explanation}");
    }
}
