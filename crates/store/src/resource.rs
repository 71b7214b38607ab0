//! Watched things and what they depend on, as they were last seen.

use echobase_types::resource::{DependencySource, SeenDependency};
use echobase_types::{Attributes, Dependency, Resource, ResourceId, ResourceKind, TenantId, Timestamp};
use sea_orm::sea_query::LikeExpr;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::body;
use crate::column::{self, parse, time, word};
use crate::entity::{dependency, resource as table};
use crate::error::{StoreError, failed};
use crate::{Page, PageRequest, Store};

const NOUN: &str = "resource";

/// A resource with the times it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenResource {
    /// The resource.
    pub resource: Resource,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

/// Resources of the store.
pub struct Resources<'a> {
    pub(crate) store: &'a Store,
}

impl Resources<'_> {
    /// Notes resources and dependencies that were seen at `now`: new ones are added, known ones get their newest name
    /// and attributes. One transaction for all of them.
    pub async fn seen(
        &self,
        tenant: &TenantId,
        resources: &[Resource],
        dependencies: &[Dependency],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if resources.is_empty() && dependencies.is_empty() {
            return Ok(());
        }
        let tx = self.store.begin(tenant, now).await?;
        for resource in resources {
            column::execute(
                tx.conn(),
                "INSERT INTO resource (tenant, id, kind, name, attributes, first_seen, last_seen)
                 VALUES ($1, $2, $3, $4, $5, $6, $6)
                 ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, attributes = excluded.attributes,
                     last_seen = CASE WHEN excluded.last_seen > resource.last_seen
                                 THEN excluded.last_seen ELSE resource.last_seen END",
                vec![
                    tenant.as_str().into(),
                    resource.id.as_str().into(),
                    resource.kind.as_str().into(),
                    resource.name.as_str().into(),
                    body::write_attributes(&resource.attributes)?.into(),
                    now.as_micros().into(),
                ],
            )
            .await
            .map_err(failed("note resource"))?;
        }
        for arrow in dependencies {
            column::execute(
                tx.conn(),
                "INSERT INTO dependency (tenant, from_id, to_id, source, last_seen) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (tenant, from_id, to_id, source) DO UPDATE SET
                     last_seen = CASE WHEN excluded.last_seen > dependency.last_seen
                                 THEN excluded.last_seen ELSE dependency.last_seen END",
                vec![
                    tenant.as_str().into(),
                    arrow.from.as_str().into(),
                    arrow.to.as_str().into(),
                    source_word(arrow.source).into(),
                    now.as_micros().into(),
                ],
            )
            .await
            .map_err(failed("note dependency"))?;
        }
        tx.commit().await.map(|_| ())
    }

    /// The resource of this id.
    pub async fn get(&self, tenant: &TenantId, id: &ResourceId) -> Result<SeenResource, StoreError> {
        table::Entity::find_by_id((tenant.to_string(), id.to_string()))
            .one(self.store.reader())
            .await
            .map_err(failed("read resource"))?
            .map(read)
            .ok_or_else(|| StoreError::not_found(NOUN, id))?
    }

    /// Resources by id, of one kind or of any; with `text`, only those whose id or name holds it.
    pub async fn page(
        &self,
        tenant: &TenantId,
        kind: Option<ResourceKind>,
        text: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<SeenResource>, StoreError> {
        let mut all = Condition::all().add(table::Column::Tenant.eq(tenant.as_str()));
        if let Some(text) = text {
            let either = Condition::any()
                .add(table::Column::Id.like(holding(text)))
                .add(table::Column::Name.like(holding(text)));
            all = all.add(either);
        }
        if let Some(kind) = kind {
            all = all.add(table::Column::Kind.eq(kind.as_str()));
        }
        if let Some(after) = request.sort_key()? {
            all = all.add(table::Column::Id.gt(after));
        }
        let rows = table::Entity::find()
            .filter(all)
            .order_by_asc(table::Column::Id)
            .limit(request.rows())
            .all(self.store.reader())
            .await
            .map_err(failed("list resources"))?;
        Page::cut(rows, request, |row| row.id.clone(), read)
    }

    /// All resources of a tenant, by id.
    pub async fn all(&self, tenant: &TenantId) -> Result<Vec<SeenResource>, StoreError> {
        table::Entity::find()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .order_by_asc(table::Column::Id)
            .all(self.store.reader())
            .await
            .map_err(failed("list resources"))?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The dependencies of a tenant that were seen at or after `since`.
    pub async fn dependencies(
        &self,
        tenant: &TenantId,
        since: Timestamp,
    ) -> Result<Vec<SeenDependency>, StoreError> {
        let all = Condition::all().add(dependency::Column::LastSeen.gte(since.as_micros()));
        self.arrows(tenant, all).await
    }

    /// What a resource calls and what calls it.
    pub async fn dependencies_of(
        &self,
        tenant: &TenantId,
        id: &ResourceId,
    ) -> Result<Vec<SeenDependency>, StoreError> {
        let either = Condition::any()
            .add(dependency::Column::FromId.eq(id.as_str()))
            .add(dependency::Column::ToId.eq(id.as_str()));
        self.arrows(tenant, either).await
    }

    /// Forgets resources and dependencies that were last seen before `before`; says how many resources.
    pub async fn forget(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let tx = self.store.begin(tenant, now).await?;
        let forgotten = table::Entity::delete_many()
            .filter(table::Column::Tenant.eq(tenant.as_str()))
            .filter(table::Column::LastSeen.lt(before.as_micros()))
            .exec(tx.conn())
            .await
            .map_err(failed("forget resources"))?
            .rows_affected;
        dependency::Entity::delete_many()
            .filter(dependency::Column::Tenant.eq(tenant.as_str()))
            .filter(dependency::Column::LastSeen.lt(before.as_micros()))
            .exec(tx.conn())
            .await
            .map_err(failed("forget dependencies"))?;
        tx.commit().await?;
        Ok(forgotten)
    }

    async fn arrows(&self, tenant: &TenantId, which: Condition) -> Result<Vec<SeenDependency>, StoreError> {
        dependency::Entity::find()
            .filter(dependency::Column::Tenant.eq(tenant.as_str()))
            .filter(which)
            .order_by_asc(dependency::Column::FromId)
            .order_by_asc(dependency::Column::ToId)
            .all(self.store.reader())
            .await
            .map_err(failed("list dependencies"))?
            .into_iter()
            .map(read_arrow)
            .collect()
    }
}

/// The pattern of texts that hold this one, taken literally.
fn holding(text: &str) -> LikeExpr {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    LikeExpr::new(pattern).escape('\\')
}

const SPANS: &str = "spans";
const CONFIGURATION: &str = "configuration";

fn source_word(source: DependencySource) -> &'static str {
    match source {
        DependencySource::Spans => SPANS,
        DependencySource::Configuration => CONFIGURATION,
    }
}

fn source_of(text: &str) -> Option<DependencySource> {
    match text {
        SPANS => Some(DependencySource::Spans),
        CONFIGURATION => Some(DependencySource::Configuration),
        _ => None,
    }
}

fn read(row: table::Model) -> Result<SeenResource, StoreError> {
    let attributes: Attributes = body::read_attributes(&row.id, &row.attributes)?;
    Ok(SeenResource {
        resource: Resource {
            id: parse(NOUN, &row.id)?,
            kind: word("kind of resource", &row.kind, ResourceKind::parse)?,
            name: row.name,
            attributes,
        },
        first_seen: time(row.first_seen),
        last_seen: time(row.last_seen),
    })
}

fn read_arrow(row: dependency::Model) -> Result<SeenDependency, StoreError> {
    Ok(SeenDependency {
        dependency: Dependency {
            from: parse(NOUN, &row.from_id)?,
            to: parse(NOUN, &row.to_id)?,
            source: word("source of dependency", &row.source, source_of)?,
        },
        last_seen: time(row.last_seen),
    })
}
