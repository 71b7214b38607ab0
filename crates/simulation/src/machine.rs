//! What the kernel says of this process (Linux; elsewhere nothing is known).

use std::fs;
use std::time::Duration;

/// Clock ticks per second in `/proc`: part of the kernel's interface, the same on all machines we run on.
const TICKS_PER_SECOND: u64 = 100;

/// Bytes per page of `/proc/self/statm` on the machines we run on.
const PAGE_BYTES: u64 = 4_096;

/// Processor time used so far.
pub(crate) fn processor_time() -> Option<Duration> {
    parse_processor_time(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Resident memory in bytes.
pub(crate) fn resident_memory() -> Option<u64> {
    parse_resident_memory(&fs::read_to_string("/proc/self/statm").ok()?)
}

/// Members 14 and 15 of `/proc/self/stat`; the name in parentheses may hold anything.
fn parse_processor_time(stat: &str) -> Option<Duration> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut members = after_name.split_whitespace().skip(11);
    let user: u64 = members.next()?.parse().ok()?;
    let system: u64 = members.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

fn parse_resident_memory(statm: &str) -> Option<u64> {
    Some(statm.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_even_with_odd_names() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 5 1 1";
        assert_eq!(parse_processor_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_resident_memory("9999 100 50 1 0 40 0"), Some(409_600));
        assert_eq!((parse_processor_time("x"), parse_resident_memory("")), (None, None));
    }
}
