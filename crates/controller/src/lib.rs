//! Act by machine: assess, plan, envelope, approve, execute, verify, roll back.
