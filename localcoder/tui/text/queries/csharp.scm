; tree-sitter-c-sharp's wheel has no highlight query.
(identifier) @variable
(comment) @comment
[(string_literal) (verbatim_string_literal) (raw_string_literal) (character_literal)] @string
(interpolated_string_expression) @string
(interpolation (_) @variable)
[(integer_literal) (real_literal)] @number
[(null_literal) (boolean_literal)] @constant
[(predefined_type) (implicit_type)] @type
(attribute name: (identifier) @attribute)
(type_parameter name: (identifier) @type)
(base_list (identifier) @type)
(class_declaration name: (identifier) @type)
(struct_declaration name: (identifier) @type)
(record_declaration name: (identifier) @type)
(interface_declaration name: (identifier) @type)
(enum_declaration name: (identifier) @type)
(object_creation_expression type: (identifier) @type)
(variable_declaration type: (identifier) @type)
(parameter type: (identifier) @type)
(method_declaration name: (identifier) @function)
(constructor_declaration name: (identifier) @function)
(invocation_expression function: (identifier) @function)
(invocation_expression function: (member_access_expression name: (identifier) @function))
(modifier) @keyword
["as" "await" "base" "break" "case" "catch" "class" "const" "continue" "default" "delegate" "do" "else" "enum" "event"
 "finally" "for" "foreach" "from" "get" "if" "in" "init" "interface" "is" "lock" "namespace" "new" "not" "operator"
 "out" "params" "record" "ref" "return" "select" "set" "sizeof" "struct" "switch" "this" "throw" "try" "typeof"
 "using" "var" "when" "where" "while" "with" "yield"] @keyword
