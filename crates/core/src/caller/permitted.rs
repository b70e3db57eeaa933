//! The permissions that a handler needs, as a type: a handler that names none does not compile.

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
use crate::text::{Language, Text};

/// The result of checking a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    ModuleDisabled,
    Forbidden,
}

impl Decision {
    fn permit(self, access: &Access, needed: &Needed) -> Result<(), ApiError> {
        match self {
            Self::Allowed => Ok(()),
            Self::Forbidden => Err(ApiError::lacks_permission(
                &needed.missing(access).in_language(Language::English),
                &needed.missing(access).in_language(Language::Indonesian),
            )),
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

/// A requirement of a handler: a permission, [`AnyOf`] several, or [`AllOf`] several.
pub trait Requirement: Send {
    /// Checks whether a caller with this access meets it.
    fn check(access: &Access) -> Decision;

    /// Describes it for the document of the API.
    fn needed() -> Needed;

    /// Refuses a caller who does not meet it. The refusal names the permissions that the caller lacks.
    fn permit(access: &Access) -> Result<(), ApiError> {
        Self::check(access).permit(access, &Self::needed())
    }
}

/// A requirement as the document of the API states it.
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
        self.in_language(Language::English)
    }

    fn in_language(&self, language: Language) -> String {
        let (or, and) = match language {
            Language::English => (" or ", " and "),
            Language::Indonesian => (" atau ", " dan "),
        };
        let several = |needed: &[Self], word: &str| {
            let needed: Vec<String> = needed.iter().map(|one| one.in_language(language)).collect();
            needed.join(word)
        };
        match self {
            Self::One(key) => format!("`{key}`"),
            Self::AnyOf(needed) => several(needed, or),
            Self::AllOf(needed) => several(needed, and),
        }
    }

    /// The part that this caller lacks.
    fn missing(&self, access: &Access) -> Self {
        match self {
            Self::AllOf(needed) => {
                let lacking = needed.iter().filter(|one| !one.is_held(access));
                Self::AllOf(lacking.map(|one| one.missing(access)).collect())
            }
            other => other.clone(),
        }
    }

    fn is_held(&self, access: &Access) -> bool {
        match self {
            Self::One(key) => access.permissions.iter().any(|held| held == key),
            Self::AnyOf(needed) => needed.iter().any(|one| one.is_held(access)),
            Self::AllOf(needed) => needed.iter().all(|one| one.is_held(access)),
        }
    }
}

impl<P: Permission> Requirement for P {
    fn check(access: &Access) -> Decision {
        if access.disabled_permissions.iter().any(|key| key == P::KEY) {
            Decision::ModuleDisabled
        } else if access.permissions.iter().any(|key| key == P::KEY) {
            Decision::Allowed
        } else {
            Decision::Forbidden
        }
    }

    fn needed() -> Needed {
        Needed::One(P::KEY)
    }
}

/// At least one of two, three or four requirements: `AnyOf<(A, B)>`.
pub struct AnyOf<T>(PhantomData<T>);
/// All of two, three or four requirements: `AllOf<(A, B)>`.
pub struct AllOf<T>(PhantomData<T>);

macro_rules! combined {
    ($($name:ident),+) => {
        impl<$($name: Requirement),+> Requirement for AnyOf<($($name,)+)> {
                    fn check(access: &Access) -> Decision {
                let decisions = [$($name::check(access)),+];
                [Decision::Allowed, Decision::ModuleDisabled]
                    .into_iter()
                    .find(|decision| decisions.contains(decision))
                    .unwrap_or(Decision::Forbidden)
            }

            fn needed() -> Needed {
                Needed::AnyOf(vec![$($name::needed()),+])
            }
        }

        impl<$($name: Requirement),+> Requirement for AllOf<($($name,)+)> {
                    fn check(access: &Access) -> Decision {
                let decisions = [$($name::check(access)),+];
                [Decision::ModuleDisabled, Decision::Forbidden]
                    .into_iter()
                    .find(|decision| decisions.contains(decision))
                    .unwrap_or(Decision::Allowed)
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

/// A caller who meets requirement `R`. A handler that takes it as an argument runs only for such callers.
pub struct Permitted<R> {
    /// The caller.
    pub caller: Caller,
    requirement: PhantomData<R>,
}

impl<R: Requirement> FromRequestParts<App> for Permitted<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self {
            caller: Caller::identify(parts, app, R::permit).await?,
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
