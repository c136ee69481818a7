//! Serializes into the JSON text of an argument list, binary taken out into attachments on the way.
//!
//! `serde_json` writes everything; it lets its formatter write byte arrays, which is where attachments are intercepted, and
//! open arrays and objects, which is where the depth is bounded.

use std::cell::{Cell, RefCell};
use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde_json::ser::Formatter;

use super::super::{EncodeError, MAX_DEPTH};
use super::scan::{self, ScanError};

/// The most levels in one argument: the list that holds it is one more.
const ARGUMENT_DEPTH: u8 = MAX_DEPTH - 1;

/// What is being written. Shared by the writer and the formatter of a `serde_json` serializer, hence the cells.
#[derive(Default)]
pub(crate) struct Output {
    text: RefCell<Vec<u8>>,
    attachments: RefCell<Vec<Bytes>>,
    too_deep: Cell<bool>,
}

/// The serializer that everything goes through.
pub(crate) type Serializer<'a> = serde_json::Serializer<Writer<'a>, AttachmentFormatter<'a>>;

impl Output {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Output { text: RefCell::new(Vec::with_capacity(capacity)), ..Output::default() }
    }

    pub(crate) fn serializer(&self) -> Serializer<'_> {
        let formatter = AttachmentFormatter { output: self, depth: 0 };
        serde_json::Serializer::with_formatter(Writer(self), formatter)
    }

    /// Writes one more value behind what is there.
    pub(crate) fn push_value<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), serde_json::Error> {
        value.serialize(&mut self.serializer())
    }

    pub(crate) fn push_comma(&self) {
        self.text.borrow_mut().push(b',');
    }

    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<Bytes>) {
        (self.text.into_inner(), self.attachments.into_inner())
    }

    /// Why serializing failed.
    pub(crate) fn error(&self, source: &serde_json::Error) -> EncodeError {
        if self.too_deep.get() { EncodeError::TooDeep } else { EncodeError::Data(source.to_string()) }
    }

    fn refuse_depth(&self) -> io::Error {
        self.too_deep.set(true);
        io::Error::from(io::ErrorKind::InvalidData)
    }
}

/// Appends to the text of an [`Output`].
pub(crate) struct Writer<'a>(&'a Output);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.text.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.text.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compact JSON, with a placeholder for each byte array and an error for what is nested too deeply.
pub(crate) struct AttachmentFormatter<'a> {
    output: &'a Output,
    depth: u8,
}

impl AttachmentFormatter<'_> {
    fn enter(&mut self) -> io::Result<()> {
        if self.depth >= ARGUMENT_DEPTH {
            return Err(self.output.refuse_depth());
        }
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

impl Formatter for AttachmentFormatter<'_> {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.leave();
        writer.write_all(b"]")
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.leave();
        writer.write_all(b"}")
    }

    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, bytes: &[u8]) -> io::Result<()> {
        self.enter()?;
        let mut attachments = self.output.attachments.borrow_mut();
        write!(writer, r#"{{"_placeholder":true,"num":{}}}"#, attachments.len())?;
        attachments.push(Bytes::copy_from_slice(bytes));
        self.leave();
        Ok(())
    }

    /// A `RawValue`, taken over as it is. It was checked to be JSON when it was made, but not for its depth.
    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let text = fragment.as_bytes();
        match scan::scan_value(text, 0, ARGUMENT_DEPTH - self.depth, &mut scan::Ignore)
            .and_then(|end| scan::end_of_text(text, end))
        {
            Ok(()) => writer.write_all(text),
            Err(ScanError::TooDeep) => Err(self.output.refuse_depth()),
            Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "raw value is not JSON")),
        }
    }
}
