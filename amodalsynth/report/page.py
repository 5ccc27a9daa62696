"""The page as one HTML file: templates, one stylesheet, and the modules of JavaScript joined into one script.

The page asks nothing of any network: its Content-Security-Policy allows this very script and this very stylesheet, by their hashes, and pictures from
`data:` URLs; a page with pieces beside it may also load what this script asks for (`strict-dynamic`) and pictures from its own place.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2
import orjson

_PACKAGE = "amodalsynth.report"
GENERATOR = "amodalsynth report"  # by which `write` knows a page of its own
_ENTRY = "main.js"
# Only these forms of import and export are used, so that modules can be joined by taking them away; `tests/test_report_page.py` holds them to it.
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?function |class |const )", re.MULTILINE)
_IN_SCRIPT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@functools.cache
def page_source(name: str) -> str:
    """The text of a file of `page/`: a module of JavaScript, or the stylesheet."""
    return (files(_PACKAGE) / "page" / name).read_text(encoding="utf-8")


@functools.cache
def bundle_scripts(entry: str = _ENTRY) -> str:
    """The modules that `entry` needs, and itself last, as one script that defines nothing outside itself."""
    joined: dict[str, str] = {}

    def add(name: str) -> None:
        if name in joined:
            return
        joined[name] = ""  # it is being read: modules do not import each other in a circle
        source = page_source(name)
        for other in _IMPORT.findall(source):
            add(other)
        del joined[name]
        joined[name] = _EXPORT.sub("", _IMPORT.sub("", source)).strip()

    add(entry)
    body = "\n\n".join(f"// {name}\n{source}" for name, source in joined.items())
    return f'(() => {{\n"use strict";\n{body}\n}})();\n'


def script_json(value: Any) -> str:
    """JSON that may stand within a <script> element: no character in it can end the element or begin another."""
    text = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return text.translate(_IN_SCRIPT)


def piece_script(row: int, scene: Mapping[str, Any]) -> bytes:
    """The script beside the page that gives it the scene of a row."""
    return f"amodalsynthScene({row}, {script_json(scene)});\n".encode()


def page_policy(*, pieces: bool) -> str:
    """The Content-Security-Policy of the page; `pieces` lie beside it."""
    script, style = bundle_scripts(), page_source("style.css")
    own_scripts, own_images = (" 'strict-dynamic'", " 'self'") if pieces else ("", "")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'{own_scripts}",
            f"style-src '{_digest(style)}'",
            f"img-src data:{own_images}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def render_page(context: Mapping[str, Any], *, data: Mapping[str, Any], inline: Mapping[str, Any] | None) -> bytes:
    """The page in UTF-8. `context` is what the templates show; `data` is what the script works on; `inline` maps the ids of further JSON in
    the page to their values, or is None where they lie beside it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(
        **context,
        policy=page_policy(pieces=inline is None),
        generator=GENERATOR,
        script=bundle_scripts(),
        style=page_source("style.css"),
        inline={name: script_json(value) for name, value in {"data": data, **(inline or {})}.items()},
    )
    return page.encode("utf-8", "replace")  # names of folders may hold what is no text


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
