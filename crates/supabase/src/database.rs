//! The database with the rights of one caller.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::database_error::{DatabaseError, Source};
use crate::key::ApiKey;
use crate::query::Query;

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The database with the rights of one caller: a user, or the service.
#[derive(Clone)]
pub struct Database<'a> {
    http: &'a reqwest::Client,
    project: &'a Url,
    key: &'a ApiKey,
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
    pub(crate) fn new(
        http: &'a reqwest::Client,
        project: &'a Url,
        key: &'a ApiKey,
        user: Option<HeaderValue>,
        is_service: bool,
    ) -> Self {
        Self {
            http,
            project,
            key,
            user,
            is_service,
            headers: HeaderMap::new(),
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
        let url = crate::endpoint(self.project, &["rest", "v1", "rpc", function]);
        self.send(Method::POST, url, Some(arguments.into()))
            .await?
            .accepted()?
            .json()
    }

    pub(crate) fn table_url(&self, table: &str) -> Url {
        crate::endpoint(self.project, &["rest", "v1", table])
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<Body>,
    ) -> Result<Answer, DatabaseError> {
        let mut request = self
            .http
            .request(method, url)
            .header(API_KEY, self.key.header.clone())
            .headers(self.headers.clone())
            .header(ACCEPT, JSON);
        if let Some(bearer) = self.user.as_ref().or(self.key.bearer.as_ref()) {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        if let Some(limit) = self.time_limit {
            request = request.timeout(limit);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, JSON).body(body);
        }

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
    pub(crate) fn accepted(self) -> Result<Self, DatabaseError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(DatabaseError::from_answer(
            self.status.as_u16(),
            &self.headers,
            &self.body,
            self.as_user,
        ))
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
