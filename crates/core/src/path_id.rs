//! The `[id]` of a route.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::contract::{self, Argument, Contract};
use crate::error::ApiError;

/// The id in the path. A text that is not a UUID answers 404.
pub struct PathId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Path(id) = Path::<Uuid>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::not_found())?;
        Ok(Self(id))
    }
}

impl Argument for PathId {
    fn state(contract: &mut Contract) {
        contract.refuses(&[&contract::NOT_FOUND]);
    }
}
