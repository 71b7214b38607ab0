//! The messages of a stream, each checked before it is decoded: the decoder trusts lengths and places that a damaged
//! file does not keep.
//!
//! <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>

use std::io::Read;

use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::ipc::{self, Message, MessageHeader};

use super::IpcError;

/// A file begins with this word, padded with zeros, and ends with it.
pub(super) const FILE: &[u8; 6] = b"ARROW1";
/// A message begins so.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Padding after the first eight bytes of a file, in words of four bytes: writers align by 8 or 64 bytes.
const MAX_PADDING: usize = 14;
/// Bytes that the description of one message may have.
const MAX_METADATA: u64 = 16 << 20;

/// Reads message after message.
pub(super) struct Messages<R> {
    input: R,
    /// Bytes that one message may have, unpacked.
    limit: u64,
    /// Messages read, for errors.
    read: u64,
    /// The first eight bytes, where they are the beginning of a message.
    head: Option<[u8; 8]>,
    /// Words of padding that may come before the next message.
    padding: usize,
}

/// One message: its description, which was verified, and what it describes.
pub(super) struct Framed {
    metadata: Vec<u8>,
    /// The bytes of its columns.
    pub(super) body: Buffer,
}

impl<R: Read> Messages<R> {
    /// Of a stream, or of a file, which is a stream between two magic words.
    pub(super) fn open(mut input: R, limit: u64) -> Result<Self, IpcError> {
        let head = exactly(&mut input, 8)?;
        let head = <[u8; 8]>::try_from(head)
            .map_err(|_| IpcError::damaged(0, "it ends before its first message"))?;
        let head = (!head.starts_with(FILE)).then_some(head);
        let padding = if head.is_none() { MAX_PADDING } else { 0 };
        Ok(Self { input, limit, read: 0, head, padding })
    }

    /// The next message; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Framed>, IpcError> {
        let number = self.read;
        let Some(length) = self.length()? else { return Ok(None) };
        if length > MAX_METADATA {
            return Err(IpcError::damaged(number, "its description has more than 16 MiB"));
        }
        let metadata = exactly(&mut self.input, length)?;
        if metadata.len() as u64 != length {
            return Err(IpcError::damaged(number, "the table ends within its description"));
        }
        let message = ipc::root_as_message(&metadata)
            .map_err(|e| IpcError::damaged(number, &format!("its description: {e}")))?;
        let length = u64::try_from(message.bodyLength())
            .map_err(|_| IpcError::damaged(number, "its length is negative"))?;
        if length > self.limit {
            return Err(IpcError::TooLarge { message: number, bytes: length, limit: self.limit });
        }
        let body = exactly(&mut self.input, length)?;
        if body.len() as u64 != length {
            return Err(IpcError::damaged(number, "the table ends within its columns"));
        }
        self.check(&message, &body)?;
        self.read += 1;
        Ok(Some(Framed { metadata, body: Buffer::from(body) }))
    }

    /// The length of the next description; `None` at the end of the stream, or where a file's index begins.
    fn length(&mut self) -> Result<Option<u64>, IpcError> {
        let word;
        if let Some([a, b, c, d, rest @ ..]) = self.head.take() {
            let first = [a, b, c, d];
            // Before version 0.15 messages began with their length.
            if first != CONTINUATION {
                return Err(IpcError::damaged(
                    0,
                    "it has no mark of a message: is it older than Arrow 0.15?",
                ));
            }
            word = rest;
        } else {
            loop {
                let bytes = exactly(&mut self.input, 4)?;
                if bytes.is_empty() {
                    return Ok(None);
                }
                if bytes != [0; 4] || self.padding == 0 {
                    if bytes != CONTINUATION {
                        return Err(IpcError::damaged(self.read, "it has no mark of a message"));
                    }
                    break;
                }
                self.padding -= 1;
            }
            self.padding = 0;
            word = <[u8; 4]>::try_from(exactly(&mut self.input, 4)?)
                .map_err(|_| IpcError::damaged(self.read, "the table ends within its length"))?;
        }
        Ok(Some(u64::from(u32::from_le_bytes(word))).filter(|length| *length > 0))
    }

    fn check(&self, message: &Message<'_>, body: &[u8]) -> Result<(), IpcError> {
        let damaged = |detail: &str| Err(IpcError::damaged(self.read, detail));
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => {
                let Some(batch) = message.header_as_dictionary_batch().and_then(|d| d.data()) else {
                    return damaged("it is a dictionary without words");
                };
                Some(batch)
            }
            MessageHeader::Schema => return Ok(()),
            _ => return damaged("it is neither a description of columns nor rows"),
        };
        let Some(batch) = batch else { return damaged("it has no rows") };
        let rows = batch.length();
        if rows < 0 || rows as u64 > self.limit {
            return damaged("its number of rows cannot be");
        }
        for node in batch.nodes().into_iter().flatten() {
            if node.length() < 0 || node.length() > rows.max(i64::from(i32::MAX)) || node.null_count() < 0 {
                return damaged("a column's number of rows cannot be");
            }
        }
        let mut unpacked = 0_u64;
        for buffer in batch.buffers().into_iter().flatten() {
            let place = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let bytes = place.and_then(|(offset, length)| body.get(offset..offset.checked_add(length)?));
            let Some(bytes) = bytes else { return damaged("a column lies outside of it") };
            if batch.compression().is_some() && !bytes.is_empty() {
                let Some(declared) = bytes.first_chunk().map(|first| i64::from_le_bytes(*first)) else {
                    return damaged("a packed column is too short");
                };
                // -1: this one is not packed.
                unpacked = unpacked.saturating_add(u64::try_from(declared).unwrap_or_default());
            }
        }
        if unpacked > self.limit {
            return Err(IpcError::TooLarge { message: self.read, bytes: unpacked, limit: self.limit });
        }
        Ok(())
    }

    /// The number of the message that was read last, for errors.
    pub(super) fn last(&self) -> u64 {
        self.read.saturating_sub(1)
    }
}

impl Framed {
    /// The description.
    pub(super) fn message(&self) -> Result<Message<'_>, IpcError> {
        ipc::root_as_message(&self.metadata).map_err(|e| IpcError::damaged(0, &e.to_string()))
    }
}

/// So many bytes, or fewer at the end. What is not there is not reserved.
fn exactly(input: &mut impl Read, length: u64) -> Result<Vec<u8>, IpcError> {
    let mut bytes = Vec::new();
    input.by_ref().take(length).read_to_end(&mut bytes).map_err(IpcError::Read)?;
    Ok(bytes)
}
