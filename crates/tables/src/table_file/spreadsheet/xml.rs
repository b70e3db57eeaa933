//! XML as a stream of events, each of bounded length.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, copy, sink};

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};

use crate::table_file::TableFileError;

/// The longest tag or text. Excel writes no cell longer than 32,767 characters.
const MAX_EVENT: usize = 1_000_000;
/// Elements within each other; spreadsheets have fewer than 20.
const MAX_DEPTH: u32 = 100;

/// A document that is being read.
pub(super) struct Xml<R: Read> {
    reader: Reader<Bounded<BufReader<R>>>,
    buffer: Vec<u8>,
    depth: u32,
}

impl<R: Read> Xml<R> {
    pub(super) fn new(document: R) -> Self {
        let mut reader = Reader::from_reader(Bounded {
            inner: BufReader::new(document),
            left: MAX_EVENT,
        });
        let config = reader.config_mut();
        config.check_end_names = false;
        config.expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            depth: 0,
        }
    }

    /// The next event. The end of the document is an error: every reader stops at an element it knows.
    pub(super) fn next(&mut self) -> Result<Event<'_>, TableFileError> {
        self.buffer.clear();
        self.reader.get_mut().left = MAX_EVENT;
        let event = self
            .reader
            .read_event_into(&mut self.buffer)
            .map_err(|error| problem_of(&error))?;
        match &event {
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::Eof => return Err(TableFileError::Damaged),
            _ => {}
        }
        if self.depth > MAX_DEPTH {
            return Err(TableFileError::Damaged);
        }
        Ok(event)
    }

    /// Reads to the end, so that the archive compares its checksum.
    pub(super) fn finish(&mut self) -> Result<(), TableFileError> {
        copy(&mut self.reader.get_mut().inner, &mut sink())
            .map(|_| ())
            .map_err(|error| problem_of_reading(&error))
    }
}

/// An attribute by its name, whatever its namespace.
pub(super) fn attribute<'a>(
    element: &'a BytesStart<'_>,
    name: &str,
) -> Result<Option<Cow<'a, str>>, TableFileError> {
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| TableFileError::Damaged)?;
        if attribute.key.local_name().as_ref() == name {
            return attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map(Some)
                .map_err(|_| TableFileError::Damaged);
        }
    }
    Ok(None)
}

/// Adds what an event holds as text. Nothing else is text.
pub(super) fn push_text(event: &Event<'_>, text: &mut String) -> Result<(), TableFileError> {
    match event {
        Event::Text(piece) => text.push_str(&piece.xml10_content()),
        Event::CData(piece) => text.push_str(&piece.xml10_content()),
        Event::GeneralRef(reference) => push_reference(reference, text)?,
        _ => {}
    }
    Ok(())
}

fn push_reference(reference: &BytesRef<'_>, text: &mut String) -> Result<(), TableFileError> {
    if let Some(known) = resolve_xml_entity(reference) {
        text.push_str(known);
        return Ok(());
    }
    let character = reference
        .resolve_char_ref()
        .map_err(|_| TableFileError::Damaged)?
        .ok_or(TableFileError::Damaged)?;
    text.push(character);
    Ok(())
}

fn problem_of(error: &Error) -> TableFileError {
    match error {
        Error::Io(error) => problem_of_reading(error),
        _ => TableFileError::Damaged,
    }
}

fn problem_of_reading(error: &io::Error) -> TableFileError {
    if error.kind() == io::ErrorKind::FileTooLarge {
        TableFileError::TooLarge
    } else {
        TableFileError::Damaged
    }
}

/// Bytes of which no more than `left` are read before it is set again.
struct Bounded<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let bytes = self.inner.fill_buf()?;
        Ok(&bytes[..bytes.len().min(self.left)])
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}
