/**
 * Reads the head of an explained request as the engine of its listener reads one.
 *
 * Thread: supervisor (on the main thread). The request is written as the bytes that a client would
 * send, in UTF-8, and goes through the engine's own parser or guard. What comes out is what a
 * worker would get of it.
 */
import { type GuardLimits, rulesOfListener } from '../acceptor/listener-rules.js';
import { RequestGuard } from '../acceptor/uws/request-guard.js';
import type { EngineName } from '../base/listener-address.js';
import { PROBLEMS, type ProblemKind } from '../base/problems.js';
import { PLAIN_CONNECTION, secureConnection } from '../channel/records/request-head.js';
import type { ListenerSettings } from '../config/listener-settings.js';
import { REQUEST_HEAD, RequestParser } from '../wire/http1/request-parser.js';
import type { ExplainedRequest } from './explanation.js';

/** Where a request comes to. */
export interface HeadPlace {
  readonly limits: GuardLimits;
  readonly listener: ListenerSettings;
  /** Of the listener. */
  readonly engine: EngineName;
}

export interface JudgedHead {
  /** As records/request-head.ts has it; of a refused head, as far as it makes sense. */
  readonly text: string;
  /** null: the request may enter. */
  readonly problem: ProblemKind | null;
  /** It asks for a WebSocket. */
  readonly wantsTunnel: boolean;
}

export function judgeHead(request: ExplainedRequest, place: HeadPlace): JudgedHead {
  const connection = place.listener.tls === null ? PLAIN_CONNECTION : secureConnection('', '');
  const broken = brokenLine(request);
  if (broken !== null) {
    const shown = { ...request, fields: request.fields.filter(isOneLine) };
    return { text: textOf(shown, connection), problem: broken, wantsTunnel: false };
  }
  return place.engine === 'wire'
    ? judgeByParser(request, connection, place)
    : judgeByGuard(request, connection, place);
}

function judgeByParser(
  request: ExplainedRequest,
  connection: string,
  { limits, listener }: HeadPlace,
): JudgedHead {
  const origin = { peer: request.from, connection, fallbackHost: '' };
  const parser = new RequestParser(rulesOfListener(limits, listener), origin);
  const bytes = Buffer.from(headOf(request), 'utf8');
  if (parser.step(bytes, 0, bytes.length) === REQUEST_HEAD) {
    const { text, wantsTunnel } = parser.head;
    return { text, problem: null, wantsTunnel };
  }
  const problem = parser.problem ?? PROBLEMS.badRequestLine;
  return { text: textOf(request, connection), problem, wantsTunnel: false };
}

function judgeByGuard(
  request: ExplainedRequest,
  connection: string,
  { limits, listener }: HeadPlace,
): JudgedHead {
  const guard = new RequestGuard(limits, listener.underscores);
  guard.begin(request.method, request.target);
  const fields = request.fields.filter(([name, value]) => guard.field(name, value));
  const problem = guard.finish();
  const shown = problem === null ? { ...request, fields } : request;
  return { text: textOf(shown, connection), problem, wantsTunnel: false };
}

/** As a client would write it. */
function headOf({ method, target, fields }: ExplainedRequest): string {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

function textOf({ method, target, from, fields }: ExplainedRequest, connection: string): string {
  const [cleanMethod, cleanTarget] = [method, target].map((text) => text.replace(/[\r\n]/g, ''));
  return [cleanMethod, cleanTarget, from, connection, ...fields.flat()].join('\n');
}

/** A line break would make two lines of one: no client can send such a value. */
function brokenLine({ method, target, fields }: ExplainedRequest): ProblemKind | null {
  if (hasBreak(method)) return PROBLEMS.badMethod;
  if (hasBreak(target)) return PROBLEMS.badTarget;
  return fields.every(isOneLine) ? null : PROBLEMS.badField;
}

function isOneLine([name, value]: readonly [string, string]): boolean {
  return !hasBreak(name) && !hasBreak(value);
}

function hasBreak(text: string): boolean {
  return /[\r\n]/.test(text);
}
