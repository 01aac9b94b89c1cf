import type { HttpResponse } from 'uWebSockets.js';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UwsSocket } from '../../../../src/acceptor/uws/uws-socket.js';
import { systemClock } from '../../../../src/base/clock.js';

const CORK_BYTES = 16 * 1024;
const LARGEST = randomBytes(70_000 + 12 * 65_536);
const HEAD = {
  status: 200,
  flags: 0,
  idBytes: 2,
  text: Buffer.from('id'),
  inlineBody: new Uint8Array(0),
};

/**
 * As much of the library as a reply of known length meets: a socket with limited room, the cork
 * buffer that takes any small piece, and the buffer for what a full socket did not take of that.
 */
class FakeResponse {
  room = 0;
  /** Body bytes that the socket took. */
  readonly sent: Buffer[] = [];
  /** What the library keeps for a full socket. */
  kept: Buffer = Buffer.alloc(0);
  isDone = false;
  private corked: Buffer | null = null;
  private offset = 0;
  private onWritableNow: (offset: number) => boolean = () => true;

  cork(work: () => void): void {
    this.corked = Buffer.alloc(0);
    work();
    const { corked } = this;
    this.corked = null;
    if (corked === null) return;
    this.kept = Buffer.concat([this.kept, corked.subarray(this.push(corked))]);
  }

  writeStatus(): void {}
  writeHeader(): void {}

  onWritable(handler: (offset: number) => boolean): void {
    this.onWritableNow = handler;
  }

  getWriteOffset(): number {
    return this.offset;
  }

  tryEnd(chunk: Uint8Array, total: number): [boolean, boolean] {
    if (this.isDone) throw new Error('the reply is over');
    const bytes = Buffer.from(chunk);
    const taken = this.take(bytes);
    this.offset += taken;
    this.isDone = this.offset === total;
    return [taken === bytes.length, this.isDone];
  }

  /** The client reads: so much more fits. */
  read(bytes: number): void {
    this.room += bytes;
    // Once done, nobody but the library itself would send the rest, and its timer runs.
    if (!this.isDone) this.onWritableNow(this.offset);
  }

  private take(bytes: Buffer): number {
    this.kept = this.kept.subarray(this.push(this.kept));
    if (this.kept.length > 0) return 0;
    if (this.corked === null || bytes.length > CORK_BYTES - this.corked.length) {
      return this.push(bytes);
    }
    this.corked = Buffer.concat([this.corked, bytes]);
    return bytes.length;
  }

  private push(bytes: Buffer): number {
    const taken = Math.min(this.room, bytes.length);
    this.sent.push(bytes.subarray(0, taken));
    this.room -= taken;
    return taken;
  }
}

function aReply(total: number) {
  const response = new FakeResponse();
  const figures = { done: 0, credited: 0 };
  const library: unknown = response;
  const reply = new UwsSocket(library as HttpResponse, systemClock);
  reply.attach({
    isConversation: false,
    onData: () => {},
    onTrailers: () => {},
    onRefused: () => {},
    onDone: () => figures.done++,
    onSent: (bytes) => {
      figures.credited += bytes;
    },
    onAborted: () => {},
  });
  reply.sendHead({ ...HEAD, bodyBytes: total }, 'none');
  return { response, reply, figures };
}

describe('a reply of known length', () => {
  it('gives every byte once, in order, and is over only when the socket has them', () => {
    const piece = fc.integer({ min: 1, max: 65_536 });
    const room = fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.constantFrom(1, 15_000));
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 3, maxLength: 12 }),
        fc.array(room, { maxLength: 8 }),
        (sizes, rooms) => {
          const total = 70_000 + sizes.reduce((sum, size) => sum + size);
          const body = LARGEST.subarray(0, total);
          const { response, reply, figures } = aReply(total);
          let at = 0;
          for (const size of [70_000, ...sizes]) {
            const next = rooms.pop();
            if (next !== undefined) response.read(next);
            // Valid inside the call only, as a piece of a ring is.
            const chunk = Buffer.from(body.subarray(at, at + size));
            reply.sendBody(chunk, at + size === total);
            chunk.fill(0);
            at += size;
          }
          // One byte is all that may be left with the library itself.
          if (response.isDone) expect(response.kept.length).toBeLessThanOrEqual(1);
          for (let turn = 0; !response.isDone; turn++) {
            expect(turn).toBeLessThan(1000);
            response.read(15_000);
          }
          expect(response.kept.length).toBeLessThanOrEqual(1);
          const all = Buffer.concat([...response.sent, response.kept]);
          expect(all.equals(body)).toBe(true);
          expect(figures.done).toBe(1);
          expect(figures.credited).toBeLessThanOrEqual(total);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('waits with its last byte while the library still keeps what came before', () => {
    const { response, reply, figures } = aReply(80_000);
    response.room = 75_000;
    reply.sendBody(Buffer.alloc(70_000), false);
    reply.sendBody(Buffer.alloc(10_000), true);
    expect(response.kept.length).toBe(4999);
    expect(response.isDone).toBe(false);
    expect(figures.done).toBe(0);
    response.read(4000);
    expect(figures.done).toBe(0);
    response.read(4000);
    expect(figures.done).toBe(1);
    expect(Buffer.concat(response.sent).length).toBe(80_000);
  });
});
