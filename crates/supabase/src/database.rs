//! The database with the rights of one caller.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Project;
use crate::database_error::{DatabaseError, Source};
use crate::function_proof::{FUNCTION_PROOF, UNKNOWN_PROOF};
use crate::query::Query;

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The database with the rights of one caller: a user, or the service.
#[derive(Clone)]
pub struct Database<'a> {
    project: &'a Project,
    /// The user's token. Without one the call has the rights of the key.
    user: Option<HeaderValue>,
    is_service: bool,
    /// Additional headers of every call.
    headers: HeaderMap,
    /// The time limit of a call, if it differs from the client's.
    time_limit: Option<Duration>,
}

/// The answer of PostgREST.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    as_user: bool,
}

impl<'a> Database<'a> {
    pub(crate) fn as_service(project: &'a Project) -> Self {
        Self {
            project,
            user: None,
            is_service: true,
            headers: HeaderMap::new(),
            time_limit: None,
        }
    }

    /// A person, or a caller whom another header identifies. Each call carries the proof that it comes from here.
    pub(crate) fn as_client(project: &'a Project, user: Option<HeaderValue>) -> Self {
        Self {
            project,
            user,
            is_service: false,
            headers: HeaderMap::from_iter([(FUNCTION_PROOF, project.proof.header.clone())]),
            time_limit: None,
        }
    }

    /// The same database, for calls that may take longer.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// The same database, with a header on every call. Functions of the database read it from `request.headers`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Reads a table or view.
    pub fn from(&self, table: &'static str) -> Query<'a> {
        Query::new(self.clone(), table)
    }

    /// Calls a function with named arguments; use `()` for a function that returns nothing.
    pub async fn rpc<T: DeserializeOwned>(
        &self,
        function: &'static str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<T, DatabaseError> {
        self.rpc_body(function, to_json(arguments)?).await
    }

    /// Calls a function with arguments that are already a JSON object.
    pub async fn rpc_body<T: DeserializeOwned>(
        &self,
        function: &'static str,
        arguments: impl Into<Body>,
    ) -> Result<T, DatabaseError> {
        self.send(Method::POST, self.function_url(function), Some(arguments.into()))
            .await?
            .accepted()?
            .json()
    }

    pub(crate) fn function_url(&self, function: &str) -> Url {
        crate::endpoint(&self.project.url, &["rest", "v1", "rpc", function])
    }

    pub(crate) fn table_url(&self, table: &str) -> Url {
        crate::endpoint(&self.project.url, &["rest", "v1", table])
    }

    /// Sends a request. If the database does not know our proof, registers it and sends the request once more.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<Body>,
    ) -> Result<Answer, DatabaseError> {
        let request = self.request(method, url, body);
        if self.is_service {
            return self.answer(request).await;
        }
        let again = request.try_clone();
        let sent_at = Instant::now();
        let answer = self.answer(request).await?;
        let (true, Some(again)) = (answer.refuses_the_proof(), again) else {
            return Ok(answer);
        };
        let service = Self::as_service(self.project);
        self.project.proof.register(&service, sent_at).await?;
        self.answer(again).await
    }

    pub(crate) fn request(&self, method: Method, url: Url, body: Option<Body>) -> RequestBuilder {
        let key = if self.is_service {
            &self.project.service_role_key
        } else {
            &self.project.anon_key
        };
        let mut request = self
            .project
            .http
            .request(method, url)
            .header(API_KEY, key.header.clone())
            .headers(self.headers.clone())
            .header(ACCEPT, JSON);
        if let Some(bearer) = self.user.as_ref().or(key.bearer.as_ref()) {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        if let Some(limit) = self.time_limit {
            request = request.timeout(limit);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, JSON).body(body);
        }
        request
    }

    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<Answer, DatabaseError> {
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = response.bytes().await.map_err(|error| unreachable(&error))?;
        Ok(Answer {
            status,
            headers,
            body: body.into(),
            as_user: !self.is_service,
        })
    }
}

impl Answer {
    fn refuses_the_proof(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
            && matches!(self.error(), DatabaseError::Refused { code, .. } if code == UNKNOWN_PROOF)
    }

    fn error(&self) -> DatabaseError {
        DatabaseError::from_answer(self.status.as_u16(), &self.headers, &self.body, self.as_user)
    }

    pub(crate) fn accepted(self) -> Result<Self, DatabaseError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(match self.error() {
            // The caller has no part in it: we registered the proof and the database refuses it all the same.
            DatabaseError::Refused { code, .. } if code == UNKNOWN_PROOF => DatabaseError::Unexpected(
                Source::new("the database does not accept the proof of the functions"),
            ),
            error => error,
        })
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, DatabaseError> {
        // A function without a result has an empty body.
        let body = if self.body.is_empty() {
            b"null"
        } else {
            self.body.as_slice()
        };
        serde_json::from_slice(body).map_err(|error| {
            DatabaseError::Unexpected(Source::new(format!(
                "the answer does not have the expected shape: {error}"
            )))
        })
    }
}

fn to_json(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, DatabaseError> {
    serde_json::to_vec(value).map_err(|error| {
        DatabaseError::Unexpected(Source::new(format!(
            "the request cannot be written as JSON: {error}"
        )))
    })
}

fn unreachable(error: &reqwest::Error) -> DatabaseError {
    DatabaseError::Unavailable(Source::of(error))
}
