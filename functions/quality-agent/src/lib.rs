//! The quality agent: plan, gate and judgement.
