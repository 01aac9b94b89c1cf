import { describe, expect, it } from 'vitest';
import {
  REFUSAL_RING_BYTES,
  RefusalRingReader,
  RefusalRingWriter,
} from '../../../src/channel/refusal-ring.js';

function ring() {
  const buffer = new SharedArrayBuffer(256 + REFUSAL_RING_BYTES);
  const open = () => new RefusalRingWriter(buffer, 256);
  return { buffer, open, writer: open(), reader: new RefusalRingReader(buffer, 256) };
}

const note = (about: number, ...fields: string[]) => ({ about, unixMs: about * 10, fields });

describe('the ring of refusals', () => {
  it('gives back what was noted', () => {
    const { writer, reader } = ring();
    expect(reader.read()).toEqual([]);
    writer.note(10, note(3, 'GET', '/é', '', 'x'));
    expect(reader.read()).toEqual([note(3, 'GET', '/é', '', 'x')]);
  });

  it('keeps fields apart, whatever stands in them', () => {
    const { writer, reader } = ring();
    writer.note(10, note(3, 'consumer\nwith lines', 'id'));
    expect(reader.read()).toEqual([note(3, 'consumer with lines', 'id')]);
  });

  it('keeps the last ones, also when another thread takes it over', () => {
    const { writer, reader, open } = ring();
    for (let at = 0; at < 100; at++) writer.note(at * 10, note(at, `n${at}`));
    const kept = () => reader.read().map(({ about }) => about);
    expect(kept().toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 64 }, (_, at) => at + 36),
    );
    open().note(5000, note(100, 'next'));
    expect(kept()).toContain(100);
    expect(kept()).not.toContain(36);
    expect(kept()).toHaveLength(64);
  });

  it('cuts what is too long, in whole characters', () => {
    const { writer, reader } = ring();
    writer.note(10, note(1, 'é'.repeat(1000), 'gone'));
    const [read] = reader.read();
    expect(read?.fields).toEqual(['é'.repeat(246)]);
  });

  it('takes one note in ten milliseconds', () => {
    const { writer } = ring();
    expect(writer.isDue(1000)).toBe(true);
    writer.note(1000, note(1));
    expect([1000, 1009.9, 1010].map((ms) => writer.isDue(ms))).toEqual([false, false, true]);
  });

  it('shows nothing of a note that its thread did not finish', () => {
    const { buffer, writer, reader } = ring();
    writer.note(10, note(1, 'a'));
    const words = new Int32Array(buffer, 256);
    const slot = words.indexOf(1);
    words[slot] = -1;
    expect(reader.read()).toEqual([]);
  });
});
