/**
 * Writes a message of Protocol Buffers, field by field.
 *
 * Thread: any (pure). Two of the wire types are enough: numbers, and what has a length. A field
 * with its default value is left out, as the format wants it.
 */

const TYPE_VARINT = 0;
const TYPE_LENGTH = 2;
const SEVEN_BITS = 0x7fn;

export class ProtoWriter {
  private readonly pieces: Uint8Array[] = [];

  /** A whole number that is not negative, up to 64 bits; 0 is left out. */
  number(field: number, value: number | bigint): this {
    const whole = BigInt(value);
    if (whole === 0n) return this;
    this.pieces.push(varint((field << 3) | TYPE_VARINT), varint(whole));
    return this;
  }

  flag(field: number, isSet: boolean): this {
    return this.number(field, isSet ? 1 : 0);
  }

  /** Text or bytes; empty ones are left out. */
  bytes(field: number, value: string | Uint8Array): this {
    return value.length === 0 ? this : this.whole(field, Buffer.from(value));
  }

  /** A message in this one. An empty one is written as well: that it is there has a meaning. */
  message(field: number, inner: ProtoWriter): this {
    return this.whole(field, inner.finish());
  }

  finish(): Buffer {
    return Buffer.concat(this.pieces);
  }

  private whole(field: number, value: Uint8Array): this {
    this.pieces.push(varint((field << 3) | TYPE_LENGTH), varint(value.length), value);
    return this;
  }
}

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > SEVEN_BITS) {
    bytes.push(Number(rest & SEVEN_BITS) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
