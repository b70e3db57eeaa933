//! Which function serves a path.

use super::function_files::FunctionFile;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    Parameter(String),
}

#[derive(Debug)]
struct Pattern {
    segments: Vec<Segment>,
    /// Position in the list the table was made from.
    function: usize,
}

/// A function and the parameters its path gives it, still percent-encoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) function: usize,
    pub(crate) parameters: Vec<(String, String)>,
}

/// The routes of all functions, in Vercel's order.
#[derive(Debug)]
pub(crate) struct Routes {
    exact: Vec<Pattern>,
    dynamic: Vec<Pattern>,
}

impl Routes {
    pub(crate) fn new(functions: &[FunctionFile]) -> Self {
        let mut patterns: Vec<Pattern> = functions
            .iter()
            .enumerate()
            .map(|(function, file)| Pattern {
                segments: segments(&file.route()),
                function,
            })
            .collect();
        // Fewer parameters at the end first, then by name: the order in which Vercel tries them.
        patterns.sort_by_key(|pattern| {
            let open_end = pattern
                .segments
                .iter()
                .rev()
                .take_while(|segment| is_parameter(segment))
                .count();
            (open_end, functions[pattern.function].file.clone())
        });
        let (dynamic, exact) = patterns
            .into_iter()
            .partition(|pattern| pattern.segments.iter().any(is_parameter));
        Self { exact, dynamic }
    }

    /// The function whose path is exactly this one.
    pub(crate) fn exact(&self, path: &str) -> Option<Matched> {
        find(&self.exact, path)
    }

    /// The first function with parameters that fits.
    pub(crate) fn dynamic(&self, path: &str) -> Option<Matched> {
        find(&self.dynamic, path)
    }
}

fn is_parameter(segment: &Segment) -> bool {
    matches!(segment, Segment::Parameter(_))
}

fn segments(route: &str) -> Vec<Segment> {
    let parts = route.trim_start_matches('/').split('/');
    let segment = |part: &str| match part.strip_prefix('[').and_then(|part| part.strip_suffix(']')) {
        Some(name) => Segment::Parameter(name.to_owned()),
        None => Segment::Fixed(part.to_owned()),
    };
    parts.map(segment).collect()
}

fn find(patterns: &[Pattern], path: &str) -> Option<Matched> {
    patterns.iter().find_map(|pattern| {
        fit(&pattern.segments, path).map(|parameters| Matched {
            function: pattern.function,
            parameters,
        })
    })
}

/// The parameters when the path fits. A fixed end may be followed by a slash or the file's ending.
fn fit(segments: &[Segment], path: &str) -> Option<Vec<(String, String)>> {
    let path = path.strip_prefix('/')?;
    let path = match segments.last() {
        Some(Segment::Fixed(_)) => path
            .strip_suffix('/')
            .or_else(|| path.strip_suffix(".rs"))
            .unwrap_or(path),
        _ => path,
    };
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() != segments.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (segment, part) in segments.iter().zip(parts) {
        match segment {
            Segment::Fixed(text) if text == part => {}
            Segment::Parameter(name) if !part.is_empty() => parameters.push((name.clone(), part.to_owned())),
            _ => return None,
        }
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 8] = [
        "api/health.rs",
        "api/openapi.json.rs",
        "api/conversations.rs",
        "api/conversations/[id].rs",
        "api/conversations/[id]/messages.rs",
        "api/conversations/export.rs",
        "api/a/[x]/c.rs",
        "api/a/b/[y].rs",
    ];

    fn serve(path: &str) -> Option<(&'static str, Vec<(String, String)>)> {
        let files = FILES.map(|file| FunctionFile {
            file: file.to_owned(),
            bin: String::new(),
        });
        let routes = Routes::new(&files);
        let matched = routes.exact(path).or_else(|| routes.dynamic(path))?;
        Some((FILES[matched.function], matched.parameters))
    }

    fn file(path: &str) -> Option<&'static str> {
        serve(path).map(|(file, _)| file)
    }

    #[test]
    fn files_are_paths() {
        assert_eq!(file("/api/health"), Some("api/health.rs"));
        assert_eq!(file("/api/openapi.json"), Some("api/openapi.json.rs"));
        assert_eq!(file("/api/conversations"), Some("api/conversations.rs"));
        assert_eq!(file("/api/health/"), Some("api/health.rs"));
        assert_eq!(file("/api/conversations/"), Some("api/conversations.rs"));
        assert_eq!(file("/api/health.rs"), Some("api/health.rs"));
    }

    #[test]
    fn exact_files_come_before_parameters() {
        assert_eq!(
            file("/api/conversations/export"),
            Some("api/conversations/export.rs")
        );
        assert_eq!(file("/api/conversations/7"), Some("api/conversations/[id].rs"));
    }

    #[test]
    fn parameters_are_named_and_left_encoded() {
        let (file, parameters) = serve("/api/conversations/a%20b/messages").unwrap();
        assert_eq!(file, "api/conversations/[id]/messages.rs");
        assert_eq!(parameters, [("id".to_owned(), "a%20b".to_owned())]);
    }

    #[test]
    fn a_fixed_end_comes_before_an_open_one() {
        assert_eq!(file("/api/a/b/c"), Some("api/a/[x]/c.rs"));
        assert_eq!(file("/api/a/b/d"), Some("api/a/b/[y].rs"));
    }

    #[test]
    fn other_paths_are_nobodys() {
        for path in [
            "/",
            "/api",
            "/api/",
            "/health",
            "/api/healthy",
            "/api/conversations/7/",
            "/api/conversations//messages",
            "/api/conversations/7/notes",
            "api/health",
        ] {
            assert_eq!(file(path), None, "{path}");
        }
    }
}
