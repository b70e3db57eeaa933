//! JSON read one level at a time, forgiving about the type of every value.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object; their values are not read yet. Of members with the same name the last one counts.
pub(super) struct Object<'a> {
    members: Vec<(Name<'a>, &'a RawValue)>,
}

/// A member's name, borrowed unless it holds an escape.
struct Name<'a>(Cow<'a, str>);

impl<'a> Object<'a> {
    pub(super) fn read(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// The member's value; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.members.iter().rev().find(|(member, _)| member.0 == name)?;
        Some(*value).filter(|value| !is_null(value))
    }

    pub(super) fn object(&self, name: &str) -> Option<Object<'a>> {
        Self::read(self.get(name)?)
    }

    /// A string or number as text, `None` when empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        text(self.get(name)?)
    }

    /// An identifier: a text that fits into an index.
    pub(super) fn id(&self, name: &str) -> Option<String> {
        self.text(name).filter(|id| id.len() <= MAX_ID)
    }

    /// A phone number as Meta identifies it, without a plus.
    pub(super) fn wa_id(&self, name: &str) -> Option<String> {
        let id = self.id(name)?;
        let digits = id.trim_start_matches('+');
        if digits.len() == id.len() {
            Some(id)
        } else {
            Some(digits.to_owned()).filter(|digits| !digits.is_empty())
        }
    }

    /// Seconds since 1970, from a string or a number.
    pub(super) fn seconds(&self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let number: i64 = text.parse().ok()?;
        let seconds = if number >= FIRST_MILLISECONDS {
            number / 1000
        } else {
            number
        };
        Some(seconds).filter(|seconds| (1..=LAST_SECOND).contains(seconds))
    }

    /// A list's elements; `None` when the member is absent or no list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        list(self.get(name)?)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(name, value)| (&*name.0, *value))
    }
}

/// A wamid has about 60 characters; a btree row has room for 2,700 bytes.
const MAX_ID: usize = 512;
/// Numbers from here on are milliseconds: as seconds they lie beyond the year 5000.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;
/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

pub(super) fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

pub(super) fn text(value: &RawValue) -> Option<String> {
    let json = value.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json)
            .ok()
            .filter(|text: &String| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
