//! The table of roles, computed by asking the decision point, never written by hand.

use std::fmt::Write as _;

use echobase_types::principal::{Principal, PrincipalKind, Role};
use echobase_types::{PrincipalId, TenantId};

use crate::{Action, Decision, DecisionPoint, ResourceRef};

/// `docs/reference/roles.md`: which role may do what in its own tenant.
pub fn markdown(point: &DecisionPoint) -> String {
    let mut page = String::from(
        "# Roles\n\nGenerated from the policies by `cargo xtask generate`; do not edit.\n\nAn API key can do what its owner's role allows \
         *and* its scope names. Nobody approves their own proposal; only people approve.\n\n| to | scope |",
    );
    for role in Role::ALL {
        let _ = write!(page, " {} |", role.as_str());
    }
    page.push_str("\n| --- | --- |");
    page.push_str(&" --- |".repeat(Role::ALL.len()));
    page.push('\n');
    let tenant = TenantId::default_tenant();
    for action in Action::ALL {
        let _ = write!(page, "| {} | `{}` |", action.words(), action.scope().as_str());
        for role in Role::ALL {
            let who = Principal {
                id: PrincipalId::from_uuid(Default::default()),
                tenant: tenant.clone(),
                kind: PrincipalKind::User,
                name: String::new(),
                role,
                suspended: false,
                scopes: None,
                key: None,
            };
            let decided = point.decide(&who, action, &ResourceRef::tenant(tenant.clone()));
            page.push_str(if decided == Decision::Permit { " yes |" } else { " – |" });
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    #[test]
    fn the_committed_table_is_the_one_the_policies_make() {
        let made = markdown(&DecisionPoint::new().unwrap());
        expect_test::expect_file!["../../../docs/reference/roles.md"].assert_eq(&made);
    }
}
