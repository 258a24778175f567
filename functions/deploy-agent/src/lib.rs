//! The deploy agent: releases, rollback and status.
