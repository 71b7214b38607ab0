//! Figures as people read them.

use std::time::Duration;

use echobase_types::{Attributes, assessment::Vital};

/// What a figure counts, so that it can be written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Quantity {
    /// A bare number.
    #[default]
    Number,
    /// A share, 0..=1.
    Share,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Per second.
    PerSecond,
}

impl Quantity {
    /// What a vital sign is counted in.
    pub(crate) const fn of(vital: Vital) -> Self {
        match vital {
            Vital::CpuUtilization
            | Vital::MemoryUtilization
            | Vital::DiskUtilization
            | Vital::FileDescriptorUtilization
            | Vital::PoolUtilization
            | Vital::ErrorRatio
            | Vital::DependencyErrorRatio => Self::Share,
            Vital::LatencyP50 | Vital::LatencyP99 | Vital::DependencyLatency => Self::Seconds,
            Vital::MemoryUsage => Self::Bytes,
            Vital::RequestRate => Self::PerSecond,
            Vital::LoadPerCpu | Vital::QueueLength | Vital::Up => Self::Number,
        }
    }

    /// What a series of that unit and name is counted in.
    pub(crate) fn guess(unit: &str, name: &str) -> Self {
        match unit {
            "By" | "bytes" | "B" => Self::Bytes,
            "s" | "seconds" => Self::Seconds,
            "" if name.ends_with("_bytes") => Self::Bytes,
            "" if name.ends_with("_seconds") => Self::Seconds,
            "" if name.ends_with("_ratio") => Self::Share,
            _ => Self::Number,
        }
    }

    /// The figure with its unit, three significant digits.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Number => number(value),
            Self::Share => format!("{} %", number(value * 100.0)),
            Self::PerSecond => format!("{}/s", number(value)),
            Self::Seconds if value.abs() < 1e-3 => format!("{} µs", number(value * 1e6)),
            Self::Seconds if value.abs() < 1.0 => format!("{} ms", number(value * 1e3)),
            Self::Seconds => format!("{} s", number(value)),
            Self::Bytes => {
                let (mut value, mut unit) = (value, "B");
                for next in ["kB", "MB", "GB", "TB", "PB"] {
                    if value.abs() < 1_000.0 {
                        break;
                    }
                    (value, unit) = (value / 1_000.0, next);
                }
                format!("{} {unit}", number(value))
            }
        }
    }
}

/// A number with three significant digits, without a tail of zeros.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = (2 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A span of time in its largest sensible unit.
pub(crate) fn span(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 1.0 => format!("{} ms", number(s * 1e3)),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{} h", number((s / 360.0).round() / 10.0)),
        s => format!("{} days", number((s / 8_640.0).round() / 10.0)),
    }
}

/// A metric name with its attributes, cut to 200 characters.
pub(crate) fn metric(name: &str, attributes: &Attributes) -> String {
    if attributes.is_empty() {
        return name.to_owned();
    }
    let pairs: Vec<String> = attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let text = format!("{name}{{{}}}", pairs.join(","));
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_their_unit() {
        for (quantity, value, text) in [
            (Quantity::Bytes, 1.9e9, "1.9 GB"),
            (Quantity::Share, 0.4, "40 %"),
            (Quantity::Seconds, 0.012_34, "12.3 ms"),
            (Quantity::Seconds, 2.5, "2.5 s"),
            (Quantity::PerSecond, 1234.0, "1234/s"),
            (Quantity::Number, 0.0, "0"),
            (Quantity::Number, 1e12, "1.00e12"),
            (Quantity::Number, -0.5, "-0.5"),
        ] {
            assert_eq!(quantity.show(value), text);
        }
    }

    #[test]
    fn spans_of_time_use_their_largest_sensible_unit() {
        for (secs, text) in [(5.0, "5 s"), (600.0, "10 min"), (36_000.0, "10 h"), (864_000.0, "10 days")] {
            assert_eq!(span(Duration::from_secs_f64(secs)), text);
        }
    }

    #[test]
    fn metrics_are_shown_with_their_attributes_and_cut() {
        let one: Attributes = [("mountpoint", "/")].into_iter().collect();
        assert_eq!(metric("disk", &one), "disk{mountpoint=/}");
        let long: Attributes = [("a", "ü".repeat(500).as_str())].into_iter().collect();
        assert_eq!(metric("m", &long).chars().count(), 201);
    }
}
