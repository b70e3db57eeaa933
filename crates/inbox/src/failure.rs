//! The reason why a message failed, for programs and for people.

use serde::de::IgnoredAny;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use whatsapp::error_codes::{Locale, explain};

use crm_core::text::{Language, Text};
use sending::outcome::ANSWER_LOST;

/// Meta's explanation of a failure. All fields are null unless the message failed or its outcome is unknown.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = MessageFailure)]
pub(crate) struct Failure {
    /// Meta's error code, if the message failed.
    error_code: Option<i32>,
    /// Meta's error message.
    error_title: Option<String>,
    error_details: Option<String>,
    /// The same as one object, with a sentence in the language of the request.
    #[serde(default, deserialize_with = "never")]
    #[schema(read_only)]
    error: Option<Explained>,
}

/// Never read: the explanation depends on the language of the request and is made when the failure is written.
fn never<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Explained>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| None)
}

/// A failure with its explanation.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Explained {
    /// Meta's error code.
    code: Option<i32>,
    /// Meta's error message.
    #[schema(example = "Message undeliverable")]
    title: Option<String>,
    /// The meaning and what can be done, in the language of the request.
    #[schema(example = "The number is not on WhatsApp, or cannot receive messages.")]
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
            explanation: self
                .own_reason(language)
                .or(known)
                .unwrap_or_else(|| unknown.in_language(language))
                .to_owned(),
        })
    }
}

impl Failure {
    /// The reason why the message was not handed to WhatsApp at all.
    fn own_reason(&self, language: Language) -> Option<&'static str> {
        let title = self.error_title.as_deref()?;
        let (_, reason) = OWN_REASONS.into_iter().find(|(known, _)| *known == title)?;
        self.error_code.is_none().then_some(match language {
            Language::English => reason[0],
            Language::Indonesian => reason[1],
        })
    }
}

/// English and Indonesian sentences by the title that the database records.
const OWN_REASONS: [(&str, [&str; 2]); 12] = [
    (
        "Cancelled",
        [
            "It was cancelled before it was sent.",
            "Dibatalkan sebelum dikirim.",
        ],
    ),
    (
        "The number of this conversation cannot send.",
        [
            "It was not sent: the number could not send at that time.",
            "Tidak dikirim: nomor sedang tidak dapat mengirim saat itu.",
        ],
    ),
    (
        "The customer last wrote more than 24 hours ago: only an approved template may be sent now.",
        [
            "It was not sent: the customer last wrote more than 24 hours before. Send an approved template instead.",
            "Tidak dikirim: pelanggan terakhir menulis lebih dari 24 jam sebelumnya. Kirim template yang sudah disetujui.",
        ],
    ),
    ("This contact is blocked.", BLOCKED),
    ("The contact is blocked", BLOCKED),
    (
        "The customer may no longer be written to",
        [
            "It was not sent: the 24 hours were over, the contact could no longer be reached, or the number could no longer send.",
            "Tidak dikirim: jendela 24 jam sudah lewat, kontak tidak dapat dihubungi lagi, atau nomor tidak dapat mengirim lagi.",
        ],
    ),
    ("The contact has no address", NO_ADDRESS),
    ("This contact has no WhatsApp number or id any more.", NO_ADDRESS),
    ("The customer has opted out", OPTED_OUT),
    ("This contact does not want marketing messages.", OPTED_OUT),
    (
        "The campaign was cancelled",
        [
            "It was not sent: the campaign was cancelled.",
            "Tidak dikirim: kampanye dibatalkan.",
        ],
    ),
    (
        "The contact was deleted",
        [
            "It was not sent: the contact was deleted.",
            "Tidak dikirim: kontak sudah dihapus.",
        ],
    ),
];
const BLOCKED: [&str; 2] = [
    "It was not sent: the contact is blocked.",
    "Tidak dikirim: kontak diblokir.",
];
const NO_ADDRESS: [&str; 2] = [
    "It was not sent: the contact has no WhatsApp number or id.",
    "Tidak dikirim: kontak tidak punya nomor atau id WhatsApp.",
];
const OPTED_OUT: [&str; 2] = [
    "It was not sent: the customer does not want marketing messages.",
    "Tidak dikirim: pelanggan tidak ingin menerima pesan pemasaran.",
];

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
    use crm_core::text::Language;

    #[test]
    fn a_message_that_whatsapp_never_got_is_not_blamed_on_whatsapp() {
        for (title, english, indonesian) in [
            ("Cancelled", "cancelled", "Dibatalkan"),
            ("This contact is blocked.", "blocked", "diblokir"),
        ] {
            let failure = json!({"error_code": null, "error_title": title, "error_details": null});
            for (language, word) in [(Language::English, english), (Language::Indonesian, indonesian)] {
                let explanation = answer(&failure, language)["error"]["explanation"].to_string();
                assert!(
                    explanation.contains(word) && !explanation.contains("WhatsApp"),
                    "{explanation}"
                );
            }
        }
    }

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
    fn an_unknown_code_has_a_sentence_too() {
        let failed = json!({"error_code": 77, "error_title": null, "error_details": null});
        let english = answer(&failed, Language::English);
        assert_eq!(
            english["error"]["explanation"],
            "WhatsApp did not deliver this message."
        );
    }

    #[test]
    fn a_message_that_did_not_fail_has_no_error() {
        let well = json!({"error_code": null, "error_title": null, "error_details": null});
        assert_eq!(answer(&well, Language::English)["error"], Value::Null);
    }

    #[test]
    fn a_message_that_may_have_been_sent_is_not_called_undelivered() {
        let lost = json!({"error_code": null, "error_title": super::ANSWER_LOST, "error_details": null});
        let english = answer(&lost, Language::English);
        let explanation = english["error"]["explanation"].as_str().unwrap();
        assert!(explanation.contains("not certain"), "{explanation}");
    }
}
