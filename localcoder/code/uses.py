"""Which names a file uses, and which of them it gives a meaning itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from tree_sitter import Language as Grammar
from tree_sitter import Node, Query, QueryCursor

from localcoder.code.grammars import grammar_of, limited_parser
from localcoder.code.languages import Language

_LIMIT_S = 2.0
_NAMES = frozenset(
    ("identifier", "type_identifier", "constant", "name", "simple_identifier", "namespace_identifier",
     "shorthand_property_identifier")
)  # fmt: skip
"""Kinds of nodes that name something which is defined elsewhere, or here."""
_MEMBERS = frozenset(
    ("property_identifier", "field_identifier", "private_property_identifier", "shorthand_field_identifier")
)
_ACCESSES = frozenset(
    ("attribute", "member_expression", "field_expression", "selector_expression", "member_access_expression",
     "field_access", "nested_type_identifier", "scoped_identifier", "scoped_type_identifier", "qualified_type",
     "qualified_identifier", "navigation_expression", "dot_index_expression", "nested_identifier")
)  # fmt: skip
"""`a.b`: the first child is what has it, the last one what is had."""
_BINDS = frozenset(
    ("parameters", "lambda_parameters", "formal_parameters", "list_splat_pattern", "dictionary_splat_pattern",
     "pattern_list", "tuple_pattern", "list_pattern", "as_pattern_target", "global_statement", "nonlocal_statement",
     "type_parameter", "required_parameter", "optional_parameter", "rest_pattern", "array_pattern", "typed_parameter",
     "catch_clause", "splat_pattern", "simple_parameter", "parameter_list", "case_pattern")
)  # fmt: skip
"""What stands directly in one of these is a new name."""
_LISTS = ("expression_list", "tuple")
_BINDING_FIELDS = frozenset(
    (kind, field)
    for field, kinds in {
        "name": "default_parameter typed_default_parameter named_expression function_definition class_definition"
        " function_declaration generator_function_declaration class_declaration abstract_class_declaration"
        " interface_declaration type_alias_declaration enum_declaration variable_declarator internal_module"
        " method_declaration function_item struct_item enum_item trait_item const_item static_item type_item"
        " mod_item type_spec var_spec const_spec parameter_declaration parameter formal_parameter"
        " class_specifier struct_specifier enum_specifier namespace_definition function_signature function_expression"
        " keyword_argument named_argument enhanced_for_statement catch_formal_parameter record_declaration"
        " constructor_declaration class module method property_declaration",
        "left": "for_statement for_in_clause for_in_statement assignment augmented_assignment short_var_declaration"
        " assignment_pattern range_clause",
        "pattern": "parameter let_declaration for_expression closure_parameters",
        "declarator": "init_declarator parameter_declaration declaration function_declarator pointer_declarator"
        " array_declarator reference_declarator",
        "parameter": "arrow_function lambda_expression catch_clause",
        "value": "pair_pattern",
        "alias": "aliased_import import_specifier",
    }.items()
    for kind in kinds.split()
)


@dataclass(frozen=True)
class Use:
    """A name and what is asked of it, as `np.linalg.norm`: ("np", "linalg", "norm"); where it first is, from line 1."""

    chain: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Uses:
    """`uses` in the order of their first lines, each once; `bound` are the names that get a meaning in the file, other
    than by an import; `members` all that is asked of anything."""

    uses: tuple[Use, ...] = ()
    bound: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()


def uses(text: str, language: Language) -> Uses:
    """What the text uses; nothing where there is no grammar, and where the grammar is lost in the text."""
    grammar = grammar_of(language)
    query = None if grammar is None else _query_of(grammar)
    if grammar is None or query is None:
        return Uses()
    data = text.encode("utf-8", "replace")
    with suppress(ValueError):
        return _uses(data, query, limited_parser(grammar, _LIMIT_S).parse(data).root_node)
    return Uses()


@cache
def _query_of(grammar: Grammar) -> Query | None:
    every = (grammar.node_kind_for_id(number) for number in range(grammar.node_kind_count))
    kinds = {kind for kind in every if kind is not None and kind in _NAMES | _MEMBERS}
    return Query(grammar, f"[{' '.join(f'({kind})' for kind in sorted(kinds))}] @name") if kinds else None


def _uses(data: bytes, query: Query, root: Node) -> Uses:
    found: dict[tuple[str, ...], int] = {}
    bound: set[str] = set()
    members: set[str] = set()
    nodes = QueryCursor(query).captures(root).get("name", [])
    for node in sorted(nodes, key=lambda each: each.start_byte):
        parent = node.parent
        name = data[node.start_byte : node.end_byte].decode("utf-8", "replace")
        if parent is None or "import" in parent.type or (parent.parent and "import" in parent.parent.type):
            continue
        if node.type in _MEMBERS or (parent.type in _ACCESSES and parent.children[0].start_byte != node.start_byte):
            members.add(name)
        elif _is_binding(node, parent):
            bound.add(name)
        else:
            chain = (name, *_asked(node, data))
            found.setdefault(chain, node.start_point.row + 1)
    return Uses(
        tuple(Use(chain, line) for chain, line in found.items()), frozenset(bound), frozenset(members)
    )  # fmt: skip


def _is_binding(node: Node, parent: Node) -> bool:
    if parent.type in _LISTS:
        # `a, b := …`, `with x as (a, b)`
        return parent.parent is not None and _is_binding(parent, parent.parent)
    if parent.type in _BINDS:
        # A typed parameter's name is the first thing in it.
        return parent.type != "typed_parameter" or parent.children[0].start_byte == node.start_byte
    for kind, field in _BINDING_FIELDS:
        if kind == parent.type:
            own = parent.child_by_field_name(field)
            if own is not None and own.start_byte == node.start_byte and own.end_byte == node.end_byte:
                return True
    return False


def _asked(node: Node, data: bytes) -> Iterator[str]:
    """The members behind a name, as far as they are plain names."""
    inner, outer = node, node.parent
    while outer is not None and outer.type in _ACCESSES and outer.children[0].start_byte == inner.start_byte:
        last = outer.children[-1]
        if last.start_byte < inner.end_byte or last.child_count:
            return
        yield data[last.start_byte : last.end_byte].decode("utf-8", "replace")
        inner, outer = outer, outer.parent
