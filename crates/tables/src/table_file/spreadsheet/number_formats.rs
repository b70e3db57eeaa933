//! Which numbers of a workbook are dates.

use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event};

use super::archive::Archive;
use super::xml::attribute;
use crate::table_file::TableFileError;

/// The most that is unpacked to read them.
const MAX_UNPACKED: u64 = 16_000_000;

/// What a number is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberFormat {
    Number,
    /// A date, a time of the day, or both.
    Date,
    Duration,
}

/// The formats that cells name by their places.
#[derive(Default)]
pub(super) struct NumberFormats(Vec<NumberFormat>);

impl NumberFormats {
    pub(super) fn read(archive: &mut Archive, folder: &str) -> Result<Self, TableFileError> {
        let mut formats = Self::default();
        let Some(mut xml) = archive.part(&format!("{folder}styles.xml"), MAX_UNPACKED)? else {
            return Ok(formats);
        };
        let mut own = HashMap::new();
        let mut is_of_cells = false;
        loop {
            match xml.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    "numFmt" => {
                        let code = attribute(&element, "formatCode")?;
                        if let (Some(id), Some(code)) = (format_id(&element)?, code) {
                            own.insert(id, of_code(&code));
                        }
                    }
                    "cellXfs" => is_of_cells = true,
                    "xf" if is_of_cells => {
                        let id = format_id(&element)?.unwrap_or_default();
                        let format = own.get(&id).copied().unwrap_or_else(|| built_in(id));
                        formats.0.push(format);
                    }
                    _ => {}
                },
                Event::End(element) => match element.local_name().as_ref() {
                    "cellXfs" => is_of_cells = false,
                    "styleSheet" => return Ok(formats),
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// The format of a cell that names none, or one that is not there, is a number's.
    pub(super) fn get(&self, place: Option<usize>) -> NumberFormat {
        place
            .and_then(|place| self.0.get(place))
            .copied()
            .unwrap_or(NumberFormat::Number)
    }
}

fn format_id(element: &BytesStart<'_>) -> Result<Option<u32>, TableFileError> {
    Ok(attribute(element, "numFmtId")?.and_then(|id| id.parse().ok()))
}

/// The formats that every program knows (ECMA-376, 18.8.30).
fn built_in(id: u32) -> NumberFormat {
    match id {
        14..=22 | 27..=36 | 45 | 47 | 50..=58 => NumberFormat::Date,
        46 => NumberFormat::Duration,
        _ => NumberFormat::Number,
    }
}

/// What the first section of a code such as `dd/mm/yyyy;@` or `[h]:mm` is for.
fn of_code(code: &str) -> NumberFormat {
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            // The next character is not part of the format.
            '\\' | '_' | '*' => drop(characters.next()),
            '"' => drop(characters.by_ref().find(|character| *character == '"')),
            '[' => {
                let bracket: String = characters
                    .by_ref()
                    .take_while(|character| *character != ']')
                    .take(MAX_ELAPSED + 1)
                    .collect();
                if is_elapsed(&bracket) {
                    return NumberFormat::Duration;
                }
            }
            ';' => break,
            'd' | 'm' | 'h' | 'y' | 's' | 'D' | 'M' | 'H' | 'Y' | 'S' => return NumberFormat::Date,
            _ => {}
        }
    }
    NumberFormat::Number
}

/// As many letters as `[hhhh]` may have. Colours and conditions in brackets are other words.
const MAX_ELAPSED: usize = 8;

fn is_elapsed(bracket: &str) -> bool {
    let letter = bracket.chars().next().map(|letter| letter.to_ascii_lowercase());
    matches!(letter, Some('h' | 'm' | 's'))
        && bracket.len() <= MAX_ELAPSED
        && bracket
            .chars()
            .all(|other| Some(other.to_ascii_lowercase()) == letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_a_number_is() {
        use NumberFormat::{Date, Duration, Number};
        for (code, format) in [
            ("General", Number),
            ("0.00", Number),
            ("@", Number),
            ("DD/MM/YY", Date),
            ("[$-421]dd mmmm yyyy;@", Date),
            ("h:mm AM/PM", Date),
            ("[h]:mm:ss", Duration),
            ("[MM]", Duration),
            ("[Red]0", Number),
            ("[Magenta]0", Number),
            ("\"days\" 0", Number),
            ("0\\d", Number),
            ("_d0", Number),
            ("#,##0;dd", Number),
            ("[unclosed", Number),
            ("\"unclosed d", Number),
        ] {
            assert_eq!(of_code(code), format, "{code}");
        }
    }
}
