//! Protobuf read in place: the fields of a message as they stand in the body, texts and messages within it as borrowed
//! slices. For bodies of which most is known already, where making a value of each text would cost more than all else.
//!
//! Encoding: <https://protobuf.dev/programming-guides/encoding/>. Groups, which proto3 does not have, are refused.

use std::str;

use crate::{Malformed, Position};

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// `int32` … `uint64`, `bool`, enums; signed kinds of `sint` are still folded.
    Varint(u64),
    /// `double`, `fixed64`.
    Fixed64(u64),
    /// `float`, `fixed32`.
    Fixed32(u32),
    /// A text, bytes, a message, or packed numbers.
    Bytes(Slice<'a>),
}

/// Part of a body, and where in the body it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slice<'a> {
    pub(crate) bytes: &'a [u8],
    /// Of its first byte, counted from the start of the body.
    pub(crate) at: usize,
}

impl<'a> Slice<'a> {
    /// The whole body.
    pub(crate) fn body(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Its fields in order.
    pub(crate) fn fields(self) -> Fields<'a> {
        Fields { rest: self.bytes, at: self.at }
    }

    /// The text that it is.
    pub(crate) fn text(self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes)
            .map_err(|error| fault(self.at + error.valid_up_to(), "a text is not UTF-8"))
    }

    /// The numbers packed in it.
    pub(crate) fn varints(self) -> impl Iterator<Item = Result<u64, Malformed>> + 'a {
        let mut reader = Fields { rest: self.bytes, at: self.at };
        std::iter::from_fn(move || (!reader.rest.is_empty()).then(|| reader.varint()))
    }

    /// The doubles packed in it.
    pub(crate) fn doubles(self) -> Result<impl Iterator<Item = f64> + 'a, Malformed> {
        let (all, rest) = self.bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(fault(self.at, "packed doubles are not whole"));
        }
        Ok(all.iter().map(|eight| f64::from_le_bytes(*eight)))
    }
}

/// The fields of a message.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

/// A number as `sint32` and `sint64` fold it.
pub(crate) fn unfolded(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

pub(crate) fn fault(at: usize, detail: &str) -> Malformed {
    Malformed { position: Position::Byte(at), detail: detail.to_owned() }
}

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.rest.split_at_checked(bytes) else {
            return Err(fault(self.at, "the body ends within a field"));
        };
        self.rest = rest;
        self.at += bytes;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for (n, byte) in self.rest.iter().take(10).enumerate() {
            // The tenth byte holds the last bit of 64.
            if n == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[n + 1..];
                self.at += n + 1;
                return Ok(value);
            }
        }
        let cut = self.rest.len() < 10;
        Err(fault(
            self.at,
            if cut { "the body ends within a number" } else { "a number is longer than 64 bits" },
        ))
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let begin = self.at;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|n| *n > 0);
        let number = number.ok_or_else(|| fault(begin, "a field has no valid number"))?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.take(8)?.try_into().map_or(0, u64::from_le_bytes)),
            5 => Value::Fixed32(self.take(4)?.try_into().map_or(0, u32::from_le_bytes)),
            2 => {
                let long = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                let at = self.at;
                Value::Bytes(Slice { bytes: self.take(long)?, at })
            }
            _ => return Err(fault(begin, "a field is of a kind that proto3 does not have")),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Sample {
        #[prost(uint64, tag = "1")]
        plain: u64,
        #[prost(sint64, tag = "2")]
        folded: i64,
        #[prost(double, tag = "3")]
        double: f64,
        #[prost(string, tag = "4")]
        text: String,
        #[prost(uint32, repeated, tag = "5")]
        many: Vec<u32>,
        #[prost(double, repeated, tag = "16")]
        doubles: Vec<f64>,
        #[prost(fixed32, tag = "17")]
        word: u32,
    }

    fn read(body: &[u8]) -> Result<Sample, Malformed> {
        let mut all = Sample::default();
        for field in Slice::body(body).fields() {
            match field? {
                (1, Value::Varint(value)) => all.plain = value,
                (2, Value::Varint(value)) => all.folded = unfolded(value),
                (3, Value::Fixed64(bits)) => all.double = f64::from_bits(bits),
                (4, Value::Bytes(text)) => all.text = text.text()?.to_owned(),
                (5, Value::Bytes(packed)) => {
                    let numbers: Result<Vec<u64>, _> = packed.varints().collect();
                    all.many = numbers?.into_iter().map(|n| n as u32).collect();
                }
                (16, Value::Bytes(packed)) => all.doubles = packed.doubles()?.collect(),
                (17, Value::Fixed32(word)) => all.word = word,
                _ => {}
            }
        }
        Ok(all)
    }

    proptest! {
        #[test]
        fn what_another_writer_wrote_reads_back(
            plain: u64, folded: i64, double in -1e300..1e300f64, text: String, many: Vec<u32>,
            doubles in prop::collection::vec(-1e9..1e9f64, 0..9), word: u32,
        ) {
            let all = Sample { plain, folded, double, text, many, doubles, word };
            prop_assert_eq!(read(&all.encode_to_vec()).unwrap(), all);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let table: [(&[u8], usize, &str); 6] = [
            (&[0x08], 1, "the body ends within a number"),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
                1,
                "a number is longer than 64 bits",
            ),
            (&[0x22, 0x05, b'a'], 2, "the body ends within a field"),
            (&[0x0b], 0, "a field is of a kind that proto3 does not have"),
            (&[0x00, 0x01], 0, "a field has no valid number"),
            (&[0x22, 0x02, b'a', 0xff], 3, "a text is not UTF-8"),
        ];
        for (body, at, detail) in table {
            assert_eq!(read(body).unwrap_err(), fault(at, detail), "{body:?}");
        }
    }
}
