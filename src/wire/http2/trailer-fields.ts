/**
 * The fields behind a body in HTTP/2.
 *
 * Thread: any (pure). RFC 9113 8.1, RFC 9110 6.5.1: pseudo-fields and fields of a connection make
 * the message malformed, and what would have to be known before the body is dropped.
 */
import {
  type FieldBlock,
  field as fieldOf,
  joinFields,
  NO_FIELDS,
} from '../../base/field-block.js';
import {
  FIELD_LENGTH,
  FIELD_MALFORMED,
  FIELD_OF_CONNECTION,
  isPseudoField,
} from '../hpack/field-class.js';
import type { DecodedField, FieldSink } from '../hpack/hpack-decoder.js';
import { mayTrail } from '../http1/trailer-line.js';

export class TrailerFields implements FieldSink {
  /** Not '': the message is malformed. */
  mistake = '';
  fields: FieldBlock = NO_FIELDS;

  constructor(public keepsUnderscores: boolean) {}

  begin(): void {
    this.mistake = '';
    this.fields = NO_FIELDS;
  }

  take(field: DecodedField): false {
    const { fieldClass } = field;
    if (isPseudoField(fieldClass)) return this.fail('a pseudo-field behind a body');
    switch (fieldClass) {
      case FIELD_MALFORMED:
        return this.fail('a field whose name or value HTTP/2 does not allow');
      case FIELD_OF_CONNECTION:
        return this.fail('a field of an HTTP/1.1 connection');
      case FIELD_LENGTH:
        return this.fail('a Content-Length behind the body');
      default:
        return this.keep(field.name, field.value);
    }
  }

  private keep(name: string, value: string): false {
    if (mayTrail(name, this.keepsUnderscores)) {
      this.fields = joinFields(this.fields, fieldOf(name, value));
    }
    return false;
  }

  private fail(mistake: string): false {
    if (this.mistake === '') this.mistake = mistake;
    return false;
  }
}
