//! Signals in: OTLP, Prometheus, events, files, host and scrape collectors.
