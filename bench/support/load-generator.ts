/**
 * Closed-loop load over keep-alive connections: wrk when it is installed, else autocannon in a
 * process of its own. Every run is bounded in time.
 */
import { writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ChildProcesses } from './child-processes.js';
import { findProgram, readVersion } from './environment.js';
import { percentile } from './statistics.js';

export interface LoadRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** The right answer has a status from 400 on: then every other one is the error. */
  readonly isRefusalExpected: boolean;
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
const SMOKE_REQUESTS = 20;
const RESULT_MARK = 'RESULT ';

export function chooseLoadGenerator(children: ChildProcesses, workFolder: string): LoadGenerator {
  const wrk = findProgram('wrk');
  return wrk === '' ? new Autocannon(children) : new Wrk(children, workFolder, wrk);
}

/**
 * For smoke runs: the real generator once for each kind of request, then a few requests made
 * here, since a run of every scenario should neither take long nor load the machine.
 */
export class SmokeLoad implements LoadGenerator {
  readonly name: string;
  readonly #real: LoadGenerator;
  readonly #shown = new Set<boolean>();

  constructor(real: LoadGenerator) {
    this.name = `${real.name}, once; then a few single requests`;
    this.#real = real;
  }

  async run(request: LoadRequest): Promise<LoadFigures> {
    const { isRefusalExpected } = request;
    if (!this.#shown.has(isRefusalExpected)) {
      this.#shown.add(isRefusalExpected);
      return this.#real.run(request);
    }
    const errors: Record<string, number> = {};
    const tookUs: number[] = [];
    const startMs = performance.now();
    for (let sent = 0; sent < SMOKE_REQUESTS; sent += 1) {
      const sentMs = performance.now();
      const status = await askOnce(request);
      tookUs.push((performance.now() - sentMs) * 1000);
      const isRefused = status >= 400;
      if (isRefused !== isRefusalExpected) errors[status] = (errors[status] ?? 0) + 1;
    }
    const seconds = (performance.now() - startMs) / 1000;
    return {
      requests: tookUs.length,
      seconds,
      perSecond: tookUs.length / seconds,
      p50Us: percentile(tookUs, 50),
      p99Us: percentile(tookUs, 99),
      errors,
    };
  }
}

/** One request on a connection of its own; tells the status. Certificates are not looked at. */
function askOnce({ url, method, headers, body }: LoadRequest): Promise<number> {
  const send = url.startsWith('https:') ? secureRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const options = { method, headers: { ...headers }, agent: false, rejectUnauthorized: false };
    const sent = send(url, options, (reply) => {
      reply.resume().once('end', () => resolve(reply.statusCode ?? 0));
      reply.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
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
    return parseWrk(await this.#children.run('wrk', command, deadlineMs), request);
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

function parseWrk(output: string, { isRefusalExpected }: LoadRequest): LoadFigures {
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
      ...(isRefusalExpected
        ? { 'not refused': read('requests') - read('status') }
        : { '4xx/5xx': read('status') }),
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
    return parseAutocannon(await this.#children.run('autocannon', command, deadlineMs), request);
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
function parseAutocannon(output: string, { isRefusalExpected }: LoadRequest): LoadFigures {
  const line = output.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`autocannon printed no result: ${output.trim()}`);
  const result = JSON.parse(line) as AutocannonResult;
  const errors: Record<string, number> = {
    timeout: result.timeouts,
    socket: result.errors - result.timeouts,
  };
  for (const [status, { count }] of Object.entries(result.statusCodeStats)) {
    if (Number(status) >= 400 !== isRefusalExpected) errors[status] = count;
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
