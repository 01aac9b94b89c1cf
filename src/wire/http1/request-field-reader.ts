/**
 * What the fields of a request mean for its connection and its body, and which of them go on.
 *
 * Thread: any (pure). RFC 9112 3.2, 6 and 9.3, RFC 9110 7.6.1, 7.8 and 10.1.1. A mistake is kept
 * until the head has ended: the rest of the head is well-formed, and says who is to be told.
 *
 * One reader serves one head after the other: begin(), take() for each field, then finish().
 */
import { assertNever } from '../../base/assert.js';
import { mayHaveBody } from '../../base/http-method.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import { namesWebSocket, WEBSOCKET } from '../websocket/handshake.js';
import { areAllIn, TOKEN_BYTES } from './characters.js';
import { readLength } from './content-length.js';
import { isHost, isPlainHost, isSameHost } from './host-value.js';
import { HTTP_1_0, HTTP_1_1, type RequestHead } from './request-head.js';
import type { RequestRules } from './request-rules.js';
import { tokensOf } from './token-list.js';

/** Of the name of a field that was dropped, for the log. */
const NAME_CHARS_MAX = 64;

/** What Connection says of itself, and not of a field that goes on. */
const CONNECTION_WORDS: ReadonlySet<string> = new Set([
  '',
  'close',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'http2-settings',
  'proxy-connection',
]);

export class RequestFieldReader {
  count = 0;
  /** The authority of a target in absolute form; '' else. */
  authority = '';
  defaultPort = '';

  private hostCount = 0;
  private host = '';
  /** The target names another host, which takes the place of that in the field. */
  private isHostReplaced = false;
  private lengthCount = 0;
  private codingCount = 0;
  private upgrade = '';
  private mayUpgrade = false;
  private mustClose = false;
  private keepsAlive = false;

  constructor(public head: RequestHead) {}

  begin(head: RequestHead): void {
    this.head = head;
    this.count = 0;
    this.authority = '';
    this.defaultPort = '';
    this.hostCount = 0;
    this.host = '';
    this.isHostReplaced = false;
    this.lengthCount = 0;
    this.codingCount = 0;
    this.upgrade = '';
    this.mayUpgrade = false;
    this.mustClose = false;
    this.keepsAlive = false;
    head.method = '';
    head.target = '';
    head.text = '';
    head.bodyBytes = 0;
    head.protocol = HTTP_1_1;
    head.isPersistent = true;
    head.expectsContinue = false;
    head.upgrade = '';
    head.wantsTunnel = false;
    head.droppedFields = 0;
    head.droppedName = '';
    head.problem = null;
    head.reason = '';
  }

  /** The first mistake counts. */
  refuse(kind: ProblemKind, reason: string): false {
    const { head } = this;
    if (head.problem === null) {
      head.problem = kind;
      head.reason = reason;
    }
    return false;
  }

  // Hot path (bench/gateway/plain-get): every field of every request. A switch over the length
  // avoids most comparisons.
  /**
   * Takes the field whose name stands in `text` from `start` to `nameEnd`, in lower case, and its
   * value behind one more byte up to `end`. True: it goes on to the worker.
   */
  take(text: Buffer, start: number, nameEnd: number, end: number): boolean {
    switch (nameEnd - start) {
      case 2:
        return !isName(text, start, 'te');
      case 4:
        return isName(text, start, 'host') ? this.onHost(text, nameEnd + 1, end) : true;
      case 6:
        return isName(text, start, 'expect') ? this.onExpect(textOf(text, nameEnd, end)) : true;
      case 7:
        if (isName(text, start, 'upgrade')) return this.onUpgrade(textOf(text, nameEnd, end));
        return !isName(text, start, 'trailer');
      case 10:
        if (isName(text, start, 'connection')) {
          if (end - nameEnd === 11 && isName(text, nameEnd + 1, 'keep-alive')) {
            this.keepsAlive = true;
            return false;
          }
          return this.onConnection(textOf(text, nameEnd, end));
        }
        return !isName(text, start, 'keep-alive');
      case 14:
        if (isName(text, start, 'content-length')) {
          return this.onContentLength(textOf(text, nameEnd, end));
        }
        return !isName(text, start, 'http2-settings');
      case 16:
        return !isName(text, start, 'proxy-connection');
      case 17:
        if (!isName(text, start, 'transfer-encoding')) return true;
        return this.onTransferEncoding(textOf(text, nameEnd, end));
      default:
        return true;
    }
  }

  /** The same for a field whose name has an underscore: none of those above has. */
  takesUnderscore(
    { underscores }: RequestRules,
    text: Buffer,
    start: number,
    end: number,
  ): boolean {
    switch (underscores) {
      case 'forward':
        return true;
      case 'drop':
        this.head.droppedFields++;
        this.head.droppedName = shortName(text, start, end);
        return false;
      case 'refuse':
        return this.refuse(PROBLEMS.badField, 'an underscore in the name of a field');
      default:
        return assertNever(underscores);
    }
  }

  private onHost(text: Buffer, start: number, end: number): boolean {
    this.hostCount++;
    if (this.authority === '' && isPlainHost(text, start, end)) return true;
    this.host = text.toString('latin1', start, end);
    if (!isHost(this.host)) return this.refuse(PROBLEMS.badHost, 'a Host that is no host');
    if (this.authority === '') return true;
    this.isHostReplaced = !isSameHost(this.authority, this.host, this.defaultPort);
    return !this.isHostReplaced;
  }

  private onExpect(value: string): false {
    if (value.toLowerCase() === '100-continue') {
      this.head.expectsContinue = true;
      return false;
    }
    return this.refuse(PROBLEMS.expectationFailed, 'an expectation other than 100-continue');
  }

  private onUpgrade(value: string): false {
    this.upgrade += this.upgrade === '' ? value.toLowerCase() : `,${value.toLowerCase()}`;
    return false;
  }

  /** The worker needs it only where it names fields that go no further. */
  private onConnection(value: string): boolean {
    let namesFields = false;
    for (const token of tokensOf(value)) {
      if (token === 'close') this.mustClose = true;
      else if (token === 'keep-alive') this.keepsAlive = true;
      else if (token === 'upgrade') this.mayUpgrade = true;
      if (!CONNECTION_WORDS.has(token)) namesFields = true;
    }
    return namesFields;
  }

  private onContentLength(value: string): false {
    this.lengthCount++;
    // Until it is read, what follows the head is a body of any length.
    this.head.bodyBytes = -1;
    const bytes = readLength(value);
    if (bytes === -1) return this.refuse(PROBLEMS.badLength, 'a Content-Length that is no number');
    this.head.bodyBytes = bytes;
    return false;
  }

  private onTransferEncoding(value: string): false {
    this.codingCount++;
    this.head.bodyBytes = -1;
    const coding = value.toLowerCase();
    if (coding === 'chunked') return false;
    const isMangled = coding === '' || coding.includes('chunked') || !areAllIn(TOKEN_BYTES, value);
    return isMangled
      ? this.refuse(PROBLEMS.badFraming, 'a Transfer-Encoding that is not chunked alone')
      : this.refuse(PROBLEMS.unknownCoding, 'a transfer coding other than chunked');
  }

  /**
   * The fields say nothing but where the request goes: by one Host, in the usual form. So they mean
   * the same with every target that names no authority, in HTTP/1.1.
   */
  get areNeutral(): boolean {
    const { head, lengthCount, codingCount } = this;
    const hasHost = this.hostCount === 1 && this.host === '';
    const hasBody = lengthCount > 0 || codingCount > 0 || head.expectsContinue;
    const isOfConnection = this.mustClose || this.mayUpgrade || this.upgrade !== '';
    const isGood = head.problem === null && head.droppedFields === 0;
    return hasHost && isGood && !hasBody && !isOfConnection && head.protocol !== HTTP_1_0;
  }

  /** The fields are some that were neutral when they were taken before. */
  takeNeutral(): void {
    this.hostCount = 1;
  }

  /** A request in HTTP/1.0 without Host gets one, and one whose target names another host. */
  get needsHost(): boolean {
    return this.hostCount === 0 || this.isHostReplaced;
  }

  /** All fields are read: what they mean together. Mistakes are in the head. */
  finish(rules: RequestRules): void {
    const { head } = this;
    const isOld = head.protocol === HTTP_1_0;
    head.isPersistent = !this.mustClose && (!isOld || this.keepsAlive);
    this.checkHost(isOld);
    this.checkFraming(isOld);
    this.checkBody(rules);
    // RFC 9110 10.1.1 and 7.8: HTTP/1.0 knows neither.
    if (isOld || head.bodyBytes === 0) head.expectsContinue = false;
    if (!isOld && this.mayUpgrade) head.upgrade = this.upgrade;
    this.checkUpgrade();
  }

  private checkHost(isOld: boolean): void {
    const { hostCount } = this;
    if (hostCount > 1) this.refuse(PROBLEMS.badHost, 'two Host fields');
    else if (hostCount === 0 && !isOld) this.refuse(PROBLEMS.badHost, 'no Host field');
  }

  private checkFraming(isOld: boolean): void {
    if (this.codingCount > 1) this.refuse(PROBLEMS.badFraming, 'two Transfer-Encoding fields');
    if (this.lengthCount > 1) this.refuse(PROBLEMS.badFraming, 'two Content-Length fields');
    if (this.codingCount === 0) return;
    this.head.bodyBytes = -1;
    if (this.lengthCount > 0) {
      this.refuse(PROBLEMS.badFraming, 'Content-Length beside Transfer-Encoding');
    }
    if (isOld) this.refuse(PROBLEMS.badFraming, 'Transfer-Encoding in HTTP/1.0');
  }

  private checkBody(rules: RequestRules): void {
    const { bodyBytes, method } = this.head;
    if (bodyBytes === 0) return;
    if (!mayHaveBody(method, rules.bodyOnGet)) {
      this.refuse(PROBLEMS.bodyNotAllowed, 'a body behind a method without one');
    }
    if (bodyBytes > rules.bodyBytes) {
      this.refuse(PROBLEMS.bodyTooLarge, 'a Content-Length above the limit');
    }
  }

  /**
   * Other protocols may be ignored (RFC 9110 7.8), but no WebSocket client goes on without. Another
   * protocol beside it is refused: the target could choose that one.
   */
  private checkUpgrade(): void {
    if (this.upgrade === '' || !namesWebSocket(this.upgrade)) return;
    const { head } = this;
    const isAlone = head.upgrade === WEBSOCKET;
    head.wantsTunnel = isAlone && head.method === 'GET' && head.bodyBytes === 0;
    if (!head.wantsTunnel) {
      this.refuse(PROBLEMS.badHandshake, 'an upgrade to WebSocket that is no handshake');
    }
  }
}

function shortName(text: Buffer, start: number, end: number): string {
  return text.toString('latin1', start, Math.min(end, start + NAME_CHARS_MAX));
}

function textOf(text: Buffer, nameEnd: number, end: number): string {
  return text.toString('latin1', nameEnd + 1, end);
}

function isName(text: Uint8Array, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if (text[start + at] !== name.charCodeAt(at)) return false;
  }
  return true;
}
