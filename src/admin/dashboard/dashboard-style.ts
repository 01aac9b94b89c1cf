/**
 * The dashboard's style: light and dark, down to the width of a phone.
 *
 * Thread: any (pure). Each of the two schemes names its colours once; contrast is at least 4.5.
 */
export const DASHBOARD_STYLE = `
:root {
  color-scheme: light dark;
  --back: #f4f5f7; --card: #ffffff; --line: #d5d9e0; --text: #1b2230; --dim: #5a6475;
  --good: #1a7f4b; --warn: #96600a; --bad: #c02626; --one: #1f66c1; --two: #7a3fb8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161d; --card: #1b212b; --line: #333c4a; --text: #e6eaf0; --dim: #a2adbd;
    --good: #4fce8f; --warn: #e3ab4c; --bad: #ff7b72; --one: #71aef5; --two: #c59bf2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--text);
  font: 14px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
header {
  display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 16px;
  padding: 14px 20px; background: var(--card); border-bottom: 1px solid var(--line);
}
h1 { margin: 0; font-size: 20px; }
h2 { margin: 0 0 10px; font-size: 15px; }
small { color: var(--dim); font-weight: 400; font-size: 12px; margin-left: 6px; }
header p { margin: 0; color: var(--dim); }
#state { margin-left: auto; color: var(--dim); }
#state.good { color: var(--good); }
#state.bad { color: var(--bad); }
main { max-width: 1280px; margin: 0 auto; padding: 16px 20px 40px; display: grid; gap: 16px; }
main > *, .charts > *, .pair > * { min-width: 0; }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 14px 16px;
}
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); }
.tile {
  background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 14px;
}
.tile b { display: block; font-size: 20px; font-weight: 600; white-space: nowrap; }
.tile span { color: var(--dim); font-size: 12px; }
.charts { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); }
.pair { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); }
svg { display: block; width: 100%; height: 170px; overflow: visible; }
svg text { fill: var(--dim); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg path {
  fill: none; stroke-width: 1.8; stroke-linejoin: round; vector-effect: non-scaling-stroke;
}
.legend {
  display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 6px; font-size: 12px;
  color: var(--dim);
}
.legend i {
  display: inline-block; width: 14px; height: 3px; margin-right: 5px; vertical-align: middle;
}
.legend b { color: var(--text); font-weight: 600; }
.s-good { stroke: var(--good); } .b-good { background: var(--good); }
.s-warn { stroke: var(--warn); } .b-warn { background: var(--warn); }
.s-bad { stroke: var(--bad); } .b-bad { background: var(--bad); }
.s-one { stroke: var(--one); } .b-one { background: var(--one); }
.s-two { stroke: var(--two); } .b-two { background: var(--two); }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td {
  padding: 5px 10px 5px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line);
}
tr:last-child td { border-bottom: 0; }
th { color: var(--dim); font-weight: 500; font-size: 12px; white-space: nowrap; }
td.num, th.num { text-align: right; white-space: nowrap; }
td.long { overflow-wrap: anywhere; min-width: 120px; }
td.mono { font-family: ui-monospace, monospace; font-size: 12.5px; }
.t-good { color: var(--good); } .t-warn { color: var(--warn); } .t-bad { color: var(--bad); }
.t-dim { color: var(--dim); }
.none { color: var(--dim); margin: 0; }
meter { width: 90px; height: 12px; vertical-align: middle; }
a { color: var(--one); }
@media (max-width: 640px) {
  main { padding: 10px 10px 30px; gap: 10px; }
  header { padding: 10px 12px; }
  #state { margin-left: 0; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 10px; }
  .charts, .pair { grid-template-columns: 1fr; gap: 10px; }
  .card { padding: 12px; }
  thead { display: none; }
  tbody tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--line); }
  tbody tr:last-child { border-bottom: 0; }
  td, td.num {
    display: flex; justify-content: space-between; gap: 12px; border: 0; padding: 2px 0;
    text-align: right; white-space: normal;
  }
  td::before {
    content: attr(data-label); color: var(--dim); font-size: 12px; text-align: left;
    flex: none;
  }
  td.empty { display: none; }
  #refusals tbody tr:nth-child(n + 9) { display: none; }
}
`;
