//! Messages out: signed webhooks behind the egress guard.
