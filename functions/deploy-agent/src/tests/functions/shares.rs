//! Requests are shared between two versions.

use super::*;
use crate::targets::Shifted;

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_shared_in_steps_and_taken_back() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    world.deploy_well("r2", &shop).await;
    // As it is while `r2` is beside `r1`: prepared, and not in effect.
    world.roll_back("r2", &shop).await.expect("no fault");
    let target = functions.target(&shop);
    assert!(target.weights());
    let release = functions.record("r2", &shop);
    for (weight, share) in [(10, Some(0.1)), (50, Some(0.5)), (50, Some(0.5)), (0, None)] {
        let shifted = target.shift(&release, weight).await.expect("no fault");
        assert!(matches!(shifted, Shifted::Done { .. }));
        let alias = functions.alias().await;
        let weights = alias["RoutingConfig"]["AdditionalVersionWeights"].as_object();
        let share_now = weights.and_then(|weights| weights.values().next()?.as_f64());
        assert_eq!(share_now, share, "{alias}");
        assert_eq!(alias["Description"], "pact acme/web:staging: r1");
    }
    let old = "r1".parse().expect("a name");
    let apart =
        target.apart(&release.release, &old).await.expect("no fault").expect("both are there");
    assert_eq!((&*apart.new, &*apart.old), ("lambda:shop:3", "lambda:shop:2"));
    target.shift(&release, 30).await.expect("no fault");
    let status = target.status(&"r1".parse().expect("a name"), 100).await.expect("no fault");
    assert!(status.problems[0].message.contains("30 %"), "{}", status.problems[0].message);
    target.shift(&release, 100).await.expect("no fault");
    assert_eq!(functions.answer().await["body"], "r2");
    assert!(target.status(&release.release, 100).await.expect("no fault").problems.is_empty());
    functions.end().await;
}
