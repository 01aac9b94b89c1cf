/**
 * What an operator asks first, out of the figures of a gateway.
 *
 * Thread: supervisor (on the main thread). Pure. The gateway may be of another version: what it
 * does not tell is not shown.
 */
import { counted } from '../base/counted.js';

/** The part of /stats that is read here; the keys never change. */
export interface GatewayStats {
  readonly version?: string;
  readonly uptime_seconds?: number;
  readonly total_requests?: number;
  readonly total_errors?: number;
  readonly in_flight?: number;
  readonly connections?: { readonly open: number };
  readonly latency?: { readonly p50_ms: number; readonly p99_ms: number };
  readonly process?: { readonly pid: number };
  readonly problems?: Readonly<Record<string, number>>;
  readonly configuration: {
    readonly source: string;
    readonly epoch: number;
    readonly in_force_since: string;
    readonly last_reload?: {
      readonly at: string;
      readonly outcome: string;
      readonly reasons: readonly string[];
    } | null;
    readonly trial?: object | null;
    readonly store?: {
      readonly trouble: string | null;
      readonly refused: Refused | null;
      readonly parts?: readonly { readonly team: string; readonly refused: Refused | null }[];
    };
  };
  readonly targets?: readonly TargetRow[];
  readonly target_names?: readonly { readonly name: string; readonly failure: string | null }[];
  readonly discovery?: readonly { readonly upstream: string; readonly failure: string | null }[];
  readonly acceptors?: readonly ThreadRow[];
  readonly workers?: readonly ThreadRow[];
  readonly coordinator?: { readonly deaths: number };
  readonly store?: { readonly state: string; readonly reason?: unknown } | null;
  readonly plugins?: readonly {
    readonly name: string;
    readonly state: string;
    readonly reason: string;
  }[];
  readonly spiffe?: { readonly agent: string; readonly lack: string | null } | null;
  readonly event_loops?: readonly {
    readonly thread: string;
    readonly dropped_log_lines: number;
  }[];
}

interface Refused {
  readonly id: string;
  readonly reasons: readonly string[];
}

interface TargetRow {
  readonly target: string;
  readonly upstream: string;
  readonly state: string;
  readonly why: string;
  readonly since: string | null;
  readonly until: string | null;
}

interface ThreadRow {
  readonly deaths: number;
  readonly lane?: number;
  readonly served?: boolean;
  readonly acceptor?: number;
  readonly serving?: boolean;
}

/** Lines that are shown of what is wrong; --json has all. */
const TROUBLES_SHOWN = 30;
const PROBLEMS_SHOWN = 5;
/** Targets in these states have requests. */
const SERVING = new Set(['available', 'warming_up']);

export interface ShownStatus {
  readonly gateway: string;
  readonly readiness: string;
  readonly troubles: readonly string[];
}

export function statusText(
  { gateway, readiness, troubles }: ShownStatus,
  stats: GatewayStats,
): string {
  const { version = '?', uptime_seconds: uptime = 0, process } = stats;
  const pid = process === undefined ? '' : `, pid ${process.pid}`;
  const more = troubles.length - TROUBLES_SHOWN;
  const lines = [
    `${readiness}: sluice ${version} at ${gateway}, up ${spanText(uptime)}${pid}`,
    row('configuration', configurationText(stats)),
    row('requests', requestsText(stats)),
    ...problemRows(stats),
    ...targetRows(stats),
    row('troubles', troubles.length === 0 ? 'none' : String(troubles.length)),
    ...troubles.slice(0, TROUBLES_SHOWN).map((one) => `  ${one}`),
    ...(more > 0 ? [`  and ${more} more: --json has all`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** What is wrong now, or was and may be again. */
export function troublesOf(stats: GatewayStats): string[] {
  return [
    ...configurationTroubles(stats),
    ...(stats.targets ?? []).filter(({ state }) => !SERVING.has(state)).map(targetTrouble),
    ...(stats.target_names ?? []).flatMap(({ name, failure }) =>
      failure === null ? [] : [`the name ${name} of a target: ${failure}`],
    ),
    ...(stats.discovery ?? []).flatMap(({ upstream, failure }) =>
      failure === null ? [] : [`discovery for upstream ${upstream}: ${failure}`],
    ),
    ...threadTroubles(stats),
    ...serviceTroubles(stats),
  ];
}

function row(name: string, text: string): string {
  return `${name.padEnd(13)}  ${text}`;
}

function configurationText({ configuration }: GatewayStats): string {
  const { source, epoch, in_force_since: since, trial } = configuration;
  const tried = trial === null || trial === undefined ? '' : '; another one is on trial';
  return `${source || 'of a program'}, version ${epoch}, in force since ${since}${tried}`;
}

function requestsText(stats: GatewayStats): string {
  const { total_requests: all = 0, total_errors: errors = 0, in_flight: inFlight = 0 } = stats;
  const share = all === 0 ? '' : ` (${((100 * errors) / all).toFixed(1)} %)`;
  const { latency, connections } = stats;
  const times =
    latency === undefined || all === 0
      ? ''
      : `; p50 ${latency.p50_ms} ms, p99 ${latency.p99_ms} ms`;
  const open = connections === undefined ? '' : `, ${counted(connections.open, 'connection')}`;
  const counts = `${all} since the start, ${counted(errors, 'error')}${share}`;
  return `${counts}; ${inFlight} in flight${open}${times}`;
}

/** The gateway's own refusals, the most frequent first. */
function problemRows({ problems = {} }: GatewayStats): string[] {
  const codes = Object.entries(problems).sort(([, one], [, other]) => other - one);
  const shown = codes.slice(0, PROBLEMS_SHOWN).map(([code, times]) => `${code} ${times}`);
  return shown.length === 0 ? [] : [row('refusals', shown.join(', '))];
}

function targetRows({ targets }: GatewayStats): string[] {
  if (targets === undefined) return [];
  const serving = targets.filter(({ state }) => SERVING.has(state)).length;
  return [row('targets', `${serving} of ${targets.length} have requests`)];
}

function configurationTroubles({ configuration }: GatewayStats): string[] {
  const { last_reload: last, store } = configuration;
  const troubles: string[] = [];
  if (last?.outcome === 'refused') {
    troubles.push(`the reload of ${last.at} was refused: ${last.reasons.join('; ')}`);
  }
  if (store?.trouble) troubles.push(`the store of the configuration: ${store.trouble}`);
  // That of a gateway that began with its copy, say: no reload was asked for.
  if (store?.refused && last?.outcome !== 'refused') {
    const { id, reasons } = store.refused;
    troubles.push(`release ${id} of the store is refused: ${reasons.join('; ')}`);
  }
  for (const { team, refused } of store?.parts ?? []) {
    if (refused === null) continue;
    const reasons = refused.reasons.join('; ');
    troubles.push(`the part of the team ${team} in the store is refused: ${reasons}`);
  }
  return troubles;
}

function targetTrouble({ target, upstream, state, why, since, until }: TargetRow): string {
  const from = since === null ? '' : `, since ${since}`;
  const end = until === null ? '' : `, until ${until}`;
  return `target ${target} of ${upstream}: ${state}${from}${end} (${why})`;
}

function threadTroubles({ acceptors, workers, coordinator, event_loops }: GatewayStats): string[] {
  const troubles: string[] = [];
  const tell = (name: string, deaths: number, isAway: boolean): void => {
    const died = deaths === 0 ? '' : `has died ${counted(deaths, 'time')} since the start`;
    const parts = [isAway ? 'is away' : '', died].filter((part) => part !== '');
    if (parts.length > 0) troubles.push(`${name} ${parts.join(' and ')}: the log says why`);
  };
  for (const { acceptor, deaths, serving } of acceptors ?? []) {
    tell(`acceptor ${acceptor}`, deaths, serving === false);
  }
  for (const { lane, deaths, served } of workers ?? []) {
    tell(`worker ${lane}`, deaths, served === false);
  }
  tell('the coordinator', coordinator?.deaths ?? 0, false);
  for (const { thread, dropped_log_lines: lost } of event_loops ?? []) {
    if (lost > 0)
      troubles.push(`${thread} has lost ${counted(lost, 'line')} of the log: is its disk full?`);
  }
  return troubles;
}

function serviceTroubles({ store, plugins = [], spiffe }: GatewayStats): string[] {
  const troubles = plugins
    .filter(({ state }) => state === 'out')
    .map(({ name, reason }) => `the plugin ${name} was put out: ${reason}`);
  if (store?.state === 'lost') troubles.push(`the store is lost: ${store.reason ?? 'no reason'}`);
  if (spiffe?.lack) troubles.push(`no identity (SPIFFE): ${spiffe.lack}`);
  else if (spiffe?.agent === 'lost') troubles.push('the SPIFFE agent is lost');
  return troubles;
}

/** `3d 4h`, `14m 26s`. */
function spanText(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first === -1) return '0s';
  let left = Math.floor(seconds);
  const parts = units.slice(first, first + 2).map(([unit, length]) => {
    const whole = Math.floor(left / length);
    left -= whole * length;
    return `${whole}${unit}`;
  });
  return parts.join(' ');
}
