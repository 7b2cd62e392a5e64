"""What the report's style sheet has beyond the one that pages share: its first page, evidence, curves, paper."""

from __future__ import annotations

import re

from orchestrator.evidence.result import DrillResult

REPORT_STYLE = """
main{max-width:980px;padding:36px 32px 64px}
h1{font-size:30px;letter-spacing:-.01em;margin:4px 0 18px}
h2{font-size:19px;letter-spacing:-.005em;margin:0 0 8px}
h2 span,h3 span{font-weight:400;color:var(--soft)}
h2 span{font-size:15px}
h3{font-size:15px;margin:24px 0 6px}
main>section{border-top:1px solid var(--line);margin-top:40px;padding-top:26px}
main>.cover{border:0;margin:0;padding:0}
.step>p,.limits li,.compared>p,.mapped>p{max-width:76ch}
.kicker{letter-spacing:.01em}
.outcome{padding:18px 22px;gap:22px}
.stamp{font-size:22px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:16px 0 0}
.tiles div{background:var(--panel);border-radius:6px;padding:12px 14px;display:flex;flex-direction:column-reverse;
justify-content:flex-end}
.tiles dd{font-size:22px;font-weight:650;line-height:1.2;font-variant-numeric:tabular-nums;white-space:nowrap}
.tiles small{font-size:14px}
.tiles dt{line-height:1.3;margin-top:4px}
.facts{gap:12px 32px;margin-top:20px}
.curve{margin:22px 0 4px}
figcaption{margin-bottom:8px;line-height:1.4}
.plot{max-width:none}
svg.narrow-plot{display:none}
svg .risk{fill:var(--ink);font-variant-numeric:tabular-nums}
svg path{fill:none}
svg .band{fill:var(--band);stroke:none}
svg .latest{stroke:var(--accent);stroke-width:2.25;stroke-linejoin:round}
svg .earliest{stroke:var(--accent);stroke-width:1;stroke-dasharray:3 3}
svg .note{font-weight:600}
svg .limit-label{font-weight:600}
svg .censored{stroke:var(--loud);stroke-width:2}
svg .open{stroke:var(--loud);stroke-width:1.25;stroke-dasharray:1.5 3}
.short{margin-top:18px}
.short h2,.sign h2{font-size:14px;margin:0 0 4px}
.short ul{margin:0;padding-left:18px;font-size:13.5px;color:var(--soft)}
.short li{margin:2px 0}
.sign{display:grid;grid-template-columns:1fr 1fr;gap:14px 40px;margin-top:22px;break-inside:avoid}
.sign p{border-bottom:1px solid var(--soft);height:36px;margin:0;display:grid;grid-auto-flow:column;
grid-auto-columns:1fr;align-items:end}
.sign p span+span{padding-left:8px;border-left:1px solid var(--line)}
.sign span,.due span{font-size:12px;color:var(--soft)}
.tally{display:flex;flex-wrap:wrap;gap:4px 22px;list-style:none;padding:0;margin:10px 0 4px;font-size:15px}
.failure{margin:22px 0 30px}
.failure h3{margin:0 0 6px;font-size:16px;line-height:1.4}
.failure h3 .verdict{font-weight:700;margin-right:4px}
.means{max-width:76ch;margin:3px 0}
.due{display:none;grid-template-columns:2fr 1fr 1fr;gap:24px;margin:6px 0 10px}
.due span{border-bottom:1px dotted var(--soft);height:24px;display:flex;align-items:flex-end}
.evidence,.map{font-size:13.5px;table-layout:fixed}
.evidence th,.evidence td,.map th,.map td{white-space:normal;overflow-wrap:anywhere;padding:8px 14px 8px 0}
.evidence thead th:nth-child(1){width:17%}.evidence thead th:nth-child(2){width:37%}
.evidence thead th:nth-child(3){width:20%}
.evidence tbody th small,.annex tbody th small{display:block}
.voice{display:block}.voice b{font-weight:600}.voice.good b{color:var(--good)}.voice.loud b{color:var(--loud)}
.seen,.lacking{display:block;color:var(--soft);font-size:12.5px;margin-top:3px}
.told,.then{color:var(--soft)}
.call{border-left:3px solid var(--loud);padding:2px 0 2px 12px;overflow-wrap:anywhere}
.changes{list-style:none;padding:0;margin:8px 0}
.changes li{padding:3px 0;overflow-wrap:anywhere;display:grid;grid-template-columns:74px 1fr}
.compared .more td:nth-child(2),.compared .more td:nth-child(3),.compared .more td:nth-child(4){white-space:nowrap}
.compared .more td,.compared .more th{padding-right:16px}
.more{font-size:13.5px}.more td,.more th{overflow-wrap:break-word}.more code{overflow-wrap:anywhere}
.more .n,.more .verdict,.tally .verdict{white-space:nowrap}
.more .n+td:not(.n),.more .n+th:not(.n){padding-left:18px}
.map thead th:nth-child(1){width:17%}.map thead th:nth-child(2){width:30%}
.map tbody th{font-weight:600}
.annex h3 span{font-size:13px;margin-left:6px}
.key{font-size:13px;color:var(--soft);max-width:96ch}
.key b{font-weight:600;color:var(--ink)}
.sites{font-size:13px;table-layout:fixed;min-width:800px}
.sites td,.sites th{padding:5px 12px 5px 0;white-space:normal;overflow-wrap:anywhere}
.sites .n{white-space:nowrap}
.sites thead th:nth-child(1){width:19%}.sites thead th:nth-child(2){width:20%}.sites thead th:nth-child(3){width:12%}
.sites thead th:nth-child(4){width:14%}.sites thead th:nth-child(5){width:10%}.sites thead th:nth-child(6){width:12%}
.chunk{content-visibility:auto}
.sites .n+td:not(.n),.sites .n+th:not(.n){padding-left:10px}
@media (max-width:620px){
main{padding:22px 16px 44px}h1{font-size:24px}
.outcome{padding:14px 16px;gap:4px}.sentence{font-size:16.5px}
.tiles{grid-template-columns:1fr 1fr;gap:8px}.tiles div:last-child:nth-child(odd){grid-column:1/-1}
.tiles dd{font-size:19px}
svg.wide-plot{display:none}svg.narrow-plot{display:block}
.sign{grid-template-columns:1fr;gap:22px}
.evidence,.evidence tbody,.evidence tr,.evidence td,.evidence th,.map,.map tbody,.map tr,.map td,.map th{display:block;
width:auto}
.evidence thead,.map thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.evidence tr,.map tr{border-bottom:1px solid var(--line);padding:8px 0}
.evidence th,.evidence td,.map th,.map td{border:0;padding:2px 0}
.evidence td[data-l]::before{content:attr(data-l);display:block;color:var(--soft);font-size:12px;margin-top:4px}
}
@page{margin:14mm 14mm 16mm}
@media print{
body{font-size:10pt;line-height:1.42}
h1{font-size:17pt}h2{font-size:13pt}h3{font-size:10.5pt}h2 span{font-size:10.5pt}
main{padding:0;max-width:none}
main>section{margin-top:8mm;padding-top:5mm}
main>.cover{break-after:page;margin:0;padding:0}
.stamp{font-size:15pt}.sentence{font-size:12pt}
.tiles{grid-template-columns:repeat(auto-fit,minmax(29mm,1fr));gap:8px;margin-top:10px}
.tiles dd{font-size:14pt}.tiles small{font-size:9pt}
.cover .more{font-size:8pt}.cover .more td,.cover .more th{padding-top:2.5px;padding-bottom:2.5px}
.tiles dt,dt,figcaption{font-size:8.5pt}
.tiles div{padding:8px 10px}
.facts{font-size:9.5pt;gap:5px 24px;margin-top:12px}.facts div{padding-top:4px}
.demo{font-size:9pt;margin-bottom:10px;padding:6px 10px}h1{margin-bottom:10px}.outcome{padding:10px 16px}
.curve{margin:14px 0 2px}
.cover .wide-plot{max-height:50mm}
.short{margin-top:12px}.short ul{font-size:9pt}.short h2,.sign h2{font-size:10pt}
.sign{margin-top:14px}.sign p{height:27px}
svg.narrow-plot{display:none}svg.wide-plot{display:block}
.due{display:grid}
.seen,.lacking,.evidence thead th,.map thead th,.more thead th,caption{font-size:8pt}
.step>p,.limits li,.compared>p,.mapped>p,.means,.key{max-width:none}
.evidence,.map,.more{font-size:8.5pt}
.sites{font-size:8pt;min-width:0}.sites td,.sites th{padding:3px 8px 3px 0}
.chunk{content-visibility:visible;margin:0}
.sites caption{display:none}
thead{display:table-header-group}
tr,.failure h3,.means,.due,figure,.sign,.short,.call,.again,.changes li{break-inside:avoid}
h2,h3,caption,.means,.due,thead,.key,.kicker{break-after:avoid}
.annex{break-before:page}
.annex tbody th small,.evidence tbody th small{display:inline}
p,li{orphans:3;widows:3}
}
"""


def running_foot(result: DrillResult) -> str:
    """Return the rule that prints a drill's id and the page's number under each page."""
    drill = re.sub(r"[^A-Za-z0-9_.-]", "", result.drill)
    font = "font:8pt system-ui,sans-serif;color:#555"
    demo = " \N{MIDDLE DOT} DEMO FLEET" if result.demo else ""
    return (
        f'@page{{@bottom-left{{content:"haltdrill \N{MIDDLE DOT} {drill}{demo}";{font}}}'
        f'@bottom-right{{content:counter(page) " / " counter(pages);{font}}}}}\n'
    )
