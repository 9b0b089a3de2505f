"""Filters: any range finds exactly what comparison finds, and the forms of Python and of the command line agree."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.store.filters import Condition, conditions
from anyrank.store.kinds import check_kinds, stored_kinds
from anyrank.store.terms import Range, terms

numbers = st.one_of(st.floats(allow_nan=False), st.integers(-(2**70), 2**70), st.integers(-5, 5))


def passes(fields, filter):
    """Whether a document of these fields passes, by its terms."""
    stored = set(terms(fields))
    return all(bool(stored & set(c.terms())) != c.negated for c in conditions(filter))


@given(numbers, st.none() | numbers, st.none() | numbers)
def test_a_range_holds_exactly_the_numbers_between_its_ends(value, low, high):
    lowest = -math.inf if low is None else float(low)
    highest = math.inf if high is None else float(high)
    (condition,) = conditions({"v": (low, high)})
    large = any(isinstance(end, int) and abs(end) > 2**53 for end in (low, high))
    if large or lowest > highest:
        with pytest.raises(InputError, match="beyond 9007199254740992" if large else "is empty"):
            condition.terms()
        return
    assert passes({"v": value}, {"v": (low, high)}) == (lowest <= float(value) <= highest)
    assert len(condition.terms()) <= 2 * 255 * 8 + 1


@given(numbers, numbers)
def test_signs_compare_as_python_does(a, b):
    a, b = float(a), float(b)
    for sign, expected in {">": a > b, ">=": a >= b, "<": a < b, "<=": a <= b, "=": a == b, "!=": a != b}.items():
        if (sign, b) not in ((">", math.inf), ("<", -math.inf)):  # nothing can pass: an error
            assert passes({"v": a}, {"v": {sign: b}}) == expected, sign


@given(numbers, numbers)
def test_numbers_are_equal_whatever_their_type(a, b):
    assert passes({"v": a}, {"v": b}) == (a == b)


@pytest.mark.parametrize("stored", [2**53, 2**53 + 1, -(2**53) - 1, 10**20, 1e20, 10**400, 2**53 - 1, str(2**53 + 1)])
@pytest.mark.parametrize("wanted", [2**53, 2**53 + 1, -(2**53) - 1, -(2**53) - 2, 10**20, 10**20 + 1, 1e20, 2.0**53])
def test_large_whole_numbers_are_equal_only_to_themselves(stored, wanted):
    assert passes({"v": stored}, {"v": wanted}) == (stored == wanted or stored == str(wanted))


def test_large_numbers_are_told_apart_in_an_index(tmp_path):
    numbers = [2**53, 2**53 + 1, 2**53 + 2]
    store = build([Candidate(str(n), "word", meta={"v": n}) for n in numbers], tmp_path / "x").store
    assert [store.passing({"v": n}).sum() for n in (*numbers, 2**53 + 3)] == [1, 1, 1, 0]
    with pytest.raises(InputError, match=r"give 9007199254740992\.0"):
        store.passing({"v": (2**53 + 1, None)})


@pytest.mark.parametrize(
    ("filter", "ok"),
    [
        ({"a": "1"}, 1), ({"a": 1}, 1), ({"a": 1.0}, 1), ({"a": "2"}, 0), ({"b": "1"}, 1), ({"b": "1.0"}, 1),
        ({"b": "01"}, 0), ({"c": True}, 1), ({"c": 1}, 0), ({"c": "true"}, 1), ({"f": False}, 1), ({"f": True}, 0),
        ({"d.e": 1}, 1), ({"d.e": (0, 2)}, 1), ({"d.e": "x"}, 1), ({"d.e": {"!=": "x"}}, 0), ({"d.e": {"!=": "y"}}, 1),
        ({"nan": (None, None)}, 0), ({"g": 1990}, 1), ({"g": "1990"}, 1), ({"z": 1234}, 0), ({"z": "01234"}, 1),
        ({"missing": {"!=": 1}}, 1), ({"missing": 1}, 0),
    ],
)  # fmt: skip
def test_a_value_equals_its_text_as_tables_hold_it(filter, ok):
    fields = {"a": "1", "b": 1, "c": True, "d": {"e": [1, "x"]}, "n": None, "nan": math.nan, "f": "False"}
    assert passes(fields | {"g": "1990.0", "z": "01234"}, filter) == bool(ok)


@pytest.mark.parametrize(
    ("texts", "python"),
    [
        ("lang=en", {"lang": "en"}),
        (["lang=en", "lang=de"], {"lang": ["en", "de"]}),
        ("lang != en", {"lang": {"!=": "en"}}),
        (["lang!=en", "lang!=de"], {"lang": {"!=": ["en", "de"]}}),
        ("year=1990..2000", {"year": (1990, 2000)}),
        ("year=..2000", {"year": (None, 2000)}),
        ("year!=1990..2000", {"year": {"!=": (1990, 2000)}}),
        (["year>=1990", "year<2000"], {"year": {">=": 1990, "<": 2000}}),
        (["year=1985", "year=1990..2000"], {"year": [1985, (1990, 2000)]}),
        ("year == 1985", {"year": np.int64(1985)}),
        ("draft=true", {"draft": True}),
        ("day>=2001-02-03", {"day": (date(2001, 2, 3), None)}),
        ("by.name=Zoë", {"by.name": {"Zoë"}}),
        ("path=../a=b", {"path": "../a=b"}),
        ("title=Wings, and drag", {"title": "Wings, and drag"}),
        ("x=", {"x": ""}),
    ],
)
def test_texts_say_the_same_as_python_values(texts, python):
    samples = [
        1984,
        1985,
        1990,
        1995.5,
        2000,
        2001,
        "1985",
        "en",
        "de",
        "en,de",
        "Zoë",
        True,
        False,
        "true",
        "",
        "../a=b",
    ]
    samples += ["Wings, and drag", "Wings", "2001-02-02", "2001-02-03", "2001-02-03T04:05", ["en", "fr"], [2001, 1990]]
    field = conditions(python)[0].field
    for value in [*samples, None]:
        fields = {field: value} if "." not in field else {"by": {"name": value}}
        assert passes(fields, texts) == passes(fields, python), value


def test_values_between_commas_are_alternatives_and_so_is_the_whole():
    for value, ok in {"en": 1, "de": 1, "en,de": 1, "fr": 0}.items():
        assert passes({"lang": value}, "lang=en,de") == bool(ok)
        assert passes({"lang": value}, "lang!=en,de") != bool(ok)


def test_a_day_as_an_upper_bound_is_the_whole_day():
    noon, next_day = datetime(2020, 5, 31, 12, tzinfo=UTC).isoformat(), "2020-06-01"
    for filter, inside in [
        ("d=2020-05-01..2020-05-31", 1),
        ("d<=2020-05-31", 1),
        ("d<2020-05-31", 0),
        ("d>2020-05-31", 0),
    ]:
        assert passes({"d": noon}, filter) == bool(inside)
        assert passes({"d": next_day}, filter) == (filter == "d>2020-05-31")
    assert passes({"d": "2020-05-31"}, "d>=2020-05-31")
    assert not passes({"d": "2020-05-30T23:59:59"}, "d>=2020-05-31")
    assert not passes({"d": noon}, "d<=2020-05-31T11:00:00")


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        ("year", "expected field=value"),
        ("=x", "expected field=value"),
        ("year>=new", "needs a number or an ISO date after >="),
        ({"year": {">=": "new"}}, "needs a number or an ISO date after >="),
        ({"year": {">=": True}}, "needs a number"),
        ({"year": (True, None)}, "needs numbers or ISO dates"),
        ({"year": {"gte": 1}}, "the signs are =, !=, >="),
        ({"year": {}}, "the signs are"),
        ({"year": (1, 2, 3)}, "a pair"),
        ({"lang": ("en", "de")}, "any of these is a list"),
        ({"lang": None}, "needs a string"),
        ({"lang": []}, "empty list"),
        ({"lang": b"en"}, "needs a string"),
        ({1: "en"}, "expected its name"),
        ({"": "en"}, "expected its name"),
        (5, "expected a mapping"),
        ([{"lang": "en"}], "expected a mapping"),
    ],
)
def test_what_is_no_filter_is_refused(filter, words):
    with pytest.raises(InputError, match=words):
        conditions(filter)


DOCS = {
    "a": {"year": 1985, "lang": "en", "draft": True, "day": "2001-01-01", "isbn": "978", "tags": ["x", "y"]},
    "b": {"year": 1990, "lang": "de", "draft": False, "day": "2002-01-01", "isbn": "979", "tags": ["y"]},
    "c": {"year": 1995.5, "lang": "en", "isbn": "", "tags": []},
    "d": {"lang": "fr", "note": "n/a"},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    documents = [Candidate(id, "word", meta=meta) for id, meta in DOCS.items()]
    return build(documents, tmp_path_factory.mktemp("filters") / "ix").store


@pytest.mark.parametrize(
    ("filter", "words"),
    [
        ("year=abc", "'year' holds numbers, such as .*can't be compared with 'abc'"),
        ("year!=abc", "holds numbers"),
        ("year=1985,abc", "'abc'"),
        ("year=true", "'true'"),
        ({"year": "abc"}, "holds numbers"),
        ("year>=2001-01-01", "holds numbers"),
        ("day>=2001", "holds dates"),
        ("day=2001", "holds dates"),
        ("day=2001..2002", "holds dates"),
        ("isbn=abc", "holds numbers"),
        ("draft=maybe", "holds booleans"),
        ({"lang": 5}, "holds texts"),
        ("lang=1..2", "holds texts"),
        ({"lang": (None, None)}, "holds texts"),
        ("langs=en", r"no document has a field 'langs'.*\(fields: day, draft, isbn, lang, note, tags, year\)"),
        ("langs!=en", "no document has a field"),
    ],
)
def test_a_filter_that_nothing_could_pass_is_an_error(store, filter, words):
    with pytest.raises(InputError, match=words):
        store.passing(filter)


def test_the_example_of_an_error_is_written_as_users_write_it(store):
    with pytest.raises(InputError, match=r"holds numbers, such as (1985|1990|1995\.5), and can't"):
        store.passing("year=abc")


def test_many_values_of_a_field_are_known_by_their_most_frequent(store):
    assert stored_kinds(["1", "2.5", "", -3]) == {"numbers"}
    assert stored_kinds(["1", "n/a"]) == {"numbers", "texts"}
    assert stored_kinds([""]) == {"texts"}
    check_kinds(Condition("v", ("abc",)), {"numbers"}, 1, lambda term: True)  # a rare value that is there all the same


scalars = st.sampled_from([1985, 1990, 1995.5, 2001, "en", "de", "fr", "x", "y", "978", True, False])
FIELDS = {
    "year": (1985, 1990, 1995.5, 2001, 1),
    "lang": ("en", "de", "fr", "xx"),
    "draft": (True, False),
    "isbn": ("978", "979", "980"),
    "tags": ("x", "y", "z"),
}


@st.composite
def wishes(draw):
    """One condition: its field, sign and values."""
    field = draw(st.sampled_from(sorted(FIELDS)))
    sign = draw(st.sampled_from(["=", "!=", ">=", "<=", ">", "<", "..", "!.."] if field == "year" else ["=", "!="]))
    count = 1 if sign in (">=", "<=", ">", "<") else 2 if ".." in sign else draw(st.integers(1, 3))
    values = draw(st.lists(st.sampled_from(FIELDS[field]), min_size=count, max_size=count))
    return field, sign, sorted(values) if ".." in sign else values


def expected(meta, wish):
    """What plain Python says."""
    field, sign, values = wish
    held = meta.get(field, [])
    held = held if isinstance(held, list) else [held]
    if sign in (">=", "<=", ">", "<"):
        compare = {">=": float.__ge__, "<=": float.__le__, ">": float.__gt__, "<": float.__lt__}[sign]
        return any(compare(float(h), float(values[0])) for h in held)
    among = (lambda h: values[0] <= h <= values[1]) if ".." in sign else values.__contains__
    return any(map(among, held)) != sign.startswith("!")


def written(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


@settings(max_examples=60)
@given(st.lists(wishes(), min_size=1, max_size=3, unique_by=lambda w: (w[0], w[1])))
def test_python_and_command_line_find_the_rows_of_a_plain_predicate(store, chosen):
    fields = [w[0] for w in chosen]
    if len(set(fields)) < len(fields):  # of one field, "=" and a range are alternatives on the command line
        chosen = [w for w in chosen if w[1] not in ("=", "..")]
    texts, python = [], {}
    for field, sign, values in chosen:
        if ".." in sign:
            texts.append(f"{field}{sign.replace('..', '=')}{values[0]}..{values[1]}")
            value = {sign.replace("..", "="): tuple(values)}
        elif sign in ("=", "!="):
            texts.append(f"{field}{sign}{','.join(map(written, values))}")
            value = {sign: list(values)}
        else:
            texts.append(f"{field}{sign}{values[0]}")
            value = {sign: values[0]}
        python.setdefault(field, {}).update(value)
    rows = [all(expected(meta, w) for w in chosen) for meta in DOCS.values()]
    assert store.passing(texts).tolist() == rows
    assert store.passing(python).tolist() == rows


def test_a_condition_may_be_given_as_a_value(store):
    assert store.passing([Condition("year", (Range(1985, 1990, below=True),))]).tolist() == [True, False, False, False]
