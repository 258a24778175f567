//! SQL in the dialects that a parser knows. There are more than it knows: what none of them
//! accepts is said, and is no reason to reject.

use sqlparser::{
    dialect::{
        BigQueryDialect, ClickHouseDialect, DatabricksDialect, Dialect, DuckDbDialect,
        GenericDialect, HiveDialect, MsSqlDialect, MySqlDialect, OracleDialect, PostgreSqlDialect,
        RedshiftSqlDialect, SQLiteDialect, SnowflakeDialect,
    },
    parser::{Parser, ParserError},
};

use super::verdict::{Cause, Doubt, Fault, Opinion, number};

/// Deepest nesting of expressions.
const DEPTH: usize = 100;

/// Parses statements.
pub(super) fn parse(text: &str) -> Opinion {
    let dialects: [&dyn Dialect; 14] = [
        &GenericDialect {},
        &PostgreSqlDialect {},
        &MySqlDialect {},
        &SQLiteDialect {},
        &MsSqlDialect {},
        &OracleDialect {},
        &SnowflakeDialect {},
        &BigQueryDialect {},
        &DuckDbDialect {},
        &ClickHouseDialect {},
        &HiveDialect {},
        &RedshiftSqlDialect {},
        &DatabricksDialect {},
        &sqlparser::dialect::AnsiDialect {},
    ];
    let mut furthest: Option<Fault> = None;
    for dialect in dialects {
        let parser = Parser::new(dialect).with_recursion_limit(DEPTH);
        let parsed = parser.try_with_sql(text).and_then(|mut parser| parser.parse_statements());
        let Err(error) = parsed else { return Opinion::Parsed };
        let fault = fault(text, &error);
        if furthest
            .as_ref()
            .is_none_or(|known| (known.line, known.column) < (fault.line, fault.column))
        {
            furthest = Some(fault);
        }
    }
    let doubt = Doubt::new(Cause::Dialect, "it may be a dialect of SQL that is not known");
    Opinion::Unsure(doubt, furthest.into_iter().collect())
}

fn fault(text: &str, error: &ParserError) -> Fault {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => "nested too deeply",
    };
    // The place is in the text only: `… at Line: 3, Column: 7`.
    let place = |name: &str| {
        let after = message.rsplit_once(name)?.1;
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    };
    match (place("Line: "), place("Column: ")) {
        (Some(line), Some(column)) => Fault {
            line: number(line.max(1)),
            column: number(column.max(1)),
            message: "no dialect that is known accepts this".to_owned(),
        },
        _ => Fault::at(text, text.trim_end().len(), "unexpected end of a statement"),
    }
}
