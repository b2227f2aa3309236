(function_declaration name: (identifier) @name) @function
(generator_function_declaration name: (identifier) @name) @function
(function_signature name: (identifier) @name) @function
(class_declaration name: (type_identifier) @name) @class
(abstract_class_declaration name: (type_identifier) @name) @class
(interface_declaration name: (type_identifier) @name) @class
(enum_declaration name: (identifier) @name) @type
(type_alias_declaration name: (type_identifier) @name) @type
(internal_module name: (_) @name) @module
(module name: (_) @name) @module
(method_definition name: (property_identifier) @name) @function
(method_signature name: (property_identifier) @name) @function
(abstract_method_signature name: (property_identifier) @name) @function
(interface_body (property_signature name: (property_identifier) @name) @field)
(class_body (public_field_definition name: (property_identifier) @name) @field)
(program (lexical_declaration (variable_declarator name: (identifier) @name) @constant))
(program (variable_declaration (variable_declarator name: (identifier) @name) @constant))
(program (export_statement declaration: (_ (variable_declarator name: (identifier) @name) @constant)))
(ambient_declaration (_ (variable_declarator name: (identifier) @name) @constant))
(internal_module body: (statement_block (_ (variable_declarator name: (identifier) @name) @constant)))
(internal_module body: (statement_block (export_statement (_ (variable_declarator name: (identifier) @name) @constant))))
(module body: (statement_block (_ (variable_declarator name: (identifier) @name) @constant)))
(module body: (statement_block (export_statement (_ (variable_declarator name: (identifier) @name) @constant))))
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
(export_statement "=" (identifier)) @import
