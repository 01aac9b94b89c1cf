/**
 * What the head of a request says.
 *
 * Thread: any (pure). One object serves all requests of a connection, one after the other: it is
 * valid until the next head begins.
 */
import type { ProblemKind } from '../../base/problems.js';
import { LF } from './characters.js';
import type { FieldsMemory } from './head-memory.js';

export const HTTP_1_0 = 10 as const;
export const HTTP_1_1 = 11 as const;
export type Http1Version = typeof HTTP_1_0 | typeof HTTP_1_1;

/** Who is at the other end of a connection, as the text of its requests says it. */
export interface RequestOrigin {
  /** The address of the client. */
  readonly peer: string;
  /** The connection, as records/request-head.ts of the lanes has it. */
  readonly connection: string;
  /** The Host of a request in HTTP/1.0 that has none: the address that the client has reached. */
  readonly fallbackHost: string;
}

/** Writes the lines of `origin`, with LF before each, at `start`; returns where they end. */
export function writeOrigin(
  { peer, connection }: RequestOrigin,
  target: Buffer,
  start: number,
): number {
  return writeLine(connection, target, writeLine(peer, target, start));
}

function writeLine(text: string, target: Buffer, start: number): number {
  const { length } = text;
  target[start] = LF;
  for (let at = 0; at < length; at++) target[start + 1 + at] = text.charCodeAt(at);
  return start + 1 + length;
}

/** Whose head is read. */
export interface ScannedConnection {
  readonly origin: RequestOrigin;
  readonly head: RequestHead;
  /** null: it has sent no fields that are worth it. */
  fieldsMemory: FieldsMemory | null;
}

export class RequestHead {
  /** '' in a request that was refused before its end. */
  method = '';
  /** The origin form or `*`, without raw characters; '' as for the method. */
  target = '';
  /**
   * METHOD LF TARGET LF PEER LF CONNECTION (LF name LF value)*, in latin-1 and with names in lower
   * case: the fields that go on. Of a request that was refused, those before the mistake.
   */
  text = '';
  /** 0: no body follows; -1: not known before its end. */
  bodyBytes = 0;
  protocol: Http1Version = HTTP_1_1;
  /** The client means to keep the connection. */
  isPersistent = true;
  /** The client waits for 100 before it sends the body. */
  expectsContinue = false;
  /** Protocols of Upgrade, in lower case, where Connection names it as well; '' when none. */
  upgrade = '';
  /** The client asks for a WebSocket, in the only form that RFC 6455 4.1 knows. */
  wantsTunnel = false;
  /** Fields that were dropped for an underscore in their name. */
  droppedFields = 0;
  /** The name of the last one, cut; '': none was. */
  droppedName = '';
  /** Not null: the request must not enter, for this reason. */
  problem: ProblemKind | null = null;
  /** Which mistake it was, for the log. */
  reason = '';

  /**
   * Not 0: this connection has sent the head before, byte for byte, and this is its number among
   * the heads of all connections of the thread (HeadNumbers).
   */
  headNumber = 0;

  /** When the head was read, on the monotonic clock; and the listener. Set by the owner. */
  receivedMs = 0;
  listener = 0;

  constructor(readonly peer: string) {}

  /** Nothing more may be read behind the reply. */
  get mustClose(): boolean {
    return !this.isPersistent;
  }
}

/** Stands in for a connection where none is served. */
export const NOBODY: ScannedConnection = {
  origin: { peer: '', connection: '', fallbackHost: '' },
  head: new RequestHead(''),
  fieldsMemory: null,
};
