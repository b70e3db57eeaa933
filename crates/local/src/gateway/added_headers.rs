//! Headers that `vercel.json` adds to answers, those of files and functions alike.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::path_pattern::PathPattern;
use super::rewrites::RuleError;
use crate::vercel_json::HeadersRule;

/// The compiled rules, in their order.
#[derive(Debug)]
pub(crate) struct AddedHeaders(Vec<(PathPattern, Vec<(HeaderName, HeaderValue)>)>);

impl AddedHeaders {
    /// Compiles all rules.
    pub(crate) fn compile(rules: &[HeadersRule]) -> Result<Self, RuleError> {
        let compiled = rules.iter().map(|rule| {
            let wrong = |reason: String| RuleError::new(&rule.source, reason);
            let pattern = PathPattern::compile(&rule.source).map_err(wrong)?;
            let headers = rule.headers.iter().map(|header| {
                let name = HeaderName::try_from(&header.key).map_err(|error| wrong(error.to_string()))?;
                let value = HeaderValue::try_from(&header.value).map_err(|error| wrong(error.to_string()))?;
                Ok((name, value))
            });
            Ok((pattern, headers.collect::<Result<_, RuleError>>()?))
        });
        compiled.collect::<Result<_, RuleError>>().map(Self)
    }

    /// Adds the headers of a path, unless the answer has them already.
    pub(crate) fn apply(&self, path: &str, headers: &mut HeaderMap) {
        let rules = self.0.iter().filter(|(pattern, _)| pattern.matches(path));
        for (name, value) in rules.flat_map(|(_, added)| added) {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Result<AddedHeaders, RuleError> {
        AddedHeaders::compile(&serde_json::from_str::<Vec<HeadersRule>>(json).unwrap())
    }

    #[test]
    fn headers_are_added_where_the_path_matches_and_the_answer_has_none() {
        let added = rules(
            r#"[{"source":"/(.*)","headers":[{"key":"X-Content-Type-Options","value":"nosniff"},
                {"key":"Cache-Control","value":"no-store"}]},
                {"source":"/assets/:file","headers":[{"key":"X-Asset","value":"1"}]}]"#,
        )
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", HeaderValue::from_static("private"));
        added.apply("/api/health", &mut headers);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "private");
        assert!(!headers.contains_key("x-asset"));
        added.apply("/assets/a.js", &mut headers);
        assert_eq!(headers["x-asset"], "1");
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_refused_with_its_rule() {
        let refusal = rules(r#"[{"source":"/a","headers":[{"key":"bad name","value":"x"}]}]"#).unwrap_err();
        assert!(refusal.to_string().contains("/a"), "{refusal}");
    }
}
