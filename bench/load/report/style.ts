export const style = `
:root { color-scheme: light dark; --page: #fbfbfa; --card: #ffffff; --ink: #1d1f23; --soft: #5f6672; --rule: #e3e5e8; --bad: #b3261e; --good: #1b7f4b;
  --c0: #2f6fde; --c1: #e07b24; --c2: #1f9d70; --c3: #b04ac2; --c4: #c93c4b; --c5: #7a7f00; --c6: #0093a8; --c7: #7d6a58; }
@media (prefers-color-scheme: dark) { :root { --page: #15171b; --card: #1d2026; --ink: #e8eaee; --soft: #9aa2af; --rule: #31363f; --bad: #ff8a80; --good: #6fd6a0;
  --c0: #6ea2ff; --c1: #f5a25a; --c2: #4fd0a2; --c3: #d58be4; --c4: #ff7f8c; --c5: #c9cf4a; --c6: #4ccfe2; --c7: #bfa994; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 44px 0 4px; }
p { margin: 4px 0 12px; color: var(--soft); max-width: 78ch; }
.verdict { display: inline-block; margin: 14px 0 8px; padding: 6px 14px; border-radius: 999px; font-weight: 600; border: 1px solid currentColor; }
.whole { color: var(--good); } .broken { color: var(--bad); }
ul.environment { list-style: none; margin: 8px 0 0; padding: 0; color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 18px 20px; margin: 12px 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px; }
.pair .card { margin: 0; min-width: 0; }
@media (max-width: 520px) { .pair { grid-template-columns: 1fr; } }
.card h3 { font-size: 14px; margin: 0 0 10px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } th small { display: block; font-weight: 400; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr:last-child td { border-bottom: 0; }
td.best { font-weight: 600; }
svg { display: block; width: 100%; height: auto; overflow: visible; margin-top: 4px; }
svg text { fill: var(--soft); font-size: 12px; font-family: inherit; font-variant-numeric: tabular-nums; }
svg text.name { fill: var(--ink); } svg text.value { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
${Array.from({ length: 8 }, (_, place) => `.curve.c${place} { stroke: var(--c${place}); } .dot.c${place}, .bar.c${place}, .key.c${place} { fill: var(--c${place}); background: var(--c${place}); }`).join("\n")}
.keys { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 0; color: var(--soft); font-size: 13px; }
.keys span { display: inline-flex; align-items: center; gap: 7px; }
.key { width: 11px; height: 11px; border-radius: 3px; display: inline-block; }
.notes { margin: 0; padding-left: 18px; color: var(--soft); } .notes b { color: var(--ink); font-weight: 600; } .notes .broken { font-weight: 600; }
footer { margin-top: 44px; color: var(--soft); font-size: 13px; }
`;
