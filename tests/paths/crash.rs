//! The engine stops at every task, before and after its effect, and goes on where it stood.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::explore::{Bench, Report, Stop, explore, scratch};
use crate::machine;
use crate::pipeline::{judge, routes, say};
use crate::world::World;

/// Engines at once: most of the time each waits for a heartbeat that does not come.
const AT_ONCE: usize = 16;

async fn stopped_at(definition: &str, world: World, stop: Stop) -> Report {
    let folder = scratch();
    let name = world.run_id.clone();
    let bench = Bench::open(folder.path(), definition, HashMap::new()).await;
    bench.stop_at(stop);
    if let Some(report) = bench.run(world).await {
        return report;
    }
    bench.shutdown().await;
    let worlds = bench.worlds();
    drop(bench);
    let again = Bench::open(folder.path(), definition, worlds).await;
    let report = again.resume(&name).await.expect("no second stop");
    again.shutdown().await;
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_engine_keeps_the_invariants() {
    let began = Instant::now();
    let machine = machine::load("pipeline");
    // An answer that the stopped engine did not hear is waited for in real time.
    let text = machine.text.replace("\"HeartbeatSeconds\":120", "\"HeartbeatSeconds\":3");
    assert_ne!(text, machine.text, "it has no heartbeat to shorten");
    let text: Arc<str> = text.into();
    let mut stops = JoinSet::new();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    for route in routes() {
        if !matches!(route.name, "approved" | "staging ill" | "judged" | "production crashed") {
            continue;
        }
        let plain = explore(&text, vec![route.case.clone()]).await;
        let calls: u64 = plain[0].world.calls.values().sum();
        // Up to the gate all are the same.
        let gate = plain[0].world.order.iter().position(|state| state == "EvaluateGate");
        let first = if route.name == "approved" { 1 } else { gate.map_or(1, |at| at as u64 + 2) };
        for call in first..=calls {
            for after in [false, true] {
                let (text, room) = (Arc::clone(&text), Arc::clone(&room));
                let (name, status) = (route.name, route.status);
                let world = World::new("run-00000", route.case.clone());
                let plain = plain[0].world.calls.clone();
                stops.spawn(async move {
                    let _place = room.acquire().await.expect("it is never closed");
                    let mut report = stopped_at(&text, world, Stop { call, after }).await;
                    assert_eq!(report.world.status, status, "{name}, call {call}");
                    // A task that was under way is performed again: that is no retry.
                    for (state, calls) in &mut report.world.calls {
                        if *calls > 1 && plain.get(state) < Some(calls) {
                            *calls -= 1;
                        }
                    }
                    (report, format!("{name}, stopped at call {call}, after: {after}"))
                });
            }
        }
    }
    let (reports, names): (Vec<_>, Vec<_>) = stops.join_all().await.into_iter().unzip();
    judge(&reports, &machine, &names);
    say(&format!("{} stops in {:.1} s", reports.len(), began.elapsed().as_secs_f64()));
}
