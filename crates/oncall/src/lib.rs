//! Act by people: alerts, grouping, de-duplication.
