//! What only `/proc` and `/sys` tell. On other systems the files are not there, and nothing is told.

use std::fs;
use std::path::Path;

/// Ticks per second in `/proc/stat`: fixed to 100 by the Linux interface, whatever the kernel uses inside.
const TICKS: f64 = 100.0;

/// Bytes per sector in `/proc/diskstats`: fixed to 512, whatever the device uses.
const SECTOR: u64 = 512;

/// Processor seconds since the start, by mode, over all processors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CpuTimes([f64; 7]);

const MODES: [&str; 7] = ["user", "nice", "system", "idle", "iowait", "interrupt", "steal"];

impl CpuTimes {
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let at = |place: usize| ticks.get(place).copied().unwrap_or(0.0) / TICKS;
        // Guest time is within user and nice already.
        (ticks.len() >= 4).then(|| Self([at(0), at(1), at(2), at(3), at(4), at(5) + at(6), at(7)]))
    }

    pub(super) fn modes(&self) -> impl Iterator<Item = (&'static str, f64)> {
        MODES.into_iter().zip(self.0)
    }

    pub(super) fn of(&self, mode: &str) -> f64 {
        self.modes().find(|(name, _)| *name == mode).map_or(0.0, |(_, seconds)| seconds)
    }

    pub(super) fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

pub(super) fn cpu_times() -> Option<CpuTimes> {
    CpuTimes::parse(&fs::read_to_string("/proc/stat").ok()?)
}

/// Allocated file descriptors of the system, and their limit.
pub(super) fn file_descriptors() -> Option<(f64, f64)> {
    parse_file_nr(&fs::read_to_string("/proc/sys/fs/file-nr").ok()?)
}

fn parse_file_nr(text: &str) -> Option<(f64, f64)> {
    let numbers: Vec<f64> = text.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [allocated, free, limit] = numbers[..] else { return None };
    Some((allocated - free, limit))
}

/// What one disk did since the start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DiskCounts {
    pub(super) device: String,
    pub(super) reads: u64,
    pub(super) read_bytes: u64,
    pub(super) writes: u64,
    pub(super) written_bytes: u64,
}

/// Whole disks that were used; no partitions, loops, memory disks or layers above disks.
pub(super) fn disks() -> Vec<DiskCounts> {
    let text = fs::read_to_string("/proc/diskstats").unwrap_or_default();
    let is_disk = |device: &str| Path::new("/sys/block").join(device).exists();
    parse_diskstats(&text).into_iter().filter(|disk| is_disk(&disk.device)).collect()
}

fn parse_diskstats(text: &str) -> Vec<DiskCounts> {
    let layers = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"];
    let disk = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |place: usize| words.get(place)?.parse::<u64>().ok();
        let device = (*words.get(2)?).to_owned();
        let (reads, writes) = (number(3)?, number(7)?);
        let (read_bytes, written_bytes) = (number(5)?.checked_mul(SECTOR)?, number(9)?.checked_mul(SECTOR)?);
        let used = reads + writes > 0 && !layers.iter().any(|layer| device.starts_with(layer));
        used.then_some(DiskCounts { device, reads, read_bytes, writes, written_bytes })
    };
    text.lines().filter_map(disk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_read_by_mode() {
        let times = CpuTimes::parse("cpu  1000 200 300 4000 50 6 7 8 9 10\ncpu0 1 2 3 4\nintr 5\n");
        assert_eq!(times, Some(CpuTimes([10.0, 2.0, 3.0, 40.0, 0.5, 0.13, 0.08])));
        assert_eq!(times.map(|t| t.of("idle")), Some(40.0));
        assert_eq!(CpuTimes::parse("cpu  1 2 3\n"), None);
        assert_eq!(CpuTimes::parse("cpu0 1 2 3 4\n"), None);
    }

    #[test]
    fn file_descriptors_in_use_are_the_allocated_without_the_free() {
        assert_eq!(parse_file_nr("592\t12\t2466170\n"), Some((580.0, 2_466_170.0)));
        assert_eq!(parse_file_nr("592\n"), None);
    }

    #[test]
    fn only_disks_that_were_used_are_told() {
        let text = "   7  0 loop0 5 0 9 0 1 0 9 0 0 0 0\n 253  0 vda 6 1 20 3 4 2 30 5 0 8 9\n   8  0 sda 0 0 0 0 0 0 0 0\nx\n";
        let vda = DiskCounts {
            device: "vda".to_owned(),
            reads: 6,
            read_bytes: 10_240,
            writes: 4,
            written_bytes: 15_360,
        };
        assert_eq!(parse_diskstats(text), [vda]);
    }
}
