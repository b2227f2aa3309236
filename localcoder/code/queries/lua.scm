(function_declaration name: (_) @name) @function
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name))) @constant)
(assignment_statement (variable_list . name: (_) @name) (expression_list . value: (function_definition))) @function
(function_call name: (identifier) @require (#eq? @require "require")) @import
