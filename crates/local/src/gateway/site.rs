//! From a path to what serves it, in Vercel's order: files and exact functions, rewrites, functions with
//! parameters. (`vercel build` puts rewrites before functions with parameters: a catch-all rewrite hides those.)

use std::path::{Path, PathBuf};

use super::function_files::FunctionFile;
use super::rewrites::{Rewrite, RuleError};
use super::routes::{Matched, Routes};
use super::static_files::StaticFiles;
use crate::vercel_json::VercelJson;

/// What serves a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    File(PathBuf),
    /// A function, with the parameters its query gets.
    Function(Matched),
    Nothing,
}

/// Everything a path can lead to.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) files: StaticFiles,
    routes: Routes,
    rewrites: Vec<Rewrite>,
}

impl Site {
    pub(crate) fn new(
        root: &Path,
        project: &VercelJson,
        functions: &[FunctionFile],
    ) -> Result<Self, RuleError> {
        let folder = project.output_directory.as_deref().unwrap_or(Path::new("public"));
        Ok(Self {
            files: StaticFiles::new(root.join(folder)),
            routes: Routes::new(functions),
            rewrites: project
                .rewrites
                .iter()
                .map(Rewrite::compile)
                .collect::<Result<_, _>>()?,
        })
    }

    pub(crate) async fn resolve(&self, path: &str) -> Target {
        if let Some(target) = self.present(path).await {
            return target;
        }
        let mut path = path.to_owned();
        let mut query = Vec::new();
        for rewrite in &self.rewrites {
            let Some(destination) = rewrite.apply(&path) else {
                continue;
            };
            query.extend(destination.query);
            if let Some(target) = self.present(&destination.path).await {
                return with_query(target, query);
            }
            // Nothing there: the rules that follow see the new path.
            path = destination.path;
        }
        self.routes.dynamic(&path).map_or(Target::Nothing, |matched| {
            with_query(Target::Function(matched), query)
        })
    }

    /// A file or the function of exactly this path.
    async fn present(&self, path: &str) -> Option<Target> {
        if let Some(file) = self.files.find(path).await {
            return Some(Target::File(file));
        }
        self.routes.exact(path).map(Target::Function)
    }
}

fn with_query(target: Target, query: Vec<(String, String)>) -> Target {
    match target {
        Target::Function(mut matched) => {
            matched.parameters.extend(query);
            Target::Function(matched)
        }
        other => other,
    }
}

/// The query a function gets: its parameters, then what was asked for, which wins where both name the same.
pub(crate) fn query_with(parameters: &[(String, String)], query: Option<&str>) -> Option<String> {
    let asked = query.unwrap_or_default();
    let is_asked = |name: &str| {
        let mut pairs = asked
            .split('&')
            .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
        pairs.any(|given| given == name)
    };
    let added = parameters
        .iter()
        .filter(|(name, _)| !is_asked(name))
        .map(|(name, value)| format!("{name}={value}"));
    let all: Vec<String> = added
        .chain(query.filter(|query| !query.is_empty()).map(str::to_owned))
        .collect();
    if all.is_empty() {
        query.map(str::to_owned)
    } else {
        Some(all.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        _folder: tempfile::TempDir,
        site: Site,
    }

    const FILES: [&str; 3] = ["api/health.rs", "api/items/[id].rs", "api/items/[id]/notes.rs"];

    fn site(vercel_json: &str) -> Case {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("public/api")).unwrap();
        std::fs::write(folder.path().join("public/index.html"), "home").unwrap();
        std::fs::write(folder.path().join("public/api/logo.png"), "png").unwrap();
        let functions = FILES.map(|file| FunctionFile {
            file: file.to_owned(),
            bin: String::new(),
        });
        let project = serde_json::from_str(vercel_json).unwrap();
        let site = Site::new(folder.path(), &project, &functions).unwrap();
        Case {
            _folder: folder,
            site,
        }
    }

    impl Case {
        async fn goes(&self, path: &str) -> String {
            match self.site.resolve(path).await {
                Target::File(file) => file.file_name().unwrap().to_string_lossy().into_owned(),
                Target::Function(matched) => {
                    let query = query_with(&matched.parameters, None).unwrap_or_default();
                    format!("{} {query}", FILES[matched.function])
                }
                Target::Nothing => "nothing".to_owned(),
            }
        }
    }

    #[tokio::test]
    async fn files_then_functions_then_nothing() {
        let case = site("{}");
        assert_eq!(case.goes("/").await, "index.html");
        assert_eq!(case.goes("/api/logo.png").await, "logo.png");
        assert_eq!(case.goes("/api/health").await, "api/health.rs ");
        assert_eq!(case.goes("/api/items/7").await, "api/items/[id].rs id=7");
        assert_eq!(
            case.goes("/api/items/7/notes").await,
            "api/items/[id]/notes.rs id=7"
        );
        assert_eq!(case.goes("/inbox").await, "nothing");
    }

    #[tokio::test]
    async fn rewrites_lead_to_files_and_functions() {
        let case = site(
            r#"{"rewrites":[{"source":"/things/:id","destination":"/api/items/:id"},
                {"source":"/status/:part","destination":"/api/health"},
                {"source":"/((?!api/|things/).*)","destination":"/index.html"}]}"#,
        );
        assert_eq!(case.goes("/things/7").await, "api/items/[id].rs id=7");
        assert_eq!(case.goes("/status/disk").await, "api/health.rs part=disk");
        assert_eq!(case.goes("/inbox").await, "index.html");
        assert_eq!(case.goes("/api/items/7").await, "api/items/[id].rs id=7");
    }

    #[tokio::test]
    async fn a_catch_all_hides_functions_with_parameters_as_on_vercel() {
        let case = site(r#"{"rewrites":[{"source":"/(.*)","destination":"/index.html"}]}"#);
        assert_eq!(case.goes("/api/health").await, "api/health.rs ");
        assert_eq!(case.goes("/api/items/7").await, "index.html");
    }

    #[tokio::test]
    async fn a_rewrite_may_answer_for_all_unknown_api_paths() {
        let case = site(
            r#"{"rewrites":[{"source":"/api(/(?!items/[^/]+$|items/[^/]+/notes$).*)?","destination":"/api/health"}]}"#,
        );
        assert_eq!(case.goes("/api").await, "api/health.rs ");
        assert_eq!(case.goes("/api/unknown/path").await, "api/health.rs ");
        assert_eq!(case.goes("/api/items/7").await, "api/items/[id].rs id=7");
        assert_eq!(
            case.goes("/api/items/7/notes").await,
            "api/items/[id]/notes.rs id=7"
        );
        assert_eq!(case.goes("/inbox").await, "nothing");
    }

    #[test]
    fn parameters_join_the_query_and_what_was_asked_wins() {
        let id = [("id".to_owned(), "7".to_owned())];
        let query = |asked| query_with(&id, asked);
        assert_eq!(query(None).as_deref(), Some("id=7"));
        assert_eq!(query(Some("limit=2")).as_deref(), Some("id=7&limit=2"));
        assert_eq!(query(Some("id=9&limit=2")).as_deref(), Some("id=9&limit=2"));
        assert_eq!(query_with(&[], Some("a=1")).as_deref(), Some("a=1"));
        assert_eq!(query_with(&[], None), None);
    }
}
