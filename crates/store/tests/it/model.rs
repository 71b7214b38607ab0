//! The registry of risk models.

use std::collections::BTreeMap;
use std::time::Duration;

use echobase_store::model::Decision;
use echobase_store::{PageRequest, StoreError, Trail};
use echobase_types::ErrorKind;
use echobase_types::model::{Distribution, FigureBin, LabelCounts, ModelFigures, ModelState, ModelVersion};

use crate::fixture::{Fixture, at, tenant, trail};

fn model(state: ModelState, parent: u32) -> ModelVersion {
    let bin = FigureBin { hours: 3.5, said: 0.25, came_true: 0.2 };
    let figures = ModelFigures {
        failures: 3,
        hours: 40.25,
        log_loss: 0.05,
        balanced_accuracy: 0.875,
        false_positive_rate: 0.0625,
        ece: 0.03125,
        bins: vec![bin],
    };
    ModelVersion {
        version: 77,
        parent,
        state,
        base: "collapse-1".to_owned(),
        horizon: Duration::from_secs(900),
        trained_at: at(0),
        from: at(1),
        to: at(2),
        split_at: at(3),
        labels: LabelCounts { trained_on: 5, judged_on: 3, noise: 2, expected: 1 },
        weights: BTreeMap::from([("slope".to_owned(), 0.1 + 0.2)]),
        parent_figures: ModelFigures { log_loss: 0.5, ..figures.clone() },
        figures,
        profile: vec![Distribution { name: "risk".to_owned(), edges: vec![-1.5], shares: vec![0.75, 0.25] }],
        decided_at: at(0),
        decision: "lower by 9 %".to_owned(),
    }
}

fn decision(version: u32, from: ModelState, to: ModelState) -> Decision {
    Decision { version, from, to, words: "better".to_owned() }
}

fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> ErrorKind {
    answer.unwrap_err().kind()
}

#[tokio::test]
async fn versions_are_numbered_kept_whole_and_seen_by_their_tenant_alone() {
    let fixture = Fixture::new().await;
    let (models, a, b) = (fixture.store.models(), tenant("a"), tenant("b"));
    let draft = model(ModelState::Challenger, 0);
    let told = |m: &ModelVersion| trail(&format!("model.v{}", m.version));
    let one = models.register(&a, &draft, &[], told, at(5)).await.unwrap();
    assert_eq!(one, ModelVersion { version: 1, trained_at: at(5), decided_at: at(5), ..draft });
    assert_eq!(models.get(&a, 1).await.unwrap(), one);
    let two = models.register(&a, &model(ModelState::Retired, 0), &[], told, at(6)).await.unwrap();
    assert_eq!(two.version, 2);
    let first = models.page(&a, &PageRequest::new(None, Some(1)).unwrap()).await.unwrap();
    assert_eq!(first.items, [two]);
    let rest = models.page(&a, &PageRequest::new(first.next, Some(1)).unwrap()).await.unwrap();
    assert_eq!((rest.items, rest.next), (vec![one], None));

    assert_eq!(kind(models.get(&b, 1).await), ErrorKind::NotFound);
    assert_eq!(models.page(&b, &PageRequest::first()).await.unwrap().items, []);
    assert_eq!(models.in_state(&b, ModelState::Challenger).await.unwrap(), None);
    let theirs = [decision(1, ModelState::Challenger, ModelState::Champion)];
    assert_eq!(kind(models.decide(&b, &theirs, trail("x.y"), at(7)).await), ErrorKind::Conflict);
    assert_eq!(
        models.register(&b, &model(ModelState::Retired, 0), &[], told, at(8)).await.unwrap().version,
        1
    );
}

#[tokio::test]
async fn one_version_is_in_use_and_a_decision_that_comes_too_late_changes_nothing() {
    let fixture = Fixture::new().await;
    let (models, a) = (fixture.store.models(), tenant("a"));
    let silent = |_: &ModelVersion| Trail::none();
    models.register(&a, &model(ModelState::Champion, 0), &[], silent, at(1)).await.unwrap();
    models.register(&a, &model(ModelState::Challenger, 1), &[], silent, at(2)).await.unwrap();
    let second = models.register(&a, &model(ModelState::Champion, 1), &[], silent, at(3)).await;
    assert!(second.is_err(), "two champions: {second:?}");

    let entries = fixture.store.ledger().head(&a).await.unwrap().size;
    let late = [
        decision(1, ModelState::Champion, ModelState::Retired),
        decision(2, ModelState::Retired, ModelState::Champion),
    ];
    assert_eq!(kind(models.decide(&a, &late, trail("model.promote"), at(4)).await), ErrorKind::Conflict);
    assert_eq!(models.in_state(&a, ModelState::Champion).await.unwrap().map(|m| m.version), Some(1));
    assert_eq!(fixture.store.ledger().head(&a).await.unwrap().size, entries);

    let promote = [
        decision(1, ModelState::Champion, ModelState::Retired),
        decision(2, ModelState::Challenger, ModelState::Champion),
    ];
    models.decide(&a, &promote, trail("model.promote"), at(5)).await.unwrap();
    let champion = models.in_state(&a, ModelState::Champion).await.unwrap().unwrap();
    assert_eq!((champion.version, champion.decided_at, champion.decision.as_str()), (2, at(5), "better"));
    assert_eq!(models.get(&a, 1).await.unwrap().state, ModelState::Retired);
    assert_eq!(fixture.store.ledger().head(&a).await.unwrap().size, entries + 1);
}
