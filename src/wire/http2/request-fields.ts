/**
 * What the fields of a request in HTTP/2 mean, and which of them go on.
 *
 * Thread: any (pure). RFC 9113 8.2, 8.3 and 8.5, RFC 8441 4. A request is malformed, which ends its
 * stream, or it is well-formed and refused, which is answered; the first mistake of each counts.
 *
 * One sink serves one header block after the other: begin(), the block, then finish().
 */
import { assertNever } from '../../base/assert.js';
import { METHOD_CHARS_MAX, mayHaveBody } from '../../base/http-method.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import {
  FIELD_COOKIE,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_LENGTH,
  FIELD_OF_CONNECTION,
  FIELD_ORDINARY,
  FIELD_TE,
  FIELD_TRAILER,
  FIELD_UNDERSCORE,
  isPseudoField,
  PSEUDO_AUTHORITY,
  PSEUDO_METHOD,
  PSEUDO_PATH,
  PSEUDO_PROTOCOL,
  PSEUDO_SCHEME,
} from '../hpack/field-class.js';
import type { DecodedField, FieldSink } from '../hpack/hpack-decoder.js';
import { areAllIn, TOKEN_BYTES } from '../http1/characters.js';
import { readLength } from '../http1/content-length.js';
import { isHost, isSameHost } from '../http1/host-value.js';
import type { RequestOrigin } from '../http1/request-head.js';
import type { RequestRules } from '../http1/request-rules.js';
import { encodeTarget } from './request-path.js';

/** A request in HTTP/2 without its body. */
export interface Http2RequestHead {
  readonly method: string;
  readonly target: string;
  /** :authority, or Host. */
  readonly host: string;
  /** METHOD LF TARGET LF PEER LF CONNECTION (LF name LF value)*, as the lanes take it. */
  readonly text: string;
  /** 0: no body follows; -1: not known before its end. */
  readonly bodyBytes: number;
  readonly expectsContinue: boolean;
  /**
   * The client asks for a WebSocket (RFC 8441): `method` and `text` say GET, as the upgrade of
   * HTTP/1.1 does, and what follows the head is no body.
   */
  readonly wantsTunnel: boolean;
  /** The client takes trailers with the reply. */
  readonly takesTrailers: boolean;
  /** Fields that were dropped for an underscore in their name. */
  readonly droppedFields: number;
  /** The name of the last one, cut; '': none was. */
  readonly droppedName: string;
  /** Not null: the request must not enter, for this reason. */
  readonly problem: ProblemKind | null;
  readonly reason: string;
  /** The same each time that the connection sends this head; 0: it has not come again. */
  number: number;
}

/** Of a dropped field, in the log. */
const NAME_CHARS_MAX = 64;

const WEBSOCKET = 'websocket';
const PORT_OF_HTTP = '80';
const PORT_OF_HTTPS = '443';

export class RequestFields implements FieldSink {
  /** Not '': the request is malformed. */
  mistake = '';
  method = '';
  path = '';

  private scheme = '';
  private authority = '';
  private protocol = '';
  /** Bits by the class of the pseudo-fields that have come. */
  private seen = 0;
  private hasFields = false;
  private host = '';
  private hostCount = 0;
  private cookie = '';
  private hasCookie = false;
  private length = -1;
  private expectsContinue = false;
  private takesTrailers = false;
  private droppedFields = 0;
  private droppedName = '';
  private problem: ProblemKind | null = null;
  private reason = '';

  /** `mayConnect`: extended CONNECT was offered to this client. */
  constructor(
    public rules: RequestRules,
    private readonly origin: RequestOrigin,
    private readonly mayConnect: boolean,
  ) {}

  begin(): void {
    this.mistake = '';
    this.method = '';
    this.scheme = '';
    this.authority = '';
    this.path = '';
    this.protocol = '';
    this.seen = 0;
    this.hasFields = false;
    this.host = '';
    this.hostCount = 0;
    this.cookie = '';
    this.hasCookie = false;
    this.length = -1;
    this.expectsContinue = false;
    this.takesTrailers = false;
    this.droppedFields = 0;
    this.droppedName = '';
    this.problem = null;
    this.reason = '';
  }

  // Hot path (bench/gateway/plain-get): every field of every request.
  take(field: DecodedField): boolean {
    const { fieldClass } = field;
    if (isPseudoField(fieldClass)) return this.takePseudo(field);
    this.hasFields = true;
    switch (fieldClass) {
      case FIELD_ORDINARY:
        return true;
      case FIELD_COOKIE:
        return this.onCookie(field.value);
      case FIELD_UNDERSCORE:
        return this.onUnderscore(field.name);
      case FIELD_TE:
        this.takesTrailers = true;
        return field.value === 'trailers' ? false : this.fail('a TE other than trailers');
      case FIELD_HOST:
        this.host = field.value;
        return ++this.hostCount === 1 ? false : this.fail('two Host fields');
      case FIELD_EXPECT:
        return this.onExpect(field.value);
      case FIELD_LENGTH:
        return this.onLength(field.value);
      case FIELD_TRAILER:
        return false;
      case FIELD_OF_CONNECTION:
        return this.fail('a field of an HTTP/1.1 connection');
      default:
        return this.fail('a field whose name or value HTTP/2 does not allow');
    }
  }

  private takePseudo(field: DecodedField): boolean {
    const { fieldClass } = field;
    const bit = 1 << fieldClass;
    if (this.hasFields) return this.fail('a pseudo-field behind a field');
    if ((this.seen & bit) !== 0) return this.fail('a pseudo-field that comes twice');
    this.seen |= bit;
    switch (fieldClass) {
      case PSEUDO_METHOD:
        this.method = field.value;
        return false;
      case PSEUDO_SCHEME:
        this.scheme = field.value;
        return false;
      case PSEUDO_AUTHORITY:
        this.authority = field.value;
        return false;
      case PSEUDO_PATH:
        this.path = field.value;
        return false;
      case PSEUDO_PROTOCOL:
        this.protocol = field.value;
        return false;
      default:
        return this.fail('a pseudo-field of replies');
    }
  }

  /** RFC 9113 8.2.3: its pieces are one field again for whoever speaks HTTP/1.1. */
  private onCookie(value: string): false {
    this.cookie = this.hasCookie ? `${this.cookie}; ${value}` : value;
    this.hasCookie = true;
    return false;
  }

  private onUnderscore(name: string): boolean {
    const { underscores } = this.rules;
    switch (underscores) {
      case 'forward':
        return true;
      case 'drop':
        this.droppedFields++;
        this.droppedName = name.slice(0, NAME_CHARS_MAX);
        return false;
      case 'refuse':
        return this.refuse(PROBLEMS.badField, 'an underscore in the name of a field');
      default:
        return assertNever(underscores);
    }
  }

  private onExpect(value: string): false {
    this.expectsContinue = true;
    if (value.toLowerCase() === '100-continue') return false;
    return this.refuse(PROBLEMS.expectationFailed, 'an expectation other than 100-continue');
  }

  private onLength(value: string): false {
    const bytes = readLength(value);
    if (bytes === -1) return this.fail('a Content-Length that is no number');
    if (this.length !== -1) return this.fail('two Content-Length fields');
    this.length = bytes;
    return false;
  }

  /** The first mistake counts. */
  private fail(mistake: string): false {
    if (this.mistake === '') this.mistake = mistake;
    return false;
  }

  private refuse(kind: ProblemKind, reason: string): false {
    if (this.problem === null) {
      this.problem = kind;
      this.reason = reason;
    }
    return false;
  }

  /**
   * The block has ended: `fields` is the text of what was kept of it, `isOversize` says that there
   * was more. Null: the request is malformed, see `mistake`.
   */
  finish(fields: string, isOversize: boolean, endsStream: boolean): Http2RequestHead | null {
    // Of a head that is too large some may be missing: it is refused for that alone.
    if (isOversize) this.refuse(PROBLEMS.headTooLarge, 'a head too large');
    else this.check(endsStream);
    if (this.mistake !== '') return null;
    const { rules, origin } = this;
    const wantsTunnel = this.has(PSEUDO_PROTOCOL);
    const method = wantsTunnel ? 'GET' : this.method;
    const target = this.path === '' ? '' : this.readTarget(rules);
    const host = this.authority === '' ? this.host : this.authority;
    const cookie = this.hasCookie ? `\ncookie\n${this.cookie}` : '';
    const start = `${method}\n${target}\n${origin.peer}\n${origin.connection}`;
    return {
      method,
      target,
      host,
      text: `${start}\nhost\n${host}${fields}${cookie}`,
      bodyBytes: endsStream || wantsTunnel ? 0 : this.length,
      expectsContinue: this.expectsContinue && !endsStream && this.length !== 0,
      wantsTunnel,
      takesTrailers: this.takesTrailers,
      droppedFields: this.droppedFields,
      droppedName: this.droppedName,
      problem: this.problem,
      reason: this.reason,
      number: 0,
    };
  }

  private check(endsStream: boolean): void {
    const isConnect = this.method === 'CONNECT';
    const isExtended = isConnect && this.has(PSEUDO_PROTOCOL);
    if (!areAllIn(TOKEN_BYTES, this.method) || this.method === '') {
      this.fail('no method, or one that is no token');
    } else if (this.has(PSEUDO_PROTOCOL) && !(isExtended && this.mayConnect)) {
      this.fail('a :protocol that was not offered');
    } else if (isConnect && !isExtended) {
      this.checkConnect();
    } else {
      this.checkTarget();
      if (isExtended && this.protocol.toLowerCase() !== WEBSOCKET) {
        this.refuse(PROBLEMS.unknownMethod, 'a :protocol other than websocket');
      }
    }
    this.checkHost();
    if (endsStream && this.length > 0) this.fail('a Content-Length and no body');
    this.checkRules(endsStream);
  }

  private has(pseudo: number): boolean {
    return (this.seen & (1 << pseudo)) !== 0;
  }

  /** RFC 9113 8.5. */
  private checkConnect(): void {
    if (this.has(PSEUDO_SCHEME) || this.has(PSEUDO_PATH) || !this.has(PSEUDO_AUTHORITY)) {
      this.fail('a CONNECT with other pseudo-fields than its authority');
    }
    this.refuse(PROBLEMS.unknownMethod, 'a CONNECT');
  }

  private checkTarget(): void {
    const { path, scheme } = this;
    if (scheme === '') this.fail('no :scheme');
    else if (path === '') this.fail('no :path');
    else if (!path.startsWith('/') && !(path === '*' && this.method === 'OPTIONS')) {
      this.fail('a :path that is no path');
    }
    if (scheme !== 'http' && scheme !== 'https') {
      this.refuse(PROBLEMS.badTarget, 'a scheme other than http and https');
    }
  }

  private checkHost(): void {
    const { authority, host } = this;
    if (this.has(PSEUDO_AUTHORITY) && (authority === '' || authority.includes('@'))) {
      this.fail('an :authority that is empty, or names a user');
    } else if (this.has(PSEUDO_AUTHORITY) && !isHost(authority)) {
      this.refuse(PROBLEMS.badHost, 'an :authority that is no host');
    } else if (this.hostCount > 0 && !isHost(host)) {
      this.refuse(PROBLEMS.badHost, 'a Host that is no host');
    } else if (authority === '' && host === '') {
      this.refuse(PROBLEMS.badHost, 'neither :authority nor Host');
    } else if (authority !== '' && host !== '') {
      const port = this.scheme === 'https' ? PORT_OF_HTTPS : PORT_OF_HTTP;
      if (!isSameHost(authority, host, port)) this.fail('a Host other than the :authority');
    }
  }

  private checkRules(endsStream: boolean): void {
    const { rules, method } = this;
    if (method.length > METHOD_CHARS_MAX) this.refuse(PROBLEMS.unknownMethod, 'a method too long');
    // What follows an extended CONNECT is no body. Of another length than 0 there may be one.
    if (endsStream || this.length === 0 || this.has(PSEUDO_PROTOCOL)) return;
    if (!mayHaveBody(method, rules.bodyOnGet)) {
      this.refuse(PROBLEMS.bodyNotAllowed, 'a body behind a method without one');
    }
    if (this.length > rules.bodyBytes) {
      this.refuse(PROBLEMS.bodyTooLarge, 'a Content-Length above the limit');
    }
  }

  private readTarget(rules: RequestRules): string {
    const target = encodeTarget(this.path, rules.rawCharacters === 'encode');
    if (target === '') this.refuse(PROBLEMS.badTarget, 'a character that no target has');
    return target;
  }
}
