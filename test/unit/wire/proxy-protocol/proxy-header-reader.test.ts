import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ProxyHeaderReader,
  type ProxyVersions,
} from '../../../../src/wire/proxy-protocol/proxy-header-reader.js';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const REST = Buffer.from('GET / HTTP/1.1\r\n\r\n');

function v2(command: number, family: number, addresses: Uint8Array, tlvs = 0): Buffer {
  const head = Buffer.alloc(4);
  head[0] = command;
  head[1] = family;
  head.writeUInt16BE(addresses.length + tlvs, 2);
  return Buffer.concat([SIGNATURE, head, addresses, Buffer.alloc(tlvs, 0x20)]);
}

const TCP4 = Buffer.from([192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 80]);
const TCP6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.from([0xff, 0xff, 1, 0xbb]),
]);
const UNIX = Buffer.alloc(216, 0x61);

interface Outcome {
  readonly result: string;
  readonly source: string;
  readonly port: number;
  /** What follows the header. */
  readonly rest: string;
}

/** Reads pieces one after another, as a connection would. */
function read(pieces: readonly Uint8Array[], versions: ProxyVersions = 'any'): Outcome {
  const reader = new ProxyHeaderReader(versions);
  for (const [at, piece] of pieces.entries()) {
    const result = reader.read(piece);
    if (result === 'more') continue;
    const rest = [piece.subarray(reader.consumed), ...pieces.slice(at + 1)];
    const { source, sourcePort } = reader;
    if (result === 'wrong') expect(reader.problem).not.toBe('');
    return { result, source, port: sourcePort, rest: Buffer.concat(rest).toString('latin1') };
  }
  return { result: 'more', source: reader.source, port: reader.sourcePort, rest: '' };
}

const SOUND: readonly (readonly [what: string, header: Buffer, source: string, port: number])[] = [
  ['TCP4', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n'), '192.0.2.1', 56324],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8:0::1 ::1 0 65535\r\n'), '2001:db8::1', 0],
  ['IPv4 as IPv6', Buffer.from('PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n'), '192.0.2.1', 1],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), '', 0],
  ['UNKNOWN and more', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), '', 0],
  ['the longest line', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`), '', 0],
  ['binary TCP4', v2(0x21, 0x11, TCP4), '192.0.2.1', 0x1234],
  ['binary TCP6', v2(0x21, 0x21, TCP6), '2001:db8::1', 0xffff],
  ['binary TCP4 with TLVs', v2(0x21, 0x11, TCP4, 100), '192.0.2.1', 0x1234],
  ['binary TCP6 with few TLVs', v2(0x21, 0x21, TCP6, 3), '2001:db8::1', 0xffff],
  ['binary Unix', v2(0x21, 0x31, UNIX), '', 0],
  ['binary LOCAL', v2(0x20, 0x00, Buffer.alloc(0)), '', 0],
  ['binary LOCAL with addresses', v2(0x20, 0x11, TCP4, 7), '', 0],
  ['binary LOCAL of any family', v2(0x20, 0xff, TCP4), '', 0],
  ['binary UNSPEC', v2(0x21, 0x00, Buffer.alloc(0)), '', 0],
  ['binary UNSPEC with TLVs', v2(0x21, 0x00, Buffer.alloc(0), 300), '', 0],
  ['the longest binary', v2(0x21, 0x11, TCP4, 65_523), '192.0.2.1', 0x1234],
];

const line = (text: string): Buffer => Buffer.from(text, 'latin1');

const WRONG: readonly (readonly [what: string, header: Buffer])[] = [
  ['a request', REST],
  ['a TLS hello', Buffer.from([22, 3, 1, 2, 0])],
  ['another word', line('PROXX TCP4 ')],
  ['lower case', line('proxy ')],
  ['a bare LF', line('PROXY UNKNOWN\n')],
  ['a bare CR', line('PROXY UNKNOWN\rX')],
  ['a line that is too long', line(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`)],
  ['a line without end', line(`PROXY UNKNOWN ${'x'.repeat(500)}`)],
  ['a control character', line('PROXY TCP4 \t')],
  ['a byte beyond ASCII', line('PROXY \u00e9')],
  ['no family', line('PROXY \r\n')],
  ['another family', line('PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n')],
  ['too few parts', line('PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n')],
  ['too many parts', line('PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n')],
  ['a blank at the end', line('PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n')],
  ['two blanks', line('PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n')],
  ['a port that is too large', line('PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n')],
  ['a port with a zero before it', line('PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n')],
  ['a port with a sign', line('PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n')],
  ['an address of the other family', line('PROXY TCP4 ::1 ::2 1 2\r\n')],
  ['an octal address', line('PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n')],
  ['a short address', line('PROXY TCP4 1.1 2.2.2.2 1 2\r\n')],
  ['an address with a zone', line('PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n')],
  ['a host name', line('PROXY TCP4 a.test 2.2.2.2 1 2\r\n')],
  ['another signature', Buffer.from('\r\n\r\n\0\r\nQUIX', 'latin1')],
  ['binary version 1', v2(0x11, 0x11, TCP4)],
  ['binary version 3', v2(0x31, 0x11, TCP4)],
  ['another command', v2(0x22, 0x11, TCP4)],
  ['datagrams', v2(0x21, 0x12, TCP4)],
  ['a family without transport', v2(0x21, 0x10, TCP4)],
  ['an unknown family', v2(0x21, 0x41, TCP4)],
  ['fewer bytes than addresses', v2(0x21, 0x11, TCP4.subarray(1))],
  ['IPv6 with the length of IPv4', v2(0x21, 0x21, TCP4)],
];

describe('a header', () => {
  it.each(SOUND)('is read whichever way it is cut: %s', (_what, header, source, port) => {
    const all = Buffer.concat([header, REST]);
    const expected = { result: 'done', source, port, rest: REST.toString('latin1') };
    expect(read([all])).toEqual(expected);
    const step = header.length > 1000 ? 1009 : 1;
    for (let cut = 1; cut < all.length; cut += step) {
      expect(read([all.subarray(0, cut), all.subarray(cut)]), `cut at ${cut}`).toEqual(expected);
    }
    const bytes = Array.from(all.subarray(0, 400), (_, at) => all.subarray(at, at + 1));
    expect(read([...bytes, all.subarray(400)])).toEqual(expected);
    expect(read([header.subarray(0, -1)]).result).toBe('more');
    expect(read([header])).toEqual({ ...expected, rest: '' });
  });

  it.each(WRONG)('is refused whichever way it is cut: %s', (_what, header) => {
    expect(read([header])).toMatchObject({ result: 'wrong', source: '' });
    for (let cut = 1; cut < header.length; cut += 1) {
      const pieces = [header.subarray(0, cut), header.subarray(cut)];
      expect(read(pieces), `cut at ${cut}`).toMatchObject({ result: 'wrong', source: '' });
    }
  });

  it('must be of a version that is taken', () => {
    const [one = REST, two = REST] = [SOUND[0]?.[1], SOUND[6]?.[1]];
    expect([one, two].map((header) => read([header], 'v1').result)).toEqual(['done', 'wrong']);
    expect([one, two].map((header) => read([header], 'v2').result)).toEqual(['wrong', 'done']);
  });

  it('is refused by its first byte when nothing else could follow', () => {
    expect(read([Buffer.from('G')]).result).toBe('wrong');
    expect(read([Buffer.from('\r')], 'v1').result).toBe('wrong');
  });
});

it('bytes of any kind end in a header or in a refusal, and the same way in any pieces', () => {
  const starts = fc.constantFrom(...SOUND.map(([, header]) => header.subarray(0, 300)), REST);
  const change = fc.record({ at: fc.nat(120), byte: fc.nat(255) });
  fc.assert(
    fc.property(starts, fc.array(change, { maxLength: 3 }), fc.nat(150), (start, changes, cut) => {
      const bytes = Buffer.from(start);
      for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte;
      const whole = read([bytes]);
      const at = Math.min(cut, bytes.length);
      const cutUp = read([bytes.subarray(0, at), bytes.subarray(at)]);
      if (whole.result === 'wrong') expect(cutUp.result).toBe('wrong');
      else expect(cutUp).toEqual(whole);
    }),
    { numRuns: 2000 },
  );
});
