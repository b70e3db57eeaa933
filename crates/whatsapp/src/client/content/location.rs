//! Locations.

use serde::{Deserialize, Serialize};

use crate::client::limits;
use crate::client::problem::{Findings, Reason};

/// A location on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The name of the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address. WhatsApp shows it only together with a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Location {
    pub(super) fn check(&self, at: &str, findings: &mut Findings) {
        for (name, degrees, limit) in [
            ("latitude", self.latitude, 90_u8),
            ("longitude", self.longitude, 180),
        ] {
            if !degrees.is_finite() || degrees.abs() > f64::from(limit) {
                findings.add(format!("{at}.{name}"), Reason::Degrees(limit));
            }
        }
        findings.optional(&format!("{at}.name"), self.name.as_deref(), limits::NAME);
        findings.optional(&format!("{at}.address"), self.address.as_deref(), limits::NAME);
    }

    pub(super) fn preview(&self) -> String {
        let words = self.name.as_ref().or(self.address.as_ref());
        words.map_or_else(|| format!("{}, {}", self.latitude, self.longitude), Clone::clone)
    }
}
