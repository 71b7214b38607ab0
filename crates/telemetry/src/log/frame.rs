//! One frame: a head of 32 bytes, the tenant, the payload compressed with LZ4.
//!
//! | bytes | head |
//! |---|---|
//! | 0..4 | `EBTF` |
//! | 4 | version of the frame, 1 |
//! | 5 | form of the payload, 1 = `codec` format 1 |
//! | 6 | length of the tenant id |
//! | 7 | zero |
//! | 8..16 | number of the frame |
//! | 16..20 | length of the payload before compression |
//! | 20..24 | length of body = tenant + compressed payload |
//! | 24..28 | CRC-32 of the body |
//! | 28..32 | CRC-32 of bytes 0..28 |
//!
//! All numbers are little-endian. The head has its own checksum, so a damaged body still says where the next
//! frame begins.

use echobase_types::TenantId;

/// First bytes of a frame: what a reader looks for behind damage.
pub(crate) const MAGIC: &[u8; 4] = b"EBTF";
/// Bytes of a head.
pub(crate) const HEAD: usize = 32;
/// Longest body that is believed; batches are refused far below.
const MAX_BODY: u32 = 1 << 30;

/// A frame that has no number yet.
pub(crate) struct Frame {
    head: [u8; HEAD],
    body: Vec<u8>,
}

impl Frame {
    /// Compresses `payload` and computes the checksum of the body.
    pub(crate) fn new(tenant: &TenantId, payload: &[u8]) -> Self {
        let tenant = tenant.as_str().as_bytes();
        let packed = lz4_flex::block::compress(payload);
        let mut body = Vec::with_capacity(tenant.len() + packed.len());
        body.extend_from_slice(tenant);
        body.extend_from_slice(&packed);
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(MAGIC);
        head[4] = 1;
        head[5] = 1;
        head[6] = tenant.len() as u8; // at most 63 by its alphabet rule
        head[16..20].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[20..24].copy_from_slice(&(body.len() as u32).to_le_bytes());
        head[24..28].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
        Self { head, body }
    }

    /// Bytes on disk.
    pub(crate) fn len(&self) -> usize {
        HEAD + self.body.len()
    }

    /// Appends the frame under its number.
    pub(crate) fn write(&self, sequence: u64, out: &mut Vec<u8>) {
        let mut head = self.head;
        head[8..16].copy_from_slice(&sequence.to_le_bytes());
        let sum = crc32fast::hash(&head[..28]);
        head[28..].copy_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.body);
    }
}

/// A head whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) body: usize,
    tenant: usize,
    raw: usize,
    sum: u32,
    known: bool,
}

impl Head {
    /// Reads a head; `None` if it is not one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if &bytes[..4] != MAGIC || crc32fast::hash(&bytes[..28]) != word(28) || word(20) > MAX_BODY {
            return None;
        }
        Some(Self {
            sequence: u64::from(word(8)) | u64::from(word(12)) << 32,
            body: word(20) as usize,
            tenant: usize::from(bytes[6]),
            raw: word(16) as usize,
            sum: word(24),
            known: bytes[4] == 1 && bytes[5] == 1,
        })
    }

    /// Whose rows, and the payload; `None` if the body is damaged or of an unknown version.
    pub(crate) fn open(&self, body: &[u8]) -> Option<(TenantId, Vec<u8>)> {
        if !self.known || body.len() != self.body || crc32fast::hash(body) != self.sum {
            return None;
        }
        let (tenant, packed) = body.split_at_checked(self.tenant)?;
        let tenant = TenantId::new(std::str::from_utf8(tenant).ok()?).ok()?;
        // No more than LZ4 can make of it, so that a wrong length cannot ask for much memory.
        if self.raw > packed.len().saturating_mul(255) {
            return None;
        }
        let payload = lz4_flex::block::decompress(packed, self.raw).ok()?;
        (payload.len() == self.raw).then_some((tenant, payload))
    }
}
