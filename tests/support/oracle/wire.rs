//! The messages of `tests/support/oci/wire.h`, from the server's side.

use std::io::{self, Read, Write};

use super::{Bind, Cell, Column};

/// A message that was received.
pub(super) struct Request {
    pub(super) kind: u8,
    body: Vec<u8>,
    at: usize,
}

impl Request {
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        stream.read_exact(&mut body)?;
        let kind = *body.first().ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { kind, body, at: 1 })
    }

    pub(super) fn number(&mut self) -> u32 {
        let bytes = self.take(4);
        u32::from_le_bytes(bytes.try_into().expect("four bytes were taken"))
    }

    pub(super) fn cell(&mut self) -> Cell {
        let length = self.number();
        (length != u32::MAX).then(|| self.take(length as usize).to_owned())
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8(self.cell().unwrap_or_default()).expect("the client sends UTF-8")
    }

    pub(super) fn bind(&mut self) -> Bind {
        let (name, kind) = (self.text(), self.text());
        let value = self.cell().map(|value| String::from_utf8_lossy(&value).into_owned());
        Bind { name, kind, value }
    }

    fn take(&mut self, length: usize) -> &[u8] {
        self.at += length;
        &self.body[self.at - length..self.at]
    }
}

/// A message to be sent.
pub(super) struct Reply(Vec<u8>);

impl Reply {
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub(super) fn error(code: i32, message: &str) -> Self {
        Self::new(b'e').number(code.cast_unsigned()).text(message)
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.push_number(number);
        self
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.push_cell(Some(text.as_bytes()));
        self
    }

    pub(super) fn column(self, column: &Column) -> Self {
        let numbers = [
            column.code.into(),
            column.charset_form.into(),
            column.precision.into(),
            i32::from(column.scale).cast_unsigned(),
            column.bytes.into(),
            column.characters.into(),
            column.is_nullable.into(),
        ];
        numbers.into_iter().fold(self.text(&column.name), Self::number)
    }

    pub(super) fn push_cell(&mut self, cell: Option<&[u8]>) {
        let length = cell.map_or(Ok(u32::MAX), |bytes| bytes.len().try_into());
        self.push_number(length.expect("no cell has 4 GiB"));
        self.0.extend_from_slice(cell.unwrap_or_default());
    }

    fn push_number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn send(mut self, stream: &mut impl Write) -> io::Result<()> {
        let length = u32::try_from(self.0.len() - 4).expect("no message has 4 GiB");
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        stream.write_all(&self.0)
    }
}
