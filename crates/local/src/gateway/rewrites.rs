//! Rewrites of `vercel.json`.

use super::path_pattern::PathPattern;
use crate::vercel_json::RewriteRule;

/// A compiled rewrite.
#[derive(Debug)]
pub(crate) struct Rewrite {
    pattern: PathPattern,
    path: String,
    query: Vec<(String, String)>,
}

/// Where a rewrite leads: a path, and parameters that are added to the query, percent-encoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
}

/// A rule of `vercel.json` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("vercel.json: the rule of {source_pattern:?}: {reason}")]
pub struct RuleError {
    source_pattern: String,
    reason: String,
}

impl RuleError {
    pub(crate) fn new(source_pattern: &str, reason: impl Into<String>) -> Self {
        Self {
            source_pattern: source_pattern.to_owned(),
            reason: reason.into(),
        }
    }
}

impl Rewrite {
    /// Compiles a rule.
    pub(crate) fn compile(rule: &RewriteRule) -> Result<Self, RuleError> {
        let wrong = |reason: String| RuleError::new(&rule.source, reason);
        if !rule.destination.starts_with('/') {
            return Err(wrong(
                "only destinations on this site are served locally".to_owned(),
            ));
        }
        let pattern = PathPattern::compile(&rule.source).map_err(wrong)?;
        let (path, query) = rule
            .destination
            .split_once('?')
            .unwrap_or((&rule.destination, ""));
        let mut query: Vec<(String, String)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // Where the path uses none of the parameters, the function gets them all in its query.
        if !pattern.names().any(|name| has_parameter(path, name)) {
            for name in pattern.names() {
                if !query.iter().any(|(present, _)| present == name) {
                    query.push((name.clone(), format!(":{name}")));
                }
            }
        }
        Ok(Self {
            path: path.to_owned(),
            pattern,
            query,
        })
    }

    /// The destination of a path that matches.
    pub(crate) fn apply(&self, path: &str) -> Option<Destination> {
        let groups = self.pattern.groups(path)?;
        let fill = |text: &str| self.pattern.fill(text, &groups);
        let query = self
            .query
            .iter()
            .map(|(name, value)| (name.clone(), fill(value)))
            .collect();
        Some(Destination {
            path: fill(&self.path),
            query,
        })
    }
}

fn has_parameter(path: &str, name: &str) -> bool {
    path.match_indices(&format!(":{name}")).any(|(position, found)| {
        !path[position + found.len()..].starts_with(|sign: char| sign.is_alphanumeric() || sign == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(source: &str, destination: &str, path: &str) -> Option<String> {
        let rule = RewriteRule {
            source: source.to_owned(),
            destination: destination.to_owned(),
        };
        let destination = Rewrite::compile(&rule).unwrap().apply(path)?;
        let query: Vec<String> = destination
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        Some(format!("{}{mark}{}", destination.path, query.join("&")))
    }

    #[test]
    fn patterns_lead_to_their_destinations() {
        for (source, destination, path, expected) in [
            ("/(.*)", "/index.html", "/any/thing", Some("/index.html")),
            ("/(.*)", "/index.html", "/", Some("/index.html")),
            ("/((?!api/).*)", "/index.html", "/inbox", Some("/index.html")),
            ("/((?!api/).*)", "/index.html", "/api/x", None),
            ("/x/:id", "/api/items/:id", "/x/5", Some("/api/items/5")),
            ("/x/:id", "/api/items/:id", "/x/5/6", None),
            ("/x/:id", "/api/item", "/x/5", Some("/api/item?id=5")),
            (
                "/x/:id(\\d+)",
                "/api/item?n=:id",
                "/x/5",
                Some("/api/item?n=5&id=5"),
            ),
            ("/x/:id(\\d+)", "/api/item", "/x/five", None),
            ("/v1/:path*", "/api/:path*", "/v1/a/b", Some("/api/a/b")),
            ("/v1/:path*", "/api/:path*", "/v1", Some("/api/")),
            ("/old-(.*)", "/new/$1", "/old-page", Some("/new/page")),
            ("/file.json", "/api/file", "/file.json", Some("/api/file")),
            ("/file.json", "/api/file", "/fileXjson", None),
            ("/a/:b?", "/c/:b?", "/a", Some("/c/")),
        ] {
            assert_eq!(
                rewrite(source, destination, path).as_deref(),
                expected,
                "{source} {path}"
            );
        }
    }

    #[test]
    fn other_hosts_and_open_brackets_are_refused() {
        let refusal = |source: &str, destination: &str| {
            let rule = RewriteRule {
                source: source.to_owned(),
                destination: destination.to_owned(),
            };
            Rewrite::compile(&rule).unwrap_err().to_string()
        };
        assert!(refusal("/a", "https://x.test/").contains("/a"));
        assert!(refusal("/(a", "/b").contains("bracket"));
    }
}
