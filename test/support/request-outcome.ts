/** What a request parser makes of bytes: its events in a form that can be compared. */
import type { ProblemKind } from '../../src/base/problems.js';
import type { RequestOrigin } from '../../src/wire/http1/request-head.js';
import {
  REQUEST_DATA,
  REQUEST_END,
  REQUEST_HEAD,
  REQUEST_MORE,
  REQUEST_REFUSED,
  RequestParser,
} from '../../src/wire/http1/request-parser.js';
import type { RequestRules } from '../../src/wire/http1/request-rules.js';

export const ORIGIN: RequestOrigin = {
  peer: '192.0.2.1',
  connection: 'http',
  fallbackHost: '198.51.100.1:8080',
};

export const RULES: RequestRules = {
  headerBytes: 4096,
  headerFields: 90,
  bodyBytes: 1000,
  bodyOnGet: true,
  underscores: 'drop',
  rawCharacters: 'encode',
};

export interface ParsedRequest {
  method: string;
  target: string;
  /** Names and values in turn. */
  fields: string[];
  protocol: number;
  bodyBytes: number;
  isPersistent: boolean;
  expectsContinue: boolean;
  wantsTunnel: boolean;
  upgrade: string;
  droppedFields: number;
  body: string;
  trailers: string;
  isComplete: boolean;
}

export interface RequestOutcome {
  readonly requests: ParsedRequest[];
  problem: ProblemKind | null;
  reason: string;
  /** What is said of the head that was refused; '' when none was. */
  refusedText: string;
  refusedBodyBytes: number;
  isIdle: boolean;
}

/** Reads all pieces as one connection; nothing is read behind what ends it. */
export function readRequests(
  pieces: readonly Buffer[],
  rules: RequestRules = RULES,
  origin: RequestOrigin = ORIGIN,
): RequestOutcome {
  const parser = new RequestParser(rules, origin);
  const outcome: RequestOutcome = {
    requests: [],
    problem: null,
    reason: '',
    refusedText: '',
    refusedBodyBytes: 0,
    isIdle: true,
  };
  for (const piece of pieces) {
    // What a parser keeps must not change with the bytes that it was given.
    const bytes = Buffer.from(piece);
    if (!takePiece(parser, bytes, outcome)) break;
    bytes.fill(0x58);
  }
  outcome.isIdle = parser.isIdle;
  return outcome;
}

function takePiece(parser: RequestParser, bytes: Buffer, outcome: RequestOutcome): boolean {
  let at = 0;
  while (at < bytes.length) {
    const last = outcome.requests.at(-1);
    if (last?.isComplete === true && !last.isPersistent) return false;
    const event = parser.step(bytes, at, bytes.length);
    if (parser.at < at || parser.at > bytes.length) throw new Error('a step out of its bytes');
    switch (event) {
      case REQUEST_MORE:
        if (parser.at !== bytes.length) throw new Error('bytes left over');
        break;
      case REQUEST_HEAD:
        outcome.requests.push(requestOf(parser));
        break;
      case REQUEST_DATA:
        if (parser.dataEnd <= parser.dataStart) throw new Error('data without bytes');
        if (last !== undefined) {
          last.body += bytes.toString('latin1', parser.dataStart, parser.dataEnd);
          last.isComplete = parser.isComplete;
        }
        break;
      case REQUEST_END:
        if (last !== undefined) {
          last.trailers = parser.trailers;
          last.isComplete = parser.isComplete;
        }
        break;
      default:
        takeRefusal(parser, outcome);
        if (event !== REQUEST_REFUSED) throw new Error('an unknown event');
        return false;
    }
    at = parser.at;
  }
  return true;
}

function takeRefusal(parser: RequestParser, outcome: RequestOutcome): void {
  outcome.problem = parser.problem;
  outcome.reason = parser.reason;
  if (parser.head.problem === null) return;
  outcome.refusedText = parser.head.text;
  outcome.refusedBodyBytes = parser.head.bodyBytes;
}

function requestOf({ head, isComplete }: RequestParser): ParsedRequest {
  const [method = '', target = '', , , ...fields] = head.text.split('\n');
  if (method !== head.method || target !== head.target) throw new Error('head and text differ');
  const { protocol, bodyBytes, isPersistent, expectsContinue, wantsTunnel } = head;
  const { upgrade, droppedFields } = head;
  return {
    method,
    target,
    fields,
    protocol,
    bodyBytes,
    isPersistent,
    expectsContinue,
    wantsTunnel,
    upgrade,
    droppedFields,
    body: '',
    trailers: '',
    isComplete,
  };
}
