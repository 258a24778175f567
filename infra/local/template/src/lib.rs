//! Reads an AWS SAM template: functions, tables, routes, schedules and state machines.
