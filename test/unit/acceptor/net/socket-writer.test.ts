/**
 * What connections write at once: memory is shared by all of them, and must not be written over
 * while a client is slow to take what stands in it.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SocketWriter, WriteMemory } from '../../../../src/acceptor/net/socket-writer.js';
import { closePairs, connectPair } from '../../../support/socket-pair.js';

const OWNER = {
  onTaken: () => {},
  onUnblocked: () => {},
  onBroken: (error: unknown) => {
    throw error;
  },
};

/** More than the kernel holds of one connection, and several slabs. */
const BYTES = 24 * 1024 * 1024;

afterEach(closePairs);

/** The text of the write at this place: of another length each time, from 1 to 2,000 bytes. */
function piece(at: number): Buffer {
  const text = `${at} `;
  return Buffer.from(text.repeat(1 + ((at * 7919) % 400)).slice(0, 2000));
}

function write(writer: SocketWriter, bytes: Buffer): void {
  const memory = writer.reserve(bytes.length);
  bytes.copy(memory);
  writer.send(memory, bytes.length, 0);
}

describe('small writes', () => {
  it('to a client that takes nothing keep no memory of others', async () => {
    const [slow] = await connectPair();
    const memory = new WriteMemory();
    const toSlow = new SocketWriter(slow, memory, OWNER);
    while (toSlow.isEmpty) write(toSlow, Buffer.alloc(2000, 'x'));
    const { byteOffset, buffer } = memory.small;
    for (let at = 0; at < 1000; at += 1) write(toSlow, Buffer.alloc(200, 'y'));
    expect(memory.small.buffer).toBe(buffer);
    expect(memory.small.byteOffset).toBe(byteOffset);
  });

  it('reach a client that reads late as they were, whatever else is written', async () => {
    const [slow, slowClient] = await connectPair();
    const [quick, quickClient] = await connectPair();
    quickClient.resume();
    const memory = new WriteMemory();
    const toSlow = new SocketWriter(slow, memory, OWNER);
    const toQuick = new SocketWriter(quick, memory, OWNER);
    const expected: Buffer[] = [];
    let total = 0;
    for (let at = 0; total < BYTES; at += 1) {
      const bytes = piece(at);
      expected.push(bytes);
      total += bytes.length;
      write(toSlow, bytes);
      write(toQuick, Buffer.alloc(200, 'q'));
    }
    expect(toSlow.isEmpty).toBe(false);
    const received: Buffer[] = [];
    slowClient.on('data', (chunk: Buffer) => received.push(chunk));
    toSlow.end();
    slowClient.resume();
    await once(slowClient, 'end');
    expect(Buffer.concat(received).equals(Buffer.concat(expected))).toBe(true);
  });

  it('of which the kernel takes a part go on where it has stopped', async () => {
    const [slow, client] = await connectPair();
    const toSlow = new SocketWriter(slow, new WriteMemory(), OWNER);
    const expected: Buffer[] = [];
    for (let at = 0; toSlow.isEmpty; at += 1) {
      const bytes = Buffer.alloc(1999, `${at} `);
      expected.push(bytes);
      write(toSlow, bytes);
    }
    const received: Buffer[] = [];
    client.on('data', (chunk: Buffer) => received.push(chunk));
    toSlow.end();
    client.resume();
    await once(client, 'end');
    expect(Buffer.concat(received).equals(Buffer.concat(expected))).toBe(true);
  });

  it('of many that wait take no memory that one alone would not need', () => {
    const memory = new WriteMemory();
    const first = memory.reserveSmall(300);
    memory.keepSmall(300);
    const second = memory.reserveSmall(300);
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteOffset).toBeGreaterThanOrEqual(first.byteOffset + 300);
    expect(second.byteOffset - first.byteOffset).toBeLessThan(400);
  });
});

/** A socket that takes what waits when it is told to, a batch at a time. */
class SlowSocket {
  readonly writable = true;
  readonly destroyed = false;
  writableLength = 0;
  private waiting: { readonly length: number; readonly done: (() => void) | undefined }[] = [];

  write({ length }: Uint8Array, done?: () => void): boolean {
    this.waiting.push({ length, done });
    this.writableLength += length;
    return false;
  }

  takeBatch(meanwhile: () => void = () => {}): void {
    const batch = this.waiting;
    this.waiting = [];
    meanwhile();
    for (const { length } of batch) this.writableLength -= length;
    for (const { done } of batch) done?.();
  }
}

it('a connection that has got as much again while it was blocked is unblocked all the same', () => {
  const socket = new SlowSocket();
  let unblocked = 0;
  let taken = 0;
  const owner = {
    ...OWNER,
    onTaken: (bytes: number) => {
      taken += bytes;
    },
    onUnblocked: () => {
      unblocked += 1;
    },
  };
  const writer = new SocketWriter(socket as unknown as Socket, new WriteMemory(), owner);
  const fill = (): void => {
    for (let at = 0; at < 9; at += 1) writer.send(writer.reserve(8192), 8192, 8192);
  };
  fill();
  expect([writer.isBlocked, unblocked]).toEqual([true, 0]);
  for (let round = 0; round < 3; round += 1) socket.takeBatch(fill);
  expect(writer.isBlocked).toBe(true);
  socket.takeBatch();
  expect([writer.isBlocked, unblocked, taken]).toEqual([false, 1, 4 * 9 * 8192]);
  // What was put together goes out behind the rest.
  socket.takeBatch();
  expect(writer.isEmpty).toBe(true);
});

it('small writes to a client that takes nothing are put together, in order, up to the end', async () => {
  const [slow, client] = await connectPair();
  const writer = new SocketWriter(slow, new WriteMemory(), OWNER);
  let expected = '';
  const send = (text: string): void => {
    expected += text;
    write(writer, Buffer.from(text));
  };
  while (!writer.isBlocked) send('x'.repeat(8000));
  const writes = vi.spyOn(slow, 'write');
  for (let at = 0; at < 20_000; at += 1) send(String(at % 10));
  writer.sendConstant(Buffer.from('constant'));
  expected += 'constant';
  send('last');
  expect(writes.mock.calls.length).toBeLessThan(5);
  expect(writer.unsentBytes).toBeGreaterThan(20_000);
  const received: Buffer[] = [];
  client.on('data', (chunk: Buffer) => received.push(chunk));
  writer.end();
  client.resume();
  await once(client, 'end');
  expect(Buffer.concat(received).toString() === expected).toBe(true);
});

it('tiny writes to a client that takes nothing are put together before they are many', async () => {
  const [slow, client] = await connectPair();
  let onUnblocked = (): void => {};
  const unblocked = new Promise<void>((resolve) => {
    onUnblocked = resolve;
  });
  const writer = new SocketWriter(slow, new WriteMemory(), { ...OWNER, onUnblocked });
  let expected = '';
  const send = (text: string): void => {
    expected += text;
    write(writer, Buffer.from(text));
  };
  while (writer.isEmpty) send('x'.repeat(2000));
  const writes = vi.spyOn(slow, 'write');
  for (let at = 0; at < 10_000; at += 1) send(`${at % 10}`);
  expect(writes.mock.calls.length).toBeLessThan(300);
  const received: Buffer[] = [];
  client.on('data', (chunk: Buffer) => received.push(chunk));
  client.resume();
  await unblocked;
  expect(writer.isBlocked).toBe(false);
  writer.end();
  await once(client, 'end');
  expect(Buffer.concat(received).toString() === expected).toBe(true);
});
