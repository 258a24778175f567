//! The agent is killed after every step.

use super::*;
use crate::steps::INTERRUPTED;

/// Interrupts the deployment of `r2` after ever more steps, and says whether there were more.
async fn interrupted(functions: &Functions, steps: usize) -> bool {
    functions.world.deploy_well("r1", &shop()).await;
    let result =
        functions.world.deploy_with(Steps::interrupted_after(steps), "run-r2", "r2", &shop()).await;
    match result {
        Err(error) => {
            assert!(error.message.contains(INTERRUPTED), "{}", error.chain());
            true
        }
        Ok(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_was_interrupted_anywhere_is_completed_or_taken_back() {
    for steps in 0.. {
        let functions = Functions::new().await;
        if !interrupted(&functions, steps).await {
            println!("kill matrix: lambda, agent: {} cases", 2 * steps);
            assert!(steps > 4, "only {steps} steps");
            functions.end().await;
            return;
        }
        for _ in 0..2 {
            let again =
                functions.world.deploy_with(Steps::default(), "run-r2", "r2", &shop()).await;
            assert_eq!(again.expect("no fault").0.response.status, StageStatus::Passed);
            functions.assert_in_effect("r2", Some("r1")).await;
        }
        assert_eq!(functions.versions().await, 4, "after {steps} steps");
        functions.end().await;

        let functions = Functions::new().await;
        assert!(interrupted(&functions, steps).await);
        for back in [Steps::interrupted_after(steps % 4), Steps::default(), Steps::default()] {
            let done = functions.world.roll_back_with(back, "run-r2", "r2", &shop()).await;
            match done {
                Ok((answer, _)) => assert_eq!(answer.response.status, StageStatus::Passed),
                Err(error) => assert!(error.message.contains(INTERRUPTED), "{}", error.chain()),
            }
        }
        functions.assert_in_effect("r1", None).await;
        functions.end().await;
    }
}

/// The agent is killed after every step of a shift, the first, a further one and the last: the same call
/// again completes it, and so does the way back.
#[tokio::test(flavor = "multi_thread")]
async fn a_shift_that_was_interrupted_anywhere_is_completed_or_taken_back() {
    let mut cases = 0;
    for (before, to) in [(None, 10), (Some(10), 60), (Some(60), 100)] {
        'steps: for steps in 0.. {
            for again in [true, false] {
                let (functions, shop) = (Functions::new().await, shop());
                let world = &functions.world;
                world.deploy_well("r1", &shop).await;
                if let Some(before) = before {
                    world.step_well(&shop, before).await;
                }
                let cut = world.step(Steps::interrupted_after(steps), &shop, to).await;
                let Err(error) = cut else {
                    functions.end().await;
                    break 'steps;
                };
                assert!(error.message.contains(INTERRUPTED), "{}", error.chain());
                cases += 1;
                if !again {
                    world.judged_bad(&shop).await;
                    functions.assert_in_effect("r1", None).await;
                } else if to == 100 {
                    world.step_well(&shop, to).await;
                    functions.assert_in_effect("r2", Some("r1")).await;
                } else {
                    world.step_well(&shop, to).await;
                    let alias = functions.alias().await;
                    let weights = &alias["RoutingConfig"]["AdditionalVersionWeights"];
                    let share = weights.as_object().and_then(|all| all.values().next());
                    let share = share.and_then(Value::as_f64).expect("a weight");
                    assert!((share * 100.0 - f64::from(to)).abs() < 0.01, "{steps}: {alias}");
                }
                functions.end().await;
            }
        }
    }
    println!("kill matrix: lambda, agent, the steps of a shift: {cases} cases");
    assert!(cases >= 16, "only {cases} cases");
}
