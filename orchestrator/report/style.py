"""The report's style sheet, inline: one column, quiet colours, a table that survives printing."""

from __future__ import annotations

STYLE = """
:root{--bg:#fff;--ink:#16202a;--soft:#5b6773;--line:#d8dee4;--panel:#f5f7f9;--good:#0b6b45;--good-bg:#e7f5ee;
--bad:#8a5300;--bad-bg:#fdf3e0;--loud:#a3161f;--loud-bg:#fdeaea;--accent:#1f5fa8;--band:#1f5fa833}
@media (prefers-color-scheme:dark){:root{--bg:#11161b;--ink:#e6ebf0;--soft:#9aa7b3;--line:#2c3640;--panel:#181f26;
--good:#5fd3a1;--good-bg:#12302a;--bad:#f0b95c;--bad-bg:#33270f;--loud:#ff8f8f;--loud-bg:#3a1a1c;--accent:#7fb2ee;
--band:#7fb2ee38}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,
sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main{max-width:960px;margin:0 auto;padding:28px 24px 48px}
h1{font-size:27px;line-height:1.2;margin:2px 0 14px;overflow-wrap:anywhere}
h2{font-size:18px;margin:30px 0 6px;overflow-wrap:anywhere}
h2 span{font-weight:400;color:var(--soft);margin-left:6px}
p{margin:6px 0}
.kicker{color:var(--soft);font-size:13px;margin:0}
.exercise{border:1px solid var(--line);border-radius:3px;padding:0 6px;margin-left:6px;text-transform:uppercase;
font-size:11px;letter-spacing:.06em}
.demo{border:2px solid var(--loud);background:var(--loud-bg);color:var(--loud);padding:8px 12px;border-radius:4px;
margin:0 0 18px}
.outcome{display:flex;gap:18px;align-items:center;border-radius:6px;padding:14px 18px}
.outcome.good{background:var(--good-bg)}.outcome.bad{background:var(--loud-bg)}
.stamp{font-weight:700;font-size:20px;white-space:nowrap;margin:0}
.good .stamp{color:var(--good)}.bad .stamp{color:var(--loud)}
.sentence{font-size:18px;line-height:1.35;margin:0}
.reason{color:var(--soft);overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:1fr 1fr;gap:10px 28px;margin:18px 0 0}
.facts div{border-top:1px solid var(--line);padding-top:6px}
dt{color:var(--soft);font-size:12.5px}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:10px 0 4px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
thead th{color:var(--soft);font-weight:500;font-size:12.5px}
tbody th{font-weight:600;white-space:normal;overflow-wrap:anywhere;min-width:90px}
.n{text-align:right;font-variant-numeric:tabular-nums}
th:last-child,td:last-child{padding-right:0}
.strong{font-weight:600}
.verdict{font-weight:600}.verdict.good{color:var(--good)}.verdict.bad{color:var(--bad)}.verdict.loud{color:var(--loud)}
small{font-weight:400;color:var(--soft)}
h3{font-size:15px;margin:18px 0 4px}
caption{text-align:left;color:var(--soft);font-size:12.5px;padding:4px 0}
.more td,.more th{white-space:normal;overflow-wrap:anywhere}.loud{color:var(--loud)}code{font-size:12px}
.why{margin:10px 0;padding:0;list-style:none}
.why li{border-left:3px solid var(--loud);padding:2px 0 2px 12px;margin:6px 0;overflow-wrap:anywhere}
.curve{margin:16px 0 0}
figcaption{font-size:12.5px;color:var(--soft)}
svg{width:100%;height:auto;max-width:760px;display:block;font:12px system-ui,sans-serif}
svg .grid{stroke:var(--line);stroke-width:1}svg .axis,svg .mark{stroke:var(--soft);stroke-width:1}
svg text{fill:var(--soft)}
svg .note{fill:var(--ink)}svg .note.bad{fill:var(--loud)}
svg .band{fill:var(--band)}svg polyline{fill:none;stroke:var(--accent)}
svg .latest{stroke-width:2}svg .earliest{stroke-width:1;stroke-dasharray:3 3}
svg .limit{stroke:var(--loud);stroke-width:1.5;stroke-dasharray:6 3}svg .limit-label{fill:var(--loud)}
svg .censored{fill:none;stroke:var(--loud);stroke-width:1.5}
.limits ul{margin:6px 0;padding-left:20px}.limits li{margin:4px 0}
pre{background:var(--panel);border:1px solid var(--line);border-radius:4px;padding:10px 12px;font-size:12.5px;
white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}
.ids{color:var(--soft);font-size:12.5px;overflow-wrap:anywhere}
@media (max-width:620px){.facts{grid-template-columns:1fr}.outcome{flex-direction:column;
align-items:flex-start;gap:4px}}
@page{size:A4;margin:14mm}
@media print{:root{--bg:#fff;--ink:#000;--soft:#444;--line:#bbb;--panel:#f5f5f5;--good:#0b6b45;--good-bg:#e7f5ee;
--bad:#8a5300;--bad-bg:#fdf3e0;--loud:#a3161f;--loud-bg:#fdeaea;--accent:#1f5fa8;--band:#1f5fa833}
body{font-size:11pt}main{max-width:none;padding:0}.wide{overflow:visible}table{font-size:8pt}
th,td{padding-right:6px;white-space:normal}.n,.verdict{white-space:nowrap}.n:last-child{white-space:normal}
tr,.why li,.curve,.again,.outcome{break-inside:avoid}h2{break-after:avoid}}
"""
