//! The sheet of a workbook that is read: the first visible one.

use quick_xml::events::Event;

use super::archive::Archive;
use super::xml::attribute;
use crate::table_file::TableFileError;

/// The most that is unpacked of the workbook's own part: names of cells may fill it.
const MAX_UNPACKED: u64 = 16_000_000;
/// The most that is unpacked of a part that only names others.
const MAX_RELATIONS: u64 = 1_000_000;
/// Sheets of a workbook.
const MAX_SHEETS: usize = 1_000;

/// A workbook as far as it matters to its rows.
pub(super) struct Workbook {
    /// Where its other parts lie: `xl/`.
    pub(super) folder: String,
    /// The path of the sheet.
    pub(super) sheet: String,
    /// Whether its dates count from 1904, as those of old Macs.
    pub(super) counts_from_1904: bool,
}

impl Workbook {
    pub(super) fn read(archive: &mut Archive) -> Result<Self, TableFileError> {
        let path = path_of_workbook(archive)?;
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        let (visible, counts_from_1904) = visible_sheets(archive, &path)?;
        let relations = format!("{folder}_rels/{name}.rels");
        let target = first_worksheet(archive, &relations, &visible)?.ok_or(TableFileError::Empty)?;
        let sheet = match target.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => format!("{folder}{target}"),
        };
        Ok(Self {
            folder: folder.to_owned(),
            sheet,
            counts_from_1904,
        })
    }
}

fn path_of_workbook(archive: &mut Archive) -> Result<String, TableFileError> {
    let mut xml = archive
        .part("_rels/.rels", MAX_RELATIONS)?
        .ok_or(TableFileError::Damaged)?;
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == "Relationship" => {
                let kind = attribute(&element, "Type")?.unwrap_or_default();
                if kind.ends_with("/officeDocument") {
                    let target = attribute(&element, "Target")?.ok_or(TableFileError::Damaged)?;
                    return Ok(target.trim_start_matches('/').to_owned());
                }
            }
            Event::End(element) if element.local_name().as_ref() == "Relationships" => {
                return Err(TableFileError::Damaged);
            }
            _ => {}
        }
    }
}

/// How the workbook calls the parts of its visible sheets, in order, and whether dates count from 1904.
fn visible_sheets(archive: &mut Archive, path: &str) -> Result<(Vec<String>, bool), TableFileError> {
    let mut xml = archive.part(path, MAX_UNPACKED)?.ok_or(TableFileError::Damaged)?;
    let (mut visible, mut counts_from_1904) = (Vec::new(), false);
    loop {
        match xml.next()? {
            Event::Start(element) => match element.local_name().as_ref() {
                "workbookPr" => {
                    if let Some(answer) = attribute(&element, "date1904")? {
                        counts_from_1904 = matches!(&*answer, "1" | "true");
                    }
                }
                "sheet" => {
                    let is_visible = attribute(&element, "state")?.is_none_or(|state| state == "visible");
                    let id = attribute(&element, "id")?.ok_or(TableFileError::Damaged)?;
                    if visible.len() >= MAX_SHEETS {
                        return Err(TableFileError::TooLarge);
                    }
                    if is_visible {
                        visible.push(id.into_owned());
                    }
                }
                _ => {}
            },
            Event::End(element) if element.local_name().as_ref() == "workbook" => {
                return Ok((visible, counts_from_1904));
            }
            _ => {}
        }
    }
}

/// Where the first of these parts lies that is a sheet of cells: others hold charts.
fn first_worksheet(
    archive: &mut Archive,
    relations: &str,
    visible: &[String],
) -> Result<Option<String>, TableFileError> {
    let mut xml = archive
        .part(relations, MAX_RELATIONS)?
        .ok_or(TableFileError::Damaged)?;
    let mut first: Option<(usize, String)> = None;
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == "Relationship" => {
                let kind = attribute(&element, "Type")?.unwrap_or_default();
                if !kind.ends_with("/worksheet") {
                    continue;
                }
                let id = attribute(&element, "Id")?.unwrap_or_default();
                let place = visible.iter().position(|sheet| *sheet == id);
                if let (Some(place), Some(target)) = (place, attribute(&element, "Target")?)
                    && first.as_ref().is_none_or(|(other, _)| place < *other)
                {
                    first = Some((place, target.into_owned()));
                }
            }
            Event::End(element) if element.local_name().as_ref() == "Relationships" => {
                return Ok(first.map(|(_, target)| target));
            }
            _ => {}
        }
    }
}
