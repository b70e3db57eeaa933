//! Rewrites of `vercel.json`: path-to-regexp patterns as Vercel compiles them.

use fancy_regex::Regex;

use crate::vercel_json::RewriteRule;

/// A compiled rewrite.
#[derive(Debug)]
pub(crate) struct Rewrite {
    matcher: Regex,
    /// Names of the groups in their order; unnamed ones are empty.
    names: Vec<String>,
    path: String,
    query: Vec<(String, String)>,
}

/// Where a rewrite leads: a path, and parameters that are added to the query, percent-encoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
}

/// A rewrite that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("vercel.json: the rewrite of {source_pattern:?}: {reason}")]
pub struct RewriteError {
    source_pattern: String,
    reason: String,
}

impl Rewrite {
    /// Compiles a rule.
    pub(crate) fn compile(rule: &RewriteRule) -> Result<Self, RewriteError> {
        let wrong = |reason: String| RewriteError {
            source_pattern: rule.source.clone(),
            reason,
        };
        if !rule.destination.starts_with('/') {
            return Err(wrong(
                "only destinations on this site are served locally".to_owned(),
            ));
        }
        let (pattern, names) = to_regex(&rule.source).map_err(wrong)?;
        let matcher = Regex::new(&pattern).map_err(|error| wrong(error.to_string()))?;
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
        let named = || names.iter().filter(|name| !name.is_empty());
        // Where the path uses none of the parameters, the function gets them all in its query.
        if !named().any(|name| has_parameter(path, name)) {
            for name in named() {
                if !query.iter().any(|(present, _)| present == name) {
                    query.push((name.clone(), format!(":{name}")));
                }
            }
        }
        let path = path.to_owned();
        Ok(Self {
            matcher,
            names,
            path,
            query,
        })
    }

    /// The destination of a path that matches.
    pub(crate) fn apply(&self, path: &str) -> Option<Destination> {
        let found = self.matcher.captures(path).ok().flatten()?;
        let groups: Vec<&str> = (1..=self.names.len())
            .map(|number| found.get(number).map_or("", |group| group.as_str()))
            .collect();
        let fill = |text: &str| self.fill(text, &groups);
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

    /// Puts groups in the place of `:name`, `:name*` and `$1`.
    fn fill(&self, text: &str, groups: &[&str]) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(position) = rest.find([':', '$']) {
            filled.push_str(&rest[..position]);
            let after = &rest[position + 1..];
            let length = after
                .find(|sign: char| !sign.is_alphanumeric() && sign != '_')
                .unwrap_or(after.len());
            let (name, tail) = after.split_at(length);
            let index = if rest[position..].starts_with('$') {
                // Groups are counted from 1.
                name.parse::<usize>()
                    .ok()
                    .and_then(|number| number.checked_sub(1))
                    .filter(|index| *index < groups.len())
            } else {
                self.names
                    .iter()
                    .position(|known| known == name && !name.is_empty())
            };
            match index {
                Some(index) => {
                    filled.push_str(groups[index]);
                    rest = tail.strip_prefix(['*', '+', '?']).unwrap_or(tail);
                }
                None => {
                    filled.push_str(&rest[position..=position]);
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        filled
    }
}

fn has_parameter(path: &str, name: &str) -> bool {
    path.match_indices(&format!(":{name}")).any(|(position, found)| {
        !path[position + found.len()..].starts_with(|sign: char| sign.is_alphanumeric() || sign == '_')
    })
}

/// The regular expression of a pattern and the names of its groups.
fn to_regex(source: &str) -> Result<(String, Vec<String>), String> {
    let mut pattern = String::from("^");
    let mut names = Vec::new();
    let mut rest = source;
    while let Some(sign) = rest.chars().next() {
        let prefix = if sign == '/' { &rest[..1] } else { "" };
        let inner = &rest[prefix.len()..];
        let (name, after) = match inner.strip_prefix(':') {
            Some(named) => {
                let end = named
                    .find(|sign: char| !sign.is_alphanumeric() && sign != '_')
                    .unwrap_or(named.len());
                named.split_at(end)
            }
            None => ("", inner),
        };
        let (group, after) = match group(after)? {
            Some((group, after)) => (group, after),
            None if !name.is_empty() => ("[^/]+?", after),
            None => {
                let mut signs = rest.chars();
                let mut literal = signs.next().unwrap_or_default();
                if literal == '\\' {
                    literal = signs.next().ok_or("it ends in a backslash")?;
                }
                pattern.push_str(&escape(literal));
                rest = signs.as_str();
                continue;
            }
        };
        names.push(name.to_owned());
        let (modifier, after) = match after.chars().next() {
            Some(modifier @ ('*' | '+' | '?')) => (Some(modifier), &after[1..]),
            _ => (None, after),
        };
        match modifier {
            Some(many @ ('*' | '+')) => {
                let optional = if many == '*' { "?" } else { "" };
                pattern.push_str(&format!(
                    "(?:{prefix}((?:{group})(?:{prefix}(?:{group}))*)){optional}"
                ));
            }
            Some(_) => pattern.push_str(&format!("(?:{prefix}({group}))?")),
            None => pattern.push_str(&format!("(?:{prefix}({group}))")),
        }
        rest = after;
    }
    pattern.push('$');
    Ok((pattern, names))
}

/// A group in brackets at the start of a text, and what follows it.
fn group(text: &str) -> Result<Option<(&str, &str)>, String> {
    if !text.starts_with('(') {
        return Ok(None);
    }
    let (mut depth, mut escaped) = (0_usize, false);
    for (position, sign) in text.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some((&text[1..position], &text[position + 1..])));
                }
            }
            _ => {}
        }
    }
    Err("a bracket is not closed".to_owned())
}

fn escape(sign: char) -> String {
    if sign.is_ascii_punctuation() && sign != '/' && sign != '-' && sign != '_' {
        return format!("\\{sign}");
    }
    sign.to_string()
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
