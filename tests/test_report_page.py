"""The page as a file: modules that can be joined, a policy that allows nothing else, JSON that cannot leave its element."""

import base64
import hashlib
import html.parser
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amodalsynth.report.page import bundle_scripts, page_policy, page_source, piece_script, script_json
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "amodalsynth" / "report" / "page"
MODULES = sorted(PAGE.glob("*.js"))
TOP_LEVEL = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let|var) +([A-Za-z_$][\w$]*)", re.MULTILINE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_can_be_joined_with_the_others(path: Path):
    source = path.read_text()
    assert len(source.splitlines()) <= 400
    for line in source.splitlines():
        if line.startswith("import") or line.startswith("} from"):
            assert re.fullmatch(r'(import \{.*\}|\}) from "\./[a-z_]+\.js";|import \{', line), line
        if line.startswith("export"):
            assert re.match(r"export (async )?function |export (class|const) ", line), line
    forbidden = r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\()"
    assert not re.findall(forbidden, source)
    assert not re.search(r"https?://(?!www\.w3\.org/)", source)


def test_every_module_is_in_the_bundle_and_no_name_is_taken_twice():
    bundle = bundle_scripts()
    assert re.findall(r"^// ([a-z_]+\.js)$", bundle, re.MULTILINE)[-1] == "main.js"
    assert set(re.findall(r"^// ([a-z_]+\.js)$", bundle, re.MULTILINE)) == {path.name for path in MODULES}
    names = [name for path in MODULES for name in TOP_LEVEL.findall(path.read_text())]
    assert sorted(names) == sorted(set(names))
    assert not re.search(r"^(import|export) ", bundle, re.MULTILINE) and "</script" not in bundle.lower() and "<!--" not in bundle


@pytest.mark.parametrize("pieces", [False, True])
def test_the_policy_allows_this_script_and_this_style_by_their_hashes(pieces):
    policy = dict(rule.split(" ", 1) for rule in page_policy(pieces=pieces).split("; "))
    digest = base64.b64encode(hashlib.sha256(bundle_scripts().encode()).digest()).decode()
    style = base64.b64encode(hashlib.sha256(page_source("style.css").encode()).digest()).decode()
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == f"'sha256-{digest}'" + (" 'strict-dynamic'" if pieces else "")
    assert policy["style-src"] == f"'sha256-{style}'"
    assert policy["img-src"] == "data:" + (" 'self'" if pieces else "")


@given(
    st.recursive(st.text() | st.integers(-(2**53), 2**53) | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_json_in_a_script_element_stays_in_it_and_is_the_same(value):
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert orjson.loads(text) == value


@pytest.mark.parametrize("hostile", ["</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028\u2029", "a\"b'c\\"])
def test_hostile_text_cannot_end_its_element(hostile):
    class Parser(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.content = [], []

        def handle_starttag(self, tag, attributes):
            self.tags.append(tag)

        def handle_data(self, data):
            self.content.append(data)

    parser = Parser()
    parser.feed(f'<script type="application/json">{script_json({hostile: [hostile]})}</script>')
    assert parser.tags == ["script"] and orjson.loads("".join(parser.content)) == {hostile: [hostile]}
    assert piece_script(3, {"name": hostile}).startswith(b"amodalsynthScene(3, {")
