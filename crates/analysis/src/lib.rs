//! Pure numerics: stability, drift, anomaly, exhaustion, risk.
