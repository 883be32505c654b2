"""The queue of deadlines."""

from hypothesis import given
from hypothesis import strategies as st

from sztb.transport.deadlines import Deadlines


def test_items_come_due_in_the_order_of_their_times():
    deadlines = Deadlines[str]()
    deadlines.set("late", 3.0)
    deadlines.set("early", 1.0)
    deadlines.set("middle", 2.0)
    assert deadlines.first() == 1.0
    assert list(deadlines.take_due(2.0)) == ["early", "middle"]
    assert deadlines.first() == 3.0


def test_a_new_time_replaces_the_old_one():
    deadlines = Deadlines[str]()
    deadlines.set("moved", 1.0)
    deadlines.set("moved", 5.0)
    assert deadlines.first() == 5.0
    assert list(deadlines.take_due(4.0)) == []
    deadlines.set("moved", None)
    assert deadlines.first() is None


def test_an_item_may_set_itself_again_when_it_is_due():
    deadlines = Deadlines[str]()
    deadlines.set("again", 1.0)
    taken = []
    for item in deadlines.take_due(2.5):
        taken.append(item)
        deadlines.set(item, float(len(taken)) + 1)
    assert taken == ["again", "again"]
    assert deadlines.first() == 3.0


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 20))))
def test_it_behaves_as_a_dictionary_of_times(steps):
    deadlines, model = Deadlines[int](), {}
    for item, when in steps:
        deadlines.set(item, when)
        model.pop(item, None)
        if when is not None:
            model[item] = when
    assert deadlines.first() == min(model.values(), default=None)
    assert sorted(deadlines.take_due(20)) == sorted(model)
