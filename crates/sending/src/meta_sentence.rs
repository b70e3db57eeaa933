//! Sentences for Meta's refusals.

use crm_core::text::Text;
use whatsapp::client::MetaError;
use whatsapp::error_codes::{self, Locale};

/// Our sentence for Meta's error code, or Meta's own message if we have none.
pub fn meta_sentence(error: &MetaError) -> Text {
    let words = |locale, fallback: &str| {
        error_codes::explain(error.code, locale)
            .map_or_else(|| format!("{fallback}: {}", error.text()), str::to_owned)
    };
    Text::new(
        words(Locale::English, "Meta refuses it"),
        words(Locale::Indonesian, "Meta menolaknya"),
    )
}
