//! Who is who: principals, passwords, sessions, links, keys.

use std::time::Duration;

use echobase_store::key::NewKey;
use echobase_store::password::PasswordHash;
use echobase_store::principal::Standing;
use echobase_store::{Location, OpenMode, Store, StoreError, Trail};
use echobase_types::ErrorKind;
use echobase_types::principal::{Role, Scope};

use crate::fixture::{Fixture, at, principal, tenant, trail};

const DAY: Duration = Duration::from_secs(86_400);

fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> ErrorKind {
    answer.unwrap_err().kind()
}

#[tokio::test]
async fn a_password_signs_in_only_with_the_right_name_and_tenant() {
    let fixture = Fixture::new().await;
    let (store, a) = (&fixture.store, tenant("a"));
    let ana = principal(store, &a, "ana", Role::Admin).await;
    principal(store, &a, "bob", Role::Admin).await;
    assert_eq!(kind(PasswordHash::new("too short".to_owned()).await), ErrorKind::Invalid);
    let hash = PasswordHash::new("correct horse battery".to_owned()).await.unwrap();
    store.principals().set_password(&a, ana, &hash, trail("principal.password"), at(1)).await.unwrap();
    let right = |t: &'static str, name: &'static str, word: &'static str| async move {
        store.principals().sign_in(&tenant(t), name, word.to_owned()).await
    };
    assert_eq!(right("a", "ana", "correct horse battery").await.unwrap().id, ana);
    for (t, name, word) in [
        ("a", "ana", "correct horse battery "),
        ("a", "bob", "correct horse battery"),
        ("a", "eve", "correct horse battery"),
        ("b", "ana", "correct horse battery"),
    ] {
        assert_eq!(kind(right(t, name, word).await), ErrorKind::Unauthenticated, "{t} {name} {word}");
    }
    store.principals().set_standing(&a, ana, Standing::Suspended, trail("x.y"), at(2)).await.unwrap();
    assert_eq!(kind(right("a", "ana", "correct horse battery").await), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn names_are_unique_in_their_tenant_and_keep_to_their_alphabet() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let ana = principal(store, &tenant("a"), "ana", Role::Viewer).await;
    principal(store, &tenant("b"), "ana", Role::Viewer).await;
    assert_eq!(store.principals().by_name(&tenant("a"), "ana").await.unwrap().id, ana);
    let mut again = echobase_store::principal::NewPrincipal {
        id: echobase_types::PrincipalId::from_uuid(echobase_store::fresh_uuid(at(0)).unwrap()),
        kind: echobase_types::principal::PrincipalKind::Service,
        name: "ana".to_owned(),
        role: Role::Viewer,
        password: None,
    };
    assert_eq!(
        kind(store.principals().create(&tenant("a"), &again, Trail::none(), at(0)).await),
        ErrorKind::Conflict
    );
    again.name = "a b".to_owned();
    assert_eq!(
        kind(store.principals().create(&tenant("a"), &again, Trail::none(), at(0)).await),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let fixture = Fixture::new().await;
    let (principals, a) = (fixture.store.principals(), tenant("a"));
    let one = principal(&fixture.store, &a, "one", Role::Admin).await;
    let two = principal(&fixture.store, &a, "two", Role::Admin).await;
    principal(&fixture.store, &tenant("b"), "other", Role::Admin).await;
    principals.set_standing(&a, one, Standing::Suspended, trail("x.y"), at(1)).await.unwrap();
    assert_eq!(
        kind(principals.set_role(&a, two, Role::Viewer, trail("x.y"), at(1)).await),
        ErrorKind::Conflict
    );
    let suspended = principals.set_standing(&a, two, Standing::Suspended, trail("x.y"), at(1)).await;
    assert_eq!(kind(suspended), ErrorKind::Conflict);
    principals.set_standing(&a, one, Standing::Active, trail("x.y"), at(2)).await.unwrap();
    principals.set_role(&a, two, Role::Viewer, trail("x.y"), at(3)).await.unwrap();
    assert_eq!(principals.get(&a, two).await.unwrap().role, Role::Viewer);
}

#[tokio::test]
async fn a_session_lives_until_it_ends_expires_or_its_principal_changes() {
    let fixture = Fixture::new().await;
    let (store, a) = (&fixture.store, tenant("a"));
    let ana = principal(store, &a, "ana", Role::Operator).await;
    let new =
        || async { store.sessions().create(&a, ana, DAY, trail("session.begin"), at(0)).await.unwrap() };
    let alive =
        |token: String, secs| async move { store.sessions().find(&token, at(secs)).await.map(|f| f.0.id) };

    let one = new().await;
    assert_eq!(alive(one.token.clone(), 86_399).await.unwrap(), one.session.id);
    assert_eq!(kind(alive(one.token.clone(), 86_400).await), ErrorKind::Unauthenticated);
    assert_eq!(kind(alive("0".repeat(64), 1).await), ErrorKind::Unauthenticated);

    let two = store.sessions().rotate(&one.token, at(10)).await.unwrap();
    assert_eq!(kind(alive(one.token.clone(), 11).await), ErrorKind::Unauthenticated);
    assert_eq!(two.session.expires_at, one.session.expires_at);
    assert_ne!(two.session.csrf_token, one.session.csrf_token);
    store.sessions().end(&a, two.session.id, trail("session.end"), at(12)).await.unwrap();
    assert_eq!(kind(alive(two.token, 13).await), ErrorKind::Unauthenticated);

    let three = new().await;
    let hash = PasswordHash::new("correct horse battery".to_owned()).await.unwrap();
    store.principals().set_password(&a, ana, &hash, trail("x.y"), at(14)).await.unwrap();
    assert_eq!(kind(alive(three.token, 15).await), ErrorKind::Unauthenticated);

    let four = new().await;
    store.principals().set_standing(&a, ana, Standing::Suspended, trail("x.y"), at(16)).await.unwrap();
    assert_eq!(kind(alive(four.token, 17).await), ErrorKind::Unauthenticated);
    new().await;
    assert_eq!(store.sessions().sweep(at(86_400)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_sign_in_link_works_once_for_fifteen_minutes() {
    let fixture = Fixture::new().await;
    let (store, a) = (&fixture.store, tenant("a"));
    let ana = principal(store, &a, "ana", Role::Admin).await;
    let links = store.signin_links();
    let size = || async { store.ledger().head(&a).await.unwrap().size };
    let token = links.create(&a, ana, Trail::none(), at(0)).await.unwrap();
    let (one, two) = tokio::join!(
        links.redeem(&token, |_| trail("link.use"), at(899)),
        links.redeem(&token, |_| trail("link.use"), at(899)),
    );
    assert_eq!([&one, &two].iter().filter(|r| r.is_ok()).count(), 1);
    assert_eq!(size().await, 2);
    let late = links.create(&a, ana, Trail::none(), at(0)).await.unwrap();
    assert_eq!(kind(links.redeem(&late, |_| trail("link.use"), at(900)).await), ErrorKind::Unauthenticated);
    assert_eq!(
        kind(links.redeem("nonsense", |_| trail("link.use"), at(1)).await),
        ErrorKind::Unauthenticated
    );
    assert_eq!(size().await, 2);
}

fn new_key(principal: echobase_types::PrincipalId) -> NewKey {
    NewKey { principal, name: "ci".to_owned(), scopes: vec![Scope::Read, Scope::Ingest], lasts: 90 * DAY }
}

#[tokio::test]
async fn a_key_stands_for_its_principal_within_its_scopes_until_it_ends() {
    let fixture = Fixture::new().await;
    let (store, a) = (&fixture.store, tenant("a"));
    let ana = principal(store, &a, "ana", Role::Operator).await;
    let made = store
        .keys()
        .create(
            &a,
            &new_key(ana),
            |k| trail("key.create").entry(crate::fixture::draft(&format!("key.{}", k.name))),
            at(0),
        )
        .await
        .unwrap();
    assert!(made.secret.starts_with(&made.key.prefix) && made.secret.starts_with("eb_live_"));
    let known = store.keys().authenticate(&made.secret, at(100)).await.unwrap();
    assert_eq!((known.id, known.key), (ana, Some(made.key.id)));
    assert_eq!(known.scopes, Some(vec![Scope::Ingest, Scope::Read]));
    assert_eq!(store.keys().get(&a, made.key.id).await.unwrap().last_used_at, Some(at(100)));
    // Coarsely: the second use in the same minute writes nothing.
    store.keys().authenticate(&made.secret, at(159)).await.unwrap();
    assert_eq!(store.keys().get(&a, made.key.id).await.unwrap().last_used_at, Some(at(100)));

    let misspelt = made.secret.replacen("eb_live", "eb_love", 1);
    let (head, _) = made.secret.rsplit_once('_').unwrap();
    let (id_part, _) = head.rsplit_once('_').unwrap();
    let guess = format!("{id_part}_{}", "0".repeat(64));
    let guess = format!("{guess}_{:08x}", crc32(guess.as_bytes()));
    for wrong in [misspelt, guess, String::new(), "eb_live_1_2_3".to_owned()] {
        assert_eq!(
            kind(store.keys().authenticate(&wrong, at(100)).await),
            ErrorKind::Unauthenticated,
            "{wrong}"
        );
    }
    assert_eq!(
        kind(store.keys().authenticate(&made.secret, at(90 * 86_400)).await),
        ErrorKind::Unauthenticated
    );
    store.keys().revoke(&a, made.key.id, trail("key.revoke"), at(200)).await.unwrap();
    assert_eq!(kind(store.keys().authenticate(&made.secret, at(201)).await), ErrorKind::Unauthenticated);
}

/// The checksum, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })
    })
}

#[tokio::test]
async fn keys_keep_to_their_limits_of_life_and_overlap() {
    let fixture = Fixture::new().await;
    let (store, a) = (&fixture.store, tenant("a"));
    let ana = principal(store, &a, "ana", Role::Operator).await;
    for new in [
        NewKey { lasts: 366 * DAY, ..new_key(ana) },
        NewKey { lasts: Duration::ZERO, ..new_key(ana) },
        NewKey { scopes: vec![], ..new_key(ana) },
    ] {
        assert_eq!(kind(store.keys().create(&a, &new, |_| Trail::none(), at(0)).await), ErrorKind::Invalid);
    }
    let old = store.keys().create(&a, &new_key(ana), |_| Trail::none(), at(0)).await.unwrap();
    let too_long = store.keys().rotate(&a, old.key.id, 8 * DAY, |_| Trail::none(), at(1)).await;
    assert_eq!(kind(too_long), ErrorKind::Invalid);
    let new = store.keys().rotate(&a, old.key.id, DAY, |_| trail("key.rotate"), at(0)).await.unwrap();
    assert_eq!((new.key.scopes, new.key.expires_at), (old.key.scopes, at(90 * 86_400)));
    for (secret, secs, works) in
        [(&old.secret, 86_399, true), (&old.secret, 86_400, false), (&new.secret, 86_400, true)]
    {
        assert_eq!(store.keys().authenticate(secret, at(secs)).await.is_ok(), works);
    }
    let twice = store.keys().rotate(&a, old.key.id, DAY, |_| Trail::none(), at(1)).await;
    assert_eq!(kind(twice), ErrorKind::Conflict);
}

#[tokio::test]
async fn neither_keys_nor_tokens_nor_passwords_are_in_the_file() {
    let fixture = Fixture::new().await;
    let (store, a) = (&fixture.store, tenant("a"));
    let ana = principal(store, &a, "ana", Role::Admin).await;
    let hash = PasswordHash::new("correct horse battery".to_owned()).await.unwrap();
    store.principals().set_password(&a, ana, &hash, Trail::none(), at(0)).await.unwrap();
    let key = store.keys().create(&a, &new_key(ana), |_| Trail::none(), at(0)).await.unwrap();
    let session = store.sessions().create(&a, ana, DAY, Trail::none(), at(0)).await.unwrap();
    let link = store.signin_links().create(&a, ana, Trail::none(), at(0)).await.unwrap();
    let secret = key.secret.split('_').nth(3).unwrap().to_owned();
    let path = fixture.path();
    let files: Vec<u8> = ["", "-wal"]
        .iter()
        .flat_map(|end| std::fs::read(format!("{}{end}", path.display())).unwrap())
        .collect();
    for needle in [secret, session.token, link, "correct horse battery".to_owned()] {
        assert!(!files.windows(needle.len()).any(|w| w == needle.as_bytes()), "{needle}");
    }
    assert!(files.windows(3).any(|w| w == b"ana"));
}

#[tokio::test]
async fn keys_work_after_a_restart_and_not_with_another_pepper() {
    let fixture = Fixture::new().await;
    let a = tenant("a");
    let ana = principal(&fixture.store, &a, "ana", Role::Admin).await;
    let key = fixture.store.keys().create(&a, &new_key(ana), |_| Trail::none(), at(0)).await.unwrap();
    let fixture = fixture.reopen(OpenMode::RefuseDamage).await.unwrap();
    fixture.store.keys().authenticate(&key.secret, at(1)).await.unwrap();
    std::fs::write(fixture.path().with_file_name("pepper.key"), [9; 32]).unwrap();
    let fixture = fixture.reopen(OpenMode::RefuseDamage).await.unwrap();
    assert_eq!(kind(fixture.store.keys().authenticate(&key.secret, at(1)).await), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn memory_does_for_a_store_too() {
    let store = Store::open(Location::Memory, OpenMode::RefuseDamage, at(0)).await.unwrap();
    let ana = principal(&store, &tenant("a"), "ana", Role::Admin).await;
    assert_eq!(store.clone().principals().get(&tenant("a"), ana).await.unwrap().name, "ana");
    store.check().await.unwrap();
}
