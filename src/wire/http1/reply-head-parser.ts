/**
 * Reads the head of a reply, and refuses every one that could be read in more than one way.
 *
 * Thread: any (pure). Never more lenient than llhttp, which undici uses; stricter where a proxy
 * has to be (RFC 9112 sections 4 to 7): one spelling of Content-Length, no other transfer coding
 * than chunked, HTTP/1.0 and 1.1 only, no control characters anywhere, bounded size and count.
 *
 * Invariant: what goes into the field block has no CR or LF in a name or value.
 */

import { assertNever } from '../../base/assert.js';
import {
  type FieldBlock,
  field,
  fieldsOfLines,
  joinFields,
  NO_FIELDS,
} from '../../base/field-block.js';
import { COLON, CR, isBlank, isTokenByte, isValueByte, LF, SPACE, TAB } from './characters.js';
import { readLength } from './content-length.js';
import {
  classOf,
  FIELD_CODING,
  FIELD_CONNECTION,
  FIELD_DATE,
  FIELD_DROPPED,
  FIELD_KEEP_ALIVE,
  FIELD_KEPT,
  FIELD_LENGTH,
  FIELD_PROXY_CONNECTION,
  FIELD_UPGRADE,
  type FieldClass,
  namesFields,
  type ReplyFieldBlock,
  withoutNamed,
} from './reply-fields.js';
import { hasPhrase } from './status-line.js';
import { tokensOf, trimmed } from './token-list.js';

const DATE_CHARS = 29;
const COMMA = 44;

/** The largest head, with its empty line, unless the reader is told otherwise. */
export const HEAD_BYTES_MAX = 16 * 1024;
/** The most fields in a head of that size, and in any smaller one. */
const HEAD_FIELDS_MIN = 256;
const BYTES_PER_FIELD = 64;

/** The most fields that a head may have whose bytes are bounded by this. */
export function fieldsMaxOf(headBytesMax: number): number {
  return Math.max(HEAD_FIELDS_MIN, Math.floor(headBytesMax / BYTES_PER_FIELD));
}

export const TOO_MANY_FIELDS = 'too many fields';
export const HEAD_TOO_LARGE = 'head too large';

/** How the end of a body is known, as far as the head alone tells. */
export const FRAMING_LENGTH = 0;
export const FRAMING_CHUNKED = 1;
export const FRAMING_UNTIL_CLOSE = 2;
export type Framing = typeof FRAMING_LENGTH | typeof FRAMING_CHUNKED | typeof FRAMING_UNTIL_CLOSE;

/** What a head says. One object serves many replies. */
export class ReplyHead implements ReplyFieldBlock {
  status = 0;
  /** Fields that go on. */
  fields: FieldBlock = NO_FIELDS;
  /** Content-Length; -1: none. */
  bodyBytes = -1;
  date = '';
  phrase = '';
  framing: Framing = FRAMING_UNTIL_CLOSE;
  /** The target means to keep the connection. */
  isPersistent = true;
  /** From Keep-Alive: timeout=n; -1: not said. */
  keepAliveMs = -1;
  /** Protocols of Upgrade, in lower case, where Connection names it as well; '' when none. */
  upgrade = '';

  /** `fieldsMax`: more of them make a head malformed. */
  constructor(readonly fieldsMax = fieldsMaxOf(HEAD_BYTES_MAX)) {}

  /** Says what another head says. */
  take(other: ReplyHead): void {
    this.status = other.status;
    this.fields = other.fields;
    this.bodyBytes = other.bodyBytes;
    this.date = other.date;
    this.phrase = other.phrase;
    this.framing = other.framing;
    this.isPersistent = other.isPersistent;
    this.keepAliveMs = other.keepAliveMs;
    this.upgrade = other.upgrade;
  }
}

const STATUS_AT = 9;

/** The only bytes that may differ between replies in "HTTP/1.1 200". */
function readStatus(text: string): number {
  let status = 0;
  for (let at = STATUS_AT; at < STATUS_AT + 3; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return 0;
    status = status * 10 + digit;
  }
  return status;
}

function phraseIn(text: string, lineEnd: number): string {
  return text.slice(STATUS_AT + 4, lineEnd).trim();
}

// What the fields of the head being read have said so far.
let lengthCount = 0;
let codingCount = 0;
let isChunked = false;
let connection = '';
let proxyConnection = '';
let keepAlive = '';
let upgrade = '';

// Hot path: once for every reply; bench/micro/worker/upstream-transport watches it.
/**
 * Reads `text` up to `end`, just behind the CRLF of its last line. Returns '' when the head is
 * good, else what is wrong with it; `head` is not valid then.
 */
export function parseReplyHead(text: string, end: number, head: ReplyHead): string {
  const isOld = !text.startsWith('HTTP/1.1 ');
  if (isOld && !text.startsWith('HTTP/1.0 ')) return 'bad version';
  const status = readStatus(text);
  if (status < 100) return 'bad status code';
  const afterStatus = text.charCodeAt(STATUS_AT + 3);
  if (afterStatus !== SPACE && afterStatus !== CR) return 'bad status line';
  const lineEnd = skipValue(text, STATUS_AT + 3, end);
  if (!isLineEnd(text, lineEnd)) return 'bad reason phrase';
  head.status = status;
  head.phrase = hasPhrase(status) ? '' : phraseIn(text, lineEnd);
  head.fields = NO_FIELDS;
  head.bodyBytes = -1;
  head.date = '';
  lengthCount = 0;
  codingCount = 0;
  isChunked = false;
  connection = '';
  proxyConnection = '';
  keepAlive = '';
  upgrade = '';
  head.upgrade = '';
  const problem = parseFields(text, lineEnd + 2, end, head);
  return problem === '' ? settle(head, isOld) : problem;
}

/** Fields that go on as they came are taken in runs, one slice for each run. */
function parseFields(text: string, start: number, end: number, head: ReplyHead): string {
  let runStart = -1;
  let count = 0;
  let at = start;
  while (at < end) {
    const nameEnd = skipToken(text, at, end);
    if (nameEnd === at || text.charCodeAt(nameEnd) !== COLON) return 'bad field name';
    const lineEnd = skipValue(text, nameEnd + 1, end);
    if (!isLineEnd(text, lineEnd)) return 'bad field value';
    if (++count > head.fieldsMax) return TOO_MANY_FIELDS;
    const kind = classOf(text, at, nameEnd);
    const isAsWritten = kind === FIELD_KEPT && isPlainLine(text, nameEnd, lineEnd);
    if (isAsWritten && runStart === -1) runStart = at;
    if (!isAsWritten) {
      if (runStart !== -1) takeLines(head, text, runStart, at - 2);
      runStart = -1;
      const value = trimmed(text, nameEnd + 1, lineEnd);
      if (kind === FIELD_LENGTH && hasTabBehind(text, lineEnd)) return 'bad framing';
      if (kind === FIELD_KEPT) {
        head.fields = joinFields(head.fields, field(text.slice(at, nameEnd), value));
      } else if (kind !== FIELD_DROPPED && !takeField(kind, value, head)) {
        return 'bad framing';
      }
    }
    at = lineEnd + 2;
  }
  if (at !== end) return 'bad line end';
  if (runStart !== -1) takeLines(head, text, runStart, end - 2);
  return '';
}

function takeLines(head: ReplyHead, text: string, start: number, end: number): void {
  head.fields = joinFields(head.fields, fieldsOfLines(text, start, end));
}

/** Fields that say something of the connection or of the body's end. */
type FramingField = Exclude<FieldClass, typeof FIELD_KEPT | typeof FIELD_DROPPED>;

function takeField(kind: FramingField, value: string, head: ReplyHead): boolean {
  switch (kind) {
    case FIELD_LENGTH:
      head.bodyBytes = readLength(value);
      return ++lengthCount === 1 && head.bodyBytes !== -1;
    case FIELD_CODING:
      isChunked = value.length === 7 && value.toLowerCase() === 'chunked';
      return ++codingCount === 1 && isChunked;
    case FIELD_DATE:
      if (head.date === '' && isDate(value)) head.date = value;
      return true;
    case FIELD_CONNECTION:
      connection += `,${value}`;
      return true;
    case FIELD_PROXY_CONNECTION:
      proxyConnection += `,${value}`;
      return true;
    case FIELD_KEEP_ALIVE:
      keepAlive += `,${value}`;
      return true;
    case FIELD_UPGRADE:
      upgrade += upgrade === '' ? value.toLowerCase() : `,${value.toLowerCase()}`;
      return true;
    default:
      return assertNever(kind);
  }
}

/** What the fields mean together. */
function settle(head: ReplyHead, isOld: boolean): string {
  if (codingCount > 0 && lengthCount > 0) return 'both length and coding';
  if (isChunked && isOld) return 'a transfer coding in HTTP/1.0';
  head.framing = isChunked
    ? FRAMING_CHUNKED
    : head.bodyBytes === -1
      ? FRAMING_UNTIL_CLOSE
      : FRAMING_LENGTH;
  head.isPersistent = !isOld;
  head.keepAliveMs = -1;
  if (connection !== '') {
    const tokens = tokensOf(connection);
    head.isPersistent = !tokens.includes('close') && (!isOld || tokens.includes('keep-alive'));
    if (upgrade !== '' && tokens.includes('upgrade')) head.upgrade = upgrade;
    if (namesFields(connection)) head.fields = withoutNamed(head.fields, connection);
  }
  if (proxyConnection !== '' && tokensOf(proxyConnection).includes('close')) {
    head.isPersistent = false;
  }
  if (keepAlive !== '') {
    const seconds = /(?:^|[,;\s])timeout\s*=\s*(\d{1,9})/i.exec(keepAlive)?.[1];
    if (seconds !== undefined) head.keepAliveMs = Number(seconds) * 1000;
  }
  return '';
}

/** The value follows after exactly one space and has none behind it. */
function isPlainLine(text: string, colon: number, lineEnd: number): boolean {
  if (text.charCodeAt(colon + 1) !== SPACE) return false;
  if (lineEnd === colon + 2) return true;
  return !isBlank(text.charCodeAt(colon + 2)) && !isBlank(text.charCodeAt(lineEnd - 1));
}

/** llhttp takes spaces behind the digits of a length, and no tab. */
function hasTabBehind(text: string, lineEnd: number): boolean {
  let at = lineEnd - 1;
  while (text.charCodeAt(at) === SPACE) at--;
  return text.charCodeAt(at) === TAB;
}

function isLineEnd(text: string, at: number): boolean {
  return text.charCodeAt(at) === CR && text.charCodeAt(at + 1) === LF;
}

function skipToken(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isTokenByte(text.charCodeAt(at))) at++;
  return at;
}

function skipValue(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isValueByte(text.charCodeAt(at))) at++;
  return at;
}

/**
 * Looks at a head that is not complete, from `from` on: '' when it may still become a good one.
 * Finds what would otherwise be waited upon for nothing. `isBegin`: the text is not only the end
 * of what is there of the head.
 */
export function checkPartialHead(text: string, from: number, isBegin: boolean): string {
  const version = 'HTTP/1.';
  if (isBegin && !version.startsWith(text.slice(0, version.length))) return 'bad version';
  for (let at = Math.max(0, from - 1); at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === LF ? text.charCodeAt(at - 1) !== CR : code !== CR && !isValueByte(code)) {
      return 'bad byte in the head';
    }
    if (code === CR && at + 1 < text.length && text.charCodeAt(at + 1) !== LF) return 'bare CR';
  }
  return '';
}

/** The one form that is written today: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7). */
export function isDate(value: string): boolean {
  return value.length === DATE_CHARS && value.charCodeAt(3) === COMMA && value.endsWith(' GMT');
}
