/** Frames as they are read: by example, cut everywhere, and every mistake with its code. */
import { describe, expect, it } from 'vitest';
import {
  ENHANCE_YOUR_CALM,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_BYTES_MAX,
  FRAME_SIZE_ERROR,
  PROTOCOL_ERROR,
  TYPE_CONTINUATION,
  TYPE_DATA,
  TYPE_GOAWAY,
  TYPE_HEADERS,
  TYPE_PING,
  TYPE_PRIORITY,
  TYPE_PUSH_PROMISE,
  TYPE_RST_STREAM,
  TYPE_SETTINGS,
  TYPE_WINDOW_UPDATE,
} from '../../../../src/wire/http2/frame-kinds.js';
import { mutate, seeded } from '../../../fuzz/mutations.js';
import { frame, number32, readFrames } from '../../../support/http2-frames.js';
import { cutAt } from '../../../support/reply-outcome.js';

const PRIORITY = [0x80, 0, 0, 9, 16];
const SELF = [0x80, 0, 0, 7, 16];

const GOOD: readonly (readonly [line: string, bytes: Buffer])[] = [
  ['data 1 abc+0', frame(TYPE_DATA, 0, 1, 'abc')],
  ['data 1 +0 END', frame(TYPE_DATA, FLAG_END_STREAM, 1)],
  ['data 1 ab+4', frame(TYPE_DATA, FLAG_PADDED, 1, '\x03abxyz')],
  ['data 1 +1 END', frame(TYPE_DATA, FLAG_PADDED | FLAG_END_STREAM, 1, '\0')],
  ['data 1 +3', frame(TYPE_DATA, FLAG_PADDED, 1, '\x02xy')],
  ['headers 7 abc END', frame(TYPE_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, 7, 'abc')],
  ['headers 7 ab', frame(TYPE_HEADERS, FLAG_END_HEADERS | FLAG_PADDED, 7, '\x02abxy')],
  ['headers 7 ab', frame(TYPE_HEADERS, FLAG_END_HEADERS | FLAG_PRIORITY, 7, [...PRIORITY, 97, 98])],
  [
    'headers 7 ab SELF',
    frame(TYPE_HEADERS, FLAG_END_HEADERS | FLAG_PRIORITY, 7, [...SELF, 97, 98]),
  ],
  [
    'headers 7 ab',
    frame(TYPE_HEADERS, FLAG_END_HEADERS | FLAG_PRIORITY | FLAG_PADDED, 7, [
      1,
      ...PRIORITY,
      97,
      98,
      0,
    ]),
  ],
  ['idle', frame(TYPE_PRIORITY, 0, 7, PRIORITY)],
  ['reset 7 8', frame(TYPE_RST_STREAM, 0, 7, number32(8))],
  ['settings ', frame(TYPE_SETTINGS, 0, 0)],
  ['settings 000100000000', frame(TYPE_SETTINGS, 0, 0, [0, 1, 0, 0, 0, 0])],
  ['settings ack', frame(TYPE_SETTINGS, FLAG_ACK, 0)],
  ['ping 12345678', frame(TYPE_PING, 0, 0, '12345678')],
  ['ping ack 12345678', frame(TYPE_PING, FLAG_ACK, 0, '12345678')],
  ['goaway 5 11', frame(TYPE_GOAWAY, 0, 0, Buffer.concat([number32(5), number32(11)]))],
  ['window 0 7', frame(TYPE_WINDOW_UPDATE, 0, 0, number32(7))],
  ['window 3 2147483647', frame(TYPE_WINDOW_UPDATE, 0, 3, number32(0xffff_ffff))],
  ['idle', frame(0xbb, 0xff, 0, 'whatever')],
  // The highest bit of a stream is nobody's.
  ['reset 7 8', frame(TYPE_RST_STREAM, 0, 0x8000_0007, number32(8))],
];

describe('a frame', () => {
  it.each(GOOD)('%s', (line, bytes) => {
    expect(readFrames([bytes])).toEqual([line]);
    const all = Array.from(bytes.keys());
    expect(readFrames(cutAt(bytes, all))).toEqual([line]);
    for (const at of all.slice(1)) expect(readFrames(cutAt(bytes, [at]))).toEqual([line]);
  });

  it('follows another, in one read or in many', () => {
    const bytes = Buffer.concat(GOOD.map(([, one]) => one));
    const lines = GOOD.map(([line]) => line);
    expect(readFrames([bytes])).toEqual(lines);
    for (let at = 1; at < bytes.length; at++) expect(readFrames(cutAt(bytes, [at]))).toEqual(lines);
  });

  it('of a header block gives the block when its last one is there', () => {
    const bytes = Buffer.concat([
      frame(TYPE_HEADERS, FLAG_END_STREAM, 7, 'ab'),
      frame(TYPE_CONTINUATION, 0, 7, 'cd'),
      frame(TYPE_CONTINUATION, 0, 7),
      frame(TYPE_CONTINUATION, FLAG_END_HEADERS, 7, 'e'),
      frame(TYPE_HEADERS, FLAG_END_HEADERS, 9, 'f'),
    ]);
    const lines = ['idle', 'idle', 'idle', 'headers 7 abcde END', 'headers 9 f'];
    expect(readFrames([bytes])).toEqual(lines);
    for (let at = 1; at < bytes.length; at++) expect(readFrames(cutAt(bytes, [at]))).toEqual(lines);
  });

  it.each([
    ['DATA without a stream', PROTOCOL_ERROR, frame(TYPE_DATA, 0, 0, 'a')],
    ['padded DATA without bytes', FRAME_SIZE_ERROR, frame(TYPE_DATA, FLAG_PADDED, 1)],
    ['as much padding as payload', PROTOCOL_ERROR, frame(TYPE_DATA, FLAG_PADDED, 1, '\x03ab')],
    ['HEADERS without a stream', PROTOCOL_ERROR, frame(TYPE_HEADERS, FLAG_END_HEADERS, 0, 'a')],
    ['padded HEADERS without bytes', FRAME_SIZE_ERROR, frame(TYPE_HEADERS, FLAG_PADDED, 1)],
    ['more padding than HEADERS', PROTOCOL_ERROR, frame(TYPE_HEADERS, FLAG_PADDED, 1, '\x03ab')],
    [
      'more padding than is left by the priority',
      PROTOCOL_ERROR,
      frame(TYPE_HEADERS, FLAG_PADDED | FLAG_PRIORITY, 1, [2, ...PRIORITY, 1]),
    ],
    ['a short priority', FRAME_SIZE_ERROR, frame(TYPE_HEADERS, FLAG_PRIORITY, 1, 'abcd')],
    ['PRIORITY without a stream', PROTOCOL_ERROR, frame(TYPE_PRIORITY, 0, 0, PRIORITY)],
    ['RST_STREAM without a stream', PROTOCOL_ERROR, frame(TYPE_RST_STREAM, 0, 0, number32(8))],
    ['RST_STREAM of three bytes', FRAME_SIZE_ERROR, frame(TYPE_RST_STREAM, 0, 1, 'abc')],
    ['SETTINGS with a stream', PROTOCOL_ERROR, frame(TYPE_SETTINGS, 0, 1)],
    ['SETTINGS of seven bytes', FRAME_SIZE_ERROR, frame(TYPE_SETTINGS, 0, 0, 'abcdefg')],
    ['SETTINGS ACK with bytes', FRAME_SIZE_ERROR, frame(TYPE_SETTINGS, FLAG_ACK, 0, 'abcdef')],
    ['PUSH_PROMISE', PROTOCOL_ERROR, frame(TYPE_PUSH_PROMISE, FLAG_END_HEADERS, 1, 'abcd')],
    ['PING with a stream', PROTOCOL_ERROR, frame(TYPE_PING, 0, 1, '12345678')],
    ['PING of seven bytes', FRAME_SIZE_ERROR, frame(TYPE_PING, 0, 0, '1234567')],
    ['GOAWAY with a stream', PROTOCOL_ERROR, frame(TYPE_GOAWAY, 0, 1, '12345678')],
    ['GOAWAY of seven bytes', FRAME_SIZE_ERROR, frame(TYPE_GOAWAY, 0, 0, '1234567')],
    ['WINDOW_UPDATE of nothing', PROTOCOL_ERROR, frame(TYPE_WINDOW_UPDATE, 0, 0, number32(0))],
    ['WINDOW_UPDATE of five bytes', FRAME_SIZE_ERROR, frame(TYPE_WINDOW_UPDATE, 0, 0, 'abcde')],
    ['a CONTINUATION of nothing', PROTOCOL_ERROR, frame(TYPE_CONTINUATION, FLAG_END_HEADERS, 1)],
    [
      'a frame too large',
      FRAME_SIZE_ERROR,
      frame(TYPE_DATA, 0, 1, Buffer.alloc(FRAME_BYTES_MAX + 1)),
    ],
    ['a head of a frame too large', FRAME_SIZE_ERROR, Buffer.from('ffffff0a0000000001', 'hex')],
  ])('%s ends the connection', (_, code, bytes) => {
    const behind = Buffer.concat([bytes, frame(TYPE_PING, 0, 0, '12345678')]);
    expect(readFrames([behind])).toEqual([`bad ${code}`]);
    expect(readFrames(cutAt(behind, [1, 5, 9, 10, 12]))).toEqual([`bad ${code}`]);
  });

  it.each([
    ['another type', frame(TYPE_PING, 0, 0, '12345678')],
    ['an unknown type', frame(0xbb, 0, 0)],
    ['another stream', frame(TYPE_CONTINUATION, FLAG_END_HEADERS, 9)],
    ['HEADERS', frame(TYPE_HEADERS, FLAG_END_HEADERS, 7)],
  ])('of %s in the middle of a header block ends the connection', (_, bytes) => {
    const begin = frame(TYPE_HEADERS, 0, 7, 'ab');
    expect(readFrames([begin, bytes])).toEqual(['idle', `bad ${PROTOCOL_ERROR}`]);
  });

  it.each([
    ['PRIORITY of four bytes', FRAME_SIZE_ERROR, frame(TYPE_PRIORITY, 0, 7, 'abcd')],
    ['PRIORITY on itself', PROTOCOL_ERROR, frame(TYPE_PRIORITY, 0, 7, SELF)],
    ['WINDOW_UPDATE of nothing', PROTOCOL_ERROR, frame(TYPE_WINDOW_UPDATE, 0, 7, number32(0))],
  ])('%s ends the stream', (_, code, bytes) => {
    const behind = frame(TYPE_PING, 0, 0, '12345678');
    expect(readFrames([bytes, behind])).toEqual([`bad stream 7 ${code}`, 'ping 12345678']);
  });

  it('of a header block that never ends is refused where its bytes are too many', () => {
    const bytes = [frame(TYPE_HEADERS, 0, 7, 'a'.repeat(600))];
    bytes.push(frame(TYPE_CONTINUATION, 0, 7, 'a'.repeat(400)));
    expect(readFrames(bytes, 1000)).toEqual(['idle', 'idle']);
    bytes.push(frame(TYPE_CONTINUATION, 0, 7, 'a'));
    expect(readFrames(bytes, 1000)).toEqual(['idle', 'idle', `bad ${ENHANCE_YOUR_CALM}`]);
  });

  it('is read alike however mutated frames are cut', () => {
    const random = seeded(3);
    const good = Buffer.concat(GOOD.map(([, one]) => one)).toString('latin1');
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(mutate(good, random), 'latin1');
      const whole = readFrames([bytes]);
      const places = Array.from({ length: 5 }, () => Math.floor(random() * bytes.length));
      expect(
        readFrames(
          cutAt(
            bytes,
            places.sort((a, b) => a - b),
          ),
        ),
      ).toEqual(whole);
    }
  });
});
