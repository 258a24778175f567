//! How the requests come to a new release: at once, or step by step, each step watched and judged.
//!
//! A strategy is a way to write steps down. Whoever carries a release out knows steps only.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ledger::Origin;

/// Most steps before the last one, which gives the release everything.
pub const MAX_STEPS: usize = 20;
/// Most steps of all environments of one repository: see [`crate::environments::MAX_ENVIRONMENTS`].
pub const MAX_STEPS_IN_ALL: usize = 100;
/// Longest step in seconds: it is watched by one call of a function, which has 15 minutes.
pub const MAX_STEP_SECONDS: u64 = 600;
/// The whole of the requests, in percent.
pub const WHOLE: u32 = 100;
/// The share of its requests that a release fails which a step has to make visible: one in two.
const FAILING: f64 = 0.5;
/// How likely at most such a release may be to show nothing.
const UNSEEN: f64 = 0.01;

/// How many requests have to be seen before anything can be said of a release that has this part of
/// them, in percent: so many that one which fails every second request had one of its failures among
/// them, with a probability of 99 %. 919 at 1 %, 90 at 10 %, 17 at 50 %; 0 where it has none.
#[must_use]
pub fn observations(weight: u32) -> u64 {
    let failed = f64::from(weight.min(WHOLE)) / f64::from(WHOLE) * FAILING;
    if failed <= 0.0 {
        return 0;
    }
    // From 1 to 919, as the weight is a whole percent.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 919")]
    let needed = (UNSEEN.ln() / (1.0 - failed).ln()).ceil() as u64;
    needed
}

/// The parts of the requests that a release had, one after the other, for people: `10 % → 50 % → all`;
/// empty where it had all at once.
#[must_use]
pub fn walked(weights: &[u32]) -> String {
    let step = |weight: &u32| match *weight {
        WHOLE => "all".to_owned(),
        part => format!("{part} %"),
    };
    weights.iter().map(step).collect::<Vec<_>>().join(" → ")
}

/// How a release comes to its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// It gets all of them in one step.
    #[default]
    AllAtOnce,
    /// A few first, then all.
    Canary,
    /// More and more, by the same part each time.
    Linear,
    /// None, while it stands beside the release before and is asked for its state; then all.
    BlueGreen,
}

impl Strategy {
    /// Every strategy with its name.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::AllAtOnce, "all-at-once"),
        (Self::Canary, "canary"),
        (Self::Linear, "linear"),
        (Self::BlueGreen, "blue-green"),
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(s, _)| *s == self).map_or("all-at-once", |(_, name)| name)
    }

    /// The strategy with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(s, _)| *s)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The part of the requests that the new release gets, in percent.
    pub weight: u32,
    /// How long that is watched, in seconds; 0: only its state and its health are asked for.
    pub seconds: u64,
}

/// A strategy with its steps. The last step, with which the release gets everything, follows by
/// itself: it is watched as any release is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shift {
    /// How they came about.
    pub strategy: Strategy,
    /// Their weights rise.
    pub steps: Vec<Step>,
}

/// What a file says beside the strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Steps that are written down; none: those that the strategy generates.
    pub steps: Option<Vec<Step>>,
    /// By how much a linear shift grows each time, in percent.
    pub by: Option<u32>,
    /// How long each of its steps is watched, in seconds.
    pub every: Option<u64>,
}

/// What is wrong with what is asked: the key as in `by` or `steps[1].weight`, and one sentence that follows
/// its name.
pub type Wrong = (String, String);

impl Shift {
    /// The first step of a canary where nothing is said.
    const CANARY: Step = Step { weight: 10, seconds: 300 };
    /// By how much a linear shift grows where nothing is said, in percent.
    const BY: u32 = 20;
    /// How long its steps are watched where nothing is said, in seconds.
    const EVERY: u64 = 60;

    /// The steps of a strategy. The same strategy and the same settings give the same steps.
    ///
    /// # Errors
    /// The first key that cannot be, and why.
    pub fn resolve(strategy: Strategy, asked: &Asked) -> Result<Self, Wrong> {
        let Asked { steps, by, every } = asked;
        let said = [("steps", steps.is_some()), ("by", by.is_some()), ("every", every.is_some())];
        let known: &[&str] = match strategy {
            Strategy::AllAtOnce | Strategy::BlueGreen => &[],
            Strategy::Canary => &["steps"],
            Strategy::Linear => &["steps", "by", "every"],
        };
        if let Some((key, _)) = said.iter().find(|(key, said)| *said && !known.contains(key)) {
            return Err(((*key).to_owned(), format!("means nothing with the strategy {strategy}")));
        }
        if steps.is_some() && (by.is_some() || every.is_some()) {
            let why = "stands beside by or every, which write steps too";
            return Err(("steps".to_owned(), why.to_owned()));
        }
        let written = steps.is_some();
        let steps = match (strategy, steps) {
            (Strategy::AllAtOnce, _) => Vec::new(),
            (Strategy::BlueGreen, _) => vec![Step { weight: 0, seconds: 0 }],
            (_, Some(steps)) => steps.clone(),
            (Strategy::Canary, None) => vec![Self::CANARY],
            (Strategy::Linear, None) => {
                let by = by.unwrap_or(Self::BY);
                let seconds = every.unwrap_or(Self::EVERY);
                let weights = (1..).map(|nth: u32| nth.saturating_mul(by));
                let below = weights.take_while(|weight| *weight < WHOLE && *weight > 0);
                below.take(MAX_STEPS + 1).map(|weight| Step { weight, seconds }).collect()
            }
        };
        let shift = Self { strategy, steps };
        match shift.check() {
            Ok(()) => Ok(shift),
            Err(wrong) if written => Err(wrong),
            // Those steps stand nowhere: what wrote them does.
            Err((key, why)) if key.ends_with("minutes") => Err(("every".to_owned(), why)),
            Err((_, why)) => Err(("by".to_owned(), format!("writes steps that {why}"))),
        }
    }

    /// What may not have come from a file.
    ///
    /// # Errors
    /// The first key that cannot be, and why.
    pub fn check(&self) -> Result<(), Wrong> {
        let generated = matches!(self.strategy, Strategy::AllAtOnce | Strategy::BlueGreen);
        if self.steps.is_empty() && self.strategy != Strategy::AllAtOnce {
            return Err(("steps".to_owned(), "must not be empty".to_owned()));
        }
        if self.steps.len() > MAX_STEPS {
            let count = self.steps.len();
            return Err((
                "steps".to_owned(),
                format!("are {count}; there may be {MAX_STEPS} at most"),
            ));
        }
        let mut before = None;
        for (nth, Step { weight, seconds }) in self.steps.iter().enumerate() {
            let key = |name: &str| format!("steps[{nth}].{name}");
            if *weight >= WHOLE {
                let why = "must stay below 100: the whole follows by itself, and has the watch";
                return Err((key("weight"), why.to_owned()));
            }
            if before.is_some_and(|before| before >= *weight) {
                return Err((key("weight"), format!("must rise: {weight} comes too late")));
            }
            if !generated && !(1..=MAX_STEP_SECONDS).contains(seconds) {
                let most = MAX_STEP_SECONDS / 60;
                return Err((key("minutes"), format!("must be from a second to {most} minutes")));
            }
            before = Some(*weight);
        }
        Ok(())
    }

    /// Whether nobody gets the release sooner by these steps than by those of `other`: of each of its
    /// steps there is one here with no more of the requests, and as long as the release had no more
    /// than that by the other's, it has no more here.
    #[must_use]
    pub fn is_as_careful_as(&self, other: &Self) -> bool {
        let within = |shift: &Self, weight: u32| -> Option<u64> {
            let steps = shift.steps.iter().filter(|step| step.weight <= weight);
            steps.map(|step| step.seconds).reduce(u64::saturating_add)
        };
        other.steps.iter().all(|Step { weight, .. }| {
            // None is less than a step that only asks for the release's state.
            within(self, *weight) >= within(other, *weight)
        })
    }

    /// For people: `10 % for 5 min, then all`.
    #[must_use]
    pub fn words(&self) -> String {
        let long = |seconds: u64| match (seconds / 60, seconds % 60) {
            (0, seconds) => format!("{seconds} s"),
            (minutes, 0) => format!("{minutes} min"),
            (minutes, seconds) => format!("{minutes} min {seconds} s"),
        };
        let step = |step: &Step| match step.seconds {
            0 => format!("{} %", step.weight),
            seconds => format!("{} % for {}", step.weight, long(seconds)),
        };
        let mut words: Vec<String> = self.steps.iter().map(step).collect();
        words.push(if words.is_empty() { "all at once" } else { "then all" }.to_owned());
        words.join(", ")
    }
}

/// A release that has a part of the requests, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingShift {
    /// The part that it is to have, in percent: written before anything is done.
    pub wanted: u32,
    /// The part that it has; none: it has had none yet.
    #[serde(default)]
    pub reached: Option<u32>,
    /// All the parts that it had, one after the other, that one included.
    #[serde(default)]
    pub walked: Vec<u32>,
    /// Where it comes from, for the ledger.
    #[serde(default)]
    pub origin: Origin,
}

impl PendingShift {
    /// The part of the requests that it has, where nothing is about to change that.
    #[must_use]
    pub fn settled(&self) -> Option<u32> {
        self.reached.filter(|reached| *reached == self.wanted)
    }

    /// The release has this part of the requests now, in percent.
    pub fn reach(&mut self, percent: u32) {
        self.reached = Some(percent);
        // The same step again is no further one.
        if self.walked.last() != Some(&percent) {
            self.walked.push(percent);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn weights(strategy: Strategy, asked: &Asked) -> Vec<u32> {
        let shift = Shift::resolve(strategy, asked).expect("is right");
        shift.steps.iter().map(|step| step.weight).collect()
    }

    #[test]
    fn each_strategy_has_steps_of_its_own() {
        let nothing = Asked::default();
        assert_eq!(weights(Strategy::AllAtOnce, &nothing), [0; 0]);
        assert_eq!(weights(Strategy::Canary, &nothing), [10]);
        assert_eq!(weights(Strategy::Linear, &nothing), [20, 40, 60, 80]);
        assert_eq!(weights(Strategy::BlueGreen, &nothing), [0]);
        let by = Asked { by: Some(30), every: Some(90), ..nothing.clone() };
        let shift = Shift::resolve(Strategy::Linear, &by).expect("is right");
        assert_eq!(
            shift.words(),
            "30 % for 1 min 30 s, 60 % for 1 min 30 s, 90 % for 1 min 30 s, then all"
        );
        let wrong = |strategy, asked: &Asked| Shift::resolve(strategy, asked).expect_err("refused");
        assert_eq!(wrong(Strategy::Canary, &by).0, "by");
        assert_eq!(wrong(Strategy::Linear, &Asked { by: Some(4), ..nothing.clone() }).0, "by");
        let never = Asked { every: Some(0), ..nothing.clone() };
        assert_eq!(wrong(Strategy::Linear, &never).0, "every");
        let step = |weight, seconds| Step { weight, seconds };
        let steps = |steps: &[Step]| Asked { steps: Some(steps.to_vec()), ..nothing.clone() };
        let falls = steps(&[step(10, 60), step(50, 60), step(20, 60)]);
        assert_eq!(wrong(Strategy::Canary, &falls).0, "steps[2].weight");
        assert_eq!(wrong(Strategy::Canary, &steps(&[step(10, 0)])).0, "steps[0].minutes");
    }

    #[test]
    fn a_release_that_came_step_by_step_says_which() {
        let said = [&[][..], &[10], &[0, 10, 50, 100]].map(walked);
        assert_eq!(said, ["", "10 %", "0 % → 10 % → 50 % → all"]);
    }

    #[test]
    fn the_smaller_the_part_the_more_requests_have_to_be_seen() {
        let needed = [0, 1, 5, 10, 20, 50, 100].map(observations);
        assert_eq!(needed, [0, 919, 182, 90, 44, 17, 7]);
        for weight in 1..WHOLE {
            // One request fewer, and it shows nothing too often.
            let unseen = |requests: u64| {
                (1.0 - f64::from(weight) / 200.0).powi(i32::try_from(requests).expect("few"))
            };
            let enough = observations(weight);
            assert!(unseen(enough) <= UNSEEN && unseen(enough - 1) > UNSEEN, "{weight} %");
        }
    }

    proptest! {
        #[test]
        fn what_is_walked_rises_and_ends(
            steps in proptest::collection::vec((0_u32..130, 0_u64..700), 0..25),
            by in proptest::option::of(0_u32..60),
            strategy in 0_usize..4,
        ) {
            let steps: Vec<_> =
                steps.into_iter().map(|(weight, seconds)| Step { weight, seconds }).collect();
            let strategy = Strategy::ALL[strategy].0;
            let given = Asked { steps: by.is_none().then_some(steps), by, every: None };
            if let Ok(shift) = Shift::resolve(strategy, &given) {
                prop_assert!(shift.steps.len() <= MAX_STEPS);
                prop_assert!(shift.steps.iter().all(|s| s.weight < WHOLE && s.seconds <= MAX_STEP_SECONDS));
                prop_assert!(shift.steps.is_sorted_by(|a, b| a.weight < b.weight));
                let wire = serde_json::to_value(&shift).expect("json");
                prop_assert_eq!(serde_json::from_value::<Shift>(wire).expect("a shift"), shift);
            }
        }
    }
}
