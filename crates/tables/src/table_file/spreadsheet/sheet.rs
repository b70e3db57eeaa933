//! The cells of a sheet, row by row.

use std::io::Read;
use std::ops::ControlFlow;

use chrono::{NaiveDate, TimeDelta, Timelike as _};
use quick_xml::events::{BytesStart, Event};

use super::archive::{Archive, Part};
use super::cell_text::{self, unescaped};
use super::number_formats::{NumberFormat, NumberFormats};
use super::shared_texts::SharedTexts;
use super::xml::{Xml, attribute};
use crate::table_file::{Cell, Each, MAX_COLUMNS, Row, TableFileError, clean};

/// The sheet may fill what the archive may hold.
const MAX_UNPACKED: u64 = u64::MAX;
/// Rows of a sheet, empty ones included, and columns: Excel's own limits.
const MAX_ROWS: u32 = 1_048_576;
const MAX_SHEET_COLUMNS: u32 = 16_384;

const MILLISECONDS_OF_A_DAY: f64 = 86_400_000.0;
/// Where dates end: 31 December 9999.
const LAST_DAY: f64 = 2_958_466.0;
/// Days between the two days that dates are counted from.
const DAYS_UNTIL_1904: f64 = 1_462.0;
/// Excel takes 1900 for a leap year: until the 60th day dates are one behind.
const LEAP_DAY: f64 = 60.0;

/// What a sheet needs to be read.
pub(super) struct Sheet<'a> {
    pub(super) texts: &'a SharedTexts,
    pub(super) formats: &'a NumberFormats,
    pub(super) counts_from_1904: bool,
}

impl Sheet<'_> {
    /// Hands out the rows. A cell that names no place follows the one before.
    pub(super) fn read(
        &self,
        archive: &mut Archive,
        path: &str,
        each: Each<'_>,
    ) -> Result<(), TableFileError> {
        let mut xml = archive.part(path, MAX_UNPACKED)?.ok_or(TableFileError::Damaged)?;
        skip_to_rows(&mut xml)?;
        let mut row = Row {
            line: 0,
            cells: Vec::new(),
        };
        // The place of the next cell, from 0.
        let (mut line, mut column) = (0, 0);
        let mut rows = 0;
        loop {
            match xml.next()? {
                Event::Start(element) if element.local_name().as_ref() == "row" => {
                    rows += 1;
                    if rows > MAX_ROWS {
                        return Err(TableFileError::TooLarge);
                    }
                    if let Some(reference) = attribute(&element, "r")? {
                        (line, _) = place_of(&reference)?;
                    }
                }
                Event::End(element) if element.local_name().as_ref() == "row" => {
                    line += 1;
                    column = 0;
                }
                Event::Start(element) if element.local_name().as_ref() == "c" => {
                    let (mut cell_line, mut cell_column) = (line, column);
                    if let Some(reference) = attribute(&element, "r")? {
                        let (named_line, named_column) = place_of(&reference)?;
                        cell_line = named_line;
                        cell_column = named_column.ok_or(TableFileError::Damaged)?;
                    }
                    column = cell_column.saturating_add(1);
                    let kind = CellKind::of(&element)?;
                    let value = self.value(&mut xml, &kind)?;
                    if cell_line + 1 != row.line {
                        let done = std::mem::replace(
                            &mut row,
                            Row {
                                line: cell_line + 1,
                                cells: Vec::new(),
                            },
                        );
                        if !done.cells.is_empty() && each(done)? == ControlFlow::Break(()) {
                            return Ok(());
                        }
                    }
                    if let Some(value) = value {
                        place(&mut row, cell_column, value)?;
                    }
                }
                Event::End(element) if element.local_name().as_ref() == "sheetData" => break,
                _ => {}
            }
        }
        xml.finish()?;
        if row.cells.is_empty() {
            Ok(())
        } else {
            each(row).map(|_| ())
        }
    }

    /// What a cell shows; nothing if it is empty.
    fn value<R: Read>(&self, xml: &mut Xml<R>, kind: &CellKind) -> Result<Option<Cell>, TableFileError> {
        let mut value = None;
        loop {
            let is_text_within = match xml.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    "is" => true,
                    // Beside the text itself the value says nothing more.
                    "v" if kind.content != Content::TextWithin => false,
                    _ => continue,
                },
                Event::End(element) if element.local_name().as_ref() == "c" => {
                    return Ok(value.filter(|cell: &Cell| !cell.as_str().is_empty()));
                }
                _ => continue,
            };
            value = if is_text_within {
                Some(Cell::Text(clean(&cell_text::read(xml, "is")?)))
            } else {
                let written = cell_text::read_plain(xml, "v")?;
                self.meaning(&written, kind)?
            };
        }
    }

    fn meaning(&self, written: &str, kind: &CellKind) -> Result<Option<Cell>, TableFileError> {
        let trimmed = written.trim();
        let text = match kind.content {
            Content::Error => return Ok(None),
            Content::Number => return Ok(self.number(trimmed, kind)),
            Content::TextWithin | Content::Text => clean(&unescaped(written)),
            Content::SharedText if trimmed.is_empty() => return Ok(None),
            Content::SharedText => {
                let place = trimmed.parse().unwrap_or(0);
                let text = self.texts.get(place).ok_or(TableFileError::Damaged)?;
                text.to_owned()
            }
            Content::Boolean => match trimmed.to_ascii_lowercase().as_str() {
                "" => return Ok(None),
                "0" | "false" => false.to_string(),
                "1" | "true" => true.to_string(),
                _ => return Err(TableFileError::Damaged),
            },
        };
        Ok(Some(Cell::Text(text)))
    }

    /// A number, a date, or, from programs that write texts so, a text.
    fn number(&self, written: &str, kind: &CellKind) -> Option<Cell> {
        if written.is_empty() {
            return None;
        }
        let Some(number) = written.parse::<f64>().ok().filter(|number| number.is_finite()) else {
            return Some(Cell::Text(clean(written)));
        };
        Some(match self.formats.get(kind.format) {
            NumberFormat::Number => Cell::Number(number.to_string()),
            NumberFormat::Duration => Cell::Text(number.to_string()),
            NumberFormat::Date => Cell::Text(date(number, self.counts_from_1904)),
        })
    }
}

/// What the `t` of a cell says of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Number,
    Boolean,
    Error,
    /// A text, or a date as one.
    Text,
    TextWithin,
    SharedText,
}

struct CellKind {
    content: Content,
    /// The place of its format.
    format: Option<usize>,
}

impl CellKind {
    fn of(element: &BytesStart<'_>) -> Result<Self, TableFileError> {
        let content = match attribute(element, "t")?.as_deref() {
            None | Some("n") => Content::Number,
            Some("b") => Content::Boolean,
            Some("e") => Content::Error,
            Some("str" | "d") => Content::Text,
            Some("inlineStr" | "is") => Content::TextWithin,
            Some("s") => Content::SharedText,
            Some(_) => return Err(TableFileError::Damaged),
        };
        let format = attribute(element, "s")?.and_then(|place| place.parse().ok());
        Ok(Self { content, format })
    }
}

fn skip_to_rows(xml: &mut Xml<Part<'_>>) -> Result<(), TableFileError> {
    loop {
        if let Event::Start(element) = xml.next()?
            && element.local_name().as_ref() == "sheetData"
        {
            return Ok(());
        }
    }
}

/// Puts a cell where it belongs. Cells that are not there are empty; one that is there twice is the later one.
fn place(row: &mut Row, column: u32, value: Cell) -> Result<(), TableFileError> {
    let column = usize::try_from(column).unwrap_or(usize::MAX);
    if column >= MAX_COLUMNS {
        return Err(TableFileError::TooWide);
    }
    row.cells
        .resize(row.cells.len().max(column + 1), Cell::Text(String::new()));
    row.cells[column] = value;
    Ok(())
}

/// The line and the column of `B7`, from 0. A row's reference has no column.
fn place_of(reference: &str) -> Result<(u32, Option<u32>), TableFileError> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (column, line) = reference.split_at(letters);
    let line = line
        .parse::<u32>()
        .ok()
        .filter(|line| (1..=MAX_ROWS).contains(line))
        .ok_or(TableFileError::Damaged)?;
    let number = column.bytes().try_fold(0_u32, |number, letter| {
        let digit = u32::from(letter.to_ascii_uppercase() - b'A') + 1;
        Some(number * 26 + digit).filter(|number| *number <= MAX_SHEET_COLUMNS)
    });
    Ok((line - 1, number.ok_or(TableFileError::Damaged)?.checked_sub(1)))
}

/// `2024-02-17`, `2024-02-17 09:30`, or a time alone.
fn date(serial: f64, counts_from_1904: bool) -> String {
    let shift = if counts_from_1904 { DAYS_UNTIL_1904 } else { 0.0 };
    let days = serial + shift;
    let leap = if days < LEAP_DAY { 1.0 } else { 0.0 };
    if !(0.0..LAST_DAY).contains(&serial) || days >= LAST_DAY {
        return serial.to_string();
    }
    // The range above fits an integer.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the days are in the range of dates"
    )]
    let milliseconds = ((days + leap) * MILLISECONDS_OF_A_DAY).round() as i64;
    let moment = NaiveDate::from_ymd_opt(1899, 12, 30)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .and_then(|day| day.checked_add_signed(TimeDelta::milliseconds(milliseconds)));
    let Some(moment) = moment else {
        return serial.to_string();
    };
    let time = if moment.second() == 0 {
        moment.format("%H:%M")
    } else {
        moment.format("%H:%M:%S")
    };
    if serial < 1.0 {
        time.to_string()
    } else if serial.fract() == 0.0 {
        moment.format("%Y-%m-%d").to_string()
    } else {
        format!("{} {time}", moment.format("%Y-%m-%d"))
    }
}
