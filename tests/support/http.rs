//! HTTP/1.1 messages over a plain stream: as much as S3 on loopback needs, read and written whole.

use std::io::{self, BufRead, Read, Write};

/// A request or a response with its whole body.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The request line or the status line, without its line end.
    pub start: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of chunked transfer.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads a request; `None` when the peer closed instead of sending another one.
    ///
    /// A peer that asks first whether it may send the body is answered through `reply`.
    pub fn read_request(from: &mut impl BufRead, reply: &mut impl Write) -> io::Result<Option<Self>> {
        let Some(mut request) = Self::read_head(from)? else { return Ok(None) };
        if request.header("expect").is_some() {
            reply.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.read_body(from, false)?;
        Ok(Some(request))
    }

    /// Reads the response to a request of `method`, past interim responses.
    pub fn read_response(from: &mut impl BufRead, method: &str) -> io::Result<Self> {
        loop {
            if let Some(response) = Self::read_response_or_go_on(from, method)? {
                return Ok(response);
            }
        }
    }

    /// Reads one response; `None` if it was an interim one, such as the leave to send the body.
    pub fn read_response_or_go_on(from: &mut impl BufRead, method: &str) -> io::Result<Option<Self>> {
        let mut response = Self::read_head(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match response.status() {
            100..200 => return Ok(None),
            204 | 304 => {}
            _ if method == "HEAD" => {}
            _ => response.read_body(from, true)?,
        }
        Ok(Some(response))
    }

    /// Writes the message.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        self.write_head(to, None)?;
        self.write_body(to)
    }

    /// Writes all but the body, with one more header if there is one to add.
    ///
    /// A response to HEAD keeps the length of the body it does not have.
    pub fn write_head(&self, to: &mut impl Write, more: Option<&str>) -> io::Result<()> {
        let mut bytes = format!("{}\r\n", self.start).into_bytes();
        for (name, value) in &self.headers {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        if let Some(more) = more {
            write!(bytes, "{more}\r\n")?;
        }
        if self.header("content-length").is_none() && !self.body.is_empty() {
            write!(bytes, "content-length: {}\r\n", self.body.len())?;
        }
        bytes.extend_from_slice(b"\r\n");
        to.write_all(&bytes)
    }

    /// Writes the body.
    pub fn write_body(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.body)?;
        to.flush()
    }

    /// The value of the header `name`, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a response has a status")
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The path and query of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn read_head(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut message = Self { start: read_line(from)?, ..Self::default() };
        if message.start.is_empty() {
            return Ok(None);
        }
        loop {
            let line = read_line(from)?;
            let Some((name, value)) = line.split_once(':') else { return Ok(Some(message)) };
            message.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn read_body(&mut self, from: &mut impl BufRead, until_closed: bool) -> io::Result<()> {
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            self.headers.retain(|(name, _)| name != "transfer-encoding");
            self.body = read_chunks(from)?;
            self.headers.push(("content-length".to_owned(), self.body.len().to_string()));
        } else if let Some(length) = self.header("content-length") {
            let length: usize = length.parse().map_err(io::Error::other)?;
            self.body = vec![0; length];
            from.read_exact(&mut self.body)?;
        } else if until_closed {
            from.read_to_end(&mut self.body)?;
        }
        Ok(())
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        let size = line.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            while !read_line(from)?.is_empty() {}
            return Ok(body);
        }
        let before = body.len();
        from.take(size).read_to_end(&mut body)?;
        if (body.len() - before) as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_line(from)?;
    }
}
