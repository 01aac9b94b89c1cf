/** Frames, settings and header blocks as they are written: read back by our own readers. */
import { describe, expect, it } from 'vitest';
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../../src/base/field-block.js';
import { HpackDecoder } from '../../../../src/wire/hpack/hpack-decoder.js';
import { HpackEncoder } from '../../../../src/wire/hpack/hpack-encoder.js';
import {
  FLOW_CONTROL_ERROR,
  FRAME_BYTES_MAX,
  NO_ERROR,
  PROTOCOL_ERROR,
} from '../../../../src/wire/http2/frame-kinds.js';
import { FrameWriter } from '../../../../src/wire/http2/frame-writer.js';
import { PeerSettings } from '../../../../src/wire/http2/peer-settings.js';
import { encodeReply, linesOf } from '../../../../src/wire/http2/reply-block.js';
import { offeredSettings } from '../../../../src/wire/http2/server-options.js';
import { decodeBlock } from '../../../support/hpack-blocks.js';
import { readFrames } from '../../../support/http2-frames.js';
import { RULES } from '../../../support/request-outcome.js';

function written(write: (writer: FrameWriter) => void): Buffer {
  const writer = new FrameWriter();
  write(writer);
  return writer.take() ?? Buffer.alloc(0);
}

describe('frames of one turn', () => {
  it('come in one buffer, in their order', () => {
    const bytes = written((writer) => {
      writer.settings([
        [3, 100],
        [4, 70_000],
      ]);
      writer.settingsAck();
      writer.ping(Buffer.from('12345678'), false);
      writer.ping(Buffer.from('12345678'), true);
      writer.goAway(7, 11);
      writer.reset(7, 8);
      writer.window(0, 2 ** 31 - 1);
      writer.headers(7, Buffer.from('abc'), true);
      writer.data(7, Buffer.from('def'), false);
      writer.data(7, Buffer.alloc(0), true);
    });
    expect(readFrames([bytes])).toEqual([
      'settings 000300000064000400011170',
      'settings ack',
      'ping 12345678',
      'ping ack 12345678',
      'goaway 7 11',
      'reset 7 8',
      'window 0 2147483647',
      'headers 7 abc END',
      'data 7 def+0',
      'data 7 +0 END',
    ]);
  });

  it('are handed over once, and what was handed over stays as it is', () => {
    const writer = new FrameWriter();
    expect(writer.take()).toBeNull();
    writer.reset(1, 8);
    const first = writer.take() ?? Buffer.alloc(0);
    expect(writer.take()).toBeNull();
    writer.reset(3, 8);
    expect(readFrames([first])).toEqual(['reset 1 8']);
    expect(readFrames([writer.take() ?? first])).toEqual(['reset 3 8']);
  });

  it.each<[string, (writer: FrameWriter) => void]>([
    ['settings 000300000064', (writer) => writer.settings([[3, 100]])],
    ['ping 12345678', (writer) => writer.ping(Buffer.from('12345678'), false)],
    ['goaway 7 11', (writer) => writer.goAway(7, 11)],
    ['reset 7 8', (writer) => writer.reset(7, 8)],
    ['window 7 9', (writer) => writer.window(7, 9)],
    ['headers 7 a', (writer) => writer.headers(7, Buffer.from('a'), false)],
    ['data 7 a+0', (writer) => writer.data(7, Buffer.from('a'), false)],
  ])('may be the one for which there is no room: %s', (line, write) => {
    for (let bytes = 980; bytes <= 1024; bytes++) {
      const all = written((writer) => {
        writer.data(1, Buffer.alloc(300), false);
        writer.data(1, Buffer.alloc(bytes), false);
        for (let times = 0; times < 50; times++) write(writer);
      });
      expect(readFrames([all]).slice(2)).toEqual(Array.from({ length: 50 }, () => line));
    }
  });

  it.each([0, 1, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 2 * FRAME_BYTES_MAX, 40_000])(
    'hold a header block of %i bytes',
    (bytes) => {
      const block = Buffer.alloc(bytes, 'x');
      const lines = readFrames([written((writer) => writer.headers(7, block, true))], 50_000);
      const frames = Math.max(1, Math.ceil(bytes / FRAME_BYTES_MAX));
      const parts = Array.from({ length: frames - 1 }, () => 'idle');
      expect(lines).toEqual([...parts, `headers 7 ${'x'.repeat(bytes)} END`]);
    },
  );
});

describe('the block of a reply', () => {
  const read = (status: number, fields: FieldBlock) =>
    decodeBlock(new HpackDecoder(), encodeReply(new HpackEncoder(4096), status, linesOf(fields)));

  it('has its status, and names in lower case', () => {
    const fields = joinFields(field('Content-Type', 'a/b'), field('X-Empty', ''));
    expect(read(204, fields)).toEqual([
      [':status', '204'],
      ['content-type', 'a/b'],
      ['x-empty', ''],
    ]);
    expect(read(0, fields)?.[0]).toEqual(['content-type', 'a/b']);
    expect(read(200, NO_FIELDS)).toEqual([[':status', '200']]);
  });

  it('has no field of a connection', () => {
    const names = ['Connection', 'Keep-Alive', 'Proxy-Connection', 'Transfer-Encoding', 'Upgrade'];
    const fields = names.map((name) => field(name, 'x')).reduce(joinFields);
    expect(read(200, joinFields(fields, field('a', 'b')))).toEqual([
      [':status', '200'],
      ['a', 'b'],
    ]);
  });

  it('has room for many short fields, and for long ones', () => {
    let fields: FieldBlock = NO_FIELDS;
    for (let at = 0; at < 500; at++) fields = joinFields(fields, field('\x7f', '\x01'));
    fields = joinFields(fields, field('x', '\xff'.repeat(70_000)));
    expect(read(200, fields)).toHaveLength(502);
  });
});

describe('settings', () => {
  const taken = (...values: [id: number, value: number][]) => {
    const settings = new PeerSettings();
    const code = settings.take(written((writer) => writer.settings(values)).subarray(9));
    return { code, tableBytes: settings.tableBytes, initialWindow: settings.initialWindow };
  };

  it('are the defaults until they come, and unknown ones are ignored', () => {
    const defaults = { code: NO_ERROR, tableBytes: 4096, initialWindow: 65_535 };
    expect(taken()).toEqual(defaults);
    expect(taken([0xbeef, 0xffff_ffff], [3, 0], [6, 0], [2, 1], [8, 0])).toEqual(defaults);
  });

  it('of one kind: the last one counts', () => {
    expect(taken([4, 1], [1, 0], [4, 2 ** 31 - 1])).toEqual({
      code: NO_ERROR,
      tableBytes: 0,
      initialWindow: 2 ** 31 - 1,
    });
  });

  it.each<[number, number, number]>([
    [2, 2, PROTOCOL_ERROR],
    [8, 2, PROTOCOL_ERROR],
    [4, 2 ** 31, FLOW_CONTROL_ERROR],
    [5, 16_383, PROTOCOL_ERROR],
    [5, 2 ** 24, PROTOCOL_ERROR],
  ])('%i = %i is the error %i', (id, value, code) => {
    expect(taken([id, value]).code).toBe(code);
  });

  it('that are offered leave room for every head that the rules allow', () => {
    const options = {
      streamsMax: 100,
      streamWindowBytes: 70_000,
      windowBytes: 1e6,
      mayConnect: true,
    };
    const listBytes = RULES.headerBytes + 28 * RULES.headerFields;
    expect(offeredSettings(options, RULES)).toEqual([
      [3, 100],
      [4, 70_000],
      [6, listBytes],
      [8, 1],
    ]);
    expect(offeredSettings({ ...options, mayConnect: false }, RULES)).toHaveLength(3);
  });
});
