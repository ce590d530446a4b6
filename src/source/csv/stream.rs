//! The uncompressed bytes of one file, plain or gzip, from any offset on.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use flate2::bufread::MultiGzDecoder;

/// Compressed bytes are read in pieces of this size.
const GZIP_PIECE_BYTES: usize = 64 << 10;

/// One file as a stream of uncompressed bytes.
#[derive(Debug)]
pub(super) struct Stream {
    inner: Inner,
    /// A gzip file that breaks off is still being written: its end is not the end of its last row.
    broke_off: bool,
}

#[derive(Debug)]
enum Inner {
    /// Read as far as the file reached when it was opened, so that a pass ends while rows keep coming.
    Plain(io::Take<Counted>),
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
}

impl Stream {
    /// Starts at offset 0 of `file`, which is gzip if it begins as gzip does, whatever its name.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let is_gzip = is_gzip(&file)?;
        let mut counted = Counted { file, bytes_read: 0 };
        counted.file.seek(SeekFrom::Start(0))?;
        let inner = if is_gzip {
            Inner::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(GZIP_PIECE_BYTES, counted))))
        } else {
            Inner::Plain(counted.take(len))
        };
        Ok(Self { inner, broke_off: false })
    }

    /// Moves a plain file to `offset`; a gzip file is always read from its beginning.
    /// Returns where the stream stands.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<u64> {
        let Inner::Plain(take) = &mut self.inner else { return Ok(0) };
        let len = take.limit();
        take.set_limit(len.saturating_sub(offset));
        take.get_mut().file.seek(SeekFrom::Start(offset))
    }

    /// Reads on; 0 at the end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Plain(plain) => plain.read(into),
            Inner::Gzip(gzip) => match gzip.read(into) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.broke_off = true;
                    Ok(0)
                }
                other => other,
            },
        }
    }

    /// Whether nothing can follow the end of this stream: a row without a newline is complete there.
    pub(super) fn ends_for_good(&self) -> bool {
        self.is_gzip() && !self.broke_off
    }

    pub(super) fn is_gzip(&self) -> bool {
        matches!(self.inner, Inner::Gzip(_))
    }

    /// Bytes read from the file so far, as they lie on the disk.
    pub(super) fn bytes_read(&self) -> u64 {
        self.counted().bytes_read
    }

    /// The file itself, for what is known of it without reading.
    pub(super) fn file(&self) -> &File {
        &self.counted().file
    }

    /// Gives the file back, wherever it stands.
    pub(super) fn into_file(self) -> File {
        match self.inner {
            Inner::Plain(plain) => plain.into_inner().file,
            Inner::Gzip(gzip) => gzip.into_inner().into_inner().file,
        }
    }

    fn counted(&self) -> &Counted {
        match &self.inner {
            Inner::Plain(plain) => plain.get_ref(),
            Inner::Gzip(gzip) => gzip.get_ref().get_ref(),
        }
    }
}

/// Whether `file` begins with gzip's magic number (RFC 1952, section 2.3.1).
pub(super) fn is_gzip(file: &File) -> io::Result<bool> {
    let mut magic = [0; 2];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) => Ok(magic == [0x1f, 0x8b]),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[derive(Debug)]
struct Counted {
    file: File,
    bytes_read: u64,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(into)?;
        self.bytes_read += len as u64;
        Ok(len)
    }
}
