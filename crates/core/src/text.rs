//! Sentences for people, in the languages of the product.

use std::borrow::Cow;
use std::future::Future;

tokio::task_local! {
    static OF_REQUEST: Language;
}

/// A language of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English
    English,
    /// Bahasa Indonesia
    Indonesian,
}

impl Language {
    /// The language of the request that is being answered, for code that has no access to the request. English outside
    /// of requests.
    pub fn of_request() -> Self {
        OF_REQUEST.try_get().unwrap_or(Self::English)
    }

    /// Runs `work` with this as the language of the request.
    pub async fn speaks<F: Future>(self, work: F) -> F::Output {
        OF_REQUEST.scope(self, work).await
    }

    /// The first language of an `Accept-Language` header that the product has. English without one.
    pub fn from_accept_language(header: &str) -> Self {
        let mut best = (0_u16, Self::English);
        for part in header.split(',') {
            let mut pieces = part.trim().split(';');
            let tag = pieces.next().unwrap_or_default().trim();
            let language = match tag.split('-').next().unwrap_or_default() {
                tag if tag.eq_ignore_ascii_case("id") || tag.eq_ignore_ascii_case("in") => Self::Indonesian,
                tag if tag.eq_ignore_ascii_case("en") => Self::English,
                _ => continue,
            };
            let weight = pieces
                .find_map(|piece| piece.trim().strip_prefix("q="))
                .map_or(1000, |q| {
                    (q.trim().parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u16
                });
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    english: Cow<'static, str>,
    indonesian: Cow<'static, str>,
}

impl Text {
    /// Creates a sentence from its English and its Indonesian form.
    pub fn new(english: impl Into<Cow<'static, str>>, indonesian: impl Into<Cow<'static, str>>) -> Self {
        Self {
            english: english.into(),
            indonesian: indonesian.into(),
        }
    }

    /// The sentence in `language`.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::English => &self.english,
            Language::Indonesian => &self.indonesian,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_language_picks_the_best_language_of_the_product() {
        for (header, expected) in [
            ("", Language::English),
            ("id", Language::Indonesian),
            ("id-ID,id;q=0.9,en;q=0.8", Language::Indonesian),
            ("en-GB,en;q=0.9,id;q=0.8", Language::English),
            ("fr, id;q=0.2", Language::Indonesian),
            ("en;q=0.1, id;q=0.5", Language::Indonesian),
            ("id;q=nonsense", Language::English),
        ] {
            assert_eq!(Language::from_accept_language(header), expected, "{header}");
        }
    }
}
