//! Bodies that came compressed, unpacked within a limit.

use std::io::Read;

use echobase_types::ErrorKind;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// Memory that an unpacker of zstd may be told to use: 2^23 bytes, as RFC 9659 bids for HTTP.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is packed, by its `Content-Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// zlib (RFC 1950), which HTTP calls `deflate`.
    Deflate,
    /// Zstandard (RFC 8878).
    Zstd,
    /// One block of Snappy without frames, as Prometheus remote write sends it.
    Snappy,
}

impl Encoding {
    /// The encoding that a `Content-Encoding` header names; an empty text is `Identity`.
    pub fn parse(header: &str) -> Result<Self, InflateError> {
        match header.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "zstd" => Ok(Self::Zstd),
            "snappy" => Ok(Self::Snappy),
            other => Err(InflateError::Unsupported { encoding: other.chars().take(40).collect() }),
        }
    }
}

/// Why a body was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// Unpacked, it is larger than allowed. Reading stopped there, so a bomb costs no more than the limit.
    #[error("unpacked body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// It is not what its encoding says.
    #[error("unpack {encoding:?} body after {unpacked} bytes")]
    Damaged {
        /// The stated encoding.
        encoding: Encoding,
        /// How much could be unpacked.
        unpacked: usize,
        /// What the decompressor says.
        #[source]
        source: std::io::Error,
    },
    /// An encoding that is not taken.
    #[error("content encoding `{encoding}` is not taken: use zstd, gzip, deflate, snappy or identity")]
    Unsupported {
        /// What was stated.
        encoding: String,
    },
}

impl InflateError {
    /// `TooLarge` or `Invalid`.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Damaged { .. } | Self::Unsupported { .. } => ErrorKind::Invalid,
        }
    }
}

/// Unpacks `body` to at most `limit` bytes.
pub fn inflate(encoding: Encoding, body: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut unpacked = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = match encoding {
        Encoding::Identity => body.take(most).read_to_end(&mut unpacked),
        Encoding::Gzip => MultiGzDecoder::new(body).take(most).read_to_end(&mut unpacked),
        Encoding::Deflate => ZlibDecoder::new(body).take(most).read_to_end(&mut unpacked),
        Encoding::Zstd => zstd::stream::read::Decoder::with_buffer(body).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            decoder.take(most).read_to_end(&mut unpacked)
        }),
        // A block says how long it is: nothing is unpacked that would be too long.
        Encoding::Snappy => match snap::raw::decompress_len(body) {
            Ok(long) if long > limit => return Err(InflateError::TooLarge { limit }),
            Ok(_) => snap::raw::Decoder::new().decompress_vec(body).map_err(Into::into).map(|whole| {
                unpacked = whole;
                unpacked.len()
            }),
            Err(error) => Err(error.into()),
        },
    };
    if unpacked.len() > limit {
        return Err(InflateError::TooLarge { limit });
    }
    match read {
        Ok(_) => Ok(unpacked),
        Err(source) => Err(InflateError::Damaged { encoding, unpacked: unpacked.len(), source }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn every_encoding_reads_back() {
        let text = b"one two three".repeat(100);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        let bodies = [
            ("", text.clone()),
            ("identity", text.clone()),
            ("GZIP", gzip(&text)),
            ("deflate", zlib.finish().unwrap()),
            ("zstd", zstd::encode_all(&text[..], 1).unwrap()),
            ("snappy", snap::raw::Encoder::new().compress_vec(&text).unwrap()),
        ];
        for (header, body) in bodies {
            assert_eq!(inflate(Encoding::parse(header).unwrap(), &body, 10_000).unwrap(), text, "{header}");
        }
        let two = [gzip(b"a"), gzip(b"b")].concat();
        assert_eq!(inflate(Encoding::Gzip, &two, 10).unwrap(), b"ab");
        assert_eq!(Encoding::parse("br").unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 100_000);
        assert!(matches!(
            inflate(Encoding::Gzip, &bomb, 65_536),
            Err(InflateError::TooLarge { limit: 65_536 })
        ));
        for (encoding, bomb) in [
            (Encoding::Zstd, zstd::encode_all(&vec![0; 10_000_000][..], 1).unwrap()),
            (Encoding::Snappy, snap::raw::Encoder::new().compress_vec(&vec![0; 10_000_000]).unwrap()),
        ] {
            let refused = inflate(encoding, &bomb, 65_536);
            assert!(matches!(refused, Err(InflateError::TooLarge { limit: 65_536 })), "{encoding:?}");
        }
        assert!(inflate(Encoding::Identity, &[0; 11], 10).is_err());
        assert!(inflate(Encoding::Identity, &[0; 10], 10).is_ok());
    }

    #[test]
    fn a_cut_or_damaged_body_is_an_error() {
        let whole = gzip(&b"abc".repeat(1_000));
        for body in [&whole[..whole.len() - 5], b"plain text", b""] {
            for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Snappy] {
                let kind = inflate(encoding, body, 10_000).map_err(|e| e.kind());
                assert_eq!(kind, Err(ErrorKind::Invalid), "{encoding:?} of {} bytes", body.len());
            }
        }
    }
}
