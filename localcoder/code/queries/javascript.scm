(function_declaration name: (identifier) @name) @function
(generator_function_declaration name: (identifier) @name) @function
(class_declaration name: (identifier) @name) @class
(method_definition name: (property_identifier) @name) @function
(program (lexical_declaration (variable_declarator name: (identifier) @name) @constant))
(program (variable_declaration (variable_declarator name: (identifier) @name) @constant))
(program (export_statement declaration: (_ (variable_declarator name: (identifier) @name) @constant)))
(import_statement) @import
(export_statement source: (string)) @import
(variable_declarator value: (call_expression function: (identifier) @require (#eq? @require "require"))) @import
(export_statement !source (export_clause)) @import
(export_statement value: (identifier)) @import
(assignment_expression
  left: (member_expression object: (identifier) @require property: (property_identifier))
  right: (identifier)
  (#match? @require "^(module|exports)$")) @import
(assignment_expression
  left: (member_expression object: (identifier) @require property: (property_identifier) @name)
  right: [(function_expression) (arrow_function)]
  (#eq? @require "exports")) @function
