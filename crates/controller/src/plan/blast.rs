//! The blast radius: how many units a plan may touch.

use echobase_types::intervention::Preview;
use echobase_types::playbook::SafetyEnvelope;

/// Why a plan touches more than it may; `None` if it does not. One unit is always allowed as far as share goes, but
/// never below the number that must stay untouched.
pub fn blast_radius(envelope: &SafetyEnvelope, previews: &[Preview]) -> Option<String> {
    for preview in previews {
        let (units, total) = (preview.units, preview.units_total);
        let share = (f64::from(total) * envelope.max_share.clamp(0.0, 1.0)).floor();
        // A share of a u32 fits a u32.
        let by_share = (share as u32).max(1);
        let most = envelope.max_units.min(by_share);
        if units > most {
            return Some(format!(
                "{}: it touches {units} of {total} units, {most} may be touched",
                preview.summary
            ));
        }
        let left = total.saturating_sub(units);
        if left < envelope.min_available && units > 0 {
            let least = envelope.min_available;
            return Some(format!(
                "{}: {left} units would be left, {least} must stay untouched",
                preview.summary
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn units_share_and_the_least_number_left_each_stop_alone() {
        for (max_units, max_share, min_available, units, total, stopped) in [
            (1, 0.1, 0, 1, 1, false),
            (1, 0.1, 0, 1, 20, false),
            (1, 1.0, 0, 2, 20, true),
            (5, 0.1, 0, 2, 20, false),
            (5, 0.1, 0, 3, 20, true),
            (5, 0.0, 0, 1, 20, false),
            (5, 1.0, 2, 1, 2, true),
            (5, 1.0, 2, 1, 3, false),
            (5, 1.0, 2, 0, 1, false),
            (5, f64::NAN, 0, 2, 20, true),
        ] {
            let envelope = SafetyEnvelope {
                cooldown: Duration::ZERO,
                max_units,
                max_share,
                max_per_hour: 1,
                min_available,
            };
            let preview = Preview {
                summary: String::new(),
                before: String::new(),
                after: String::new(),
                units,
                units_total: total,
                target_version: String::new(),
                reversible: true,
            };
            let found = blast_radius(&envelope, &[preview]);
            assert_eq!(found.is_some(), stopped, "{max_units} {max_share} {min_available} {units}/{total}");
        }
    }
}
