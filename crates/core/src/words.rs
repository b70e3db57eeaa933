//! Closed lists of words for the document of the API: fields whose text is one of a few.

/// Declares lists of words, each as a type for `#[schema(value_type = ...)]`.
#[macro_export]
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $visibility:vis $name:ident = $($word:literal),+;)+) => {
        $(
            $(#[doc = $doc])+
            $visibility struct $name;

            impl ::utoipa::PartialSchema for $name {
                fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                    ::utoipa::openapi::schema::ObjectBuilder::new()
                        .schema_type(::utoipa::openapi::schema::Type::String)
                        .description(Some(concat!($($doc),+).trim()))
                        .enum_values(Some([$($word),+]))
                        .into()
                }
            }

            impl ::utoipa::ToSchema for $name {
                fn name() -> ::std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )+
    };
}

words! {
    /// A language of the product.
    pub LanguageCode = "id", "en";
    /// The purpose of a message template.
    pub TemplateCategory = "MARKETING", "UTILITY", "AUTHENTICATION";
    /// The state of a connected number.
    pub NumberStatus = "connected", "paused", "broken", "disconnected";
}
