//! What the app is sent, in which order, and what comes of it.

use byzantine_consensus::Verdict;
use byzantine_sidecar::config::StateKind;

use crate::app::{Bench, Shared, item};

#[tokio::test]
async fn calls_are_sent_in_order_with_their_stamps() {
    let (mut bench, state) = (Bench::new(StateKind::Memory).await, Shared::default());
    let _app = bench.start_app(&state).await;
    let outcomes = bench.run(&["POST /a", "POST /teapot", "GET /b"]).await;
    assert_eq!(outcomes, ["200 1", "418 2", "200 2"]);
    assert_eq!(bench.run(&["POST /c"]).await, ["200 3"]);
    let state = state.lock().unwrap();
    assert_eq!(state.ordinals, [1, 2, 3, 4]);
    let seen = state.seen.as_ref().unwrap();
    assert_eq!(seen["host"], "wallet.bank");
    assert_eq!(seen["accept-encoding"], "identity");
    assert_eq!(seen["idempotency-key"], "\"k-/c\"");
    assert_eq!(seen["byzantine-time"], "2000");
    assert_eq!(
        (seen["byzantine-seed"].len(), seen["x-a"].to_str().unwrap()),
        (64, "1")
    );
}

#[tokio::test]
async fn consecutive_safe_calls_run_at_once() {
    let (mut bench, state) = (Bench::new(StateKind::Memory).await, Shared::default());
    let _app = bench.start_app(&state).await;
    // Each of the two is answered only once the other has arrived.
    let outcomes = bench
        .run(&["POST /a", "GET /meet", "GET /meet", "POST /b"])
        .await;
    assert_eq!(outcomes, ["200 1", "200 1", "200 1", "200 2"]);
    // Durable apps note every ordinal, so they get one at a time.
    let mut durable = Bench::new(StateKind::Durable).await;
    let _app = durable.start_app(&Shared::default()).await;
    assert_eq!(durable.run(&["GET /meet"]).await, ["lost"]);
}

#[tokio::test]
async fn what_needs_no_call_makes_none() {
    let (mut bench, state) = (Bench::new(StateKind::Memory).await, Shared::default());
    let _app = bench.start_app(&state).await;
    let mut batch = bench.batch(&["POST /a", "POST /forged", "POST /b"]);
    batch.items[1].request.headers = vec![("byzantine-ordinal".into(), b"9".to_vec())];
    batch.items.push(item(3, "POST", "/a", Verdict::Reused));
    bench.send(batch).await;
    let outcomes = bench.outcomes().await;
    assert_eq!(
        (outcomes[0].as_str(), outcomes[2].as_str()),
        ("200 1", "200 2")
    );
    assert!(
        outcomes[1].starts_with("400 ") && outcomes[3].starts_with("422 "),
        "{outcomes:?}"
    );
    assert_eq!(state.lock().unwrap().ordinals, [1, 3]);
}

#[tokio::test]
async fn an_app_that_is_down_is_waited_for() {
    for kind in [StateKind::None, StateKind::Memory, StateKind::Durable] {
        let (mut bench, state) = (Bench::new(kind).await, Shared::default());
        let execution = bench.batch(&["POST /a"]);
        bench.send(execution).await;
        bench
            .until(|health| health.detail.contains("Is the app running?"))
            .await;
        let _app = bench.start_app(&state).await;
        assert_eq!(bench.outcomes().await, ["200 1"]);
        bench.until(|health| health.healthy).await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_lost() {
    let (mut bench, state) = (Bench::new(StateKind::None).await, Shared::default());
    let _app = bench.start_app(&state).await;
    assert_eq!(
        bench.run(&["POST /a", "POST /hang", "POST /b"]).await,
        ["200 1", "lost", "200 2"]
    );
    let mut memory = Bench::new(StateKind::Memory).await;
    let _other = memory.start_app(&Shared::default()).await;
    // A safe call changes nothing, so the app stays usable.
    assert_eq!(
        memory.run(&["POST /a", "GET /hang", "POST /b"]).await,
        ["200 1", "lost", "200 2"]
    );
}

#[tokio::test]
async fn a_stateless_app_is_sent_a_broken_call_again() {
    let (mut bench, state) = (Bench::new(StateKind::None).await, Shared::default());
    state.lock().unwrap().break_before = Some(2);
    let _app = bench.start_app(&state).await;
    assert_eq!(bench.run(&["POST /a", "POST /b"]).await, ["200 1", "200 2"]);
}

#[tokio::test]
async fn connections_are_kept() {
    let (mut bench, state) = (Bench::new(StateKind::Memory).await, Shared::default());
    let _app = bench.start_app(&state).await;
    bench.run(&["POST /a"; 50]).await;
    // One for the calls, the others for looks at its health.
    let connections = state.lock().unwrap().connections;
    assert!(connections < 10, "{connections}");
}
