(function_definition name: (word) @name) @function
(command name: (command_name) @require (#match? @require "^(source|[.])$")) @import
