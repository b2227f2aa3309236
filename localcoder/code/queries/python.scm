(function_definition name: (identifier) @name) @function
(class_definition name: (identifier) @name) @class
(module (expression_statement (assignment left: (identifier) @name) @constant))
(module (_ (block (expression_statement (assignment left: (identifier) @name) @constant))))
(module (_ (_ (block (expression_statement (assignment left: (identifier) @name) @constant)))))
(module (expression_statement (assignment left: (pattern_list (identifier) @name)) @constant))
(class_definition body: (block (expression_statement (assignment left: (identifier) @name) @field)))
(type_alias_statement left: (type (identifier) @name)) @type
(import_statement) @import
(import_from_statement) @import
