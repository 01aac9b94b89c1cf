import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ClientHelloReader,
  HELLO_BYTES_MAX,
  serverNameOf,
} from '../../../../src/acceptor/tls/client-hello.js';
import { helloOf } from '../../../support/client-hello.js';

/** The same message in records of this many bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

const hello = await helloOf({ servername: 'Api.Example.COM', ALPNProtocols: ['h2', 'http/1.1'] });
const EXPECTED = { serverName: 'api.example.com', protocols: ['h2', 'http/1.1'] };

describe('a ClientHello', () => {
  it('says the name in lower case, and the protocols in order', () => {
    expect(new ClientHelloReader().read(hello)).toEqual(EXPECTED);
  });

  it('may name neither', async () => {
    const plain = await helloOf({ servername: '' });
    expect(new ClientHelloReader().read(plain)).toEqual({ serverName: '', protocols: [] });
  });

  it.each([
    ['a.test.', 'a.test'],
    ['my_host.test', 'my_host.test'],
    ['127.0.0.1', '127.0.0.1'],
    ['2001:DB8::1', ''],
    ['*.test', null],
    ['a..test', null],
    ['.', null],
  ])('names as %s the server %s', (sent, name) => {
    expect(serverNameOf(sent)).toBe(name);
  });

  it('is the same whatever pieces it comes in', () => {
    for (let cut = 1; cut < hello.length; cut += 1) {
      const reader = new ClientHelloReader();
      expect(reader.read(hello.subarray(0, cut))).toBe('more');
      expect(reader.read(hello.subarray(cut))).toEqual(EXPECTED);
      expect(reader.received.equals(hello)).toBe(true);
    }
  });

  it('comes byte by byte', () => {
    const reader = new ClientHelloReader();
    const readings = Array.from(hello, (_, at) => reader.read(hello.subarray(at, at + 1)));
    expect(readings.pop()).toEqual(EXPECTED);
    expect(new Set(readings)).toEqual(new Set(['more']));
  });

  it('may lie in several records, but not in any number', () => {
    expect(new ClientHelloReader().read(inRecords(hello, 100))).toEqual(EXPECTED);
    expect(new ClientHelloReader().read(inRecords(hello, 1))).toBe('wrong');
  });

  it.each<[string, Buffer]>([
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['SSL 2', Buffer.from([0x80, 0x2e, 1, 3, 1])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['another message', Buffer.concat([Buffer.from([22, 3, 1, 0, 4]), Buffer.from([2, 0, 0, 0])])],
    ['a message that is too long', Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0])],
    ['a record that is too long', Buffer.from([22, 3, 1, 255, 255])],
  ])('is not %s', (_, bytes) => {
    expect(new ClientHelloReader().read(bytes)).toBe('wrong');
  });

  it('never throws, and waits for no more than its bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(hello.length), (noise, at) => {
        const broken = Buffer.from(hello);
        broken.set(noise.subarray(0, Math.max(0, hello.length - at)), at);
        new ClientHelloReader().read(broken);
        const head = Buffer.from([22, 3, 1, 1, 0, 1, 0, 0, 252]);
        new ClientHelloReader().read(Buffer.concat([head, noise]));
      }),
      { numRuns: 3000 },
    );
    const reader = new ClientHelloReader();
    const piece = Buffer.concat([Buffer.from([22, 3, 1, 4, 0]), Buffer.alloc(1024, 1)]);
    let bytes = 0;
    while (reader.read(piece) === 'more') bytes += piece.length;
    expect(bytes).toBeLessThan(HELLO_BYTES_MAX);
  });
});
