(class_declaration name: (name) @name) @class
(interface_declaration name: (name) @name) @class
(trait_declaration name: (name) @name) @class
(enum_declaration name: (name) @name) @class
(function_definition name: (name) @name) @function
(method_declaration name: (name) @name) @function
(property_declaration (property_element (variable_name (name) @name))) @field
(const_declaration (const_element (name) @name)) @constant
(namespace_use_declaration) @import
