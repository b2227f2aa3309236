"""The frame of a report as one HTML file that needs nothing else: title, style, and the colours of its plots."""

from __future__ import annotations

from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #e2e4e8; --page: #fff; --box: #f6f7f9;
  --good: #e2f4e6; --bad: #fde6e4; --hole: #2b6cb0;
  --c0: #4a5568; --c1: #2b6cb0; --c2: #c05621; --c3: #2f855a;
  --c4: #805ad5; --c5: #b7791f; --c6: #c53030; --c7: #0987a0 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9ba1a8; --line: #33383f; --page: #15181c;
  --box: #1d2126; --good: #173422; --bad: #3d1d1c; --hole: #7db5ee;
  --c0: #a0aec0; --c1: #63b3ed; --c2: #f6ad55; --c3: #68d391;
  --c4: #b794f4; --c5: #ecc94b; --c6: #fc8181; --c7: #76e4f7 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1080px;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .25rem } h2 { font-size: 1.15rem; margin-top: 2.5rem } h3 { font-size: 1rem }
.sentence { font-size: 1.1rem; background: var(--box); border-left: 4px solid var(--hole); padding: .7rem 1rem }
p.soft, figcaption, td small { color: var(--soft) }
.wide { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse } th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line);
  text-align: right; vertical-align: top; white-space: nowrap; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left } td small { display: block }
td.better small { color: var(--c3) } td.worse small { color: var(--c6) }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 1.5rem }
figure { margin: 0 } svg { width: 100%; height: auto } svg text { font-size: 12px; fill: var(--soft) }
.grid { stroke: var(--line) } .axis { stroke: var(--soft); stroke-dasharray: 4 3 }
.legend span { margin-right: 1rem; white-space: nowrap; font-size: .85rem }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } summary small { color: var(--soft) }
pre { background: var(--box); padding: .6rem .8rem; overflow-x: auto; font: 12.5px/1.45 ui-monospace, monospace;
  margin: .4rem 0; border-radius: 4px } pre .around { color: var(--soft) }
pre mark { background: var(--good); color: inherit } pre mark.wrong { background: var(--bad) }
"""


def html_page(title: str, body: str) -> str:
    """The whole file; `body` is HTML, `title` text."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}"
        "</body></html>\n"
    )
