/**
 * A run as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
 *
 * Follows the reader's light or dark setting. Charts stand side by side where there is room and
 * one below the other on a phone; tables scroll by themselves.
 */
import {
  type ContenderRounds,
  formatHalfSpread,
  isComparable,
  renderThreads,
  type ScenarioResult,
  scenarioColumns,
  scenarioRows,
  spreadIn,
} from './gateway/round-figures.js';
import type { Measure } from './gateway/scenario.js';
import { judgeTargets, TARGET_COLUMNS, targetRows } from './gateway/targets.js';
import type { ResultFile } from './result-file.js';
import { renderBarChart } from './support/bar-chart.js';
import { CODE_COLUMNS, type CodeBenchResult, codeRows } from './support/code-bench.js';
import { describeEnvironment } from './support/environment.js';
import { type Column, escapeHtml } from './support/report.js';

const STYLE = `
:root { color-scheme: light dark; --page: #fff; --text: #1b1f24; --soft: #57606a; --line: #d5dae0;
  --subject: #0b62c4; --other: #9aa5b1; --whisker: #1b1f24; --warn: #8f4a00; --bad: #b3261e;
  --good: #1a6d33; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --text: #e6e9ed; --soft: #9aa4af;
  --line: #343a42; --subject: #58a6ff; --other: #66707c; --whisker: #f2f4f6; --warn: #e8a33d;
  --bad: #ff8b82; --good: #63c77f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); }
p, ul { margin: .4rem 0; max-width: 46rem; }
pre { margin: .5rem 0; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .9rem; }
.doubt { color: var(--warn); }
.bad { color: var(--bad); }
.good { color: var(--good); }
.charts { display: grid; gap: 1rem 2rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); }
figure { margin: 0; max-width: 32rem; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
figcaption span { font-weight: 400; color: var(--soft); font-size: .85rem; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); stroke: var(--page); stroke-width: 3px; paint-order: stroke; }
svg .tick, svg .note { fill: var(--soft); font-size: 11px; }
svg .value { font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .subject { fill: var(--subject); }
svg .other { fill: var(--other); }
svg .whisker { stroke: var(--whisker); stroke-width: 1.5; fill: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap;
  text-align: left; }
th { font-weight: 600; vertical-align: bottom; }
.right { text-align: right; }
tr.subject td:first-child { font-weight: 600; color: var(--subject); }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
`;

export function renderHtmlReport(file: ResultFile): string {
  const { environment, doubts, failures, gateway } = file;
  const title = `Sluice bench, ${environment.date.slice(0, 10)}, commit ${environment.commit}`;
  const isSmoke = file.size === 'smoke';
  const warnings = [
    ...(isSmoke ? ['a smoke run: it shows that the bench works and measures nothing'] : []),
    ...doubts,
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<pre>${escapeHtml(describeEnvironment(environment))}</pre>
${renderList(warnings, 'doubt')}
${renderList(failures, 'bad')}
${gateway === undefined ? '' : renderGateway(gateway)}
${(file.benches ?? []).map(renderCodeBench).join('\n')}
</body>
</html>
`;
}

function renderGateway(gateway: NonNullable<ResultFile['gateway']>): string {
  const { rounds, seconds, connections } = gateway.options;
  const who = Object.entries(gateway.versions).map(([name, version]) => `${name}: ${version}`);
  const missing = Object.entries(gateway.missing).map(([name, why]) => `${name} left out: ${why}`);
  const outcomes = judgeTargets(gateway.scenarios);
  const aims =
    outcomes.length === 0
      ? ''
      : `<h2>Aims</h2>\n${renderTable(TARGET_COLUMNS, targetRows(outcomes))}`;
  return `<p class="soft">${escapeHtml(
    `${gateway.loadGenerator}; ${rounds} rounds of ${seconds} s, ${connections} connections ` +
      `unless a scenario says otherwise; origin on ${gateway.origin}. Bars are medians over the ` +
      'rounds, whiskers reach from the lowest round to the highest. Ratios are taken within each ' +
      'round; their median is shown.',
  )}</p>
<details><summary>Who took part</summary>
${renderList([...who, ...missing], 'soft')}
</details>
${aims}
${gateway.scenarios.map(renderScenario).join('\n')}`;
}

function renderScenario(result: ScenarioResult): string {
  if (result.contenders.length === 0) return '';
  const charts = result.measures.filter((one) => one.isMain).map((one) => renderChart(result, one));
  const meanings = result.measures.map((one) => `${one.title}: ${one.meaning}`);
  return `<section>
<h2 id="${escapeHtml(result.name)}">${escapeHtml(result.name)}</h2>
<p>${escapeHtml(result.title)}</p>
${renderList(result.notes, 'soft')}
<div class="charts">
${charts.join('\n')}
</div>
${renderTable(scenarioColumns(result), scenarioRows(result))}
${renderList(result.contenders.flatMap(renderThreads), 'soft')}
<details><summary>What the columns mean</summary>
${renderList(meanings, 'soft')}
</details>
</section>`;
}

function renderChart(result: ScenarioResult, measure: Measure): string {
  const isShown = ({ name }: ContenderRounds) => isComparable(name, measure);
  const bars = result.contenders.filter(isShown).map((one) => {
    const spread = spreadIn(one, measure);
    const half = formatHalfSpread(spread);
    const isSubject = one.name.startsWith('sluice');
    return { label: one.name, spread, isSubject, note: half === '' ? '' : `±${half}` };
  });
  const { title, short, unit, better } = measure;
  // The unit stands beside it, and need not be said twice.
  const bare = title.endsWith(unit) ? title.slice(0, -unit.length).trim() || short : title;
  return renderBarChart({ title: bare, unit, better, bars });
}

function renderCodeBench(result: CodeBenchResult): string {
  const bars = result.cases.map((one) => ({
    label: one.name,
    spread: { median: one.p50Ns, min: one.p50Ns, max: one.p50Ns },
    isSubject: one.role === 'subject',
    note: '',
  }));
  const chart = { title: 'time per operation, p50', unit: 'ns', better: 'less' as const, bars };
  return `<section>
<h2>${escapeHtml(result.name)}</h2>
<p>${escapeHtml(result.question)}</p>
<div class="charts">
${renderBarChart(chart)}
</div>
${renderTable(CODE_COLUMNS, codeRows(result))}
</section>`;
}

const VERDICT_CLASS: Readonly<Record<string, string>> = { met: 'good', missed: 'bad' };

function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const side = (at: number) => (columns[at]?.align === 'right' ? ' class="right"' : '');
  const head = columns.map(({ title }, at) => `<th${side(at)}>${escapeHtml(title)}</th>`).join('');
  const lines = rows.map((cells) => {
    const isSubject = cells[0]?.startsWith('sluice') === true;
    const inner = cells.map((cell, at) => {
      const verdict = VERDICT_CLASS[cell];
      const attribute = verdict === undefined ? side(at) : ` class="${verdict}"`;
      return `<td${attribute}>${escapeHtml(cell)}</td>`;
    });
    return `<tr${isSubject ? ' class="subject"' : ''}>${inner.join('')}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead>
<tbody>
${lines.join('\n')}
</tbody></table></div>`;
}

function renderList(lines: readonly string[], className: string): string {
  if (lines.length === 0) return '';
  const items = lines.map((line) => `<li>${escapeHtml(line.trim())}</li>`).join('\n');
  return `<ul class="${className}">\n${items}\n</ul>`;
}
