//! The autonomy ladder: going up needs a record, going down does not.

use echobase_types::intervention::InterventionState as S;
use echobase_types::playbook::Autonomy;

/// How far a playbook may go by itself now. What leaves the decision to people takes effect as declared; `auto` takes
/// effect once `needed` verified successes in a row stand in the record of this very version. A failure sets the
/// count back to zero, and at least one success is then needed, whatever `needed` says.
///
/// `record` holds the states of its interventions, newest first.
pub fn effective(declared: Autonomy, record: &[S], needed: u32) -> Autonomy {
    if declared != Autonomy::Auto {
        return declared;
    }
    let mut successes = 0;
    let mut failed = false;
    for state in record {
        match state {
            S::Verified => successes += 1,
            S::Failed | S::RolledBack | S::RollbackFailed | S::RollingBack => {
                failed = true;
                break;
            }
            _ => {}
        }
    }
    let needed = if failed { needed.max(1) } else { needed };
    if successes >= needed { Autonomy::Auto } else { Autonomy::Approve }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_earned_and_lost() {
        use Autonomy::{Approve, Auto, Observe, Suggest};
        for (declared, record, needed, expected) in [
            (Observe, &[S::Verified, S::Verified][..], 0, Observe),
            (Suggest, &[S::Verified, S::Verified], 0, Suggest),
            (Approve, &[S::Verified, S::Verified], 0, Approve),
            (Auto, &[], 2, Approve),
            (Auto, &[S::Verified], 2, Approve),
            (Auto, &[S::Verified, S::Verified], 2, Auto),
            (Auto, &[S::Verified, S::Rejected, S::Executing, S::Verified], 2, Auto),
            (Auto, &[S::RolledBack, S::Verified, S::Verified], 2, Approve),
            (Auto, &[S::Verified, S::RolledBack, S::Verified, S::Verified], 2, Approve),
            (Auto, &[S::Verified, S::Verified, S::Failed], 2, Auto),
            (Auto, &[], 0, Auto),
            (Auto, &[S::RolledBack], 0, Approve),
            (Auto, &[S::Verified, S::RollbackFailed], 0, Auto),
        ] {
            assert_eq!(effective(declared, record, needed), expected, "{record:?} {needed}");
        }
    }
}
