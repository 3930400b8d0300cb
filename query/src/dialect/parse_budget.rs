//! A grammar with a budget. The parser tries some words first as keywords and then as names, each time with all that
//! follows: what is nested in such words takes twice as long with each level, and `interval interval interval …` with thirty
//! takes days. So the parser may begin a number of expressions that is in proportion to the tokens.
//!
//! sqlparser asks the grammar before each expression, so that the budget needs no parser of our own. The rest of the
//! grammar is passed on, method by method (sqlparser 0.62).

use std::any::TypeId;
use std::cell::Cell;
use std::iter::Peekable;
use std::str::Chars;

use datafusion::sql::sqlparser::ast::{ColumnOption, Expr, GranteesType, Ident, ObjectNamePart, Statement};
use datafusion::sql::sqlparser::dialect::{Dialect as Grammar, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

use crate::dialect::additions;
use crate::dialect::grammar::GRAMMAR;

/// Expressions that the parser may begin for each token. It begins less than two for each of a statement without errors.
const EXPRESSIONS_PER_TOKEN: usize = 30;
/// Expressions that it may begin beside that.
const EXPRESSIONS_MIN: usize = 1_000;

/// The grammar for one text.
#[derive(Debug)]
pub(crate) struct BudgetedGrammar {
    grammar: &'static dyn Grammar,
    left: Cell<usize>,
}

impl BudgetedGrammar {
    /// The grammar for a text of so many tokens.
    pub(crate) fn new(tokens: usize) -> Self {
        let left = tokens.saturating_mul(EXPRESSIONS_PER_TOKEN).saturating_add(EXPRESSIONS_MIN);
        Self { grammar: &GRAMMAR, left: Cell::new(left) }
    }

    /// True where the parser has ended for want of budget.
    pub(crate) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

/// Methods without an argument, passed on.
macro_rules! pass_on {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            self.grammar.$name()
        })*
    };
}

impl Grammar for BudgetedGrammar {
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.left.get().saturating_sub(1) {
            // The one error after which the parser tries nothing else.
            0 => {
                self.left.set(0);
                Some(Err(ParserError::RecursionLimitExceeded))
            }
            left => {
                self.left.set(left);
                self.grammar.parse_prefix(parser)
            }
        }
    }

    fn dialect(&self) -> TypeId {
        self.grammar.dialect()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.grammar.is_delimited_identifier_start(ch)
    }

    fn is_nested_delimited_identifier_start(&self, ch: char) -> bool {
        self.grammar.is_nested_delimited_identifier_start(ch)
    }

    fn peek_nested_delimited_identifier_quotes(&self, chars: Peekable<Chars<'_>>) -> Option<(char, Option<char>)> {
        self.grammar.peek_nested_delimited_identifier_quotes(chars)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.grammar.identifier_quote_style(identifier)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.grammar.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.grammar.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.grammar.is_custom_operator_part(ch)
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        let between = self.grammar.prec_value(Precedence::Between);
        additions::between(parser, expr, between).or_else(|| self.grammar.parse_infix(parser, expr, precedence))
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        self.grammar.get_next_precedence(parser)
    }

    fn get_next_precedence_default(&self, parser: &Parser) -> Result<u8, ParserError> {
        self.grammar.get_next_precedence_default(parser)
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        self.grammar.parse_statement(parser)
    }

    fn parse_column_option(
        &self,
        parser: &mut Parser,
    ) -> Result<Option<Result<Option<ColumnOption>, ParserError>>, ParserError> {
        self.grammar.parse_column_option(parser)
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        self.grammar.prec_value(prec)
    }

    fn prec_unknown(&self) -> u8 {
        self.grammar.prec_unknown()
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        self.grammar.is_reserved_for_identifier(kw)
    }

    fn get_reserved_keywords_for_select_item_operator(&self) -> &[Keyword] {
        self.grammar.get_reserved_keywords_for_select_item_operator()
    }

    fn get_reserved_grantees_types(&self) -> &[GranteesType] {
        self.grammar.get_reserved_grantees_types()
    }

    fn is_column_alias(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        self.grammar.is_column_alias(kw, parser)
    }

    fn is_select_item_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        self.grammar.is_select_item_alias(explicit, kw, parser)
    }

    fn is_table_factor(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        self.grammar.is_table_factor(kw, parser)
    }

    fn is_table_alias(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        self.grammar.is_table_alias(kw, parser)
    }

    fn is_table_factor_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        self.grammar.is_table_factor_alias(explicit, kw, parser)
    }

    fn is_identifier_generating_function_name(&self, ident: &Ident, name_parts: &[ObjectNamePart]) -> bool {
        self.grammar.is_identifier_generating_function_name(ident, name_parts)
    }

    /// `SELECT * EXCLUDE (a)`, which PostgreSQL lacks: tables here have many columns.
    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    pass_on! {
        supports_string_literal_backslash_escape, ignores_wildcard_escapes, supports_unicode_string_literal,
        supports_filter_during_aggregation, supports_window_clause_named_window_reference,
        supports_within_after_array_aggregation, supports_partition_by_after_order_by, supports_array_join_syntax,
        supports_group_by_expr, supports_group_by_with_modifier, supports_left_associative_joins_without_parens,
        supports_outer_join_operator, supports_cross_join_constraint, supports_connect_by,
        supports_execute_immediate, supports_match_recognize, supports_in_empty_list,
        supports_start_transaction_modifier, supports_end_transaction_modifier,
        supports_named_fn_args_with_eq_operator, supports_named_fn_args_with_colon_operator,
        supports_named_fn_args_with_assignment_operator, supports_named_fn_args_with_rarrow_operator,
        supports_named_fn_args_with_expr_name, supports_numeric_prefix, supports_numeric_literal_underscores,
        supports_window_function_null_treatment_arg, supports_dictionary_syntax, support_map_literal_syntax,
        supports_lambda_functions, supports_parenthesized_set_variables, supports_comma_separated_set_assignments,
        supports_update_order_by, supports_select_wildcard_except, convert_type_before_value,
        supports_triple_quoted_string, supports_trailing_commas, supports_limit_comma,
        supports_string_literal_concatenation, supports_string_literal_concatenation_with_newline,
        supports_projection_trailing_commas, supports_from_trailing_commas,
        supports_column_definition_trailing_commas, supports_object_name_double_dot_notation,
        supports_struct_literal, supports_empty_projections, supports_select_expr_star, supports_from_first_select,
        supports_from_first_insert, supports_pipe_operator, supports_user_host_grantee, supports_match_against,
        supports_select_exclude, supports_create_table_multi_schema_info_sources,
        supports_select_modifiers, describe_requires_table_keyword, allow_extract_custom,
        allow_extract_single_quotes, supports_extract_comma_syntax, supports_subquery_as_function_arg,
        supports_create_view_comment_syntax, supports_array_typedef_without_element_type,
        supports_parens_around_table_factor, supports_values_as_table_factor, supports_dollar_placeholder,
        supports_dollar_as_money_prefix, supports_create_index_with_clause, require_interval_qualifier,
        supports_explain_with_utility_options, supports_asc_desc_in_column_definition, supports_factorial_operator,
        supports_bitwise_shift_operators, supports_nested_comments, supports_multiline_comment_hints,
        supports_eq_alias_assignment, supports_try_convert, supports_bang_not_operator, supports_listen_notify,
        supports_load_data, supports_load_extension, supports_top_before_distinct, supports_boolean_literals,
        supports_show_like_before_in, supports_comment_on, supports_create_table_select, supports_partiql,
        supports_constraint_keyword_without_name, supports_key_column_option, supports_table_sample_before_alias,
        supports_insert_set, supports_insert_table_function, supports_insert_table_query, supports_insert_format,
        supports_insert_table_alias, supports_set_stmt_without_operator, supports_table_versioning,
        supports_string_escape_constant, supports_table_hints, requires_single_line_comment_whitespace,
        supports_array_typedef_with_brackets, supports_geometric_types, supports_order_by_all, supports_set_names,
        supports_space_separated_column_options, supports_alter_column_type_using,
        supports_comma_separated_drop_column_list, supports_notnull_operator, supports_data_type_signed_suffix,
        supports_interval_options, supports_create_table_like_parenthesized, supports_semantic_view_table_factor,
        supports_quote_delimited_string, supports_comment_optimizer_hint, supports_double_ampersand_operator,
        supports_binary_kw_as_cast, supports_select_wildcard_replace, supports_select_wildcard_ilike,
        supports_select_wildcard_rename, supports_select_wildcard_with_alias, supports_optimize_table,
        supports_install, supports_detach, supports_prewhere, supports_with_fill, supports_limit_by,
        supports_interpolate, supports_settings, supports_select_format, supports_comma_separated_trim,
        supports_cte_without_as, supports_select_item_multi_column_alias, supports_xml_expressions,
        supports_create_table_using, supports_long_type_as_bigint, supports_map_literal_with_angle_brackets,
    }
}
