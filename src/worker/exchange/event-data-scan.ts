/**
 * Finds the last event of a stream whose data is JSON with a number at a pointer.
 *
 * Thread: worker. Owns a scan; lines are not kept, so they may be as long as they like. Lines that
 * are not `data` are skipped, and so is data that is not JSON, as in `data: [DONE]`.
 */
import { JsonNumberScan, NO_NUMBER } from '../../base/json-number-scan.js';

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const DATA = Buffer.from('data');
const GAP = Buffer.from(' ');

/** At the first byte of a line. */
const LINE_START = 0;
const IN_NAME = 1;
/** Behind the colon: one space does not belong to the data. */
const BEFORE_DATA = 2;
const IN_DATA = 3;
const IN_OTHER = 4;

export class EventDataScan {
  /** Of the last event that has the number; else NO_NUMBER. */
  value = NO_NUMBER;
  private readonly scan: JsonNumberScan;
  private state = LINE_START;
  private matched = 0;
  private isAfterCr = false;

  constructor(keys: readonly string[]) {
    this.scan = new JsonNumberScan(keys);
  }

  push(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    while (at < to) at = this.read(bytes, at, to);
  }

  private read(bytes: Uint8Array, at: number, to: number): number {
    const byte = bytes[at] as number;
    if (this.isAfterCr) {
      this.isAfterCr = false;
      if (byte === LF) return at + 1;
    }
    if (this.state === IN_DATA || this.state === IN_OTHER) return this.readRest(bytes, at, to);
    if (byte === LF || byte === CR) {
      this.endLine(byte);
      return at + 1;
    }
    if (this.state === BEFORE_DATA) {
      this.state = IN_DATA;
      return byte === SPACE ? at + 1 : at;
    }
    this.readName(byte);
    return at + 1;
  }

  private readName(byte: number): void {
    if (this.state === LINE_START) this.matched = 0;
    this.state = IN_NAME;
    if (byte === COLON && this.matched === DATA.length) this.state = BEFORE_DATA;
    else if (byte === DATA[this.matched]) this.matched += 1;
    else this.state = IN_OTHER;
  }

  private readRest(bytes: Uint8Array, from: number, to: number): number {
    let end = from;
    while (end < to && bytes[end] !== LF && bytes[end] !== CR) end += 1;
    if (this.state === IN_DATA) this.feed(bytes, from, end);
    if (end === to) return to;
    this.endLine(bytes[end] as number);
    return end + 1;
  }

  private feed(bytes: Uint8Array, from: number, to: number): void {
    this.scan.push(bytes, from, to);
    if (this.scan.value !== NO_NUMBER) this.value = this.scan.value;
  }

  private endLine(byte: number): void {
    this.isAfterCr = byte === CR;
    // An empty line ends the event; lines of data are parts of one text.
    if (this.state === LINE_START) this.scan.begin();
    else if (this.state === IN_DATA || this.state === BEFORE_DATA) this.feed(GAP, 0, GAP.length);
    this.state = LINE_START;
  }
}
