//! A CR1000X document: a head that names the fields, then the rows.

use std::io::Read;

use super::ReadError;
use super::piece::RawRow;
use super::scan::Scanner;
use crate::rows::Kind;

/// What a document's head says, and how far its rows are read.
pub(super) struct Document {
    /// What the rows' time is called.
    time_column: Box<str>,
    fields: Vec<Box<str>>,
    station: Option<Box<str>>,
    is_first: bool,
    is_done: bool,
}

impl Document {
    /// Takes the document up to its first row.
    pub(super) fn begin<R: Read>(scanner: &mut Scanner<R>, time_column: &str) -> Result<Self, ReadError> {
        let (mut fields, mut station) = (Vec::new(), None);
        scanner.expect(b'{')?;
        member(scanner, "head")?;
        each_member(scanner, |scanner, name| match name {
            "environment" => each_member(scanner, |scanner, name| {
                if name != "station_name" {
                    return scanner.skip();
                }
                station = Some(scanner.string()?.into());
                Ok(())
            }),
            "fields" => {
                fields = field_names(scanner)?;
                Ok(())
            }
            _ => scanner.skip(),
        })?;
        scanner.expect(b',')?;
        member(scanner, "data")?;
        scanner.expect(b'[')?;
        Ok(Self { time_column: time_column.into(), fields, station, is_first: true, is_done: false })
    }

    pub(super) fn station(&self) -> Option<&str> {
        self.station.as_deref()
    }

    /// Takes the next row into `row`; false where there is none, and then nothing else either.
    pub(super) fn next<R: Read>(
        &mut self,
        scanner: &mut Scanner<R>,
        row: &mut RawRow,
    ) -> Result<bool, ReadError> {
        if self.is_done {
            return Ok(false);
        }
        if !scanner.another(self.is_first, b']')? {
            self.is_done = true;
            scanner.expect(b'}')?;
            return if scanner.is_at_end()? { Ok(false) } else { scanner.unexpected("its end") };
        }
        self.is_first = false;
        row.clear(scanner.bytes_taken());
        scanner.expect(b'{')?;
        member(scanner, "time")?;
        row.push_name(&self.time_column);
        row.push_value(Kind::Text, scanner.string()?);
        scanner.expect(b',')?;
        member(scanner, "vals")?;
        self.values(scanner, row)?;
        scanner.expect(b'}')?;
        Ok(true)
    }

    fn values<R: Read>(&self, scanner: &mut Scanner<R>, row: &mut RawRow) -> Result<(), ReadError> {
        scanner.expect(b'[')?;
        let mut fields = self.fields.iter();
        let mut is_first = true;
        while scanner.another(is_first, b']')? {
            is_first = false;
            let Some(field) = fields.next() else { return scanner.unexpected("no more values than fields") };
            row.push_name(field);
            let (kind, text) = scanner.scalar()?;
            row.push_value(kind, text);
        }
        if fields.len() == 0 { Ok(()) } else { scanner.unexpected("as many values as fields") }
    }
}

/// Takes the name `wanted` of a member.
fn member<R: Read>(scanner: &mut Scanner<R>, wanted: &str) -> Result<(), ReadError> {
    if scanner.name()? == wanted { Ok(()) } else { scanner.unexpected(&format!("the value of \"{wanted}\"")) }
}

/// Takes an object, with `take` for the value of each member.
fn each_member<R: Read>(
    scanner: &mut Scanner<R>,
    mut take: impl FnMut(&mut Scanner<R>, &str) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    scanner.expect(b'{')?;
    let mut is_first = true;
    while scanner.another(is_first, b'}')? {
        is_first = false;
        let name = scanner.name()?.to_owned();
        take(scanner, &name)?;
    }
    Ok(())
}

fn field_names<R: Read>(scanner: &mut Scanner<R>) -> Result<Vec<Box<str>>, ReadError> {
    let mut names = Vec::new();
    scanner.expect(b'[')?;
    let mut is_first = true;
    while scanner.another(is_first, b']')? {
        is_first = false;
        let (mut name, mut column) = (None, None);
        each_member(scanner, |scanner, member| {
            match member {
                "name" => name = Some(scanner.string()?.into()),
                // What a field is called in its source, where that is another name.
                "column" => column = Some(scanner.string()?.into()),
                _ => return scanner.skip(),
            }
            Ok(())
        })?;
        let Some(name) = column.or(name) else { return scanner.unexpected("a field with a name") };
        names.push(name);
    }
    Ok(names)
}
