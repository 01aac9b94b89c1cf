/**
 * Decides which requests may enter: method, target, Host, framing, counts and sizes.
 *
 * Thread: acceptor. The parser of the native library is lenient, so the guard checks everything
 * itself (RFC 9112 sections 3, 5, 6 and 11.2). Every refusal closes the connection, and nothing of
 * a refused request goes further.
 *
 * One guard serves one request after the other: begin(), field() for each field, then finish().
 */
import { FIELD_LINE_BYTES, REQUEST_LINE_BYTES } from '../../base/head-size.js';
import { CONNECT_METHOD, METHOD_CHARS_MAX, mayHaveBody } from '../../base/http-method.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import type { ListenerSettings } from '../../config/listener-settings.js';
import { areAllIn, TOKEN_BYTES } from '../../wire/http1/characters.js';
import { isHost } from '../../wire/http1/host-value.js';
import { tokensOf } from '../../wire/http1/token-list.js';
import type { GuardLimits } from '../listener-rules.js';

/** Requests with these and without a length surely have no body. */
const BODILESS_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

const CHAR_FORBIDDEN = 0;
const CHAR_EVERYWHERE = 1;
const CHAR_QUERY_ONLY = 2;

/** Which characters a target may hold (RFC 3986; browsers leave five more raw in a query). */
const TARGET_CHARS = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code);
  if (code < 0x21 || code > 0x7e || '#<>"\\'.includes(char)) return CHAR_FORBIDDEN;
  return '^`{|}'.includes(char) ? CHAR_QUERY_ONLY : CHAR_EVERYWHERE;
});

export class RequestGuard {
  /** -1: chunked, not known. */
  bodyBytes = 0;
  /** The client asked to close, or the framing makes it unsafe to go on after the reply. */
  mustClose = false;
  isChunked = false;
  /** Set when a value holds bytes above 0x7e, which the parser has decoded lossily. */
  hasObsText = false;
  /** Fields that were dropped for an underscore, and the name of the last one. */
  droppedFields = 0;
  droppedName = '';

  private problem: ProblemKind | null = null;
  private method = '';
  private fieldCount = 0;
  private headBytes = 0;
  private hostCount = 0;
  private lengthCount = 0;
  private codingCount = 0;

  /** Both may be replaced between two requests. */
  constructor(
    public limits: GuardLimits,
    public underscores: ListenerSettings['underscores'],
  ) {}

  /** Starts with the request line. */
  begin(method: string, target: string): void {
    this.bodyBytes = 0;
    this.mustClose = false;
    this.isChunked = false;
    this.hasObsText = false;
    this.droppedFields = 0;
    this.droppedName = '';
    this.problem = null;
    this.method = method;
    this.fieldCount = 0;
    this.headBytes = method.length + target.length + REQUEST_LINE_BYTES;
    this.hostCount = 0;
    this.lengthCount = 0;
    this.codingCount = 0;
    if (!isMethod(method)) this.refuse(PROBLEMS.badMethod);
    else if (method === CONNECT_METHOD) this.refuse(PROBLEMS.unknownMethod);
    else if (target.length > this.limits.headerBytes) this.refuse(PROBLEMS.targetTooLong);
    else if (!isTarget(target)) this.refuse(PROBLEMS.badTarget);
  }

  /**
   * Looks at one field. True: it goes on to the worker. False: it belongs to this connection only
   * (RFC 9110 7.6.1), or the request is refused.
   *
   * Hot path (bench/gateway/plain-get): every field of every request; a switch over the length
   * avoids most comparisons.
   */
  field(name: string, value: string): boolean {
    this.fieldCount++;
    this.headBytes += name.length + value.length + FIELD_LINE_BYTES;
    this.checkChars(name, value);
    if (name.includes('_')) return this.onUnderscore(name);
    switch (name.length) {
      case 2:
        return name !== 'te';
      case 4:
        return name === 'host' ? this.onHost(value) : true;
      case 6:
        return name !== 'expect';
      case 7:
        return name === 'upgrade' ? this.onUpgrade(value) : name !== 'trailer';
      case 10:
        return name === 'connection' ? this.onConnection(value) : name !== 'keep-alive';
      case 14:
        return name === 'content-length' ? this.onContentLength(value) : name !== 'http2-settings';
      case 16:
        return name !== 'proxy-connection';
      case 17:
        return name === 'transfer-encoding' ? this.onTransferEncoding(value) : true;
      default:
        return true;
    }
  }

  /** Adds bytes of fields that had more bytes than characters. */
  countBytes(moreBytes: number): void {
    this.headBytes += moreBytes;
  }

  /** Null: the request may enter. Else why not. */
  finish(): ProblemKind | null {
    if (this.problem !== null) return this.problem;
    const { headerFields, headerBytes } = this.limits;
    if (this.fieldCount > headerFields || this.headBytes > headerBytes) {
      return PROBLEMS.headTooLarge;
    }
    if (this.hostCount !== 1) return PROBLEMS.badHost;
    if (this.codingCount > 1 || this.lengthCount > 1) return PROBLEMS.badFraming;
    if (this.codingCount === 1) {
      if (this.lengthCount > 0) return PROBLEMS.badFraming;
      this.isChunked = true;
      this.bodyBytes = -1;
      // The guard cannot see what follows the last chunk: nothing may be read behind it.
      this.mustClose = true;
    } else if (this.lengthCount === 0 && !BODILESS_METHODS.has(this.method)) {
      // The parser hides what stands behind an empty field name, a length among it: the body of
      // such a request would be read as the next request.
      this.mustClose = true;
    }
    if (this.bodyBytes !== 0 && !mayHaveBody(this.method, this.limits.bodyOnGet)) {
      return PROBLEMS.bodyNotAllowed;
    }
    return this.bodyBytes > this.limits.bodyBytes ? PROBLEMS.bodyTooLarge : null;
  }

  private refuse(kind: ProblemKind): false {
    this.problem ??= kind;
    return false;
  }

  private checkChars(name: string, value: string): void {
    if (name.length === 0 || !areAllIn(TOKEN_BYTES, name)) this.refuse(PROBLEMS.badField);
    for (let at = 0; at < value.length; at++) {
      const code = value.charCodeAt(at);
      if (code >= 0x20 && code < 0x7f) continue;
      if (code > 0x7f) this.hasObsText = true;
      else if (code !== 9) this.refuse(PROBLEMS.badField);
    }
  }

  /** Behind CGI and WSGI an underscore is a hyphen; see listen.underscores. */
  private onUnderscore(name: string): boolean {
    if (this.underscores === 'forward') return true;
    if (this.underscores === 'refuse') return this.refuse(PROBLEMS.badField);
    this.droppedFields++;
    this.droppedName = name;
    return false;
  }

  private onHost(value: string): boolean {
    this.hostCount++;
    return isHost(value) || this.refuse(PROBLEMS.badHost);
  }

  private onConnection(value: string): boolean {
    if (value.length === 10 && value.toLowerCase() === 'keep-alive') return false;
    if (tokensOf(value).includes('close')) this.mustClose = true;
    return true;
  }

  /** Other protocols may be ignored (RFC 9110 7.8), but no WebSocket client goes on without. */
  private onUpgrade(value: string): false {
    return tokensOf(value).includes('websocket') ? this.refuse(PROBLEMS.upgradeUnsupported) : false;
  }

  private onContentLength(value: string): boolean {
    this.lengthCount++;
    // Until it is read, what follows the head is a body of any length.
    this.bodyBytes = -1;
    if (value.length === 0 || value.length > 15) return this.refuse(PROBLEMS.badLength);
    let bytes = 0;
    for (let at = 0; at < value.length; at++) {
      const digit = value.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) return this.refuse(PROBLEMS.badLength);
      bytes = bytes * 10 + digit;
    }
    this.bodyBytes = bytes;
    return false;
  }

  private onTransferEncoding(value: string): boolean {
    this.codingCount++;
    this.bodyBytes = -1;
    const coding = value.toLowerCase();
    if (coding === 'chunked') return false;
    const isMangled =
      coding.length === 0 || coding.includes('chunked') || !areAllIn(TOKEN_BYTES, value);
    return this.refuse(isMangled ? PROBLEMS.badFraming : PROBLEMS.unknownCoding);
  }
}

function isMethod(method: string): boolean {
  return method.length > 0 && method.length <= METHOD_CHARS_MAX && areAllIn(TOKEN_BYTES, method);
}

function isTarget(target: string): boolean {
  if (target.charCodeAt(0) !== 47) return false;
  let inQuery = false;
  for (let at = 0; at < target.length; at++) {
    const code = target.charCodeAt(at);
    const where = TARGET_CHARS[code];
    if (where === CHAR_EVERYWHERE) inQuery ||= code === 63;
    else if (where !== CHAR_QUERY_ONLY || !inQuery) return false;
  }
  return true;
}
