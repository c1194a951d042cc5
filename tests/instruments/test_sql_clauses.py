"""Which values of a statement are written: by what the clause is, whatever else stands in the statement."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasp.instruments.sql_clauses import read
from rasp.instruments.sql_text import LONGEST, MYSQL, POSTGRES, SQLITE, Flavor, Unreadable, tokens

FLAVORS = {"sqlite": SQLITE, "postgres": POSTGRES, "mysql": MYSQL}
WRITTEN, LOOKED_UP = True, False


def places(statement, flavor=SQLITE):
    """Whether each value is written, in the order of the positional placeholders."""
    reading = read(statement, flavor)
    assert reading is not None
    return [written for place, written in sorted(reading.places.items(), key=str) if isinstance(place, int)]


def literals(statement, flavor=SQLITE):
    reading = read(statement, flavor)
    assert reading is not None
    return [written for _, _, written in reading.literals]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO t VALUES (?)", [WRITTEN]),
        ("insert into t (key, value) values (?, ?), (?, ?)", [WRITTEN] * 4),
        ("INSERT INTO t (a) SELECT ? FROM u WHERE b = ? ORDER BY ?", [WRITTEN, LOOKED_UP, LOOKED_UP]),
        ("INSERT INTO t (a) SELECT ? UNION ALL SELECT ? WHERE ?", [WRITTEN, WRITTEN, LOOKED_UP]),
        ("INSERT INTO t (a) (SELECT ? FROM u WHERE ?)", [WRITTEN, LOOKED_UP]),
        ("INSERT INTO t (a) SELECT x FROM (VALUES (?), (?)) AS s(x) WHERE y = ?", [WRITTEN, WRITTEN, LOOKED_UP]),
        (
            "INSERT INTO t (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) WHERE value > ? DO UPDATE SET value = ? WHERE a = ?",
            [WRITTEN, WRITTEN, LOOKED_UP, WRITTEN, LOOKED_UP],
        ),
        ("INSERT INTO t DEFAULT VALUES RETURNING ?", [LOOKED_UP]),
        ("REPLACE INTO t VALUES (replace(?, 'a', ?))", [WRITTEN, WRITTEN]),
        ("UPDATE t SET a = ?, b = ? WHERE c = ? AND d = ?", [WRITTEN, WRITTEN, LOOKED_UP, LOOKED_UP]),
        ("UPDATE t SET (a, b) = (?, ?) FROM u WHERE c = ?", [WRITTEN, WRITTEN, LOOKED_UP]),
        ("UPDATE t SET a = (SELECT ? FROM u WHERE b = ?), c = ?", [WRITTEN, LOOKED_UP, WRITTEN]),
        ("UPDATE t SET a = (b = ?), c = ? <> d, e = ?", [LOOKED_UP, WRITTEN, WRITTEN]),
        ("UPDATE t SET a = b IN (?, ?), c = ? WHERE d", [LOOKED_UP, LOOKED_UP, WRITTEN]),
        ("UPDATE t SET a = CASE WHEN b = ? THEN ? ELSE ? END WHERE c = ?", [LOOKED_UP, WRITTEN, WRITTEN, LOOKED_UP]),
        ("UPDATE t SET a = CASE ? WHEN 1 THEN CASE WHEN ? THEN ? END END, b = ?", [False, False, True, True]),
        ("UPDATE t SET a = sha256(?), b = crypt(upper(?), 'x'), c = ?", [LOOKED_UP, LOOKED_UP, WRITTEN]),
        ("UPDATE t SET a = coalesce(?, lower(?))", [WRITTEN, WRITTEN]),
        ("DELETE FROM t WHERE a = ? OR b IN (SELECT ? FROM u WHERE c = ?)", [LOOKED_UP] * 3),
        ("SELECT ?, (SELECT ?) FROM (SELECT ? AS a) AS t WHERE a = ? LIMIT ?", [LOOKED_UP] * 5),
        ("SELECT a FROM t WHERE b = ? FOR UPDATE", [LOOKED_UP]),
        ("VALUES (?)", [LOOKED_UP]),
        ("WITH c AS (SELECT ? AS a) INSERT INTO t SELECT a, ? FROM c", [LOOKED_UP, WRITTEN]),
        ("INSERT INTO t WITH c AS (SELECT ? AS a) SELECT a, ? FROM c", [LOOKED_UP, WRITTEN]),
        ("WITH RECURSIVE n AS (INSERT INTO t VALUES (?) RETURNING *) SELECT * FROM n WHERE a = ?", [True, False]),
        ("WITH d AS (DELETE FROM t WHERE ? RETURNING *) UPDATE u SET b = ? FROM d WHERE c = ?", [False, True, False]),
        (
            "MERGE INTO t USING u ON t.a = ? WHEN MATCHED AND b = ? THEN UPDATE SET c = ?, d = ? "
            "WHEN NOT MATCHED THEN INSERT (c) VALUES (?) WHEN MATCHED AND e = ? THEN DELETE",
            [LOOKED_UP, LOOKED_UP, WRITTEN, WRITTEN, WRITTEN, LOOKED_UP],
        ),
        ("MERGE INTO t USING (VALUES (?, ?)) AS s(a, b) ON t.a = s.a", [WRITTEN, WRITTEN]),
        ("EXPLAIN INSERT INTO t VALUES (?)", [LOOKED_UP]),
        ("CREATE TABLE t AS SELECT ?", [LOOKED_UP]),
        ("SET search_path = ?", [LOOKED_UP]),
        ("CALL p(?)", [LOOKED_UP]),
        ("INSERT INTO t VALUES (?3, ?1, ?)", [WRITTEN] * 3),
        ("UPDATE t SET a = t.values, b = ? WHERE new.set = ? AND t.update = ?", [WRITTEN, LOOKED_UP, LOOKED_UP]),
    ],
)  # fmt: skip
def test_the_clause_says_whether_a_value_is_written(statement, expected):
    assert places(statement) == expected
    if "?3" not in statement:
        assert places(statement.replace("?", "%s"), POSTGRES) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO t SET a = %s, b = 'it\\'s' ON DUPLICATE KEY UPDATE a = %s, b = VALUES(b)", [WRITTEN, WRITTEN]),
        ("INSERT INTO t VALUES ROW(%s), ROW(%s) # it's", [WRITTEN, WRITTEN]),
        ("INSERT t VALUE (%s)", [WRITTEN]),
        ("UPDATE t JOIN u ON t.a = %s SET t.b = %s WHERE u.c = %s", [LOOKED_UP, WRITTEN, LOOKED_UP]),
        ('SELECT "it\\"s" FROM `a``b` WHERE c = %s -- it\'s', [LOOKED_UP]),
    ],
)
def test_mysql_is_read(statement, expected):
    assert places(statement, MYSQL) == expected


def test_postgres_is_read():
    statement = "UPDATE t SET a = $2, b = E'\\'', c = $x$ it's $1 $x$ /* ' /* $3 */ ' */ WHERE d = $1::text AND e ? 'f'"
    assert places(statement, POSTGRES) == [LOOKED_UP, WRITTEN]
    assert literals(statement, POSTGRES) == [WRITTEN, WRITTEN, LOOKED_UP]


def test_names_are_found_wherever_they_stand():
    reading = read("UPDATE t SET a = :new, b = @both WHERE c = $old AND d = @both AND e = x::text", SQLITE)
    assert reading.writes("new")
    assert reading.writes("both")
    assert not reading.writes("old")
    assert not reading.writes("text")
    assert [reading.writes(place) for place in range(3)] == [True, True, False]
    reading = read("UPDATE t SET a = %(new)s, b = '%%' WHERE c = %(old)s", POSTGRES)
    assert (reading.writes("new"), reading.writes("old")) == (True, False)


def test_the_driver_counts_placeholders_in_strings_and_comments_too():
    assert places("UPDATE t SET a = '%s' /* %s */ WHERE b = %s", POSTGRES) == [WRITTEN, WRITTEN, LOOKED_UP]
    assert places("UPDATE t SET a = '?', c = ? /* ? */ WHERE b = ?") == [WRITTEN, LOOKED_UP]


def test_each_statement_of_a_script_is_read():
    script = (
        "INSERT INTO t VALUES ('a;b'); SELECT 'c'; CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET a = 'd'; END;"
    )
    assert literals(script) == [WRITTEN, LOOKED_UP, LOOKED_UP]
    assert literals("UPDATE t SET a = 'b' WHERE c = 'd';;\n-- 'e'\nDELETE FROM t WHERE f = 'g'") == [True, False, False]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'a",
        'SELECT "a',
        "SELECT /* a",
        "SELECT (a",
        "SELECT a)",
        "INSERT INTO t VALUES (';)",
        "x" * (LONGEST + 1),
    ],
)
def test_what_is_not_understood_is_said_to_be(statement):
    assert read(statement, SQLITE) is None


def test_a_dollar_quote_that_is_not_closed_is_not_understood_as_one():
    reading = read("SELECT $a$ 'b'", POSTGRES)
    assert reading is None or [written for *_, written in reading.literals] == [LOOKED_UP]


# Whatever is written

WORDS = (
    "SELECT INSERT INTO VALUES UPDATE SET WHERE FROM WITH AS CASE WHEN THEN ELSE END ON CONFLICT DO MERGE USING "
    "DELETE REPLACE KEY DUPLICATE RETURNING IN LIKE AND OR t a b ? %s :a $1 ( ) , ; = <> . 'x' \"y\" 3"
)
SQL = st.lists(st.sampled_from(WORDS.split()), max_size=40).map(" ".join)


@given(SQL | st.text(max_size=200), st.sampled_from(list(FLAVORS.values())))
def test_any_text_is_read_or_not_understood(statement, flavor):
    reading = read(statement, flavor)
    if reading is not None:
        assert all(isinstance(written, bool) for written in reading.places.values())
        assert all(0 <= start < end <= len(statement) for start, end, _ in reading.literals)


@given(st.text(max_size=200), st.sampled_from(list(FLAVORS.values())))
def test_tokens_stand_where_they_say(statement, flavor):
    try:
        found = tokens(statement, flavor)
    except Unreadable:
        return
    last = 0
    for token in found:
        assert statement[token.start : token.end] == token.text
        if token.kind != "placeholder":
            assert token.start >= last
            last = token.end


@given(st.text(alphabet="ab'\"`;()?:-/*\\%$[]#\n", max_size=30))
def test_what_a_string_holds_is_of_no_account(content):
    quoted = "'" + content.replace("'", "''") + "'"
    reading = read(f"UPDATE t SET a = {quoted}, b = ? WHERE c = {quoted} AND d = ?", SQLITE)
    assert reading is not None
    assert reading.places == {0: WRITTEN, 1: LOOKED_UP}
    assert [written for *_, written in reading.literals] == [WRITTEN, LOOKED_UP]


@given(st.text(alphabet="ab'\"`;()?:-\\$[]#\n ", max_size=30))
def test_what_a_comment_holds_is_of_no_account(content):
    line = content.replace("\n", " ")
    reading = read(f"UPDATE t /*{content}*/ SET a = ? --{line}\n WHERE d /* */ = ?", SQLITE)
    assert reading is not None
    assert reading.places == {0: WRITTEN, 1: LOOKED_UP}


@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.sampled_from([" ", "\n", "\t/* ' */ "]))
def test_an_insert_writes_its_values_and_looks_up_the_rest(rows, columns, returns, gap):
    row = "(" + ", ".join("?" * columns) + ")"
    statement = f"INSERT INTO t VALUES {', '.join([row] * rows)}" + (" RETURNING a = ?" if returns else "")
    reading = read(statement.replace(" ", gap), SQLITE)
    assert reading is not None
    expected = [WRITTEN] * (rows * columns) + [LOOKED_UP] * returns
    assert [reading.writes(place) for place in range(len(expected))] == expected


EXPRESSIONS = st.recursive(
    st.sampled_from(["?", "a", "3", "'x'"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} || {two[1]})"),
        inner.map(lambda one: f"coalesce({one}, 1)"),
        st.tuples(inner, inner).map(lambda two: f"CASE WHEN {two[0]} IS NULL THEN {two[1]} ELSE 0 END"),
        inner.map(lambda one: f"(SELECT {one} FROM u WHERE b = 'y')"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_sqlite_understands_what_is_understood(assigned, condition):
    """What SQLite takes is read to its end, with as many placeholders as SQLite counts; none of WHERE is written."""
    statement = f"UPDATE t SET a = {assigned} WHERE b = {condition}"
    wanted = statement.count("?")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute("CREATE TABLE u (a, b)")
        connection.execute(statement, (1,) * wanted)
    reading = read(statement, SQLITE)
    assert reading is not None
    assert sorted(reading.places) == list(range(wanted))
    assert not any(reading.writes(place) for place in range(assigned.count("?"), wanted))


def test_a_flavor_without_a_placeholder_has_none():
    assert places("UPDATE t SET a = ? WHERE b = :c", Flavor(frozenset())) == []
