import { describe, expect, it } from 'vitest';
import { LineRingReader, LineRingWriter, lineRingBytes } from '../../../src/channel/line-ring.js';

const AT = 256;
const SIZE = 4096;
const LINE_BYTES_MAX = 512;

function ring(size = SIZE) {
  const memory = new SharedArrayBuffer(AT + lineRingBytes(size));
  const open = () => new LineRingWriter(memory, AT, LINE_BYTES_MAX);
  const reader = new LineRingReader(memory, AT);
  return { memory, open, writer: open(), lines: () => linesOf(reader.read()) };
}

function linesOf(bytes: Buffer): string[] {
  const text = bytes.toString('utf8');
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text.split('\n').slice(0, -1);
}

describe('the ring of lines', () => {
  it('takes a power of two, and nothing where that would hold next to nothing', () => {
    expect([0, 4095, 4096, 10_000].map(lineRingBytes)).toEqual([0, 0, 4224, 8320]);
  });

  it('gives back what was written', () => {
    const { writer, lines } = ring();
    expect(lines()).toEqual([]);
    writer.write('one é\n');
    writer.write('two\n');
    expect(lines()).toEqual(['one é', 'two']);
  });

  it('leaves out a line that is longer than a record', () => {
    const { writer, lines } = ring();
    writer.write(`${'x'.repeat(LINE_BYTES_MAX)}\n`);
    writer.write(`${'y'.repeat(LINE_BYTES_MAX - 1)}\n`);
    expect(lines()).toEqual(['y'.repeat(LINE_BYTES_MAX - 1)]);
  });

  it('keeps the last lines, whole, wherever its end cuts them', () => {
    for (let length = 1; length < 90; length += 1) {
      const { writer, lines } = ring();
      const all = Array.from({ length: 300 }, (_, nth) => `${nth}:${'ü'.repeat(length)}`);
      for (const line of all) {
        writer.write(`${line}\n`);
        const kept = lines();
        expect(all.slice(0, all.indexOf(line) + 1).slice(-kept.length)).toEqual(kept);
      }
      const bytes = lines().reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
      expect(bytes).toBeGreaterThan(Math.min(SIZE, 300 * length) - LINE_BYTES_MAX);
    }
  });

  it('goes on where a thread has died, and shows nothing of the line that it died in', () => {
    const { memory, writer, open, lines } = ring();
    writer.write('whole\n');
    // As if it had died when 20 bytes were reserved and some of them written.
    const words = new Int32Array(memory, AT, 3);
    words[0] = (words[0] ?? 0) + 20;
    Buffer.from(memory, AT + 128 + 6).write('half of a rec');
    expect(lines()).toEqual(['whole']);
    open().write('next\n');
    const kept = lines();
    expect([kept[0], kept.at(-1), kept.length]).toEqual(['whole', 'next', 3]);
  });

  it('leaves out what a writer goes over while it is read', () => {
    const { memory, writer, lines } = ring();
    for (let nth = 0; nth < 200; nth += 1) writer.write(`line ${nth} ${'z'.repeat(50)}\n`);
    const before = lines();
    // A writer has begun with the next 100 bytes.
    const words = new Int32Array(memory, AT, 3);
    words[0] = (words[0] ?? 0) + 100;
    const kept = lines();
    expect(before.slice(-kept.length)).toEqual(kept);
    expect(kept.length).toBeLessThan(before.length);
  });

  it('goes on when the count of bytes begins anew', () => {
    const memory = new SharedArrayBuffer(AT + lineRingBytes(SIZE));
    const words = new Int32Array(memory, AT, 3);
    words.set([-1000, -1000, 1]);
    const writer = new LineRingWriter(memory, AT, LINE_BYTES_MAX);
    const reader = new LineRingReader(memory, AT);
    const all = Array.from({ length: 100 }, (_, nth) => `line ${nth} ${'w'.repeat(60)}`);
    for (const line of all) writer.write(`${line}\n`);
    const kept = linesOf(reader.read());
    expect(kept.length).toBeGreaterThan(50);
    expect(all.slice(-kept.length)).toEqual(kept);
  });
});
