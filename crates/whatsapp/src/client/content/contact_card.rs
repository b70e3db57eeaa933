//! Contact cards.

use serde::{Deserialize, Serialize};

use crate::client::limits;
use crate::client::problem::{Findings, Reason};

/// The card of one person or business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// The name.
    pub name: ContactName,
    /// Phone numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<ContactPhone>,
    /// Mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<ContactEmail>,
    /// Web addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<ContactUrl>,
    /// Postal addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<ContactAddress>,
    /// The employer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<ContactOrg>,
    /// `YYYY-MM-DD`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday: Option<String>,
}

/// A name. Meta requires one part besides `formatted_name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactName {
    /// The full name, as WhatsApp shows it.
    pub formatted_name: String,
    /// The first name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The middle names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    /// The part before the name, such as a title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The part after the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// A phone number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactPhone {
    /// The number, as it is shown.
    pub phone: String,
    /// `CELL`, `HOME`, `WORK` and others.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The WhatsApp id of the number. With it the recipient can write to the person from the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<String>,
}

/// A mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactEmail {
    /// The address.
    pub email: String,
    /// `HOME` or `WORK`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A web address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactUrl {
    /// The address.
    pub url: String,
    /// `HOME` or `WORK`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactAddress {
    /// Street and house number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    /// Town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    /// Country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The ISO country code, two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// `HOME` or `WORK`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The employer of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactOrg {
    /// The company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// The job title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

pub(super) fn check_all(contacts: &[ContactCard], findings: &mut Findings) {
    findings.count("contacts", contacts.len(), 1, limits::CONTACTS);
    for (index, contact) in contacts.iter().enumerate() {
        contact.check(&format!("contacts[{index}]"), findings);
    }
}

pub(super) fn preview(contacts: &[ContactCard]) -> String {
    let names: Vec<&str> = contacts
        .iter()
        .map(|contact| contact.name.formatted_name.as_str())
        .collect();
    names.join(", ")
}

impl ContactCard {
    fn check(&self, at: &str, findings: &mut Findings) {
        let name = &self.name;
        findings.text(
            &format!("{at}.name.formatted_name"),
            &name.formatted_name,
            limits::NAME,
        );
        let parts = [
            ("first_name", &name.first_name),
            ("last_name", &name.last_name),
            ("middle_name", &name.middle_name),
            ("prefix", &name.prefix),
            ("suffix", &name.suffix),
        ];
        if parts.iter().all(|(_, part)| part.is_none()) {
            findings.add(format!("{at}.name.first_name"), Reason::Missing);
        }
        for (part, text) in parts {
            findings.optional(&format!("{at}.name.{part}"), text.as_deref(), limits::NAME);
        }
        for (index, phone) in self.phones.iter().enumerate() {
            findings.text(&format!("{at}.phones[{index}].phone"), &phone.phone, 40);
        }
        for (index, email) in self.emails.iter().enumerate() {
            findings.text(&format!("{at}.emails[{index}].email"), &email.email, 320);
        }
        for (index, url) in self.urls.iter().enumerate() {
            findings.text(&format!("{at}.urls[{index}].url"), &url.url, limits::LINK);
        }
    }
}
