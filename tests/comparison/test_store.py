import threading
from pathlib import Path

import pytest

from hardest_metrics.comparison import store as store_module
from hardest_metrics.comparison.store import Store, content_key


def _unexpected() -> bytes:
    raise AssertionError("was made again")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_what_is_kept_is_not_made_again(store: Store) -> None:
    key = content_key("ranking", seed=0)
    assert store.kept(key, lambda: b"\x00\n\xff") == b"\x00\n\xff"
    assert Store(store.folder).kept(key, _unexpected) == b"\x00\n\xff"


def test_a_key_depends_on_every_part_the_version_and_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [content_key("ranking", seed=0), content_key("ranking", seed=1), content_key("plot", seed=0)]
    keys += [content_key("ranking", seed="0"), content_key("ranking", n=0), content_key("ranking", seed=0, n=0)]
    monkeypatch.setattr(store_module, "__version__", "0.0.0")
    keys += [content_key("ranking", seed=0)]
    monkeypatch.setattr(store_module, "FORMAT", 0)
    keys += [content_key("ranking", seed=0)]
    assert len(set(keys)) == len(keys)


def test_the_order_of_parts_does_not_matter() -> None:
    assert content_key("ranking", a=1, b=[1, 2]) == content_key("ranking", b=[1, 2], a=1)


def test_damage_of_any_byte_is_noticed_and_repaired(store: Store) -> None:
    key = content_key("ranking")
    store.put(key, b"0123456789")
    path = store.folder / key
    sound = path.read_bytes()
    damaged = [sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :] for place in range(len(sound))]
    damaged += [sound[:length] for length in range(len(sound))] + [sound + b"0", b"\x00" * len(sound)]
    for content in damaged:
        path.write_bytes(content)
        fresh = Store(store.folder)
        assert fresh.get(key) is None
        assert fresh.damaged == [path]
        assert fresh.kept(key, lambda: b"0123456789") == b"0123456789"
        assert path.read_bytes() == sound


def test_an_entry_under_the_name_of_another_is_damaged(store: Store) -> None:
    first, second = content_key("ranking", seed=0), content_key("ranking", seed=1)
    store.put(first, b"first")
    (store.folder / second).write_bytes((store.folder / first).read_bytes())
    assert store.get(second) is None
    assert store.get(first) == b"first"


def test_what_could_not_be_made_is_not_kept(store: Store) -> None:
    key = content_key("ranking")
    with pytest.raises(AssertionError, match="made again"):
        store.kept(key, _unexpected)
    assert store.get(key) is None
    assert not store.damaged


def test_what_a_killed_process_left_half_written_is_removed(store: Store) -> None:
    store.folder.mkdir()
    (store.folder / ".0123456789abcdef.tmp").write_bytes(b"half")
    (store.folder / "notes.tmp").write_bytes(b"somebody's")
    with store.locked(_not_called):
        assert sorted(path.name for path in store.folder.iterdir()) == ["lock", "notes.tmp"]


def test_one_at_a_time(store: Store) -> None:
    order, waiting = [], threading.Event()

    def second() -> None:
        with Store(store.folder).locked(waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with store.locked(_not_called):
        thread.start()
        assert waiting.wait(timeout=60)
        order.append("first")
    thread.join(timeout=60)
    assert order == ["first", "second"]


def test_an_error_lets_others_go_on(store: Store) -> None:
    with pytest.raises(KeyError), store.locked(_not_called):
        raise KeyError
    with Store(store.folder).locked(_not_called):
        pass


def _not_called() -> None:
    raise AssertionError("nobody else is there")
