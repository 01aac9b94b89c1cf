/**
 * Request ids: kept when the client's is sane, else made.
 *
 * Thread: any (pure). An id is unguessable enough to be unique, not a secret: a random prefix per
 * thread (given by the caller) and a counter.
 */

/** The field of every reply that holds the id. */
export const REQUEST_ID_FIELD = 'X-Request-Id';

const CLIENT_ID_CHARS_MAX = 128;

export class RequestIdSource {
  private counter = 0;

  /** `prefix`: random hex of this thread. */
  constructor(private readonly prefix: string) {}

  next(): string {
    this.counter = (this.counter + 1) >>> 0;
    return `${this.prefix}-${this.counter.toString(16).padStart(8, '0')}`;
  }

  /** The client's id when it is 1 to 128 of letters, digits and -_.:/+= ; else a new one. */
  keepOrMake(clientId: string): string {
    return isSaneRequestId(clientId) ? clientId : this.next();
  }
}

function isSaneRequestId(id: string): boolean {
  if (id.length === 0 || id.length > CLIENT_ID_CHARS_MAX) return false;
  for (let at = 0; at < id.length; at++) {
    if (!isIdChar(id.charCodeAt(at))) return false;
  }
  return true;
}

function isIdChar(code: number): boolean {
  const isLetter = (code | 32) >= 97 && (code | 32) <= 122;
  // 43 + , 45 - . / 0-9 : and 61 = 95 _ ; the comma (44) would make a list of it.
  return isLetter || (code >= 45 && code <= 58) || code === 43 || code === 61 || code === 95;
}
