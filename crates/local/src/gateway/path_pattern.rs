//! Patterns of paths in `vercel.json`: path-to-regexp, as Vercel compiles it.

use regress::Regex;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct PathPattern {
    matcher: Regex,
    /// Names of the groups in their order; unnamed ones are empty.
    names: Vec<String>,
}

impl PathPattern {
    /// Compiles a pattern, or says what is wrong with it.
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        let (pattern, names) = to_regex(source)?;
        let matcher = Regex::new(&pattern).map_err(|error| error.to_string())?;
        Ok(Self { matcher, names })
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.matcher.find(path).is_some()
    }

    /// The names of its named groups.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| !name.is_empty())
    }

    /// What the groups hold of a path that matches.
    pub(crate) fn groups<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let found = self.matcher.find(path)?;
        Some(
            (1..=self.names.len())
                .map(|number| found.group(number).map_or("", |range| &path[range]))
                .collect(),
        )
    }

    /// Puts groups in the place of `:name`, `:name*` and `$1`.
    pub(crate) fn fill(&self, text: &str, groups: &[&str]) -> String {
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
