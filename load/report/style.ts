/** Of the report's page. Colours carry nothing that the words do not say. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --text: light-dark(#1b1f24, #e6e8eb);
  --quiet: light-dark(#57606a, #9aa4af);
  --page: light-dark(#ffffff, #14171a);
  --line: light-dark(#d0d7de, #343b42);
  --own: light-dark(#0b63c5, #5aa9ff);
  --other: light-dark(#8c959f, #6b747d);
  --ok: light-dark(#1a7f37, #4ac26b);
  --missed: light-dark(#b3261e, #ff8a80);
}
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1400px; margin: 0 auto; padding: 24px; }
h1 { margin: 0; }
h2 { margin: 40px 0 12px; }
.outcome { font-size: 20px; margin: 4px 0; }
.ok { color: var(--ok); }
.missed { color: var(--missed); font-weight: 600; }
.short { color: var(--quiet); }
.quiet { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; }
caption { text-align: left; color: var(--quiet); padding-bottom: 8px; }
th, td { text-align: left; vertical-align: top; padding: 4px 8px; border-top: 1px solid var(--line); font-weight: 400; }
thead th, th[scope=rowgroup] { font-weight: 600; }
th small { display: block; font-weight: 400; color: var(--quiet); max-width: 220px; }
th[scope=row] { white-space: nowrap; }
.budget, .verdict { white-space: nowrap; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 0 0 28px; max-width: 760px; overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: 6px; }
figure p { margin: 4px 0; font-size: 12px; }
svg { width: 100%; min-width: 560px; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); }
svg text.quiet { fill: var(--quiet); }
.own { fill: var(--own); }
.other { fill: var(--other); }
.grid { stroke: var(--line); }
.mark { stroke: var(--text); fill: var(--text); }
.line { fill: none; stroke: var(--own); stroke-width: 1.5; }
.fit { fill: none; stroke: var(--missed); stroke-width: 2; stroke-dasharray: 6 4; }
`
