//! Deciding.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr as _;

use cedar_policy::{
    ActionConstraint, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, PrincipalConstraint, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use echobase_types::intervention::{Intervention, Proposer};
use echobase_types::principal::{Principal, PrincipalKind, Role};
use echobase_types::{ErrorKind, PrincipalId, TenantId};

use crate::Action;

const SCHEMA: &str = include_str!("../policies/schema.cedarschema");
const BASE: &str = include_str!("../policies/base.cedar");
const ROLES: &str = include_str!("../policies/roles.cedar");

/// The policies cannot be used. A defect of this crate, found when the decision point is made.
#[derive(Debug, thiserror::Error)]
#[error("load the policies: {0}")]
pub struct PolicyError(String);

impl PolicyError {
    /// `Internal`.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// What is acted on, as far as policies look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRef {
    tenant: TenantId,
    proposer: Option<PrincipalId>,
}

impl ResourceRef {
    /// The tenant as a whole.
    pub fn tenant(tenant: TenantId) -> Self {
        Self { tenant, proposer: None }
    }

    /// An intervention of the tenant.
    pub fn intervention(tenant: TenantId, intervention: &Intervention) -> Self {
        let proposer = match intervention.proposer {
            Proposer::Principal { id } => Some(id),
            Proposer::Playbook { .. } => None,
        };
        Self { tenant, proposer }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Permit,
    /// No, and why: the words of the rules that forbid, or that nothing permits it.
    Deny {
        /// Never empty.
        reasons: Vec<String>,
    },
}

/// The decision point.
pub struct DecisionPoint {
    schema: Schema,
    /// All policies, as they were validated.
    policies: PolicySet,
    names: Names,
    questions: BTreeMap<(Role, Action), Question>,
    authorizer: Authorizer,
}

/// What is the same in every request of one role for one action. Cedar is linear in the policies it is given, so
/// each question has only those whose head can match: a slice of the whole, made once.
struct Question {
    role: EntityUid,
    action: EntityUid,
    /// The action and its groups.
    entities: Entities,
    policies: PolicySet,
}

/// The names of types, parsed once.
struct Names {
    user: EntityTypeName,
    service: EntityTypeName,
    tenant: EntityTypeName,
    role: EntityTypeName,
    thing: EntityTypeName,
    action: EntityTypeName,
}

impl Names {
    fn new() -> Result<Self, PolicyError> {
        let name = |text: &str| EntityTypeName::from_str(text).map_err(|e| PolicyError(e.to_string()));
        Ok(Self {
            user: name("Echo::User")?,
            service: name("Echo::Service")?,
            tenant: name("Echo::Tenant")?,
            role: name("Echo::Role")?,
            thing: name("Echo::Thing")?,
            action: name("Echo::Action")?,
        })
    }
}

impl std::fmt::Debug for DecisionPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecisionPoint").field("policies", &self.policies.policies().count()).finish()
    }
}

impl DecisionPoint {
    /// Loads and strictly validates the policies.
    pub fn new() -> Result<Self, PolicyError> {
        let fault = |e: &dyn std::fmt::Display| PolicyError(e.to_string());
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|e| fault(&e))?;
        let parsed = PolicySet::from_str(&format!("{BASE}\n{ROLES}")).map_err(|e| fault(&e))?;
        let mut policies = PolicySet::new();
        for policy in parsed.policies() {
            let name =
                policy.annotation("id").ok_or_else(|| PolicyError(format!("{} has no @id", policy.id())))?;
            policies.add(policy.new_id(PolicyId::new(name))).map_err(|e| fault(&e))?;
        }
        let verdict = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if !verdict.validation_passed_without_warnings() {
            return Err(fault(&verdict));
        }
        let names = Names::new()?;
        let actions = schema.action_entities().map_err(|e| fault(&e))?;
        let mut questions = BTreeMap::new();
        for role in Role::ALL {
            for action in Action::ALL {
                let question = Question::new(&names, &actions, &policies, role, action)?;
                questions.insert((role, action), question);
            }
        }
        Ok(Self { schema, policies, names, questions, authorizer: Authorizer::new() })
    }

    /// Decides. Any error on the way is a denial: an engine that skips a rule which fails would skip a `forbid`.
    pub fn decide(&self, principal: &Principal, action: Action, resource: &ResourceRef) -> Decision {
        let decided = match self.questions.get(&(principal.role, action)) {
            Some(question) => self.answer(question, &question.policies, principal, resource),
            None => Err(PolicyError(format!("nothing is known of `{}`", action.as_str()))),
        };
        decided
            .unwrap_or_else(|error| Decision::Deny { reasons: vec![format!("the decision failed: {error}")] })
    }

    fn answer(
        &self,
        question: &Question,
        policies: &PolicySet,
        principal: &Principal,
        resource: &ResourceRef,
    ) -> Result<Decision, PolicyError> {
        let fault = |e: &dyn std::fmt::Display| PolicyError(e.to_string());
        let id = principal.id.to_string();
        let who = uid(self.names.kind(principal.kind), &id);
        let what = uid(&self.names.thing, "thing");
        let described = [
            self.names.describe(principal, &who, &question.role)?,
            self.names.describe_thing(resource, &what)?,
        ];
        let entities =
            question.entities.clone().add_entities(described, Some(&self.schema)).map_err(|e| fault(&e))?;
        let id = RestrictedExpression::new_string(id);
        let context = Context::from_pairs([("principalId".to_owned(), id)]).map_err(|e| fault(&e))?;
        let request = Request::new(who, question.action.clone(), what, context, Some(&self.schema))
            .map_err(|e| fault(&e))?;
        let response = self.authorizer.is_authorized(&request, policies, &entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(fault(error));
        }
        if response.decision() == cedar_policy::Decision::Allow {
            return Ok(Decision::Permit);
        }
        let mut reasons: Vec<String> = response
            .diagnostics()
            .reason()
            .map(|id| self.policies.annotation(id, "says").unwrap_or_else(|| id.as_ref()).to_owned())
            .collect();
        reasons.sort();
        if reasons.is_empty() {
            reasons.push(format!("the role `{}` does not include it", principal.role.as_str()));
        }
        Ok(Decision::Deny { reasons })
    }
}

impl Question {
    fn new(
        names: &Names,
        actions: &Entities,
        policies: &PolicySet,
        role: Role,
        action: Action,
    ) -> Result<Self, PolicyError> {
        let fault = |e: &dyn std::fmt::Display| PolicyError(e.to_string());
        let asked = uid(&names.action, action.as_str());
        let held = uid(&names.role, role.as_str());
        let mut above: HashSet<EntityUid> = actions
            .ancestors(&asked)
            .ok_or_else(|| PolicyError(format!("the schema does not know `{}`", action.as_str())))?
            .cloned()
            .collect();
        above.insert(asked.clone());
        let its = actions.iter().filter(|entity| above.contains(&entity.uid())).cloned();
        let entities = Entities::from_entities(its, None).map_err(|e| fault(&e))?;
        let mut slice = PolicySet::new();
        for policy in policies.policies() {
            let by_role = match policy.principal_constraint() {
                PrincipalConstraint::In(role) | PrincipalConstraint::IsIn(_, role) => role == held,
                PrincipalConstraint::Any | PrincipalConstraint::Eq(_) | PrincipalConstraint::Is(_) => true,
            };
            let by_action = match policy.action_constraint() {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(one) => one == asked,
                ActionConstraint::In(any) => any.iter().any(|one| above.contains(one)),
            };
            if by_role && by_action {
                slice.add(policy.clone()).map_err(|e| fault(&e))?;
            }
        }
        Ok(Self { role: held, action: asked, entities, policies: slice })
    }
}

impl Names {
    const fn kind(&self, kind: PrincipalKind) -> &EntityTypeName {
        match kind {
            PrincipalKind::User => &self.user,
            PrincipalKind::Service => &self.service,
        }
    }

    fn describe(
        &self,
        principal: &Principal,
        who: &EntityUid,
        role: &EntityUid,
    ) -> Result<Entity, PolicyError> {
        let tenant = uid(&self.tenant, principal.tenant.as_str());
        let scopes = principal.scopes.iter().flatten();
        let attributes = HashMap::from([
            ("tenant".to_owned(), RestrictedExpression::new_entity_uid(tenant)),
            ("suspended".to_owned(), RestrictedExpression::new_bool(principal.suspended)),
            ("byKey".to_owned(), RestrictedExpression::new_bool(principal.scopes.is_some())),
            (
                "scopes".to_owned(),
                RestrictedExpression::new_set(
                    scopes.map(|s| RestrictedExpression::new_string(s.as_str().to_owned())),
                ),
            ),
        ]);
        Entity::new(who.clone(), attributes, HashSet::from([role.clone()]))
            .map_err(|e| PolicyError(e.to_string()))
    }

    fn describe_thing(&self, resource: &ResourceRef, what: &EntityUid) -> Result<Entity, PolicyError> {
        let tenant = uid(&self.tenant, resource.tenant.as_str());
        let mut attributes =
            HashMap::from([("tenant".to_owned(), RestrictedExpression::new_entity_uid(tenant))]);
        if let Some(proposer) = resource.proposer {
            attributes.insert("proposer".to_owned(), RestrictedExpression::new_string(proposer.to_string()));
        }
        Entity::new(what.clone(), attributes, HashSet::new()).map_err(|e| PolicyError(e.to_string()))
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use echobase_types::principal::Scope;
    use proptest::prelude::*;

    use super::*;

    fn id(n: u128) -> PrincipalId {
        format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap()
    }

    fn principal(role: Role, kind: PrincipalKind, scopes: Option<Vec<Scope>>) -> Principal {
        Principal {
            id: id(1),
            tenant: TenantId::new("a").unwrap(),
            kind,
            name: "p".to_owned(),
            role,
            suspended: false,
            scopes,
            key: None,
        }
    }

    /// The same rules once more, written independently: what the policies must decide.
    fn expected(p: &Principal, action: Action, r: &ResourceRef) -> bool {
        use Action as A;
        let by_role = match p.role {
            Role::Admin => true,
            Role::Auditor => action.scope() == Scope::Read,
            Role::Operator => !matches!(
                action,
                A::ExportLedger
                    | A::ReadPrincipals
                    | A::ReadTenants
                    | A::WriteSettings
                    | A::WritePrincipals
                    | A::WriteTenants
            ),
            Role::Developer => matches!(
                action,
                A::ViewOverview
                    | A::ReadResources
                    | A::ReadAlerts
                    | A::ReadInterventions
                    | A::ReadSlos
                    | A::ReadSignals
                    | A::Query
                    | A::ReadPlaybooks
                    | A::Backtest
                    | A::Ingest
                    | A::Import
                    | A::WriteSlos
                    | A::ProposeIntervention
                    | A::LabelIncident
                    | A::ReadKeys
                    | A::WriteKeys
                    | A::ReadSelfMetrics
            ),
            Role::Analyst => matches!(
                action,
                A::ViewOverview
                    | A::ReadResources
                    | A::ReadAlerts
                    | A::ReadInterventions
                    | A::ReadSlos
                    | A::ReadSignals
                    | A::Query
                    | A::ReadPlaybooks
                    | A::Backtest
                    | A::Import
                    | A::ReadKeys
                    | A::WriteKeys
            ),
            Role::Viewer => matches!(
                action,
                A::ViewOverview | A::ReadResources | A::ReadAlerts | A::ReadInterventions | A::ReadSlos
            ),
        };
        let approves = action == A::ApproveIntervention;
        by_role
            && p.tenant == r.tenant
            && !p.suspended
            && p.scopes.as_ref().is_none_or(|s| s.contains(&action.scope()))
            && !(approves && (p.kind == PrincipalKind::Service || r.proposer == Some(p.id)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]
        #[test]
        fn policies_decide_as_the_independent_table(
            role in proptest::sample::select(&Role::ALL[..]),
            action in proptest::sample::select(&Action::ALL[..]),
            service in any::<bool>(),
            suspended in proptest::bool::weighted(0.1),
            same_tenant in proptest::bool::weighted(0.9),
            scopes in proptest::option::of(proptest::sample::subsequence(&Scope::ALL[..], 0..=5)),
            proposer in proptest::option::of(1_u128..3),
        ) {
            thread_local!(static POINT: DecisionPoint = DecisionPoint::new().unwrap());
            let kind = if service { PrincipalKind::Service } else { PrincipalKind::User };
            let mut who = principal(role, kind, scopes);
            who.suspended = suspended;
            let tenant = TenantId::new(if same_tenant { "a" } else { "b" }).unwrap();
            let what = ResourceRef { tenant, proposer: proposer.map(id) };
            let decided = POINT.with(|point| point.decide(&who, action, &what));
            prop_assert_eq!(decided == Decision::Permit, expected(&who, action, &what), "{:?}", decided);
        }
    }

    #[test]
    fn the_slice_of_a_question_decides_as_the_whole_set() {
        let point = DecisionPoint::new().unwrap();
        for (role, action) in point.questions.keys().copied() {
            for (kind, scopes, proposer) in [
                (PrincipalKind::User, None, None),
                (PrincipalKind::User, Some(vec![Scope::Read]), Some(id(1))),
                (PrincipalKind::Service, Some(vec![Scope::Act, Scope::Admin]), None),
            ] {
                let who = principal(role, kind, scopes);
                let what = ResourceRef { tenant: who.tenant.clone(), proposer };
                let by_all = point.answer(&point.questions[&(role, action)], &point.policies, &who, &what);
                assert_eq!(point.decide(&who, action, &what), by_all.unwrap(), "{who:?} {action:?}");
            }
        }
    }

    #[test]
    fn a_denial_says_why() {
        let point = DecisionPoint::new().unwrap();
        let own = ResourceRef { tenant: TenantId::new("a").unwrap(), proposer: Some(id(1)) };
        for (who, action, words) in [
            (principal(Role::Viewer, PrincipalKind::User, None), Action::Freeze, "does not include it"),
            (
                principal(Role::Admin, PrincipalKind::User, None),
                Action::ApproveIntervention,
                "their own proposal",
            ),
            (
                principal(Role::Admin, PrincipalKind::User, Some(vec![Scope::Read])),
                Action::Freeze,
                "scope `act`",
            ),
        ] {
            let Decision::Deny { reasons } = point.decide(&who, action, &own) else { panic!("permitted") };
            assert!(reasons.join(" ").contains(words), "{reasons:?}");
        }
    }

    #[test]
    fn every_action_is_in_the_group_of_its_scope() {
        let point = DecisionPoint::new().unwrap();
        for action in Action::ALL {
            for scope in Scope::ALL {
                let who = principal(Role::Admin, PrincipalKind::User, Some(vec![scope]));
                let what = ResourceRef::tenant(who.tenant.clone());
                let permitted = point.decide(&who, action, &what) == Decision::Permit;
                assert_eq!(permitted, action.scope() == scope, "{action:?} with {scope:?}");
            }
        }
    }
}
