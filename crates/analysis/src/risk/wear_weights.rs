//! How wear ends: printed by the example `train_risk`, not edited by hand.
//!
//! Fitted to the 100 engines of NASA's C-MAPSS FD001, which ran to their end.

use super::model::WearModel;

#[rustfmt::skip]
pub(super) const WEAR: WearModel = WearModel {
    offsets: &[(5.0, -18.83), (10.0, -17.21), (15.0, -15.93), (20.0, -14.84), (30.0, -12.97)],
    weights: [1.13, -0.8926, 1.123, 1.115, 0.4116, -0.1207, 1.61, -13.35, 1.37, 1.955, -5.392, 17.33, 5.722, -19.45, 20.7],
};
