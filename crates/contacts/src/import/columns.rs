//! The mapping of a file's columns to fields of contacts, and the rows read with it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contact_input::{MAX_NAME, MAX_TAG, MAX_TAGS, checked_email, checked_language};
use crate::fields::ContactField;
use crm_core::error::ApiError;
use crm_core::text::Text;
use tables::file_import::column_names::{NAME_NAMES, PHONE_NAMES, comparable};
use tables::file_import::row_problem::{
    EMAIL_INVALID, FIELD_INVALID, LANGUAGE_INVALID, NAME_TOO_LONG, RowProblem, TOO_MANY_CELLS, TOO_MANY_TAGS,
    VALUE_TOO_LONG,
};
use tables::phone_number;
use tables::table_file::{Cell, Row};
use tables::truth_value;

const CUSTOM: &str = "custom_fields.";
const MAX_VALUE: usize = 1000;
const MAX_COLUMN_NAME: usize = 100;

const EMAIL_NAMES: &[&str] = &["email", "e mail", "email address", "alamat email", "surel"];
const LANGUAGE_NAMES: &[&str] = &["language", "bahasa", "lang"];
const TAG_NAMES: &[&str] = &["tags", "tag", "kategori", "category"];
const LABEL_NAMES: &[&str] = &["labels", "label"];
const OWNER_NAMES: &[&str] = &[
    "owner",
    "pemilik",
    "penanggung jawab",
    "pic",
    "sales",
    "agen",
    "agent",
];

const OPT_OUT_NAMES: &[&str] = &[
    "opted out at",
    "opted out",
    "opt out",
    "optout",
    "unsubscribed",
    "berhenti berlangganan",
    "tolak promosi",
];

/// One column of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportColumn)]
pub(crate) struct Column {
    /// The name of the column in the file.
    #[schema(example = "Kota")]
    pub(super) column: String,
    /// `phone_number`, `name`, `email`, `language`, `tags`, `labels`, `owner`, `opted_out`, or `custom_fields.<key>`;
    /// null skips the column.
    #[schema(example = "custom_fields.city")]
    pub(super) field: Option<String>,
}

/// The mapping that a person chose: fields, or null to skip, by the columns' names.
pub(super) type Chosen = BTreeMap<String, Option<String>>;

/// Maps columns to fields: as chosen, and otherwise by the columns' names.
pub(super) fn mapping(
    headers: &[String],
    chosen: &Chosen,
    fields: &[ContactField],
) -> Result<Vec<Column>, (String, Text)> {
    for (column, field) in chosen {
        if !headers.contains(column) {
            let problem = Text::new("the file has no such column", "berkas tidak memiliki kolom ini");
            return Err((format!("mapping.{column}"), problem));
        }
        if field.as_ref().is_some_and(|field| !is_known(field, fields)) {
            let problem = Text::new("there is no such field", "tidak ada isian seperti itu");
            return Err((format!("mapping.{column}"), problem));
        }
    }
    let taken = |field: &str, columns: &[Column]| {
        chosen.values().flatten().any(|other| other == field)
            || columns
                .iter()
                .any(|column| column.field.as_deref() == Some(field))
    };
    let mut columns: Vec<Column> = headers
        .iter()
        .map(|header| Column {
            column: header.chars().take(MAX_COLUMN_NAME).collect(),
            field: chosen.get(header).cloned().flatten(),
        })
        .collect();
    // The most reliable name comes first, regardless of the order of the columns.
    let known: Vec<(String, &[&str])> = [
        ("phone_number", PHONE_NAMES),
        ("name", NAME_NAMES),
        ("email", EMAIL_NAMES),
        ("language", LANGUAGE_NAMES),
        ("tags", TAG_NAMES),
        ("labels", LABEL_NAMES),
        ("owner", OWNER_NAMES),
        ("opted_out", OPT_OUT_NAMES),
    ]
    .map(|(field, names)| (field.to_owned(), names))
    .into();
    let own = fields.iter().map(|field| {
        (
            format!("{CUSTOM}{}", field.key),
            [comparable(&field.key), comparable(&field.name)],
        )
    });
    let own: Vec<(String, [String; 2])> = own.collect();
    let own = own.iter().map(|(field, names)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        (field.clone(), names)
    });
    // The organisation's custom fields take precedence over common names of columns.
    let guesses = own.chain(known.into_iter().map(|(field, names)| (field, names.to_vec())));
    for (field, names) in guesses {
        if taken(&field, &columns) {
            continue;
        }
        let place = names.iter().find_map(|name| {
            headers.iter().zip(&columns).position(|(header, column)| {
                column.field.is_none() && !chosen.contains_key(header) && comparable(header) == *name
            })
        });
        if let Some(place) = place {
            columns[place].field = Some(field);
        }
    }
    let repeated = columns.iter().enumerate().find(|(place, column)| {
        column.field.is_some() && columns[..*place].iter().any(|other| other.field == column.field)
    });
    if let Some((_, column)) = repeated {
        let problem = Text::new(
            "two columns are the same field",
            "dua kolom untuk isian yang sama",
        );
        return Err((format!("mapping.{}", column.column), problem));
    }
    Ok(columns)
}

fn is_known(field: &str, fields: &[ContactField]) -> bool {
    match field.strip_prefix(CUSTOM) {
        Some(key) => fields.iter().any(|field| field.key == key),
        None => [
            "phone_number",
            "name",
            "email",
            "language",
            "tags",
            "labels",
            "owner",
            "opted_out",
        ]
        .contains(&field),
    }
}

/// The mapped columns of a file that is being read.
#[derive(Debug)]
pub struct Columns(Vec<Column>);

/// A contact as the database expects it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    line: u32,
    wa_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Only true or absent: an empty cell is not a consent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    opted_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    opted_out_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, String>,
}

impl Columns {
    /// The columns, unless none holds the phone number.
    pub(super) fn new(columns: Vec<Column>) -> Option<Self> {
        columns
            .iter()
            .any(|column| column.field.as_deref() == Some("phone_number"))
            .then_some(Self(columns))
    }

    pub(super) fn into_mapping(self) -> Vec<Column> {
        self.0
    }

    /// Reads a row: a contact, or all problems of the row. Empty cells set no value.
    pub(super) fn read(&self, row: &Row, country: &str) -> Result<Entry, Vec<RowProblem>> {
        let mut entry = Entry {
            line: row.line,
            ..Entry::default()
        };
        let mut problems = Vec::new();
        if let Some(extra) = row.cells.get(self.0.len()) {
            problems.push(RowProblem::new(row.line, "", TOO_MANY_CELLS, extra.as_str()));
        }
        for (place, column) in self.0.iter().enumerate() {
            let cell = row.cells.get(place).map_or("", Cell::as_str);
            let Some(field) = &column.field else { continue };
            if cell.is_empty() && field != "phone_number" {
                continue;
            }
            if let Err(code) = entry.take(field, cell, country) {
                problems.push(RowProblem::new(row.line, &column.column, code, cell));
            }
        }
        if problems.is_empty() {
            Ok(entry)
        } else {
            Err(problems)
        }
    }
}

impl Entry {
    fn take(&mut self, field: &str, cell: &str, country: &str) -> Result<(), &'static str> {
        let refused = |code: &'static str| move |_: ApiError| code;
        match field {
            "phone_number" => {
                self.wa_id = phone_number::read(cell, country).map_err(phone_number::PhoneProblem::code)?;
            }
            "name" => {
                let name = unprotected(cell);
                if name.chars().count() > MAX_NAME {
                    return Err(NAME_TOO_LONG);
                }
                self.name = Some(name.to_owned());
            }
            "email" => self.email = Some(checked_email(field, cell).map_err(refused(EMAIL_INVALID))?),
            "language" => {
                self.language = Some(checked_language(field, cell).map_err(refused(LANGUAGE_INVALID))?);
            }
            "tags" => self.tags = list(cell)?,
            "labels" => self.labels = list(cell)?,
            "owner" => self.owner = Some(unprotected(cell).to_owned()),
            "opted_out" => (self.opted_out, self.opted_out_at) = refusal(cell).ok_or(FIELD_INVALID)?,
            _ => {
                let cell = unprotected(cell);
                if cell.chars().count() > MAX_VALUE {
                    return Err(VALUE_TOO_LONG);
                }
                let key = field.strip_prefix(CUSTOM).unwrap_or(field);
                self.fields.insert(key.to_owned(), cell.to_owned());
            }
        }
        Ok(())
    }
}

/// Reads whether the person has opted out of marketing, and since when: yes or no, or a time in UTC as in our exports.
fn refusal(cell: &str) -> Option<(bool, Option<DateTime<Utc>>)> {
    if let Some(opted_out) = truth_value::read(cell) {
        return Some((opted_out, None));
    }
    let time = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(cell, format).ok())
        .or_else(|| {
            NaiveDate::parse_from_str(cell, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)
        })
        .map(|time| time.and_utc())
        .or_else(|| DateTime::parse_from_rfc3339(cell).ok().map(DateTime::into));
    time.map(|time| (true, Some(time)))
}

/// Removes the apostrophe that our exports put before a cell that a spreadsheet would run as a formula.
fn unprotected(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
        _ => cell,
    }
}

fn list(cell: &str) -> Result<Vec<String>, &'static str> {
    let items: Vec<String> = unprotected(cell)
        .split([';', ',', '|'])
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect();
    if items.len() > MAX_TAGS || items.iter().any(|item| item.chars().count() > MAX_TAG) {
        return Err(TOO_MANY_TAGS);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Vec<ContactField> {
        let field = |key: &str, name: &str| {
            serde_json::json!({
                "id": uuid::Uuid::nil(), "key": key, "name": name, "type": "text", "choices": [], "position": 0,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            })
        };
        serde_json::from_value(serde_json::json!([field("city", "Kota"), field("no", "No")])).unwrap()
    }

    fn mapped(headers: &[&str], chosen: &[(&str, Option<&str>)]) -> Result<Vec<Option<String>>, String> {
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        let chosen = chosen
            .iter()
            .map(|(column, field)| ((*column).to_owned(), field.map(str::to_owned)))
            .collect();
        mapping(&headers, &chosen, &fields())
            .map(|columns| columns.into_iter().map(|column| column.field).collect())
            .map_err(|(field, _)| field)
    }

    #[test]
    fn columns_are_found_by_their_names_in_both_languages() {
        let field = |field: &str| Some(field.to_owned());
        assert_eq!(
            mapped(
                &[
                    "Nama Lengkap",
                    "No. HP",
                    "E-mail",
                    "KOTA",
                    "Tag",
                    "Penanggung jawab",
                    "Lain"
                ],
                &[]
            ),
            Ok(vec![
                field("name"),
                field("phone_number"),
                field("email"),
                field("custom_fields.city"),
                field("tags"),
                field("owner"),
                None
            ])
        );
        assert_eq!(
            mapped(
                &["nomor", "phone", "name"],
                &[("nomor", Some("custom_fields.no")), ("name", None)]
            ),
            Ok(vec![field("custom_fields.no"), field("phone_number"), None])
        );
    }

    #[test]
    fn a_wrong_choice_is_named() {
        for (chosen, expected) in [
            (&[("other", Some("name"))][..], "mapping.other"),
            (&[("a", Some("nickname"))], "mapping.a"),
            (&[("a", Some("custom_fields.none"))], "mapping.a"),
            (&[("a", Some("name")), ("b", Some("name"))], "mapping.b"),
        ] {
            assert_eq!(mapped(&["a", "b"], chosen), Err(expected.to_owned()));
        }
    }

    fn columns(fields: &[&str]) -> Columns {
        let column = |field: &&str| Column {
            column: format!("col {field}"),
            field: Some((*field).to_owned()),
        };
        Columns::new(fields.iter().map(column).collect()).unwrap()
    }

    fn row(cells: &[&str]) -> Row {
        let cells = cells.iter().map(|cell| Cell::Text((*cell).to_owned())).collect();
        Row { line: 4, cells }
    }

    #[test]
    fn a_row_is_a_contact() {
        let columns = columns(&[
            "phone_number",
            "name",
            "email",
            "tags",
            "custom_fields.city",
            "owner",
        ]);
        let read = columns.read(
            &row(&["0812-3456-7890", "'=Ani", "Ani@Kopi.test", "a; b,c", "Solo"]),
            "ID",
        );
        let expected = Entry {
            line: 4,
            wa_id: "6281234567890".to_owned(),
            name: Some("=Ani".to_owned()),
            email: Some("ani@kopi.test".to_owned()),
            tags: ["a", "b", "c"].map(str::to_owned).into(),
            fields: BTreeMap::from([("city".to_owned(), "Solo".to_owned())]),
            ..Entry::default()
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn an_opt_out_from_elsewhere_is_read() {
        let columns = columns(&["phone_number", "opted_out"]);
        let read = |cell: &str| {
            columns
                .read(&row(&["081234567890", cell]), "ID")
                .map(|entry| (entry.opted_out, entry.opted_out_at.map(|time| time.to_rfc3339())))
                .map_err(|problems| problems[0].code)
        };
        for (cell, expected) in [
            ("", Ok((false, None))),
            ("Ya", Ok((true, None))),
            ("t", Ok((true, None))),
            ("TRUE", Ok((true, None))),
            ("x", Ok((true, None))),
            ("tidak", Ok((false, None))),
            ("f", Ok((false, None))),
            (
                "2026-02-17 09:30:00",
                Ok((true, Some("2026-02-17T09:30:00+00:00".to_owned()))),
            ),
            (
                "2026-02-17",
                Ok((true, Some("2026-02-17T00:00:00+00:00".to_owned()))),
            ),
            ("mungkin", Err(FIELD_INVALID)),
        ] {
            assert_eq!(read(cell), expected, "{cell}");
        }
    }

    #[test]
    fn all_problems_of_a_row_are_reported() {
        let columns = columns(&["phone_number", "email", "language"]);
        let problems = columns
            .read(&row(&["abc", "x", "indonesian", "more"]), "ID")
            .unwrap_err();
        let expected: Vec<(&str, &str)> = problems
            .iter()
            .map(|problem| (problem.field.as_str(), problem.code))
            .collect();
        assert_eq!(
            expected,
            [
                ("", "too_many_cells"),
                ("col phone_number", "phone_invalid"),
                ("col email", "email_invalid"),
                ("col language", "language_invalid"),
            ]
        );
    }
}
