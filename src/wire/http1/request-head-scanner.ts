/**
 * Scans the head of a request, and writes its text on the way.
 *
 * Thread: any (pure). Each byte is looked at once, and written where the head's text is made: names
 * in lower case, targets without raw characters. While a step runs that is memory that all scanners
 * of the thread share; a head that is not complete then is kept by its scanner until the next step.
 *
 *     METHOD ► TARGET ► VERSION ► LINE_LF ──► NAME ► BLANK ► VALUE ► FIELD_LF ─┐
 *                                        ▲  └─ CR ► HEAD_LF                   │
 *                                        └─────────────────────────────────────┘
 *
 * Invariants: however the input is cut into pieces, text and verdict are the same. The text has no
 * LF but its separators.
 */
import { CONNECT_METHOD, METHOD_CHARS_MAX } from '../../base/http-method.js';
import { PROBLEMS, type ProblemKind } from '../../base/problems.js';
import {
  COLON,
  CR,
  DIGIT_0,
  DIGIT_9,
  HEX_HIGH,
  HEX_LOW,
  isBlank,
  LF,
  NAME_BYTES,
  PERCENT,
  SLASH,
  SPACE,
  TARGET_BYTES,
  TARGET_FORBIDDEN,
  TARGET_PLAIN,
  TOKEN_BYTES,
  UNDERSCORE,
  VALUE_BYTES,
} from './characters.js';
import { reasonOfName, reasonOfValue } from './field-mistakes.js';
import { FIELDS_BYTES_MIN, FieldsMemory } from './head-memory.js';
import { RequestFieldReader } from './request-field-reader.js';
import { HTTP_1_0, HTTP_1_1, NOBODY, type ScannedConnection, writeOrigin } from './request-head.js';
import { methodOf } from './request-method.js';
import type { RequestRules } from './request-rules.js';
import { mistakeOfForm, mistakeOfTarget, readOddTarget } from './request-target.js';
import {
  BLANK,
  FIELD_LF,
  HEAD_LF,
  LINE_LF,
  METHOD,
  NAME,
  SCAN_MORE,
  SCAN_REFUSED,
  SCAN_WHOLE,
  type ScanEvent,
  type ScanState,
  TARGET,
  VALUE,
  VERSION,
} from './scan-state.js';

/** "HTTP/1.1" */
const VERSION_BYTES = [72, 84, 84, 80, SLASH, DIGIT_0, 46, DIGIT_0] as const;
const HEAD_END_BYTES = 2;
/** A raw character of a target is written as three. */
const BYTES_PER_RAW = 3;
/** For a host that the client has not named. */
const EXTRA_BYTES = 1024;
/** Where heads are written while a step runs. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

export class RequestHeadScanner {
  /** Where the next step begins. */
  at = 0;

  private state: ScanState = METHOD;
  /** Bytes of the head that may still come. */
  private headLeft = 0;
  /** Of the line, or of a part of it, that is being read. */
  private partBytes = 0;
  private hasUnderscore = false;
  /** End of what is written in the scratch memory. */
  private out = 0;
  /** Where the line that is being read began there; its name; its value. */
  private lineStart = 0;
  private nameEnd = 0;
  private targetStart = 0;
  private targetEnd = 0;
  /** Its digits: 11 is HTTP/1.1. */
  private version = 0;
  /** A head that is not complete, between two steps. */
  private kept: Buffer | null = null;
  private connection = NOBODY;
  private readonly fields = new RequestFieldReader(NOBODY.head);
  /** Where the fields begin in the bytes of this step; -1: in those of an earlier one. */
  private fieldsAt = -1;
  /** And in the scratch memory. */
  private fieldsOut = 0;

  constructor(private rules: RequestRules) {}

  /** Its connection and its head are no business of the scanner any more. */
  forget(): void {
    this.connection = NOBODY;
    this.fields.head = NOBODY.head;
    this.kept = null;
  }

  /** Another head begins. */
  begin(connection: ScannedConnection, rules: RequestRules): void {
    const { head, origin } = connection;
    const originBytes = origin.peer.length + origin.connection.length;
    const bytesMax = BYTES_PER_RAW * rules.headerBytes + EXTRA_BYTES + originBytes;
    if (scratch.length < bytesMax) scratch = Buffer.allocUnsafeSlow(bytesMax);
    this.connection = connection;
    this.rules = rules;
    this.headLeft = rules.headerBytes + HEAD_END_BYTES;
    this.partBytes = 0;
    this.out = 0;
    this.kept = null;
    this.fieldsAt = -1;
    this.state = METHOD;
    this.fields.begin(head);
  }

  /** Reads `bytes` from `start`, at most to `end`. */
  step(bytes: Buffer, start: number, end: number): ScanEvent {
    this.at = start;
    if (this.kept !== null) scratch.set(this.kept);
    const stop = Math.min(end, start + this.headLeft);
    let event: ScanEvent = SCAN_MORE;
    while (event === SCAN_MORE && this.at < stop) event = this.takePart(bytes, stop);
    this.headLeft -= this.at - start;
    if (event !== SCAN_MORE) return event;
    // RFC 9112 3: a target that is too long has a status of its own.
    const tooLong = this.state === TARGET ? PROBLEMS.targetTooLong : PROBLEMS.headTooLarge;
    if (stop < end) return this.refuse(tooLong, 'more bytes than a head may have');
    this.kept = Buffer.from(scratch.subarray(0, this.out));
    this.fieldsAt = -1;
    return SCAN_MORE;
  }

  /** Refuses what has come of the head, for a reason that does not lie in its bytes. */
  abandon(kind: ProblemKind, reason: string): void {
    if (this.kept !== null) scratch.set(this.kept);
    this.refuse(kind, reason);
  }

  private takePart(bytes: Buffer, end: number): ScanEvent {
    switch (this.state) {
      case NAME:
        return this.takeName(bytes, end);
      case BLANK:
        return this.takeBlank(bytes, end);
      case VALUE:
        return this.takeValue(bytes, end);
      case FIELD_LF:
        return this.takeFieldEnd(bytes, end);
      case METHOD:
        return this.takeMethod(bytes, end);
      case TARGET:
        return this.takeTarget(bytes, end);
      case VERSION:
        return this.takeVersion(bytes, end);
      case LINE_LF:
        return this.takeLineEnd(bytes, end);
      default:
        return this.takeHeadEnd(bytes);
    }
  }

  private takeMethod(bytes: Buffer, end: number): ScanEvent {
    const stop = Math.min(end, this.at + METHOD_CHARS_MAX - this.out);
    let { at, out } = this;
    while (at < stop && TOKEN_BYTES[bytes[at] ?? 0] === 1) scratch[out++] = bytes[at++] ?? 0;
    this.at = at;
    this.out = out;
    if (at === end) return SCAN_MORE;
    if (bytes[at] !== SPACE || out === 0) {
      this.out = 0;
      return this.refuse(PROBLEMS.badMethod, 'a method that is no token');
    }
    this.at++;
    const method = methodOf(scratch, out);
    this.connection.head.method = method;
    if (method === CONNECT_METHOD) this.fields.refuse(PROBLEMS.unknownMethod, 'CONNECT');
    scratch[out] = LF;
    this.out = out + 1;
    this.targetStart = this.out;
    this.state = TARGET;
    return SCAN_MORE;
  }

  private takeTarget(bytes: Buffer, end: number): ScanEvent {
    const target = scratch;
    const kinds = TARGET_BYTES;
    let { at, out } = this;
    while (at < end) {
      const byte = bytes[at] ?? 0;
      const kind = kinds[byte];
      if (kind === TARGET_PLAIN) {
        target[out++] = byte;
      } else if (kind === TARGET_FORBIDDEN || this.rules.rawCharacters === 'refuse') {
        break;
      } else {
        target[out] = PERCENT;
        target[out + 1] = HEX_HIGH[byte] ?? 0;
        target[out + 2] = HEX_LOW[byte] ?? 0;
        out += 3;
      }
      at++;
    }
    this.at = at;
    this.out = out;
    if (at === end) return SCAN_MORE;
    const byte = bytes[at];
    if (byte !== SPACE) {
      const mistake = mistakeOfTarget(byte);
      return this.refuse(mistake.problem, mistake.reason);
    }
    this.at++;
    return this.endTarget();
  }

  private endTarget(): ScanEvent {
    if (this.out === this.targetStart) return this.refuse(PROBLEMS.badTarget, 'no target');
    if (scratch[this.targetStart] !== SLASH && this.connection.head.method !== CONNECT_METHOD) {
      const text = scratch.toString('latin1', this.targetStart, this.out);
      const odd = readOddTarget(this.connection.head.method, text);
      if (odd === null) {
        const mistake = mistakeOfForm(this.connection.head.method);
        return this.refuse(mistake.problem, mistake.reason);
      }
      this.out = this.targetStart + scratch.write(odd.target, this.targetStart, 'latin1');
      this.fields.authority = odd.authority;
      this.fields.defaultPort = odd.defaultPort;
    }
    this.targetEnd = this.out;
    this.out = writeOrigin(this.connection.origin, scratch, this.out);
    this.fieldsOut = this.out;
    this.lineStart = this.out;
    this.partBytes = 0;
    this.version = 0;
    this.state = VERSION;
    return SCAN_MORE;
  }

  private takeVersion(bytes: Buffer, end: number): ScanEvent {
    let { at, partBytes } = this;
    for (; at < end && partBytes < VERSION_BYTES.length; at++, partBytes++) {
      const byte = bytes[at] ?? 0;
      const expected = VERSION_BYTES[partBytes];
      const isDigit = byte >= DIGIT_0 && byte <= DIGIT_9;
      if (expected === DIGIT_0 ? !isDigit : byte !== expected) {
        this.at = at;
        return this.refuse(PROBLEMS.badRequestLine, 'a request line without a version at its end');
      }
      if (expected === DIGIT_0) this.version = 10 * this.version + byte - DIGIT_0;
    }
    this.at = at;
    this.partBytes = partBytes;
    if (at === end) return SCAN_MORE;
    if (bytes[at] !== CR) {
      return this.refuse(PROBLEMS.badRequestLine, 'a request line that does not end with CRLF');
    }
    const { version } = this;
    if (version !== HTTP_1_0 && version !== HTTP_1_1) {
      return this.refuse(PROBLEMS.badVersion, 'a version other than HTTP/1.0 and 1.1');
    }
    this.connection.head.protocol = version;
    this.at++;
    this.state = LINE_LF;
    return SCAN_MORE;
  }

  private takeLineEnd(bytes: Buffer, end: number): ScanEvent {
    if (bytes[this.at] !== LF) {
      return this.refuse(PROBLEMS.badRequestLine, 'a request line that does not end with CRLF');
    }
    this.at++;
    if (this.takeKnownFields(bytes, end)) return this.endHead();
    this.state = NAME;
    this.fieldsAt = this.at;
    this.beginField();
    this.takeWholeFields(bytes, end);
    return SCAN_MORE;
  }

  /** All fields are those of a request before, and may be judged as they were. */
  private takeKnownFields(bytes: Buffer, end: number): boolean {
    const { fields } = this;
    const memory = this.connection.fieldsMemory;
    if (memory === null || this.version !== HTTP_1_1 || fields.authority !== '') return false;
    const known = memory.match(bytes, this.at, end, this.rules);
    if (known === 0) return false;
    this.at += known;
    this.out = memory.writeText(scratch, this.out);
    this.lineStart = this.out;
    fields.takeNeutral();
    return true;
  }

  private beginField(): void {
    this.lineStart = this.out;
    scratch[this.out++] = LF;
    this.hasUnderscore = false;
  }

  // Hot path (bench/gateway/plain-get): nearly every field of every request.
  /**
   * Takes the fields whose lines are there as a whole and have nothing special, up to the first one
   * that is not so: that one is left as it is for the states, which take it byte by byte.
   */
  private takeWholeFields(bytes: Buffer, end: number): void {
    // As locals: the compiler keeps them in registers.
    const target = scratch;
    const names = NAME_BYTES;
    const values = VALUE_BYTES;
    const { fields, rules } = this;
    let { at, out } = this;
    for (;;) {
      const lineStart = this.lineStart;
      while (at < end) {
        const lower = names[bytes[at] ?? 0] ?? 0;
        if (lower === 0) break;
        target[out++] = lower;
        at++;
      }
      if (at >= end || bytes[at] !== COLON || out === lineStart + 1) return;
      const nameEnd = out;
      target[out++] = LF;
      at++;
      while (at < end && isBlank(bytes[at] ?? 0)) at++;
      while (at < end) {
        const byte = bytes[at] ?? 0;
        if (values[byte] !== 1) break;
        target[out++] = byte;
        at++;
      }
      if (at + 1 >= end || bytes[at] !== CR || bytes[at + 1] !== LF) return;
      at += 2;
      while (out > nameEnd + 1 && isBlank(target[out - 1] ?? 0)) out--;
      if (fields.count === rules.headerFields) return;
      fields.count++;
      if (!fields.take(target, lineStart + 1, nameEnd, out)) out = lineStart;
      this.at = at;
      this.lineStart = out;
      target[out++] = LF;
      this.out = out;
    }
  }

  private takeName(bytes: Buffer, end: number): ScanEvent {
    const target = scratch;
    let { at, out } = this;
    let byte = 0;
    for (;;) {
      if (at === end) {
        this.at = at;
        this.out = out;
        return SCAN_MORE;
      }
      byte = bytes[at] ?? 0;
      const lower = NAME_BYTES[byte] ?? 0;
      if (lower === 0 && byte !== UNDERSCORE) break;
      if (lower === 0) this.hasUnderscore = true;
      target[out++] = lower === 0 ? byte : lower;
      at++;
    }
    this.at = at;
    this.out = out;
    if (byte === COLON && out > this.lineStart + 1) {
      this.at++;
      this.nameEnd = out;
      scratch[out] = LF;
      this.out = out + 1;
      this.state = BLANK;
      return SCAN_MORE;
    }
    if (byte === CR && out === this.lineStart + 1) {
      this.at++;
      this.state = HEAD_LF;
      return SCAN_MORE;
    }
    return this.refuse(PROBLEMS.badField, reasonOfName(byte, out - this.lineStart - 1));
  }

  private takeBlank(bytes: Buffer, end: number): ScanEvent {
    let { at } = this;
    while (at < end && isBlank(bytes[at] ?? 0)) at++;
    this.at = at;
    if (at < end) this.state = VALUE;
    return SCAN_MORE;
  }

  private takeValue(bytes: Buffer, end: number): ScanEvent {
    const target = scratch;
    let { at, out } = this;
    while (at < end) {
      const byte = bytes[at] ?? 0;
      if (VALUE_BYTES[byte] !== 1) break;
      target[out++] = byte;
      at++;
    }
    this.at = at;
    this.out = out;
    if (at === end) return SCAN_MORE;
    if (bytes[at] !== CR) return this.refuse(PROBLEMS.badField, reasonOfValue(bytes[at] ?? 0));
    this.at++;
    this.state = FIELD_LF;
    return SCAN_MORE;
  }

  private takeFieldEnd(bytes: Buffer, end: number): ScanEvent {
    if (bytes[this.at] !== LF) {
      return this.refuse(PROBLEMS.badField, 'a CR without LF in a field');
    }
    this.at++;
    const { fields, lineStart, nameEnd } = this;
    let { out } = this;
    while (out > nameEnd + 1 && isBlank(scratch[out - 1] ?? 0)) out--;
    this.out = out;
    if (++fields.count > this.rules.headerFields) {
      return this.refuse(PROBLEMS.headTooLarge, 'too many fields');
    }
    const isKept = this.hasUnderscore
      ? fields.takesUnderscore(this.rules, scratch, lineStart + 1, nameEnd)
      : fields.take(scratch, lineStart + 1, nameEnd, out);
    if (!isKept) this.out = lineStart;
    this.state = NAME;
    this.beginField();
    this.takeWholeFields(bytes, end);
    return SCAN_MORE;
  }

  private takeHeadEnd(bytes: Buffer): ScanEvent {
    if (bytes[this.at] !== LF) {
      return this.refuse(PROBLEMS.badField, 'a CR without LF in place of a field');
    }
    this.at++;
    this.out = this.lineStart;
    const { fields, fieldsAt } = this;
    const isLong = fieldsAt !== -1 && this.at - fieldsAt >= FIELDS_BYTES_MIN;
    if (isLong && fields.areNeutral) {
      const memory = this.connection.fieldsMemory ?? new FieldsMemory();
      this.connection.fieldsMemory = memory;
      const isKept = memory.offer(bytes, fieldsAt, this.at, this.rules);
      if (isKept) memory.keep(scratch, this.fieldsOut, this.out);
    }
    return this.endHead();
  }

  private endHead(): ScanEvent {
    const { fields } = this;
    const { head } = this.connection;
    fields.finish(this.rules);
    if (head.problem !== null) return this.endRefused();
    // A request in HTTP/1.0 may have no Host: what stands behind the gateway always gets one.
    if (fields.needsHost) {
      const host = fields.authority || this.connection.origin.fallbackHost;
      this.out += scratch.write(`\nhost\n${host}`, this.out, 'latin1');
    }
    this.writeText();
    return SCAN_WHOLE;
  }

  private writeText(): void {
    const { head } = this.connection;
    const text = scratch.toString('latin1', 0, this.out);
    head.text = text;
    head.target = text.slice(this.targetStart, this.targetEnd);
  }

  /** Ends the head for a mistake. */
  refuse(kind: ProblemKind, reason: string): ScanEvent {
    const { fields } = this;
    const { head } = this.connection;
    fields.refuse(kind, reason);
    // Behind a mistake anything may follow.
    head.bodyBytes = -1;
    return this.endRefused();
  }

  /** What is known of it is told: that is all before the mistake, or what there is of its line. */
  private endRefused(): ScanEvent {
    const { state } = this;
    const { head, origin } = this.connection;
    if (state > TARGET) {
      this.out = this.lineStart;
      this.writeText();
    } else {
      head.target = state === TARGET ? scratch.toString('latin1', this.targetStart, this.out) : '';
      head.text = `${head.method}\n${head.target}\n${origin.peer}\n${origin.connection}`;
    }
    head.isPersistent = false;
    return SCAN_REFUSED;
  }
}
