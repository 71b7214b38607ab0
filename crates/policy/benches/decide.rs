//! Decisions per second on one core: `cargo bench -p echobase-policy --bench decide`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark reads the clock and fails loudly"
)]

use std::hint::black_box;
use std::time::Instant;

use echobase_policy::{Action, DecisionPoint, ResourceRef};
use echobase_types::principal::{Principal, PrincipalKind, Role};
use echobase_types::{PrincipalId, TenantId};

fn main() {
    let point = DecisionPoint::new().unwrap();
    let tenant = TenantId::default_tenant();
    let who = |role| Principal {
        id: "00000000-0000-7000-8000-000000000001".parse::<PrincipalId>().unwrap(),
        tenant: tenant.clone(),
        kind: PrincipalKind::User,
        name: "p".to_owned(),
        role,
        suspended: false,
        scopes: None,
        key: None,
    };
    let all: Vec<Principal> = Role::ALL.into_iter().map(who).collect();
    let what = ResourceRef::tenant(tenant.clone());
    let begun = Instant::now();
    let mut asked = 0_u32;
    while begun.elapsed().as_secs_f64() < 2.0 {
        for principal in &all {
            for action in Action::ALL {
                black_box(point.decide(principal, action, &what));
                asked += 1;
            }
        }
    }
    println!("{:.0} decisions/s on one core", f64::from(asked) / begun.elapsed().as_secs_f64());
}
