"""The panel's style sheet. Text and lines take the page's colours, for light and dark themes; only the accent
and the three signal colours are its own."""

from kgnb.render.html import TABLE_STYLE

STYLE = (
    f"<style>{TABLE_STYLE}"
    + """
.kgnb{font-size:13px;line-height:1.55;color:inherit;--line:rgba(128,128,128,.28);
--soft:rgba(128,128,128,.10);
--accent:#3a7bd5;--good:#2a9d68;--warn:#c8860d;--bad:#d5484a;overflow-wrap:anywhere}
.kgnb *{box-sizing:border-box}
.kgnb .num{font-variant-numeric:tabular-nums}.kgnb code{font-size:12px}
.kgnb h4{margin:0 0 6px;font-size:13px;font-weight:600}
.kgnb p{margin:0}.kgnb a{color:var(--accent)}
.kgnb-head{padding:4px 2px;display:flex;flex-wrap:wrap;gap:2px 18px;align-items:baseline}
.kgnb-head .state{font-size:15px;font-weight:600}
.kgnb-dot{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:7px;
background:var(--idle,#8a929e)}
.kgnb-dot.good{background:var(--good)}.kgnb-dot.warn{background:var(--warn)}
.kgnb-dot.bad{background:var(--bad)}
.kgnb-note{border-left:3px solid var(--line);padding:3px 10px;margin-top:5px;background:var(--soft);
border-radius:0 4px 4px 0}
.kgnb-note.good{border-color:var(--good);color:inherit}.kgnb-note.warn{border-color:var(--warn);
color:inherit}
.kgnb-note.bad{border-color:var(--bad);color:inherit}
.kgnb-cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:8px}
.kgnb-card{border:1px solid var(--line);border-radius:8px;padding:7px 12px;min-width:0}
.kgnb-card b{display:block;font-size:19px;font-weight:600;line-height:1.35;
font-variant-numeric:tabular-nums;white-space:nowrap}
.kgnb-card span{font-size:12px;opacity:.66}
.kgnb-table{font-size:12.5px}
.kgnb-part{margin-top:14px}
.kgnb-chart{display:block;width:100%;max-width:1100px;height:auto;color:inherit}
.kgnb-task{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 12px;align-items:baseline}
.kgnb-task .name{font-weight:500;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.kgnb-task .kgnb-bar{grid-column:1/3}
.kgnb-task .facts{grid-column:1/3;font-size:12px;opacity:.72;font-variant-numeric:tabular-nums}
.kgnb-log{max-height:420px;overflow:auto;
font:12px/1.6 ui-monospace,Menlo,Consolas,'Noto Sans Mono CJK SC',monospace;
border:1px solid var(--line);border-radius:8px;padding:8px 12px;background:var(--soft)}
.kgnb-log div{white-space:pre-wrap}
.kgnb-log .at{opacity:.55;margin-right:10px}
.kgnb-two{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:14px 24px}
.kgnb img{max-width:100%;height:auto;border:1px solid var(--line);border-radius:8px}
.kgnb-panel .widget-html,.kgnb-panel .widget-html-content{overflow:visible;height:auto;line-height:1.55}
.kgnb-panel .widget-tab-contents,.kgnb-panel .widget-tab>.widget-tab-contents{padding:14px;
overflow:visible}
.kgnb-panel .widget-button{border-radius:5px}
.kgnb-panel .kgnb-box{border:1px solid rgba(128,128,128,.28);border-radius:8px;padding:10px 12px}
.kgnb-panel .kgnb-said{min-height:38px}
.kgnb-panel .kgnb-row{border-bottom:1px solid rgba(128,128,128,.18);padding:5px 0}
</style>"""
)
