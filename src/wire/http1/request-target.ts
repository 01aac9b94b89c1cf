/**
 * The forms of a request's target (RFC 9112 3.2) that do not begin with a slash.
 *
 * Thread: any (pure). A target in absolute form is what a client with a proxy sends: its path goes
 * on, and its authority is held against Host. A request in which the two differ is refused: what
 * stands behind the gateway would have to know which of them was meant.
 */
import { isHost } from './host-value.js';

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
  if (!isHost(authority)) return null;
  const defaultPort = PORTS.get(scheme.toLowerCase()) ?? '';
  // RFC 9112 3.2.4: OPTIONS for a server as a whole, sent through a proxy.
  if (rest === '' && method === 'OPTIONS') return { target: '*', authority, defaultPort };
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority, defaultPort };
}
