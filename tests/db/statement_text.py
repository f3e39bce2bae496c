"""Reads a statement's syntax tree for the tests: which tables it touches, bounded by what."""

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

QUERIES = (exp.Select, exp.Update, exp.Delete, exp.Insert, exp.Merge)
ANCHOR = "the outside"
"""A parameter, a CTE, an outer query: what a company_id must lead back to."""
MERGED = "the column that `using` makes"


def parse(text: str) -> exp.Expr:
    """`<<=` (a network within another) is unknown to the parser; it binds as `<@` does."""
    return sqlglot.parse_one(text.replace("<<=", "<@"), dialect="postgres")


def tables(query: exp.Expr) -> list[exp.Table]:
    """Real tables of this query itself: no functions, CTEs, subqueries, or targets of inserts."""
    ctes = {cte.alias_or_name for cte in query.root().find_all(exp.CTE)}
    return [
        table
        for table in query.find_all(exp.Table)
        if table.find_ancestor(*QUERIES) is query
        and isinstance(table.this, exp.Identifier)
        and table.name not in ctes
    ]


def bounded_queries(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Every SELECT, UPDATE and DELETE of the statement, those in CTEs and subqueries too."""
    yield from tree.find_all(exp.Select, exp.Update, exp.Delete)


def unbounded(query: exp.Expr, keys: dict[str, str]) -> list[str]:
    """Tables whose rows are not bounded by `company_id`, or by the table's column in `keys`."""
    groups = Groups()
    aliases = {table.alias_or_name: table.name for table in tables(query)}
    first = next(iter(aliases), MERGED)
    if len(aliases) == 1:
        groups.join(first, MERGED)
    for join in query.find_all(exp.Join):
        if join.find_ancestor(*QUERIES) is query and "company_id" in names(join.args.get("using")):
            groups.join(join.this.alias_or_name, MERGED)
            groups.join(first, MERGED)
    for condition in query.find_all(exp.EQ, exp.In):
        if condition.find_ancestor(*QUERIES) is query:
            for side in sides(condition, aliases, keys):
                groups.join(*side)
    for name in {table.alias_or_name for table in query.root().find_all(exp.CTE)}:
        groups.join(name, ANCHOR)
    return [name for alias, name in aliases.items() if not groups.are_one(alias, ANCHOR)]


def sides(
    condition: exp.Expr, aliases: dict[str, str], keys: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """What the condition ties together, as pairs."""
    left, right = condition.this, condition.args.get("expression")
    places = place(left, aliases, keys), place(right, aliases, keys)
    for found, other, side in ((*places, right), (*reversed(places), left)):
        if found and (other or not is_of_this_query(side, aliases)):
            yield found, other or ANCHOR


def is_of_this_query(side: exp.Expr | None, aliases: dict[str, str]) -> bool:
    """Whether it is a column of one of the query's own tables, which bounds nothing."""
    return isinstance(side, exp.Column) and (side.table in aliases or not side.table)


def place(side: exp.Expr | None, aliases: dict[str, str], keys: dict[str, str]) -> str | None:
    """The table whose bounding column this side is."""
    columns = side.expressions if isinstance(side, exp.Tuple) else [side]
    for column in columns:
        if not isinstance(column, exp.Column):
            continue
        owner = column.table or (next(iter(aliases)) if len(aliases) == 1 else MERGED)
        if column.name == "company_id" or keys.get(aliases.get(owner, "")) == column.name:
            return owner if owner in aliases or owner == MERGED else ANCHOR
    return None


def selects_all(tree: exp.Expr) -> bool:
    """Whether it says `select *` of a table; of a CTE or a function it is fine."""
    return any(
        isinstance(star.parent, exp.Select) and bool(tables(star.parent))
        for star in tree.find_all(exp.Star)
    )


def projections(tree: exp.Expr) -> list[exp.Expr]:
    """The expressions of the result's columns."""
    returning = tree.args.get("returning")
    found: list[exp.Expr] = []
    if returning:
        found = returning.expressions
    elif isinstance(tree, exp.Query):
        found = tree.selects
    return [each.this if isinstance(each, exp.Alias) else each for each in found]


def is_never_null(projection: exp.Expr) -> bool:
    """What one can see without the schema: counts, tests, and what falls back on a constant."""
    if isinstance(projection, exp.Paren | exp.Cast):
        return is_never_null(projection.this)
    if isinstance(projection, exp.Not):
        return is_never_null(projection.this)
    if isinstance(projection, exp.Coalesce):
        return any(is_never_null(each) for each in projection.expressions)
    if isinstance(projection, exp.Window):
        return isinstance(projection.this, exp.RowNumber)
    constants = exp.Literal | exp.Boolean | exp.Array
    return isinstance(projection, constants | exp.Count | exp.Exists | exp.Is)


def names(identifiers: list[exp.Expr] | None) -> set[str]:
    return {identifier.name for identifier in identifiers or []}


def nullable_tables(tree: exp.Expr) -> set[str]:
    """Names of tables on the side of an outer join that may have no row."""
    found: set[str] = set()
    for join in tree.find_all(exp.Join):
        if join.side in {"LEFT", "FULL"}:
            found |= {table.name for table in join.this.find_all(exp.Table)}
        if join.side in {"RIGHT", "FULL"}:
            query = join.find_ancestor(*QUERIES)
            found |= {table.name for table in query.find_all(exp.Table)} if query else set()
    return found


class Groups:
    """Names that are the same thing."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        while (parent := self._parent.setdefault(name, name)) != name:
            name = parent
        return name

    def join(self, one: str, other: str) -> None:
        self._parent[self.find(one)] = self.find(other)

    def are_one(self, one: str, other: str) -> bool:
        return self.find(one) == self.find(other)
