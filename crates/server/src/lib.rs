//! HTTP, gRPC, live streams, policy enforcement, configuration, wiring.
