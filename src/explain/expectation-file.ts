/**
 * Reads a table of expectations, which is kept beside a configuration.
 *
 * Thread: supervisor (on the main thread). All mistakes are reported at once, each with its place
 * in the file.
 *
 *     tests:
 *       - request: GET /api/users/7
 *         consumer: alice
 *         repeat: 11
 *         expect: { route: users, status: 429 }
 *       - request: GET /articles/7
 *         earlier:
 *           - { request: GET /articles/7, reply: { headers: { Cache-Control: max-age=60 } } }
 *         expect: { cache: hit }
 */

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { field, joinFields, NO_FIELDS } from '../base/field-block.js';
import { GRPC_STATUS_NAMES } from '../base/grpc-status.js';
import { childPointer, displayPath } from '../base/json-pointer.js';
import { parseDurationMs } from '../base/quantities.js';
import { fileProblem } from '../base/system-problem.js';
import { ConfigError, type ConfigIssue } from '../config/check/config-error.js';
import { nearestName, suggestName } from '../config/check/nearest-name.js';
import type { Environment } from '../config/source/variables.js';
import { readYaml, type YamlSource } from '../config/source/yaml-source.js';
import type { GivenReply } from './cache-copy.js';
import { EXPECTED_CACHE, type Expected } from './expectation.js';
import { type ExplainedRequest, REPEAT_MAX } from './explanation.js';

/** One row of the table. */
export interface Expectation {
  /** The name in the report. */
  readonly name: string;
  /** Line in the file, from 1. */
  readonly line: number;
  readonly request: ExplainedRequest;
  /** In order. */
  readonly earlier: readonly EarlierRequest[];
  readonly expect: Expected;
}

/** A request before it, which a target has answered. */
export interface EarlierRequest {
  readonly request: ExplainedRequest;
  readonly reply: GivenReply;
  readonly agoMs: number;
}

type Check = (value: unknown) => string;

const aString: Check = (value) => (typeof value === 'string' ? '' : 'a string');
const aList: Check = (value) =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? '' : 'a list of names';
const aRequest: Check = (value) =>
  typeof value === 'string' && /^\S+ \/\S*$/.test(value) ? '' : 'METHOD /path, such as GET /users';
const anAddress: Check = (value) =>
  typeof value === 'string' && isIP(value) !== 0 ? '' : 'an IP address';
const aCount: Check = (value) =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= REPEAT_MAX
    ? ''
    : `an integer from 1 to ${REPEAT_MAX}`;
const aStatus: Check = (value) =>
  value === 0 || (Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599)
    ? ''
    : 'the status that the gateway answers with, or 0 for a request that is forwarded';
const aGrpcStatus: Check = (value) =>
  value === '' || GRPC_STATUS_NAMES.some((name) => name === value)
    ? ''
    : 'the name of a status of gRPC, such as UNAVAILABLE, or "" for none';
const aMapping: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? '' : 'a mapping';
const fields: Check = (value) =>
  aMapping(value) === '' && Object.values(value as object).every((one) => aString(one) === '')
    ? ''
    : 'a mapping of names to strings';

const aDuration: Check = (value) =>
  parseDurationMs(String(value)) === undefined ? 'a duration, such as 90s' : '';
const aReplyStatus: Check = (value) =>
  Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 599
    ? ''
    : 'a status from 200 to 599';
const aCacheResult: Check = (value) =>
  EXPECTED_CACHE.some((one) => one === value) ? '' : `one of ${EXPECTED_CACHE.join(', ')}`;
const aListOfMappings: Check = (value) =>
  Array.isArray(value) && value.every((one) => aMapping(one) === '') ? '' : 'a list of mappings';

const REQUEST: Readonly<Record<string, Check>> = {
  request: aRequest,
  headers: fields,
  consumer: aString,
  from: anAddress,
  listener: aString,
};
const ROW: Readonly<Record<string, Check>> = {
  ...REQUEST,
  name: aString,
  repeat: aCount,
  earlier: aListOfMappings,
  expect: aMapping,
};
const EARLIER: Readonly<Record<string, Check>> = { ...REQUEST, reply: aMapping, ago: aDuration };
const REPLY: Readonly<Record<string, Check>> = { status: aReplyStatus, headers: fields };
const EXPECT: Readonly<Record<keyof Expected, Check>> = {
  route: aString,
  upstream: aString,
  path: aString,
  target: aString,
  status: aStatus,
  code: aString,
  grpcStatus: aGrpcStatus,
  consumer: aString,
  authenticate: aList,
  limits: aList,
  cache: aCacheResult,
};

/** Throws ConfigError with all mistakes. */
export function loadExpectations(file: string, environment: Environment): Expectation[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = fileProblem(error);
    const message = `the expectations cannot be read: ${reason}; name the file with --tests FILE`;
    throw new ConfigError(file, [{ path: '', line: 0, column: 0, message }]);
  }
  return readExpectations(text, file, environment);
}

function readExpectations(text: string, file: string, environment: Environment): Expectation[] {
  const source = readYaml(text, environment);
  const reader = new Reader(source);
  const rows = reader.read();
  const issues = [...source.issues, ...reader.issues];
  if (issues.length > 0) throw new ConfigError(file, issues);
  return rows;
}

class Reader {
  readonly issues: ConfigIssue[] = [];

  constructor(private readonly source: YamlSource) {}

  read(): Expectation[] {
    const { value } = this.source;
    if (value === undefined) return [];
    if (!this.checkKeys('', value, { tests: () => '' }, ['tests'])) return [];
    const { tests } = value;
    if (!Array.isArray(tests) || tests.length === 0) {
      this.say('/tests', 'must be a list of at least one test');
      return [];
    }
    return tests.flatMap((test, at) => this.row(test, childPointer('/tests', at)));
  }

  private row(value: unknown, pointer: string): Expectation[] {
    if (!this.checkKeys(pointer, value, ROW, ['request', 'expect'])) return [];
    const earlier = ((value['earlier'] ?? []) as unknown[]).flatMap((one, nth) =>
      this.earlier(one, childPointer(childPointer(pointer, 'earlier'), nth)),
    );
    const at = childPointer(pointer, 'expect');
    if (!this.checkKeys(at, value['expect'], EXPECT, [])) return [];
    const line = this.source.places.get(pointer)?.line ?? 0;
    // Every field was checked just now, which the compiler cannot see.
    const expect = value['expect'] as Expected;
    const name = String(value['name'] ?? value['request']);
    return [{ name, line, request: requestOf(value), earlier, expect }];
  }

  private earlier(value: unknown, pointer: string): EarlierRequest[] {
    if (!this.checkKeys(pointer, value, EARLIER, ['request', 'reply'])) return [];
    const reply: unknown = value['reply'];
    if (!this.checkKeys(childPointer(pointer, 'reply'), reply, REPLY, [])) return [];
    const headers = Object.entries((reply['headers'] ?? {}) as Record<string, string>);
    const lines = headers.map(([name, text]) => field(name, text));
    const given = {
      status: Number(reply['status'] ?? 200),
      fields: lines.reduce(joinFields, NO_FIELDS),
    };
    const agoMs = parseDurationMs(String(value['ago'] ?? '0s')) ?? 0;
    return [{ request: requestOf(value), reply: given, agoMs }];
  }

  private checkKeys(
    pointer: string,
    value: unknown,
    checks: Readonly<Record<string, Check>>,
    required: readonly string[],
  ): value is Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.say(pointer, 'must be a mapping');
      return false;
    }
    const before = this.issues.length;
    const meant = new Set<string | undefined>();
    for (const [key, part] of Object.entries(value)) {
      const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
      const at = childPointer(pointer, key);
      if (check === undefined) {
        meant.add(nearestName(key, Object.keys(checks)));
        const hint = suggestName(key, Object.keys(checks), 'key');
        this.say(at, `unknown key${hint}`);
        continue;
      }
      const wanted = check(part);
      if (wanted !== '') this.say(at, `must be ${wanted}`);
    }
    for (const key of required) {
      if (!Object.hasOwn(value, key) && !meant.has(key)) this.say(pointer, `missing key "${key}"`);
    }
    return this.issues.length === before;
  }

  private say(pointer: string, message: string): void {
    const place = this.source.places.get(pointer);
    const { line = 1, column = 1 } = place ?? {};
    this.issues.push({ path: displayPath(pointer), line, column, message });
  }
}

/** A row, or a part of one, that was checked. */
function requestOf(value: Readonly<Record<string, unknown>>): ExplainedRequest {
  const text = String(value['request']);
  const mark = text.indexOf(' ');
  const headers = Object.entries((value['headers'] ?? {}) as Record<string, string>);
  const given = headers.map(([name, one]) => [name.toLowerCase(), one] as const);
  const hasHost = given.some(([name]) => name === 'host');
  return {
    method: text.slice(0, mark).toUpperCase(),
    target: text.slice(mark + 1),
    fields: hasHost ? given : [['host', 'localhost'], ...given],
    from: String(value['from'] ?? '127.0.0.1'),
    listener: String(value['listener'] ?? ''),
    consumer: value['consumer'] === undefined ? null : String(value['consumer']),
    repeat: Number(value['repeat'] ?? 1),
  };
}
