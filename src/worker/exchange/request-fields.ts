/**
 * One pass over the fields of a request: those with a meaning for the gateway, and the rest.
 *
 * Thread: worker.
 */
import { HEAD_FIELDS } from '../../channel/records/request-head.js';

const FIELD_CONNECTION = 1;
const FIELD_HOST = 2;
const FIELD_REQUEST_ID = 3;
const FIELD_FORWARDED_FOR = 4;
const FIELD_FORWARDED_PROTO = 5;
const FIELD_FORWARDED_HOST = 6;
const FIELD_FORWARDED = 7;
const FIELD_VIA = 8;
const FIELD_LOOP = 9;
const FIELD_AUTHORIZATION = 10;
const FIELD_CLAIMED = 11;
const FIELD_OVERRIDE = 12;
const FIELD_DROPPED = 13;

const SPECIAL_FIELDS: ReadonlyMap<string, number> = new Map([
  ['connection', FIELD_CONNECTION],
  ['host', FIELD_HOST],
  ['x-request-id', FIELD_REQUEST_ID],
  ['x-forwarded-for', FIELD_FORWARDED_FOR],
  ['x-forwarded-proto', FIELD_FORWARDED_PROTO],
  ['x-forwarded-host', FIELD_FORWARDED_HOST],
  ['forwarded', FIELD_FORWARDED],
  ['via', FIELD_VIA],
  ['cdn-loop', FIELD_LOOP],
  ['authorization', FIELD_AUTHORIZATION],
  ['x-forwarded-port', FIELD_CLAIMED],
  ['x-forwarded-server', FIELD_CLAIMED],
  ['x-forwarded-prefix', FIELD_CLAIMED],
  ['x-real-ip', FIELD_CLAIMED],
  ['x-forwarded-client-cert', FIELD_CLAIMED],
  ['x-forwarded', FIELD_CLAIMED],
  ['x-forwarded-by', FIELD_CLAIMED],
  ['x-forwarded-scheme', FIELD_CLAIMED],
  ['x-forwarded-ssl', FIELD_CLAIMED],
  ['x-forwarded-user', FIELD_CLAIMED],
  ['x-forwarded-email', FIELD_CLAIMED],
  ['x-forwarded-groups', FIELD_CLAIMED],
  ['x-forwarded-preferred-username', FIELD_CLAIMED],
  ['x-client-ip', FIELD_CLAIMED],
  ['x-cluster-client-ip', FIELD_CLAIMED],
  ['true-client-ip', FIELD_CLAIMED],
  ['cf-connecting-ip', FIELD_CLAIMED],
  ['front-end-https', FIELD_CLAIMED],
  // Behind CGI it is HTTP_PROXY, by which programs send their own requests (CVE-2016-5385).
  ['proxy', FIELD_DROPPED],
  ['x-http-method-override', FIELD_OVERRIDE],
  ['x-http-method', FIELD_OVERRIDE],
  ['x-method-override', FIELD_OVERRIDE],
  ['x-original-url', FIELD_OVERRIDE],
  ['x-rewrite-url', FIELD_OVERRIDE],
  ['x-override-url', FIELD_OVERRIDE],
]);

const NOTHING: readonly string[] = [];

const OF_CODED_BODY: readonly string[] = [
  'content-encoding',
  'content-digest',
  'repr-digest',
  'digest',
  'content-md5',
];

/** Whether a field says something to the gateway itself, or is written by it. */
export function isSpecialField(lowerName: string): boolean {
  return kindOf(lowerName) !== undefined;
}

function kindOf(lowerName: string): number | undefined {
  return SPECIAL_FIELDS.get(lowerName) ?? (isOfMesh(lowerName) ? FIELD_CLAIMED : undefined);
}

const LETTER_L = 0x6c;
const LETTER_X = 0x78;

/**
 * What the proxies of a mesh say to each other: by it a stranger would choose targets, timeouts
 * and retries behind the gateway, or pass for another workload.
 */
function isOfMesh(lowerName: string): boolean {
  const first = lowerName.charCodeAt(0);
  if (first === LETTER_X) return lowerName.startsWith('x-envoy-');
  return first === LETTER_L && lowerName.startsWith('l5d-');
}

/** What one pass over a request's fields found. */
export class RequestFields {
  /** Names and values that go on as they are. */
  plain: readonly string[] = NOTHING;
  host = '';
  requestId = '';
  authorization = '';
  authorizationCount = 0;
  connection = '';
  forwardedFor = '';
  forwardedProto = '';
  forwardedHost = '';
  forwarded = '';
  via = '';
  /** CDN-Loop: as it came, and then as it goes on. */
  loop = '';
  /** Names and values of other claims about where the request came from. */
  claimed: readonly string[] = NOTHING;

  // Hot path (bench/gateway/plain-get): once for every request.
  /**
   * `forwardsOverrides`: X-HTTP-Method-Override and its like go on. `known`: what was found in the
   * same parts before; absent: nothing.
   */
  constructor(
    private parts: readonly string[],
    forwardsOverrides = false,
    known: RequestFields | null = null,
  ) {
    if (known === null) this.read(parts, forwardsOverrides);
    else this.takeOver(known);
  }

  private read(parts: readonly string[], forwardsOverrides: boolean): void {
    const plain: string[] = [];
    for (let at = HEAD_FIELDS; at + 1 < parts.length; at += 2) {
      const name = parts[at] ?? '';
      const value = parts[at + 1] ?? '';
      const special = kindOf(name);
      if (special === undefined) plain.push(name, value);
      else if (special < FIELD_CLAIMED) {
        // None of several is chosen, since nobody may change the field (RFC 9110 11.6.2).
        const isAnother = special === FIELD_AUTHORIZATION && this.authorizationCount > 0;
        if (isAnother) plain.push(name, this.authorization);
        this.take(special, value);
      } else if (special === FIELD_CLAIMED) this.claimed = [...this.claimed, name, value];
      else if (special === FIELD_OVERRIDE && forwardsOverrides) plain.push(name, value);
    }
    this.plain = plain;
  }

  private takeOver(known: RequestFields): void {
    this.plain = known.plain;
    this.host = known.host;
    this.requestId = known.requestId;
    this.authorization = known.authorization;
    this.authorizationCount = known.authorizationCount;
    this.connection = known.connection;
    this.forwardedFor = known.forwardedFor;
    this.forwardedProto = known.forwardedProto;
    this.forwardedHost = known.forwardedHost;
    this.forwarded = known.forwarded;
    this.via = known.via;
    this.loop = known.loop;
    this.claimed = known.claimed;
  }

  /** The same fields, which can be changed apart: lists are replaced, and never written to. */
  again(): RequestFields {
    return new RequestFields(this.parts, false, this);
  }

  private take(special: number, value: string): void {
    switch (special) {
      case FIELD_CONNECTION:
        this.connection = joinList(this.connection, value);
        break;
      case FIELD_HOST:
        this.host = value;
        break;
      case FIELD_REQUEST_ID:
        this.requestId = value;
        break;
      case FIELD_FORWARDED_FOR:
        this.forwardedFor = joinList(this.forwardedFor, value);
        break;
      case FIELD_FORWARDED_PROTO:
        this.forwardedProto = value;
        break;
      case FIELD_FORWARDED_HOST:
        this.forwardedHost = value;
        break;
      case FIELD_FORWARDED:
        this.forwarded = joinList(this.forwarded, value);
        break;
      case FIELD_VIA:
        this.via = joinList(this.via, value);
        break;
      case FIELD_LOOP:
        this.loop = joinList(this.loop, value);
        break;
      default:
        this.authorization = value;
        this.authorizationCount++;
    }
  }

  /** The credentials end here: the target does not get them. */
  dropAuthorization(): void {
    this.authorization = '';
    if (this.authorizationCount > 1) this.replacePlain('authorization', '');
  }

  /** Whether somebody tells in which scheme the client asked. */
  get tellsScheme(): boolean {
    return this.forwardedProto !== '' || this.forwarded !== '';
  }

  /** A proxy that does not write the field has let the client write it. */
  dropForwardedProto(): void {
    this.forwardedProto = '';
  }

  /** Sets a field that goes on as it is, in place of what the client sent; '' takes it away. */
  replacePlain(name: string, value: string): void {
    const kept: string[] = [];
    for (let at = 0; at + 1 < this.plain.length; at += 2) {
      if (this.plain[at] !== name) kept.push(this.plain[at] ?? '', this.plain[at + 1] ?? '');
    }
    if (value !== '') kept.push(name, value);
    this.plain = kept;
  }

  /** The body has been decoded: what described the coded one is gone. */
  dropCoding(): void {
    const kept: string[] = this.parts.slice(0, HEAD_FIELDS);
    for (let at = HEAD_FIELDS; at + 1 < this.parts.length; at += 2) {
      const name = this.parts[at] ?? '';
      if (!OF_CODED_BODY.includes(name)) kept.push(name, this.parts[at + 1] ?? '');
    }
    this.parts = kept;
    for (const name of OF_CODED_BODY) this.replacePlain(name, '');
  }

  /** The first value of a field by lower-case name, or ''. */
  value(name: string): string {
    for (let at = HEAD_FIELDS; at < this.parts.length; at += 2) {
      if (this.parts[at] === name) return this.parts[at + 1] ?? '';
    }
    return '';
  }

  /** Every value of a field by lower-case name, in order. */
  values(name: string): string[] {
    const values: string[] = [];
    for (let at = HEAD_FIELDS; at < this.parts.length; at += 2) {
      if (this.parts[at] === name) values.push(this.parts[at + 1] ?? '');
    }
    return values;
  }

  // Hot path (bench/gateway/cache-hit): most requests have none.
  /** Whether it came with Range, or a field whose name begins with `if-`. */
  hasConditions(): boolean {
    for (let at = HEAD_FIELDS; at < this.parts.length; at += 2) {
      const name = this.parts[at];
      if (name === 'range' || name?.startsWith('if-') === true) return true;
    }
    return false;
  }

  /** All fields as they came: names and values in turn. */
  all(): readonly string[] {
    return this.parts.slice(HEAD_FIELDS);
  }
}

/** A field's values as one list (RFC 9110 section 5.3). */
export function joinList(list: string, value: string): string {
  return list === '' ? value : `${list}, ${value}`;
}
