; tree-sitter-kotlin's wheel has no highlight query.
(identifier) @variable
(line_comment) @comment
(block_comment) @comment
(string_literal) @string
(multiline_string_literal) @string
(character_literal) @string
(number_literal) @number
(float_literal) @number
(annotation) @attribute
(user_type (identifier) @type)
(class_declaration name: (identifier) @type)
(object_declaration name: (identifier) @type)
(type_alias type: (identifier) @type)
(function_declaration name: (identifier) @function)
(call_expression . (identifier) @function)
(call_expression (navigation_expression (identifier) @function .))
["class" "interface" "object" "fun" "val" "var" "if" "else" "when" "for" "while" "do" "return" "throw" "try" "catch"
 "finally" "import" "package" "in" "is" "as" "by" "this" "super" "companion" "constructor" "init" "typealias" "enum"
 "data" "sealed" "open" "abstract" "override" "private" "public" "protected" "internal" "suspend" "inline" "operator"
 "lateinit" "const" "vararg"] @keyword
