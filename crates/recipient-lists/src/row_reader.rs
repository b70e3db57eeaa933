//! Reads rows of a table as recipients: it maps the columns and reports problems of rows.

use serde::Serialize;
use serde_json::{Map, Value};

use tables::file_import::column_names::{NAME_NAMES, PHONE_NAMES, comparable};
use tables::file_import::row_problem::{NAME_TOO_LONG, RowProblem, TOO_MANY_CELLS, VALUE_TOO_LONG};
use tables::phone_number;
use tables::table_file::{Cell, Row};

const MAX_NAME: usize = 200;
/// The longest value: as long as a template's body, which no variable can exceed.
const MAX_VALUE: usize = 1024;
pub(super) const MAX_COLUMN_NAME: usize = 100;

/// The mapping of a table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    phone: usize,
    name: Option<usize>,
    /// The other columns, as pairs of place and name.
    variables: Vec<(usize, String)>,
    /// The columns' names in the file.
    headers: Vec<String>,
    /// Whether the first row is a recipient, because the table has no names of columns.
    pub(super) headless: bool,
}

/// A recipient as the database expects it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub(super) line: u32,
    pub(super) wa_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) variables: Map<String, Value>,
}

impl Columns {
    /// Reads the first row of a table. None if no column holds the phone number. A table with only a phone number, or a
    /// phone number and a name, may have no names of columns.
    pub(super) fn of(first: &Row, country: &str) -> Option<Self> {
        let headers: Vec<String> = first.cells.iter().map(|cell| cell.as_str().to_owned()).collect();
        let known: Vec<String> = headers.iter().map(|header| comparable(header)).collect();
        let place_of = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| known.iter().position(|header| header == name))
        };
        let Some(phone) = place_of(PHONE_NAMES) else {
            return Self::without_header(&headers, country);
        };
        let name = place_of(NAME_NAMES).filter(|place| *place != phone);
        let mut variables: Vec<(usize, String)> = Vec::new();
        for (place, header) in headers.iter().enumerate() {
            if place == phone || Some(place) == name {
                continue;
            }
            let taken = |candidate: &String| variables.iter().any(|(_, other)| other == candidate);
            let header: String = header.chars().take(MAX_COLUMN_NAME - 5).collect();
            let header = if header.is_empty() {
                format!("column_{}", place + 1)
            } else {
                header
            };
            let unique = std::iter::once(header.clone())
                .chain((2..).map(|nth| format!("{header}_{nth}")))
                .find(|candidate| !taken(candidate));
            variables.push((place, unique.unwrap_or(header)));
        }
        Some(Self {
            phone,
            name,
            variables,
            headers,
            headless: false,
        })
    }

    fn without_header(cells: &[String], country: &str) -> Option<Self> {
        let is_phone = |place: usize| {
            cells
                .get(place)
                .is_some_and(|cell| phone_number::read(cell, country).is_ok())
        };
        let (phone, name) = match cells.len() {
            1 if is_phone(0) => (0, None),
            2 if is_phone(0) != is_phone(1) => (usize::from(is_phone(1)), Some(usize::from(is_phone(0)))),
            _ => return None,
        };
        let mut headers = vec![String::new(); cells.len()];
        headers[phone] = "phone_number".to_owned();
        Some(Self {
            phone,
            name,
            variables: Vec::new(),
            headers,
            headless: true,
        })
    }

    /// The columns of recipients that a request lists: number, name, variables.
    pub(super) fn of_listed_recipients(variables: &[String]) -> Self {
        let fixed = ["phone_number".to_owned(), "name".to_owned()];
        let named = variables.iter().map(|name| format!("variables.{name}"));
        Self {
            phone: 0,
            name: Some(1),
            variables: variables
                .iter()
                .cloned()
                .enumerate()
                .map(|(place, name)| (place + 2, name))
                .collect(),
            headers: fixed.into_iter().chain(named).collect(),
            headless: true,
        }
    }

    /// The names of the variables in their order.
    pub(super) fn variable_names(&self) -> Vec<&str> {
        self.variables.iter().map(|(_, name)| name.as_str()).collect()
    }

    /// Reads a row: a recipient, or all problems of the row.
    pub(super) fn read(&self, row: &Row, country: &str) -> Result<Entry, Vec<RowProblem>> {
        let cell = |place: usize| row.cells.get(place).map_or("", Cell::as_str);
        let header = |place: usize| self.headers.get(place).map_or("", String::as_str);
        let mut problems = Vec::new();
        let mut wrong = |place: usize, code: &'static str, value: &str| {
            problems.push(RowProblem::new(row.line, header(place), code, value));
        };
        if let Some(extra) = row.cells.get(self.headers.len()) {
            wrong(usize::MAX, TOO_MANY_CELLS, extra.as_str());
        }
        let phone = phone_number::read(cell(self.phone), country);
        if let Err(problem) = &phone {
            wrong(self.phone, problem.code(), cell(self.phone));
        }
        let name = self.name.map(cell).filter(|name| !name.is_empty());
        if let (Some(name), Some(place)) = (name, self.name)
            && name.chars().count() > MAX_NAME
        {
            wrong(place, NAME_TOO_LONG, name);
        }
        let mut variables = Map::new();
        for (place, column) in &self.variables {
            let value = cell(*place);
            if value.chars().count() > MAX_VALUE {
                wrong(*place, VALUE_TOO_LONG, value);
            }
            variables.insert(column.clone(), value.into());
        }
        match phone {
            Ok(wa_id) if problems.is_empty() => Ok(Entry {
                line: row.line,
                wa_id,
                name: name.map(str::to_owned),
                variables,
            }),
            _ => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u32, cells: &[&str]) -> Row {
        Row {
            line,
            cells: cells.iter().map(|cell| Cell::Text((*cell).to_owned())).collect(),
        }
    }

    fn columns(cells: &[&str]) -> Option<Columns> {
        Columns::of(&row(1, cells), "ID")
    }

    #[test]
    fn columns_are_found_in_both_languages() {
        for (header, phone, name, variables) in [
            (
                &["contacts_name", "phone_number", "var1", "var2"][..],
                1,
                Some(0),
                &["var1", "var2"][..],
            ),
            (
                &["No", "Nama Lengkap", "No. HP", "Kota"],
                2,
                Some(1),
                &["No", "Kota"],
            ),
            (&["NOMOR", "Nama"], 0, Some(1), &[]),
            (&["Nomor", "No WhatsApp", "Customer"], 1, Some(2), &["Nomor"]),
            (&["Phone", "First Name", "Last Name"], 0, Some(1), &["Last Name"]),
            (&["telepon"], 0, None, &[]),
            (
                &["whatsapp", "", "kota", "kota"],
                0,
                None,
                &["column_2", "kota", "kota_2"],
            ),
        ] {
            let found = columns(header).unwrap();
            assert_eq!(
                (found.phone, found.name, found.headless),
                (phone, name, false),
                "{header:?}"
            );
            assert_eq!(found.variable_names(), variables, "{header:?}");
        }
    }

    #[test]
    fn a_table_without_names_is_accepted_if_it_is_unambiguous() {
        let found = columns(&["0812 3456 7890"]).unwrap();
        assert_eq!((found.phone, found.name, found.headless), (0, None, true));
        let found = columns(&["Ani", "0812 3456 7890"]).unwrap();
        assert_eq!((found.phone, found.name, found.headless), (1, Some(0), true));
        for header in [
            &["Ani"][..],
            &["Ani", "Solo"],
            &["Ani", "081234567890", "Solo"],
            &["081234567890", "081234567891"],
        ] {
            assert_eq!(columns(header), None, "{header:?}");
        }
    }

    #[test]
    fn a_row_is_a_recipient_with_its_variables() {
        let columns = columns(&["nama", "no hp", "kota", "tier"]).unwrap();
        let entry = columns
            .read(&row(2, &["Ani", "0812-3456-7890", "Solo"]), "ID")
            .unwrap();
        assert_eq!(
            (entry.line, entry.wa_id.as_str(), entry.name.as_deref()),
            (2, "6281234567890", Some("Ani"))
        );
        assert_eq!(
            Value::from(entry.variables),
            serde_json::json!({"kota": "Solo", "tier": ""})
        );
    }

    #[test]
    fn all_problems_of_a_row_are_reported() {
        let columns = columns(&["nama", "no hp", "kota"]).unwrap();
        let long = "x".repeat(1025);
        let problems = columns
            .read(&row(7, &[&long, "abc", &long, "more"]), "ID")
            .unwrap_err();
        let found: Vec<(&str, &str)> = problems
            .iter()
            .map(|problem| (problem.field.as_str(), problem.code))
            .collect();
        assert_eq!(
            found,
            [
                ("", "too_many_cells"),
                ("no hp", "phone_invalid"),
                ("nama", "name_too_long"),
                ("kota", "value_too_long")
            ]
        );
        assert!(
            problems
                .iter()
                .all(|problem| problem.line == 7 && problem.value.len() <= 200)
        );
    }
}
