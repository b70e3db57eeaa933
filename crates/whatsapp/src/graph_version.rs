//! Versions of the Graph API and their expiry dates.

use std::fmt;

use chrono::NaiveDate;

/// A Graph API version such as `v25.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraphVersion {
    major: u16,
    minor: u16,
}

/// The text is not a version of the form `v25.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Graph API version looks like v25.0")]
pub struct InvalidGraphVersion;

/// The announced expiry dates. Meta keeps each version for about two years.
const EXPIRY: [Expiry; 6] = [
    Expiry {
        version: GraphVersion { major: 20, minor: 0 },
        day: (2026, 9, 24),
    },
    Expiry {
        version: GraphVersion { major: 21, minor: 0 },
        day: (2027, 1, 21),
    },
    Expiry {
        version: GraphVersion { major: 22, minor: 0 },
        day: (2027, 5, 20),
    },
    Expiry {
        version: GraphVersion { major: 23, minor: 0 },
        day: (2027, 10, 8),
    },
    Expiry {
        version: GraphVersion { major: 24, minor: 0 },
        day: (2028, 2, 18),
    },
    Expiry {
        version: GraphVersion { major: 25, minor: 0 },
        day: (2028, 7, 29),
    },
];

struct Expiry {
    version: GraphVersion,
    day: (i32, u32, u32),
}

impl GraphVersion {
    /// The version that is used unless the configuration names another.
    pub const DEFAULT: Self = Self { major: 25, minor: 0 };

    /// Parses a version such as `v25.0`.
    pub fn parse(text: &str) -> Result<Self, InvalidGraphVersion> {
        let (major, minor) = text
            .strip_prefix('v')
            .and_then(|numbers| numbers.split_once('.'))
            .ok_or(InvalidGraphVersion)?;
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }

    /// The day after which Meta silently serves a newer version. `None` if no day has been announced.
    pub fn expires(self) -> Option<NaiveDate> {
        let (year, month, day) = EXPIRY.into_iter().find(|expiry| expiry.version == self)?.day;
        NaiveDate::from_ymd_opt(year, month, day)
    }
}

/// Parses digits only. `str::parse` would also accept a sign.
fn number(text: &str) -> Result<u16, InvalidGraphVersion> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidGraphVersion);
    }
    text.parse().map_err(|_| InvalidGraphVersion)
}

impl Default for GraphVersion {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for GraphVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{GraphVersion, InvalidGraphVersion};

    #[test]
    fn versions_are_read_and_written() {
        for text in ["v25.0", "v9.1", "v100.12"] {
            assert_eq!(GraphVersion::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(GraphVersion::parse("v25.0"), Ok(GraphVersion::DEFAULT));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "25.0", "v25", "v25.", "v.0", "v+25.0", "v25.0.1", "V25.0", "v25.0 ", "v99999.0", "../v25.0",
        ] {
            assert_eq!(GraphVersion::parse(text), Err(InvalidGraphVersion), "{text:?}");
        }
    }

    #[test]
    fn expiry_is_known_for_announced_versions_only() {
        let expires = |text| GraphVersion::parse(text).unwrap().expires();
        assert_eq!(expires("v21.0"), NaiveDate::from_ymd_opt(2027, 1, 21));
        assert_eq!(expires("v25.0"), NaiveDate::from_ymd_opt(2028, 7, 29));
        assert_eq!(expires("v26.0"), None);
        assert_eq!(expires("v25.1"), None);
    }
}
