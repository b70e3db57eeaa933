//! Meta's refusals in our words.

use crm_core::text::Text;
use whatsapp::client::MetaError;
use whatsapp::error_codes::{self, Locale};

/// Our words for Meta's code, with Meta's own where we have none.
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
