/**
 * Replays the requests of access logs under one configuration and another, or under one alone.
 *
 * Thread: supervisor (on the main thread). Lines are in the order in which requests ended; they are
 * decided upon in the order in which they began, as far as that is known within a bounded memory.
 */
import { type GatewayPart, PROBLEMS } from '../base/problems.js';
import type { SharedConfig } from '../config/shared/shared-config.js';
import { type Change, Changes } from './changes.js';
import { InOrder } from './in-order.js';
import { readLogLine } from './log-formats.js';
import type { RecordedRequest } from './recorded-request.js';
import { type Decision, VirtualGateway } from './virtual-gateway.js';

/** A record may come so much later than its request began; one that comes later begins late. */
const LATE_MS = 60_000;
const HELD_MAX = 100_000;

/** Refusals that depend on nothing that a log lacks. Bodies, for one, it does not have. */
const JUDGED_PARTS: readonly GatewayPart[] = [
  'routing',
  'ipFilter',
  'cors',
  'versioning',
  'authentication',
  'rateLimit',
  'circuitBreaker',
  'loadBalancing',
];
const JUDGED_CODES: ReadonlySet<string> = new Set(
  Object.values(PROBLEMS)
    .filter(({ part }) => JUDGED_PARTS.includes(part))
    .map(({ code }) => code),
);

export interface ReplayOptions {
  readonly config: SharedConfig;
  /** null: what the log says became of its requests is compared with. */
  readonly against: SharedConfig | null;
  /** For records without a host. */
  readonly host: string;
  /** Requests that began earlier are left out, in ms since 1970. */
  readonly sinceUnixMs?: number;
}

/** What a replay has found. */
export interface ReplayResult {
  readonly requests: number;
  /** Lines that are no access records. */
  readonly otherLines: number;
  readonly unreadableLines: number;
  /** The first of these. */
  readonly firstUnreadable: string;
  /** Requests without a host in the log. */
  readonly withoutHost: number;
  /** From the first request to the last. */
  readonly seconds: number;
  /** Decisions under the configuration: `forwarded`, `answered`, or the code of a refusal. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Requests by route; '': no route. */
  readonly routes: Readonly<Record<string, number>>;
  /** Requests for which something is different. */
  readonly changed: number;
  readonly unlisted: number;
  readonly changes: readonly Change[];
}

export class Replayer {
  private readonly held = new InOrder<RecordedRequest>();
  private readonly changes = new Changes();
  private readonly outcomes = new Map<string, number>();
  private readonly routes = new Map<string, number>();
  private readonly host: string;
  private readonly sinceUnixMs: number;
  private requests = 0;
  private otherLines = 0;
  private unreadableLines = 0;
  private firstUnreadable = '';
  private withoutHost = 0;
  private firstUnixMs = Number.NaN;
  private nowUnixMs = 0;
  private latestUnixMs = 0;

  static async create(options: ReplayOptions): Promise<Replayer> {
    const { config, against } = options;
    const clock = { unixMs: 0 };
    const now = (): number => clock.unixMs;
    const after = await VirtualGateway.create(config, now);
    const before = against === null ? null : await VirtualGateway.create(against, now);
    return new Replayer(after, before, options, clock);
  }

  private constructor(
    private readonly after: VirtualGateway,
    private readonly before: VirtualGateway | null,
    { host, sinceUnixMs = 0 }: ReplayOptions,
    private readonly clock: { unixMs: number },
  ) {
    this.host = host;
    this.sinceUnixMs = sinceUnixMs;
  }

  /** Takes one line of a log. */
  take(line: string): void {
    const read = readLogLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    if (read.kind === 'other') this.otherLines += 1;
    else if (read.kind === 'unreadable') this.onUnreadable(line);
    else this.hold(read.request);
  }

  /** All lines have been taken. */
  finish(): ReplayResult {
    while (this.held.size > 0) this.decide(this.held.take());
    const { requests, otherLines, unreadableLines, firstUnreadable, withoutHost, changes } = this;
    const lasted = requests === 0 ? 0 : this.nowUnixMs - this.firstUnixMs;
    return {
      requests,
      otherLines,
      unreadableLines,
      firstUnreadable,
      withoutHost,
      seconds: Math.round(lasted / 1000),
      outcomes: mostFirst(this.outcomes),
      routes: mostFirst(this.routes),
      changed: changes.total,
      unlisted: changes.unlisted,
      changes: changes.list(),
    };
  }

  private onUnreadable(line: string): void {
    if (this.unreadableLines === 0) this.firstUnreadable = line.slice(0, 200);
    this.unreadableLines += 1;
  }

  private hold(request: RecordedRequest): void {
    const { beganUnixMs, durationMs } = request;
    if (beganUnixMs < this.sinceUnixMs) return;
    this.latestUnixMs = Math.max(this.latestUnixMs, beganUnixMs + durationMs);
    this.held.add(beganUnixMs, request);
    while (this.held.firstTime < this.latestUnixMs - LATE_MS || this.held.size > HELD_MAX) {
      this.decide(this.held.take());
    }
  }

  private decide(recorded: RecordedRequest): void {
    const request = recorded.host === '' ? { ...recorded, host: this.host } : recorded;
    if (recorded.host === '') this.withoutHost += 1;
    if (this.requests === 0) this.firstUnixMs = request.beganUnixMs;
    this.requests += 1;
    this.nowUnixMs = Math.max(this.nowUnixMs, request.beganUnixMs);
    this.clock.unixMs = this.nowUnixMs;
    const atMs = this.nowUnixMs - this.firstUnixMs;
    const after = this.after.decide(request, atMs);
    const before = this.before?.decide(request, atMs) ?? asRecorded(recorded, after);
    count(this.outcomes, after.kind === 'refused' ? after.code : after.kind);
    count(this.routes, after.route);
    this.changes.compare(request, before, after);
  }
}

/**
 * What the log says became of it: it was refused by the gateway, or it was not. Of the rest nothing
 * is known that could be different.
 */
function asRecorded({ code, status, route }: RecordedRequest, after: Decision): Decision {
  if (JUDGED_CODES.has(code))
    return { ...after, kind: 'refused', code, status, route: route || after.route };
  if (after.kind === 'refused') {
    const recorded = { kind: 'forwarded', status: 0, code: '', target: '' } as const;
    return { ...after, ...recorded, route: route || after.route, upstream: 'as recorded' };
  }
  return route === '' ? after : { ...after, route };
}

function mostFirst(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
