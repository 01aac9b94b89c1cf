/**
 * Reads a message of Protocol Buffers into its fields, by their numbers.
 *
 * Thread: any (pure). Knows no schema: who reads a field says as what. Unknown fields are kept and
 * asked for by nobody, so that newer servers can send more.
 *
 * Invariant: nothing behind the end of the message is read, and no length is believed that the
 * message does not have.
 */

const TYPE_VARINT = 0;
const TYPE_FIXED64 = 1;
const TYPE_LENGTH = 2;
const TYPE_FIXED32 = 5;
const VARINT_BYTES_MAX = 10;

/** The bytes are no message. */
export class ProtoError extends Error {
  override readonly name = 'ProtoError';
}

export class ProtoMessage {
  private readonly numbers = new Map<number, bigint>();
  private readonly lengths = new Map<number, Buffer[]>();
  private at = 0;

  /** Throws ProtoError. The message keeps a hold on `bytes`. */
  constructor(private readonly bytes: Buffer) {
    while (this.at < bytes.length) this.readField();
  }

  /** Of several the last; 0n where there is none. */
  bigint(field: number): bigint {
    return this.numbers.get(field) ?? 0n;
  }

  /** The same for what is known to be below 2^53, such as revisions. */
  number(field: number): number {
    return Number(BigInt.asIntN(64, this.bigint(field)));
  }

  flag(field: number): boolean {
    return this.bigint(field) !== 0n;
  }

  has(field: number): boolean {
    return this.numbers.has(field) || this.lengths.has(field);
  }

  text(field: number): string {
    return this.lengths.get(field)?.at(-1)?.toString('utf8') ?? '';
  }

  /** Empty where there is none. */
  message(field: number): ProtoMessage {
    return new ProtoMessage(this.lengths.get(field)?.at(-1) ?? Buffer.alloc(0));
  }

  messages(field: number): ProtoMessage[] {
    return this.blobs(field).map((one) => new ProtoMessage(one));
  }

  /** All values of a field that is repeated. */
  blobs(field: number): readonly Buffer[] {
    return this.lengths.get(field) ?? [];
  }

  private readField(): void {
    const tag = this.varint();
    const [field, type] = [Number(tag >> 3n), Number(tag & 7n)];
    if (type === TYPE_VARINT) {
      this.numbers.set(field, this.varint());
    } else if (type === TYPE_LENGTH) {
      const list = this.lengths.get(field) ?? [];
      list.push(this.take(Number(this.varint())));
      this.lengths.set(field, list);
    } else if (type === TYPE_FIXED64) {
      this.numbers.set(field, this.take(8).readBigUInt64LE());
    } else if (type === TYPE_FIXED32) {
      this.numbers.set(field, BigInt(this.take(4).readUInt32LE()));
    } else {
      throw new ProtoError(`a field of the wire type ${type}`);
    }
  }

  private take(length: number): Buffer {
    const end = this.at + length;
    if (end > this.bytes.length) throw new ProtoError('a field that is longer than its message');
    const value = this.bytes.subarray(this.at, end);
    this.at = end;
    return value;
  }

  private varint(): bigint {
    let value = 0n;
    for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
      const byte = this.bytes[this.at];
      if (byte === undefined) break;
      this.at += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * count);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtoError('a number that has no end');
  }
}
