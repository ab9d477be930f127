"""The style sheet of a report in HTML: light and dark, phones and desktops."""

from __future__ import annotations

# Each color of the bar is 3:1 or more against the paper, and there is paper between its parts.
_LIGHT = (
    "--ink:#1c2430;--soft:#566072;--line:#d5dae3;--paper:#ffffff;--shade:#1c243055;"
    "--read:#1b7f5c;--written:#b8780f;--uncached:#7f8aa0;--warn:#a33a00"
)
_DARK = (
    "--ink:#e8ebf0;--soft:#a9b2c3;--line:#3a4354;--paper:#161b22;--shade:#e8ebf066;"
    "--read:#4cc39a;--written:#e7b55a;--uncached:#6d778a;--warn:#ffab7a"
)
# Paper moves with what is scrolled, shades stay: there is one wherever more is to be seen.
_SCROLL = """\
.lbc-report .scroll{overflow-x:auto;background:\
linear-gradient(to right,var(--paper) 40%,transparent) 0 0/36px 100%,\
linear-gradient(to left,var(--paper) 40%,transparent) 100% 0/36px 100%,\
linear-gradient(to right,var(--shade),transparent) 0 0/12px 100%,\
linear-gradient(to left,var(--shade),transparent) 100% 0/12px 100%;\
background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
.lbc-report .hint{display:none;margin:8px 0 0}"""
# On phones, what was saved is still in view.
_NARROW = """\
@container lbc (max-width:680px){.lbc-report .hint{display:block}
.lbc-report th,.lbc-report td{padding:4px;font-size:12px}
.lbc-report th:first-child{min-width:6em}}"""

STYLE = f"""\
.lbc-report{{{_LIGHT};color:var(--ink);background:var(--paper);padding:12px;line-height:1.4;\
font-family:system-ui,sans-serif;font-size:14px;max-width:960px;box-sizing:border-box;\
container:lbc/inline-size}}
@media (prefers-color-scheme:dark){{.lbc-report{{{_DARK}}}}}
[data-jp-theme-light=true] .lbc-report,.vscode-light .lbc-report{{{_LIGHT}}}
[data-jp-theme-light=false] .lbc-report,.vscode-dark .lbc-report{{{_DARK}}}
.lbc-report h3{{font-size:17px;margin:0 0 8px}}
.lbc-report h4{{font-size:14px;margin:16px 0 4px}}
{_SCROLL}
.lbc-report table{{border-collapse:collapse;color:inherit;margin:0!important;\
font-size:13px;width:100%;background:none}}
.lbc-report caption{{text-align:left;color:var(--soft);padding:12px 0 4px;caption-side:top}}
.lbc-report tbody tr{{background:none!important}}
.lbc-report th,.lbc-report td{{padding:4px 8px;text-align:right;white-space:nowrap;\
border-bottom:1px solid var(--line);background:none;color:inherit}}
.lbc-report th:first-child{{text-align:left;white-space:normal;overflow-wrap:break-word;\
min-width:9em;position:sticky;left:0;background:var(--paper);padding-left:0}}
.lbc-report .said{{text-align:left}}
.lbc-report summary{{margin-top:12px;cursor:pointer}}
.lbc-report .bar{{display:flex;gap:2px;height:14px;border-radius:3px;overflow:hidden}}
.lbc-report .key span{{white-space:nowrap;margin-right:12px;color:var(--soft)}}
.lbc-report .key i{{display:inline-block;width:10px;height:10px;margin-right:4px}}
.lbc-report .mend{{margin:0;padding-left:20px}}
.lbc-report .mend li{{color:var(--warn);margin-bottom:4px}}
.lbc-report .mend span{{display:block;color:var(--soft)}}
.lbc-report p{{margin:6px 0;color:var(--soft)}}
{_NARROW}"""
