//! A seeded plant of real processes, load and fault plans: for tests and the demo.
