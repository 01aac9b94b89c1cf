/**
 * The forms of a request's target (RFC 9112 3.2) that do not begin with a slash.
 *
 * Thread: any (pure). A target in absolute form is what a client with a proxy sends: its path goes
 * on, and where Host differs its authority takes the place of that (RFC 9112 3.2.2): what stands
 * behind the gateway gets one Host, and need not know that there were two.
 */
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { CR, LF } from './characters.js';
import { isHost } from './host-value.js';

/** A client that speaks HTTP/2 begins with `PRI * HTTP/2.0` (RFC 9113 3.4). */
const HTTP_2_METHOD = 'PRI';

export interface OddTarget {
  /** The origin form, or `*`. */
  readonly target: string;
  /** '' where the form has none. */
  readonly authority: string;
  /** The port of the scheme; '' where the form has none. */
  readonly defaultPort: string;
}

const ABSOLUTE = /^(https?):\/\/([^/?]*)(.*)$/i;
const PORTS = new Map([
  ['http', '80'],
  ['https', '443'],
]);

/** Null: no form that this method may have. */
export function readOddTarget(method: string, text: string): OddTarget | null {
  if (text === '*') {
    return method === 'OPTIONS' ? { target: '*', authority: '', defaultPort: '' } : null;
  }
  const match = ABSOLUTE.exec(text);
  if (match === null) return null;
  const [, scheme = '', authority = '', rest = ''] = match;
  // Raw characters are encoded by now, which no host has: a target could decode them.
  if (authority.includes('%') || !isHost(authority)) return null;
  const defaultPort = PORTS.get(scheme.toLowerCase()) ?? '';
  // RFC 9112 3.2.4: OPTIONS for a server as a whole, sent through a proxy.
  if (rest === '' && method === 'OPTIONS') return { target: '*', authority, defaultPort };
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority, defaultPort };
}

/** Why a target is refused. */
export interface TargetMistake {
  readonly problem: ProblemKind;
  readonly reason: string;
}

/** Of a target in which this byte stands. */
export function mistakeOfTarget(byte: number | undefined): TargetMistake {
  if (byte === CR || byte === LF) {
    return { problem: PROBLEMS.badRequestLine, reason: 'a request line without a version' };
  }
  return { problem: PROBLEMS.badTarget, reason: 'a character that no target has' };
}

/** Of a target in a form that this method may not have. */
export function mistakeOfForm(method: string): TargetMistake {
  return method === HTTP_2_METHOD
    ? { problem: PROBLEMS.badVersion, reason: 'the first line of HTTP/2' }
    : { problem: PROBLEMS.badTarget, reason: 'a target in no known form' };
}
