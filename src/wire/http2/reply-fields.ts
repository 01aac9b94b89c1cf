/**
 * What the fields of a reply in HTTP/2 mean, and which of them go on.
 *
 * Thread: any (pure). RFC 9113 8.2 and 8.3.2. The first mistake counts. One sink serves one header
 * block after the other: begin(), the block, then finish().
 */
import {
  type FieldBlock,
  field as fieldOf,
  joinFields,
  NO_FIELDS,
} from '../../base/field-block.js';
import {
  FIELD_MALFORMED,
  FIELD_OF_CONNECTION,
  isPseudoField,
  FIELD_LENGTH as LENGTH_NAME,
  PSEUDO_STATUS,
} from '../hpack/field-class.js';
import type { DecodedField, FieldSink } from '../hpack/hpack-decoder.js';
import { readLength } from '../http1/content-length.js';
import { classOf, FIELD_DATE, FIELD_DROPPED, type ReplyFieldBlock } from '../http1/reply-fields.js';
import { isDate } from '../http1/reply-head-parser.js';

const STATUS = /^[1-9]\d\d$/;

export class ReplyFields implements FieldSink, ReplyFieldBlock {
  /** Not '': the reply is malformed. */
  mistake = '';
  status = 0;
  fields: FieldBlock = NO_FIELDS;
  bodyBytes = -1;
  date = '';
  private hasFields = false;

  begin(): void {
    this.mistake = '';
    this.status = 0;
    this.fields = NO_FIELDS;
    this.bodyBytes = -1;
    this.date = '';
    this.hasFields = false;
  }

  // Hot path (bench/gateway/plain-get): every field of every reply of such a target.
  take(field: DecodedField): boolean {
    const { fieldClass } = field;
    if (isPseudoField(fieldClass)) return this.takeStatus(field);
    this.hasFields = true;
    switch (fieldClass) {
      case FIELD_MALFORMED:
        return this.fail('a field whose name or value HTTP/2 does not allow');
      case FIELD_OF_CONNECTION:
        return this.fail('a field of an HTTP/1.1 connection');
      case LENGTH_NAME:
        return this.takeLength(field.value);
      default:
        return true;
    }
  }

  private takeStatus({ fieldClass, value }: DecodedField): false {
    if (fieldClass !== PSEUDO_STATUS) return this.fail('a pseudo-field of requests');
    if (this.hasFields) return this.fail('a pseudo-field behind a field');
    if (this.status !== 0) return this.fail('two statuses');
    if (!STATUS.test(value)) return this.fail('a status that is none');
    this.status = Number(value);
    return false;
  }

  private takeLength(value: string): false {
    if (this.bodyBytes !== -1) return this.fail('two Content-Length fields');
    this.bodyBytes = readLength(value);
    return this.bodyBytes === -1 ? this.fail('a Content-Length that is no number') : false;
  }

  private fail(mistake: string): false {
    if (this.mistake === '') this.mistake = mistake;
    return false;
  }

  /** The block has ended; `text`: what was kept of it, (LF name LF value)*. */
  finish(text: string): void {
    if (this.status === 0) this.fail('no status');
    let at = 0;
    while (at < text.length) {
      const nameEnd = text.indexOf('\n', at + 1);
      const next = text.indexOf('\n', nameEnd + 1);
      const end = next === -1 ? text.length : next;
      this.keep(text, at + 1, nameEnd, end);
      at = end;
    }
  }

  private keep(text: string, start: number, nameEnd: number, end: number): void {
    const kind = classOf(text, start, nameEnd);
    if (kind === FIELD_DROPPED) return;
    const value = text.slice(nameEnd + 1, end);
    if (kind === FIELD_DATE) {
      if (this.date === '' && isDate(value)) this.date = value;
      return;
    }
    this.fields = joinFields(this.fields, fieldOf(text.slice(start, nameEnd), value));
  }
}
