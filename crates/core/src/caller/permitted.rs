//! What a handler needs, as a type: leaving it out does not compile.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::Caller;
use super::access::Access;
use crate::app::App;
use crate::contract::{self, Argument, Contract};
use crate::error::ApiError;
use crate::permissions::Permission;
use crate::text::Text;

/// Whether a caller may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    ModuleDisabled,
    Forbidden,
}

impl Verdict {
    pub(super) fn permit(self) -> Result<(), ApiError> {
        match self {
            Self::Allowed => Ok(()),
            Self::Forbidden => Err(ApiError::forbidden()),
            Self::ModuleDisabled => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "module_disabled",
                Text::new(
                    "Your organisation has switched this module off.",
                    "Organisasi Anda telah menonaktifkan modul ini.",
                ),
            )),
        }
    }
}

/// What a handler can need: a permission, [`AnyOf`] several, or [`AllOf`] them.
pub trait Requirement: Send {
    /// The verdict on a caller with this access.
    fn of(access: &Access) -> Verdict;

    /// The same for the document of the API.
    fn needed() -> Needed;
}

/// A requirement as the document states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// One permission.
    One(&'static str),
    /// At least one of these.
    AnyOf(Vec<Needed>),
    /// All of these.
    AllOf(Vec<Needed>),
}

impl Needed {
    pub(crate) fn to_json(&self) -> Value {
        let several = |needed: &[Self]| needed.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::One(key) => json!(key),
            Self::AnyOf(needed) => json!({ "any": several(needed) }),
            Self::AllOf(needed) => json!({ "all": several(needed) }),
        }
    }

    pub(crate) fn in_words(&self) -> String {
        let several = |needed: &[Self], word: &str| {
            let needed: Vec<String> = needed.iter().map(Self::in_words).collect();
            needed.join(word)
        };
        match self {
            Self::One(key) => format!("`{key}`"),
            Self::AnyOf(needed) => several(needed, " or "),
            Self::AllOf(needed) => several(needed, " and "),
        }
    }
}

impl<P: Permission> Requirement for P {
    fn of(access: &Access) -> Verdict {
        if access.disabled_permissions.iter().any(|key| key == P::KEY) {
            Verdict::ModuleDisabled
        } else if access.permissions.iter().any(|key| key == P::KEY) {
            Verdict::Allowed
        } else {
            Verdict::Forbidden
        }
    }

    fn needed() -> Needed {
        Needed::One(P::KEY)
    }
}

/// At least one of two, three or four: `AnyOf<(A, B)>`.
pub struct AnyOf<T>(PhantomData<T>);
/// Every one of two, three or four: `AllOf<(A, B)>`.
pub struct AllOf<T>(PhantomData<T>);

macro_rules! combined {
    ($($name:ident),+) => {
        impl<$($name: Requirement),+> Requirement for AnyOf<($($name,)+)> {
                    fn of(access: &Access) -> Verdict {
                let verdicts = [$($name::of(access)),+];
                [Verdict::Allowed, Verdict::ModuleDisabled]
                    .into_iter()
                    .find(|verdict| verdicts.contains(verdict))
                    .unwrap_or(Verdict::Forbidden)
            }

            fn needed() -> Needed {
                Needed::AnyOf(vec![$($name::needed()),+])
            }
        }

        impl<$($name: Requirement),+> Requirement for AllOf<($($name,)+)> {
                    fn of(access: &Access) -> Verdict {
                let verdicts = [$($name::of(access)),+];
                [Verdict::ModuleDisabled, Verdict::Forbidden]
                    .into_iter()
                    .find(|verdict| verdicts.contains(verdict))
                    .unwrap_or(Verdict::Allowed)
            }

            fn needed() -> Needed {
                Needed::AllOf(vec![$($name::needed()),+])
            }
        }
    };
}
combined!(A, B);
combined!(A, B, C);
combined!(A, B, C, D);

/// A caller who meets requirement `R`. As a handler's argument it is what lets the handler run.
pub struct Permitted<R> {
    /// The caller who meets it.
    pub caller: Caller,
    requirement: PhantomData<R>,
}

impl<R: Requirement> FromRequestParts<App> for Permitted<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self {
            caller: Caller::identify(parts, app, R::of).await?,
            requirement: PhantomData,
        })
    }
}

impl<R: Requirement> Argument for Permitted<R> {
    fn state(contract: &mut Contract) {
        contract.access = contract::Access::Permission(R::needed());
        contract.refuses(&[
            &contract::UNAUTHORIZED,
            &contract::FORBIDDEN,
            &contract::ACCESS_CHANGED,
            &contract::TOO_MANY,
            &contract::UNAVAILABLE,
        ]);
    }
}
