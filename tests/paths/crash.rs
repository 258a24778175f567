//! The engine stops at every task, before and after its effect, and goes on where it stood.

use std::collections::HashMap;
use std::time::Instant;

use crate::explore::{Bench, Report, Stop, explore, scratch};
use crate::machine;
use crate::pipeline::{judge, routes, say};
use crate::world::World;

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
    let mut reports = Vec::new();
    let mut names = Vec::new();
    for route in routes() {
        if !matches!(route.name, "approved" | "staging ill" | "judged" | "production crashed") {
            continue;
        }
        let plain = explore(&text, vec![route.case.clone()]).await;
        let calls: u64 = plain[0].world.calls.values().sum();
        for call in 1..=calls {
            for after in [false, true] {
                let world = World::new("run-00000", route.case.clone());
                let mut report = stopped_at(&text, world, Stop { call, after }).await;
                assert_eq!(report.world.status, route.status, "{}, call {call}", route.name);
                // A task that was under way is performed again: that is no retry.
                for (state, calls) in &mut report.world.calls {
                    if *calls > 1 && plain[0].world.calls.get(state) < Some(calls) {
                        *calls -= 1;
                    }
                }
                names.push(format!("{}, stopped at call {call}, after: {after}", route.name));
                reports.push(report);
            }
        }
    }
    judge(&reports, &machine, &names);
    say(&format!("{} stops in {:.1} s", reports.len(), began.elapsed().as_secs_f64()));
}
