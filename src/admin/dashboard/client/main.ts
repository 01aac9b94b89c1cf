/**
 * The dashboard: reads the figures every two seconds and draws them.
 *
 * Thread: browser. Reads /stats and /recent of the listener that it came from, and changes nothing.
 */

import type { Recent } from '../../recent-rows.js';
import { drawChart } from './chart.js';
import { History, latencyBetween, type Stats } from './figures.js';
import { drawCache, drawCompression } from './replies.js';
import { drawSplits } from './splits.js';
import { drawTable, type Tone } from './tables.js';
import { bytes, duration, milliseconds, percent, short, timeOfDay } from './text.js';

const EVERY_MS = 2000;
const history = new History();

async function update(): Promise<void> {
  const [stats, recent] = await Promise.all([read<Stats>('/stats'), read<Recent>('/recent')]);
  const ready = await ask('/readyz');
  history.add(stats, performance.now());
  drawHead(stats, ready.ok);
  drawTiles(stats);
  drawCharts();
  drawRoutes(stats);
  drawTargets(stats);
  drawSplits(place('split-card'), place('splits'), stats.splits);
  drawLimits(stats, recent);
  drawThreads(stats);
  const rate = (before: number | undefined, now: number) => history.rate(before, now);
  drawCache(place('cache'), stats.cache, history.before?.cache ?? null, rate);
  drawCompression(place('compression'), stats.compression);
  drawRefusals(recent);
  history.before = stats;
  document.body.dataset['updates'] = String(history.points.length);
}

/** Not relative to the page: its URL may have a password, and such a URL cannot be fetched. */
function ask(path: string): Promise<Response> {
  return fetch(new URL(path, location.origin), { cache: 'no-store' });
}

async function read<T>(path: string): Promise<T> {
  const reply = await ask(path);
  if (!reply.ok) throw new Error(`${path} answers ${reply.status}`);
  return (await reply.json()) as T;
}

function place(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return element;
}

function drawHead(stats: Stats, isReady: boolean): void {
  const { version, uptime_seconds: uptime, config_epoch: epoch } = stats;
  place('about').textContent = `version ${version}, up ${duration(uptime)}, configuration ${epoch}`;
  setState(isReady ? 'ready' : 'not ready', isReady ? 'good' : 'bad');
}

function setState(text: string, tone: Tone): void {
  const state = place('state');
  state.textContent = text;
  state.className = tone;
}

function drawTiles(stats: Stats): void {
  const last = history.points.at(-1);
  const total = last === undefined ? 0 : last.rates.reduce((sum, rate) => sum + rate, 0);
  const failed = last?.rates[3] ?? 0;
  const tiles: readonly (readonly [string, string])[] = [
    [short(total), 'requests a second'],
    [percent(total === 0 ? 0 : failed / total), 'of them 5xx'],
    [
      last === undefined || Number.isNaN(last.p50) ? '–' : milliseconds(last.p50),
      'half are faster',
    ],
    [
      last === undefined || Number.isNaN(last.p99) ? '–' : milliseconds(last.p99),
      '99 % are faster',
    ],
    [short(stats.in_flight), 'in flight'],
    [bytes(stats.process.resident_bytes), 'memory'],
    [last === undefined ? '–' : short(last.cpuShare), 'cores in use'],
  ];
  place('tiles').replaceChildren(
    ...tiles.map(([value, meaning]) => {
      const tile = document.createElement('div');
      tile.className = 'tile';
      const number = document.createElement('b');
      number.textContent = value;
      const label = document.createElement('span');
      label.textContent = meaning;
      tile.append(number, label);
      return tile;
    }),
  );
}

function drawCharts(): void {
  const { points } = history;
  const times = points.map(({ atMs }) => atMs);
  const rates = (at: 0 | 1 | 2 | 3): number[] => points.map((point) => point.rates[at]);
  const perSecond = { unit: '/s', format: short };
  drawChart(
    place('traffic'),
    [
      { name: '2xx', colour: 'good', values: rates(0) },
      { name: '3xx', colour: 'one', values: rates(1) },
      { name: '4xx', colour: 'warn', values: rates(2) },
      { name: '5xx', colour: 'bad', values: rates(3) },
    ],
    times,
    { label: 'Requests a second', ...perSecond },
  );
  drawChart(
    place('errors'),
    [
      { name: '5xx', colour: 'bad', values: rates(3) },
      { name: "the gateway's own", colour: 'warn', values: points.map((one) => one.localRate) },
    ],
    times,
    { label: 'Errors a second', ...perSecond },
  );
  drawChart(
    place('latency'),
    [
      { name: '50 %', colour: 'good', values: points.map(({ p50 }) => p50) },
      { name: '90 %', colour: 'one', values: points.map(({ p90 }) => p90) },
      { name: '99 %', colour: 'two', values: points.map(({ p99 }) => p99) },
    ],
    times,
    { label: 'Latency in milliseconds', unit: '', format: milliseconds },
  );
}

function drawRoutes(stats: Stats): void {
  const before = history.before?.routes ?? {};
  const rows = Object.entries({ ...stats.routes, '(no route)': stats.unrouted })
    .map(([name, route]) => {
      const old = name === '(no route)' ? history.before?.unrouted : before[name];
      const recent = old === undefined ? route.latency : latencyOf(old.latency, route.latency);
      return { name, route, rate: history.rate(old?.requests, route.requests), recent };
    })
    .sort((one, other) => other.rate - one.rate || other.route.requests - one.route.requests)
    .map(({ name, route, rate, recent }) => {
      const { requests, errors, rate_limited: limited, unauthorized } = route;
      return [
        name,
        short(rate),
        short(requests),
        { text: short(errors), tone: errors > 0 ? ('bad' as const) : ('dim' as const) },
        { text: short(limited), tone: limited > 0 ? ('warn' as const) : ('dim' as const) },
        {
          text: short(unauthorized),
          tone: unauthorized > 0 ? ('warn' as const) : ('dim' as const),
        },
        Number.isNaN(recent.p50_ms) ? '–' : milliseconds(recent.p50_ms),
        Number.isNaN(recent.p99_ms) ? '–' : milliseconds(recent.p99_ms),
      ];
    });
  const columns = ['a second', 'requests', '5xx', 'limited', 'no credentials', '50 %', '99 %'];
  drawTable(
    place('routes'),
    [
      { title: 'route', kind: 'long' },
      ...columns.map((title) => ({ title, kind: 'num' as const })),
    ],
    rows,
    'no routes',
  );
}

/** The latency of the last two seconds if there were requests, else of all time. */
function latencyOf(before: Stats['latency'], now: Stats['latency']) {
  const { p50, p99 } = latencyBetween(before, now);
  if (Number.isFinite(p50)) return { p50_ms: p50, p99_ms: p99 };
  return now.count === 0 ? { p50_ms: Number.NaN, p99_ms: Number.NaN } : now;
}

function drawTargets({ targets }: Stats): void {
  const old = new Map(
    (history.before?.targets ?? []).map((one) => [`${one.upstream} ${one.target}`, one]),
  );
  const rows = targets.map((target) => {
    const before = old.get(`${target.upstream} ${target.target}`);
    const rate = history.rate(before?.requests, target.requests);
    const since = target.since === null ? '' : `since ${timeOfDay(target.since)}`;
    const until = target.until === null ? '' : `until ${timeOfDay(target.until)}`;
    const reason = target.why === 'started' || target.why === 'none' ? '' : target.why;
    return [
      target.target,
      target.upstream,
      { text: target.state, tone: stateTone(target.state) },
      { text: target.circuit_breaker, tone: breakerTone(target.circuit_breaker) },
      [reason, since, until].filter((part) => part !== '').join(', '),
      short(rate),
      short(target.in_flight),
      { text: short(target.errors), tone: target.errors > 0 ? ('bad' as const) : ('dim' as const) },
      target.latency.count === 0 ? '–' : milliseconds(target.latency.p50_ms),
      target.latency.count === 0 ? '–' : milliseconds(target.latency.p99_ms),
    ];
  });
  const num = (title: string) => ({ title, kind: 'num' as const });
  drawTable(
    place('targets'),
    [
      { title: 'target', kind: 'mono' },
      { title: 'upstream' },
      { title: 'state' },
      { title: 'breaker' },
      { title: 'why', kind: 'long' },
      num('tries a second'),
      num('in flight'),
      num('failures'),
      num('50 %'),
      num('99 %'),
    ],
    rows,
    'no targets',
  );
}

function stateTone(state: string): Tone {
  if (state === 'available') return 'good';
  return state === 'warming_up' || state === 'half_open' ? 'warn' : 'bad';
}

function breakerTone(state: string): Tone {
  if (state === 'CLOSED') return 'good';
  return state === 'HALF_OPEN' ? 'warn' : 'bad';
}

function drawLimits({ limits }: Stats, { top_keys: keys }: Recent): void {
  const rows = limits.map((limit) => {
    const { quota, window_seconds: seconds, refused, shadow_refused: shadow, mode } = limit;
    const rule = seconds === undefined ? `${quota} in flight` : `${quota} in ${duration(seconds)}`;
    return [
      limit.limit === limit.route ? limit.limit : `${limit.limit} (${limit.route})`,
      mode === 'enforce' ? rule : `${rule}, ${mode}`,
      short(limit.admitted),
      { text: short(refused + shadow), tone: refused > 0 ? ('warn' as const) : ('dim' as const) },
      short(limit.tracked_keys),
    ];
  });
  drawTable(
    place('limits'),
    [
      { title: 'limit', kind: 'long' },
      { title: 'allows' },
      { title: 'admitted', kind: 'num' },
      { title: 'refused', kind: 'num' },
      { title: 'keys', kind: 'num' },
    ],
    rows,
    'no limits',
  );
  drawTable(
    place('keys'),
    [{ title: 'key', kind: 'long' }, { title: 'limit' }, { title: 'used', kind: 'num' }],
    keys.map(({ key, limit, usedShare }) => [
      key,
      limit,
      { text: percent(usedShare), share: usedShare, tone: usedShare >= 1 ? 'bad' : '' },
    ]),
    'nobody has used any of a limit of late',
  );
}

function drawThreads({ workers, event_loops: loops }: Stats): void {
  const num = (title: string) => ({ title, kind: 'num' as const });
  const lanes = workers.map((lane) => {
    const before = history.before?.workers[lane.lane];
    return [
      String(lane.lane),
      lane.served ? { text: 'yes', tone: 'good' as const } : { text: 'no', tone: 'bad' as const },
      short(history.rate(before?.requests, lane.requests)),
      short(lane.in_flight),
      bytes(lane.request_bytes + lane.reply_bytes),
      short(history.rate(before?.records, lane.records)),
      short(history.rate(before?.wakes, lane.wakes)),
      { text: short(lane.deaths), tone: lane.deaths > 0 ? ('bad' as const) : ('dim' as const) },
    ];
  });
  drawTable(
    place('lanes'),
    [
      { title: 'lane' },
      { title: 'served' },
      num('requests/s'),
      num('in flight'),
      num('depth'),
      num('records/s'),
      num('wakes/s'),
      num('deaths'),
    ],
    lanes,
    'no lanes',
  );
  const threads = loops.map((loop, at) => {
    const before = history.before?.event_loops[at];
    const busy = history.rate(before?.active_seconds, loop.active_seconds);
    return [
      loop.thread,
      { text: percent(Math.min(1, busy)), share: Math.min(1, busy) },
      milliseconds(loop.delay_p50_ms),
      milliseconds(loop.delay_p99_ms),
      bytes(loop.heap_used_bytes),
    ];
  });
  drawTable(
    place('threads'),
    [{ title: 'thread' }, num('busy'), num('delay 50 %'), num('delay 99 %'), num('heap')],
    threads,
    'no threads',
  );
}

function drawRefusals({ refusals }: Recent): void {
  drawTable(
    place('refusals'),
    [
      { title: 'time' },
      { title: 'status', kind: 'num' },
      { title: 'code', kind: 'mono' },
      { title: 'part' },
      { title: 'request', kind: 'long' },
      { title: 'route' },
      { title: 'client' },
    ],
    refusals
      .slice(0, 30)
      .map(({ time, status, code, part, method, path, route, clientIp, consumer, cause }) => [
        timeOfDay(time),
        { text: String(status), tone: status >= 500 ? 'bad' : 'warn' },
        code,
        part,
        cause === '' ? `${method} ${path}` : `${method} ${path}: ${cause}`,
        route,
        consumer === '' ? clientIp : `${consumer}, ${clientIp}`,
      ]),
    'nothing was refused of late',
  );
}

async function run(): Promise<void> {
  window.addEventListener('resize', drawCharts);
  for (;;) {
    try {
      await update();
    } catch (error) {
      setState(`no answer: ${error instanceof Error ? error.message : error}`, 'bad');
    }
    // A page that is not visible asks for nothing.
    do await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    while (document.hidden);
  }
}

void run();
