/**
 * Closed-loop load over keep-alive connections: wrk when it is installed, else autocannon in a
 * process of its own. Every run is bounded in time.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ChildProcesses } from './child-processes.js';
import { findProgram, readVersion } from './environment.js';

export interface LoadRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadFigures {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** By kind: a status class such as `5xx`, or what the socket did. Zeroes are left out. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface LoadGenerator {
  readonly name: string;
  run(request: LoadRequest): Promise<LoadFigures>;
}

const REQUEST_TIMEOUT_SECONDS = 5;
const DEADLINE_SLACK_MS = 15_000;
const RESULT_MARK = 'RESULT ';

export function chooseLoadGenerator(children: ChildProcesses, workFolder: string): LoadGenerator {
  const wrk = findProgram('wrk');
  return wrk === '' ? new Autocannon(children) : new Wrk(children, workFolder, wrk);
}

class Wrk implements LoadGenerator {
  readonly name: string;
  readonly #children: ChildProcesses;
  readonly #program: string;
  readonly #scriptPath: string;

  constructor(children: ChildProcesses, workFolder: string, program: string) {
    this.#children = children;
    this.#program = program;
    this.#scriptPath = join(workFolder, 'request.lua');
    this.name = readVersion(program, '-v').split(' Copyright')[0] ?? 'wrk';
  }

  async run(request: LoadRequest): Promise<LoadFigures> {
    writeFileSync(this.#scriptPath, wrkScript(request));
    const command = [
      this.#program,
      '--threads=1',
      `--connections=${request.connections}`,
      `--duration=${request.seconds}s`,
      `--timeout=${REQUEST_TIMEOUT_SECONDS}s`,
      `--script=${this.#scriptPath}`,
      request.url,
    ];
    const deadlineMs = request.seconds * 1000 + DEADLINE_SLACK_MS;
    return parseWrk(await this.#children.run('wrk', command, deadlineMs));
  }
}

/** The request is fixed text and no reply is looked at in Lua, so that wrk stays fast. */
function wrkScript(request: LoadRequest): string {
  const headers = Object.entries(request.headers).map(
    ([name, value]) => `wrk.headers[${luaString(name)}] = ${luaString(value)}`,
  );
  const fields = [
    ['requests', 'summary.requests'],
    ['us', 'summary.duration'],
    ['p50', 'latency:percentile(50)'],
    ['p99', 'latency:percentile(99)'],
    ['connect', 'summary.errors.connect'],
    ['read', 'summary.errors.read'],
    ['write', 'summary.errors.write'],
    ['timeout', 'summary.errors.timeout'],
    ['status', 'summary.errors.status'],
  ];
  const format = fields.map(([name]) => `"${name}":%d`).join(',');
  return [
    `wrk.method = ${luaString(request.method)}`,
    request.body === '' ? '' : `wrk.body = ${luaString(request.body)}`,
    ...headers,
    'function done(summary, latency, requests)',
    `  print(string.format('${RESULT_MARK}{${format}}',`,
    `    ${fields.map(([, value]) => value).join(', ')}))`,
    'end',
    '',
  ].join('\n');
}

function luaString(text: string): string {
  return JSON.stringify(text);
}

function parseWrk(output: string): LoadFigures {
  const line = output.split('\n').find((one) => one.startsWith(RESULT_MARK));
  if (line === undefined) throw new Error(`wrk printed no result: ${output.trim()}`);
  const figures = JSON.parse(line.slice(RESULT_MARK.length)) as Record<string, number>;
  const read = (name: string) => figures[name] ?? 0;
  const seconds = read('us') / 1e6;
  return {
    requests: read('requests'),
    seconds,
    perSecond: read('requests') / seconds,
    p50Us: read('p50'),
    p99Us: read('p99'),
    errors: withoutZeroes({
      connect: read('connect'),
      read: read('read'),
      write: read('write'),
      timeout: read('timeout'),
      // wrk tells statuses above 399 apart from the rest, and no further.
      '4xx/5xx': read('status'),
    }),
  };
}

class Autocannon implements LoadGenerator {
  readonly name = 'autocannon';
  readonly #children: ChildProcesses;

  constructor(children: ChildProcesses) {
    this.#children = children;
  }

  async run(request: LoadRequest): Promise<LoadFigures> {
    const headers = Object.entries(request.headers);
    const command = [
      process.execPath,
      createRequire(import.meta.url).resolve('autocannon'),
      '--json',
      '--no-progress',
      `--connections=${request.connections}`,
      `--duration=${request.seconds}`,
      `--timeout=${REQUEST_TIMEOUT_SECONDS}`,
      `--method=${request.method}`,
      ...headers.map(([name, value]) => `--headers=${name}=${value}`),
      ...(request.body === '' ? [] : [`--body=${request.body}`]),
      request.url,
    ];
    const deadlineMs = request.seconds * 1000 + DEADLINE_SLACK_MS;
    return parseAutocannon(await this.#children.run('autocannon', command, deadlineMs));
  }
}

interface AutocannonResult {
  readonly duration: number;
  readonly requests: { readonly total: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly timeouts: number;
  readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
}

/** Its latencies are whole milliseconds. */
function parseAutocannon(output: string): LoadFigures {
  const line = output.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`autocannon printed no result: ${output.trim()}`);
  const result = JSON.parse(line) as AutocannonResult;
  const errors: Record<string, number> = {
    timeout: result.timeouts,
    socket: result.errors - result.timeouts,
  };
  for (const [status, { count }] of Object.entries(result.statusCodeStats)) {
    if (Number(status) >= 400) errors[status] = count;
  }
  return {
    requests: result.requests.total,
    seconds: result.duration,
    perSecond: result.requests.total / result.duration,
    p50Us: result.latency.p50 * 1000,
    p99Us: result.latency.p99 * 1000,
    errors: withoutZeroes(errors),
  };
}

function withoutZeroes(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
