import base64
import hashlib
import json
import re

from hardest_metrics.report.page import data_uri, render, to_json
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
