//! The built web app, embedded.
