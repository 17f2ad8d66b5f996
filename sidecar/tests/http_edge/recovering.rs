//! Apps that crash, and what is known of their state afterwards.

use byzantine_consensus::Sequence;
use byzantine_sidecar::config::StateKind;

use crate::app::{Bench, Shared};

#[tokio::test]
async fn a_new_life_in_memory_is_rebuilt_by_replay() {
    let (mut bench, first) = (Bench::new(StateKind::Memory).await, Shared::default());
    let app = bench.start_app(&first).await;
    assert_eq!(
        bench.run(&["POST /a", "GET /b", "POST /c"]).await,
        ["200 1", "200 1", "200 2"]
    );
    app.kill().await;
    let second = Shared::default();
    let _app = bench.start_app(&second).await;
    assert_eq!(bench.run(&["POST /d"]).await, ["200 3"]);
    assert_eq!(second.lock().unwrap().ordinals, [1, 2, 3, 4]);
}

#[tokio::test]
async fn an_idle_new_life_is_rebuilt_before_it_is_needed() {
    let (mut bench, first) = (Bench::new(StateKind::Memory).await, Shared::default());
    let app = bench.start_app(&first).await;
    bench.run(&["POST /a"]).await;
    app.kill().await;
    bench.until(|health| !health.healthy).await;
    let second = Shared::default();
    let _app = bench.start_app(&second).await;
    bench.until(|health| health.healthy).await;
    assert_eq!(second.lock().unwrap().ordinals, [1]);
}

#[tokio::test]
async fn a_call_lost_in_a_crash_runs_on_the_next_life() {
    let (mut bench, first) = (Bench::new(StateKind::Memory).await, Shared::default());
    let app = bench.start_app(&first).await;
    bench.run(&["POST /a"]).await;
    first.lock().unwrap().stall_at = Some(2);
    let execution = bench.batch(&["POST /b", "POST /c"]);
    bench.send(execution).await;
    while !first.lock().unwrap().stalled {
        tokio::task::yield_now().await;
    }
    app.kill().await;
    let second = Shared::default();
    let _app = bench.start_app(&second).await;
    assert_eq!(bench.outcomes().await, ["200 2", "200 3"]);
    assert_eq!(second.lock().unwrap().ordinals, [1, 2, 3]);
}

#[tokio::test]
async fn a_response_lost_without_a_new_life_spoils_the_app() {
    let (mut bench, first) = (Bench::new(StateKind::Memory).await, Shared::default());
    first.lock().unwrap().break_after = Some(2);
    let app = bench.start_app(&first).await;
    assert_eq!(
        bench.run(&["POST /a", "POST /b", "POST /c"]).await,
        ["200 1", "lost", "lost"]
    );
    bench
        .until(|health| health.diverged.is_some() && health.detail.contains("Restart the app"))
        .await;
    assert_eq!(bench.run(&["GET /d"]).await, ["lost"]);
    app.kill().await;
    let second = Shared::default();
    let _app = bench.start_app(&second).await;
    bench.until(|health| health.healthy).await;
    assert_eq!(bench.run(&["POST /e"]).await, ["200 4"]);
    assert_eq!(second.lock().unwrap().ordinals, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_life_used_before_the_sidecar_restarted_is_not_used_again() {
    let (mut bench, first) = (Bench::new(StateKind::Memory).await, Shared::default());
    let app = bench.start_app(&first).await;
    bench.run(&["POST /a"]).await;
    bench.restart_executor();
    bench.until(|health| health.diverged.is_some()).await;
    assert_eq!(bench.run(&["POST /b"]).await, ["lost"]);
    app.kill().await;
    let second = Shared::default();
    let _app = bench.start_app(&second).await;
    bench.until(|health| health.healthy).await;
    assert_eq!(bench.run(&["POST /c"]).await, ["200 3"]);
}

#[tokio::test]
async fn divergence_spoils_a_life() {
    let (mut bench, first) = (Bench::new(StateKind::Memory).await, Shared::default());
    let app = bench.start_app(&first).await;
    bench.run(&["POST /a"]).await;
    bench.diverged.send(Some(Sequence(1))).unwrap();
    bench.until(|health| health.diverged.is_some()).await;
    assert_eq!(bench.run(&["POST /b"]).await, ["lost"]);
    app.kill().await;
    let _app = bench.start_app(&Shared::default()).await;
    bench.until(|health| health.healthy).await;
    assert_eq!(bench.run(&["POST /c"]).await, ["200 3"]);
}

#[tokio::test]
async fn a_durable_app_is_resumed_exactly_where_it_is() {
    let (mut bench, disk) = (Bench::new(StateKind::Durable).await, Shared::default());
    disk.lock().unwrap().break_after = Some(2);
    let app = bench.start_app(&disk).await;
    // The second was executed, but its response lost: sent again, it is answered from the disk.
    assert_eq!(bench.run(&["POST /a", "POST /b"]).await, ["200 1", "200 2"]);
    disk.lock().unwrap().break_before = Some(3);
    assert_eq!(bench.run(&["POST /c"]).await, ["200 3"]);
    app.kill().await;
    let app = bench.start_app(&disk).await;
    assert_eq!(bench.run(&["POST /d"]).await, ["200 4"]);
    assert_eq!(disk.lock().unwrap().ordinals, [1, 2, 3, 4]);
    // With an empty disk everything is replayed.
    app.kill().await;
    let empty = Shared::default();
    let _app = bench.start_app(&empty).await;
    assert_eq!(bench.run(&["POST /e"]).await, ["200 5"]);
    assert_eq!(empty.lock().unwrap().ordinals, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_durable_app_survives_a_restart_of_the_sidecar() {
    let (mut bench, disk) = (Bench::new(StateKind::Durable).await, Shared::default());
    let _app = bench.start_app(&disk).await;
    bench.run(&["POST /a", "POST /b"]).await;
    bench.restart_executor();
    assert_eq!(bench.run(&["POST /c"]).await, ["200 3"]);
    assert_eq!(disk.lock().unwrap().ordinals, [1, 2, 3]);
}

#[tokio::test]
async fn calls_that_a_durable_app_is_ahead_of_are_lost_and_a_foreign_app_refused() {
    let (mut bench, disk) = (Bench::new(StateKind::Durable).await, Shared::default());
    let _app = bench.start_app(&disk).await;
    let again = bench.batch(&["POST /a", "POST /b"]);
    bench.send(again.clone()).await;
    bench.outcomes().await;
    // A killed sidecar finds the outcomes it had noted.
    bench.restart_executor();
    bench.send(again.clone()).await;
    assert_eq!(bench.outcomes().await, ["200 1", "200 2"]);
    // Without them only the last can be asked for again.
    bench.forget_outcomes();
    bench.restart_executor();
    bench.send(again).await;
    assert_eq!(bench.outcomes().await, ["lost", "200 2"]);
    let (mut other, foreign) = (Bench::new(StateKind::Durable).await, Shared::default());
    let mut far = other.batch(&["POST /a"]);
    let byzantine_consensus::Verdict::Call { ordinal } = &mut far.items[0].verdict else {
        return;
    };
    *ordinal = 1_000_000;
    let _app = other.start_app(&foreign).await;
    other.send(far).await;
    other.outcomes().await;
    assert_eq!(other.run(&["POST /b"]).await, ["lost"]);
    other
        .until(|health| health.detail.contains("another service"))
        .await;
}

#[tokio::test]
async fn recorded_batches_are_not_reported_again() {
    let (mut bench, state) = (Bench::new(StateKind::Memory).await, Shared::default());
    let _app = bench.start_app(&state).await;
    let mut recorded = bench.batch(&["POST /a"]);
    recorded.recorded = Some(Vec::new());
    bench.send(recorded).await;
    assert_eq!(bench.run(&["POST /b"]).await, ["200 2"]);
    assert_eq!(state.lock().unwrap().ordinals, [1, 2]);
}
