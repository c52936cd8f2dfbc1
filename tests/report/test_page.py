import base64
import hashlib
import json
import re
from importlib import resources

from hardest_metrics.report.page import SCRIPTS, data_uri, joined_script, render, to_json
from tests.report.conftest import HOSTILE


def test_data_come_back_as_they_were_and_never_end_their_element() -> None:
    data = {"names": [HOSTILE, "<!--<script>", "]]>", "&lt;", "\u2028\u2029\x00", "\udcff", "é 图 🙂"]}
    text = to_json(data)
    assert json.loads(text) == data
    assert text.isascii()
    assert not set("<>&") & set(text)


def test_the_policy_knows_exactly_the_style_and_the_script_of_the_page() -> None:
    page = render({"names": ["{{script}}", "\\1"]})
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    (style,) = re.findall("<style>(.*)</style>", page, re.DOTALL)
    data, script = re.findall("<script[^>]*>(.*?)</script>", page, re.DOTALL)
    for inline in (style, script):
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert json.loads(data) == {"names": ["{{script}}", "\\1"]}, "what looks like a place to fill in is not filled in"


def test_the_page_refers_to_nothing_elsewhere() -> None:
    namespace = "http://www.w3.org/2000/svg"
    page = render({}).replace(namespace, "")
    assert not re.findall(r"https?:|//\w+\.\w+|@import|url\(", page)


def test_a_data_address_holds_the_content() -> None:
    assert data_uri(b"abc", "image/png") == "data:image/png;base64,YWJj"


def test_modules_of_the_script_import_from_those_before_them_what_these_export() -> None:
    folder = resources.files("hardest_metrics.report") / "script"
    assert {file.name for file in folder.iterdir()} == {f"{name}.js" for name in SCRIPTS}
    exported: dict[str, set[str]] = {}
    for name in SCRIPTS:
        text = (folder / f"{name}.js").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300
        for names, module in re.findall(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', text, re.MULTILINE):
            imported = set(re.split(r"[,\s]+", names)) - {""}
            assert imported <= exported.get(module, set()), f"{name} imports from {module}"
        exports = re.findall(r"^export (?:function|const|let) ([^;{]+)", text, re.MULTILINE)
        exported[name] = {word for export in exports for word in re.findall(r"(?:^|, )(\w+)(?= =|\(|$)", export)}
    assert not re.search(r"^(import|export)\b", joined_script(), re.MULTILINE)
