//! That what grows stops growing, and that rows are counted right.

use super::*;
use crate::{Grant, Identities, MAX_TOKENS, NewToken, Note, Role, TokenKind, TokenSecret, Tokens};

/// Runs one statement with one number, past the registry's own functions.
async fn fill(registry: &SqliteRegistry, statement: &'static str, n: usize) {
    registry
        .writer
        .write(move |c| {
            Box::pin(async move {
                sqlx::query(statement).bind(n as i64).execute(c).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
}

async fn counted(registry: &SqliteRegistry, of: &str) -> i64 {
    let n = sqlx::query_scalar("SELECT n FROM counts WHERE name = ?").bind(of);
    n.fetch_optional(&registry.readers()).await.unwrap().unwrap_or(0)
}

#[tokio::test]
async fn tokens_are_bounded_and_those_that_ended_give_way() {
    let fixture = Fixture::new().await;
    let many = "WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?) \
                INSERT INTO tokens (id, hash, kind, name, scopes, reusable, created) \
                SELECT printf('%016x', n), zeroblob(32), 'api', '', 'read', 1, 0 FROM i";
    fill(&fixture, many, MAX_TOKENS - 1).await;
    let new = |expires| NewToken {
        hash: TokenSecret::generate(TokenKind::Join).unwrap().hash(),
        name: Note::default(),
        grant: Grant::Join { reusable: true, role: Role::Agent },
        expires,
    };
    fixture.create_token(NOW, new(Some(later(60)))).await.unwrap();
    let error = fixture.create_token(later(59), new(None)).await.unwrap_err();
    assert!(matches!(error, Error::Bound { most: MAX_TOKENS, .. }), "{error}");
    fixture.create_token(later(60), new(None)).await.unwrap();
    assert_eq!(counted(&fixture, "tokens").await, MAX_TOKENS as i64);
}

#[tokio::test]
async fn rows_that_go_with_their_user_or_a_refused_write_are_counted_too() {
    let fixture = Fixture::new().await;
    fixture.claim(NOW, claim_of("a", "a")).await.unwrap();
    fixture.claim(NOW, claim_of("a", "b")).await.unwrap();
    fixture.claim(NOW, claim_of("c", "b")).await.unwrap_err();
    let new = NewToken {
        hash: TokenSecret::generate(TokenKind::Agent).unwrap().hash(),
        name: Note::default(),
        grant: Grant::Agent { user: user("a") },
        expires: None,
    };
    fixture.create_token(NOW, new).await.unwrap();
    let n = [counted(&fixture, "identities").await, counted(&fixture, "tokens").await];
    assert_eq!(n, [1, 1]);
    fixture.delete_identity(&user("a")).await.unwrap();
    let n = [counted(&fixture, "identities").await, counted(&fixture, "tokens").await];
    assert_eq!(n, [0, 0]);
}
