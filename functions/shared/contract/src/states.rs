//! Names of the states of both machines. The machines are written with them, stages are recorded
//! under them, and what shows or measures a run knows its stages by them.

macro_rules! states {
    ($(#[$doc:meta])* $machine:ident { $($state:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each has a comment in the definition")]
        pub enum $machine { $($state),+ }

        impl $machine {
            /// Every state, those of branches and iterations included.
            pub const ALL: &'static [Self] = &[$(Self::$state),+];

            /// The name in the definition.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$state => stringify!($state)),+ }
            }
        }

        impl AsRef<str> for $machine {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $machine {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

states! {
    /// A state of the pipeline.
    Pipeline {
        PrepareRun, EndedOutside, TakeBack, AnalyzeChanges, SettingsValid, PlanPipeline,
        Verify, ValidateSyntax, CheckQuality, CodeChecked, RunUnitTests, RunIntegrationTests,
        CheckCoverage, TestsRun, ScanVulnerabilities, CheckDependencies, ValidateSecrets,
        SecurityChecked, EvaluateGate, GateDecision,
        NextEnvironment, EnterEnvironment, ApprovalNeeded, AskApprovers, AwaitApproval, Approved,
        InspectEnvironment, TrackBaseline,
        BeginDeployment, Deploy, Deployed, CheckStatus, InEffect, WaitForTarget, CheckHealth, Healthy,
        RunEndToEnd, EndToEnd, TrackMetrics, DetectAnomalies, JudgeRelease,
        Judgement, MarkGood,
        StartTakingBack, MoreToTakeBack, TakeBackNewest, Rollback, WhatCameBack, CheckRestored,
        AnswersAgain, RollbackStuck, EntryUpdated, AllTakenBack,
        Succeed, RejectRelease, HoldRelease, SupersedeRun, FailRun,
        DescribeOutcome, RecordOutcome, FreeEnvironments, FreeEnvironment, NotHeld,
        Notify, NotifySlack, SlackNotTold, NotifyEmail, EmailNotTold, NotifyJira, JiraNotTold,
        Conclude, Overtaken, TakenBack, Succeeded, Held, Superseded, Rejected, ReleaseRolledBack, RollbackFailed, Failed,
    }
}

states! {
    /// A state of the scheduled watch.
    Monitor {
        TakeTurn, Busy, ListEnvironments, AnyEnvironment, WatchEnvironments, LookAt, DescribeFault,
        KeepWatched, Kept, NotKept, MoreEnvironments, ListMoreEnvironments,
        DueIncidents, TellIncidents, TellIncident, NotTold, GiveTurn, Complete, AllWatched, Incomplete,
    }
}
