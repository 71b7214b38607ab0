//! What the kernel says of this process (Linux; elsewhere nothing is known).

use std::fs;

/// Bytes per page of `/proc/self/statm` on the machines we run on.
const PAGE_BYTES: u64 = 4_096;

/// Resident memory in bytes.
pub(crate) fn resident_memory() -> Option<u64> {
    parse_resident_memory(&fs::read_to_string("/proc/self/statm").ok()?)
}

fn parse_resident_memory(statm: &str) -> Option<u64> {
    Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_and_a_strange_one_is_not_guessed_at() {
        assert_eq!(parse_resident_memory("9999 100 50 1 0 40 0"), Some(409_600));
        for strange in ["", "1", "1 many"] {
            assert_eq!(parse_resident_memory(strange), None, "{strange}");
        }
    }
}
