"""Formulas as MathML, which browsers draw without a script and without a network."""

from __future__ import annotations

import re
from xml.etree.ElementTree import fromstring, tostring

from docutils.utils.math.latex2mathml import tex2mathml

XMLNS, BRACE = ' xmlns="http://www.w3.org/1998/Math/MathML"', "\u23df"
FONTS = "font-family: 'Cambria Math', 'STIX Two Math', 'Latin Modern Math', 'DejaVu Math TeX Gyre', math"
"""One of them is on most machines. Without its table of heights browsers put some subscripts on the line."""
CODE = re.compile(r"(^```.*?^```|`+[^`\n]+`+)", flags=re.M | re.S)
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\\w$])\$(?!\s)([^$]+?)(?<!\s)\$(?![\w$])", flags=re.S)
SHORT, DIGIT = re.compile(r"(\\[dt]?frac) ?(\d)(\d)"), re.compile(r"(\\[dt]?frac) ?(\d)")
MARKUP = str.maketrans({sign: f"&#{ord(sign)};" for sign in "*_|[]~\\"})


def mathml(text: str, *, block: bool) -> str:
    """A formula of LaTeX as MathML. Raises docutils.utils.math.MathError for what it does not know."""
    text = SHORT.sub(r"\1{\2}{\3}", text)  # which docutils reads as 12 over what follows
    found = tex2mathml(DIGIT.sub(r"\1{\2}", text), as_block=block)
    tree = fromstring(found.replace("&ApplyFunction;", "\u2061").replace(XMLNS, ""))  # which HTML does not need
    tree.set("style", FONTS)
    for script in tree.iter("msub"):
        if script[0].tag == "munder" and script[0][1].text == BRACE:
            script.tag = "munder"  # the label of a brace stands under it
    return re.sub(r">\s+<", "><", tostring(tree, encoding="unicode"))  # on one line, as tables of Markdown need it


def with_mathml(markdown: str) -> str:
    """Markdown whose formulas, $...$ and $$...$$ outside of code, are MathML."""

    def drawn(match: re.Match[str]) -> str:
        block = match[1] is not None
        return mathml(match[1] if block else match[2], block=block).translate(MARKUP)

    parts = CODE.split(markdown)
    return "".join(part if k % 2 else FORMULA.sub(drawn, part) for k, part in enumerate(parts))
