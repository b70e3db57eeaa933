//! Reads JSON values exactly: an object has only the fields of its type, and an array is no object.
//!
//! serde's own readers ignore unknown fields, and read `["a", "b"]` as an object with the fields in their order.
//! [`Strict`] refuses both at every depth, for every type, so that no type has to ask for it. Types that are read
//! through a copy (`untagged`, `tag` and `flatten`) need `deny_unknown_fields` as well.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Begins the sentence of a refused field. The name of the field and the names of the type follow.
pub(super) const UNKNOWN_FIELD: &str = "unknown field of the object `";
/// The sentence of a value that is no object.
pub(super) const NO_OBJECT: &str = "must be an object";

/// A reader of a value.
#[derive(Clone, Copy)]
pub(super) struct Strict<'de>(pub(super) &'de Value);

impl<'de> IntoDeserializer<'de, Error> for Strict<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(list) => {
                let mut entries = SeqDeserializer::new(list.iter().map(Strict));
                let value = visitor.visit_seq(&mut entries)?;
                entries.end().map(|()| value)
            }
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| (name.as_str(), Strict(value)));
                let mut members = MapDeserializer::new(members);
                let value = visitor.visit_map(&mut members)?;
                members.end().map(|()| value)
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Object(members) = self.0 else {
            return Err(Error::custom(NO_OBJECT));
        };
        let unknown = members.keys().find(|name| !fields.contains(&name.as_str()));
        match unknown {
            Some(name) => Err(unknown_field(name, fields)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) if members.len() == 1 => {
                let members = members.iter().map(|(name, value)| (name.as_str(), Strict(value)));
                MapAccessDeserializer::new(MapDeserializer::new(members))
                    .deserialize_enum(name, variants, visitor)
            }
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"a word")),
            plain => plain.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn unknown_field(name: &str, fields: &[&str]) -> Error {
    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    Error::custom(format_args!(
        "{UNKNOWN_FIELD}{name}`, expected one of {}",
        fields.join(", ")
    ))
}
