//! A quantile sketch with logarithmic buckets and a fading memory.
//!
//! Source: the bucket scheme of DDSketch (Masson, Rim, Lee: VLDB 2019), with a fixed range and f32 counts. The
//! relative error of a quantile is at most 6 %.

/// Buckets: 10 µs to about 2,800 s when the values are seconds.
const BUCKETS: usize = 166;
const SMALLEST: f64 = 1e-5;
const LN_GROWTH: f64 = 0.1170; // ln(1.124)

/// Counts of values by size; old counts fade.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    counts: Box<[f32; BUCKETS]>,
    total: f64,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { counts: Box::new([0.0; BUCKETS]), total: 0.0 }
    }
}

impl Sketch {
    /// Memory on the heap, in bytes.
    pub(crate) const BYTES: usize = size_of::<[f32; BUCKETS]>();

    /// Adds one value.
    pub(crate) fn add(&mut self, value: f64) {
        self.counts[index(value)] += 1.0;
        self.total += 1.0;
    }

    /// Adds `count` values that lie between `low` and `high`, spread evenly in the logarithm.
    pub(crate) fn add_between(&mut self, low: f64, high: f64, count: f64) {
        if count <= 0.0 {
            return;
        }
        let (from, to) = (index(low), index(high.max(low)));
        // The bucket that only touches the lower bound belongs to the range below.
        let from = if to > from { from + 1 } else { from };
        let share = (count / (to - from + 1) as f64) as f32;
        for bucket in &mut self.counts[from..=to] {
            *bucket += share;
        }
        self.total += count;
    }

    /// Bytes on the heap.
    pub(crate) const fn heap_bytes() -> usize {
        size_of::<[f32; BUCKETS]>()
    }

    /// Adds the values of another sketch.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *bucket += more;
        }
        self.total += other.total;
    }

    /// Multiplies all counts by `keep` (0..=1).
    pub(crate) fn fade(&mut self, keep: f32) {
        for bucket in self.counts.iter_mut() {
            *bucket *= keep;
        }
        self.total *= f64::from(keep);
    }

    /// How many values, after fading.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// The value below which a share `q` of all values lies; `None` if there is none.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        if self.total <= 1e-6 {
            return None;
        }
        let target = q * self.total;
        let mut below = 0.0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            let count = f64::from(count);
            if count > 0.0 && below + count >= target {
                let part = ((target - below) / count).clamp(0.0, 1.0);
                return Some(SMALLEST * ((bucket as f64 + part) * LN_GROWTH).exp());
            }
            below += count;
        }
        self.counts.iter().rposition(|&c| c > 0.0).map(|b| SMALLEST * ((b + 1) as f64 * LN_GROWTH).exp())
    }
}

fn index(value: f64) -> usize {
    if value <= SMALLEST {
        return 0;
    }
    (((value / SMALLEST).ln() / LN_GROWTH) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn quantiles_of_single_values_are_within_six_per_cent() {
        let mut sketch = Sketch::default();
        for i in 1..=10_000 {
            sketch.add(f64::from(i) * 1e-3);
        }
        for q in [0.01, 0.5, 0.9, 0.99] {
            let (seen, exact) = (sketch.quantile(q).unwrap(), q * 10.0);
            assert!((seen / exact - 1.0).abs() < 0.06, "{q}: {seen} {exact}");
        }
    }

    #[test]
    fn a_histogram_keeps_its_median_inside_the_bucket() {
        let mut sketch = Sketch::default();
        sketch.add_between(0.0, 0.005, 10.0);
        sketch.add_between(0.1, 0.25, 100.0);
        sketch.add_between(2.5, 5.0, 5.0);
        let (p50, p99) = (sketch.quantile(0.5).unwrap(), sketch.quantile(0.99).unwrap());
        assert!((0.1..=0.25).contains(&p50) && (2.5..=5.2).contains(&p99), "{p50} {p99}");
    }

    #[test]
    fn an_empty_sketch_says_nothing_and_old_values_fade() {
        let mut sketch = Sketch::default();
        assert_eq!(sketch.quantile(0.5), None);
        sketch.add(1.0);
        for _ in 0..60 {
            sketch.fade(0.5);
        }
        assert_eq!(sketch.quantile(0.5), None);
    }
}
