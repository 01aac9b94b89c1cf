import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventBorders, MarkRemover } from '../../../../src/wire/event-stream/event-borders.js';

function bordersIn(text: string): boolean[] {
  const borders = new EventBorders();
  return Array.from(text, (char) => {
    borders.pass(Buffer.from(char, 'latin1'));
    return borders.isAtBorder;
  });
}

function atEnd(...pieces: readonly string[]): boolean {
  const borders = new EventBorders();
  for (const piece of pieces) borders.pass(Buffer.from(piece, 'latin1'));
  return borders.isAtBorder;
}

describe('the border of events', () => {
  it('is at the beginning', () => {
    expect(new EventBorders().isAtBorder).toBe(true);
  });

  it.each([
    ['data: a\n', false],
    ['data: a\n\n', true],
    ['data: a\n\n\n', true],
    ['data: a\n\ndata', false],
    ['data: a\r\n', false],
    ['data: a\r\n\r\n', true],
    ['data: a\r\r', true],
    ['data: a\r\n\r', false],
    ['data: a\r\rdata: b\r\r', true],
    ['data: a\n\r\n', true],
    ['data: a\r\n\n', true],
    ['\n', true],
    [': comment\n', false],
    [': comment\n\n', true],
    ['id: 1\ndata: a\n\nretry: 5\n', false],
  ])('behind %j: %s', (text, isAtBorder) => {
    expect(atEnd(text)).toBe(isAtBorder);
  });

  it('is not inside of a CRLF that comes in two pieces', () => {
    expect(atEnd('data: a\r\n\r')).toBe(false);
    expect(atEnd('data: a\r\n\r', '\n')).toBe(true);
    expect(atEnd('data: a\r', '\n\r', '\n')).toBe(true);
    expect(atEnd('data: a\r', '\r')).toBe(true);
  });

  it('does not depend on how the stream is cut', () => {
    const text = fc
      .array(fc.constantFrom('a', ':', ' ', '\n', '\r\n', '\r'), { maxLength: 40 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat(40), { maxLength: 5 }), (stream, cuts) => {
        const places = [0, ...cuts.filter((at) => at < stream.length), stream.length].sort(
          (a, b) => a - b,
        );
        const pieces = places.slice(1).map((end, at) => stream.slice(places[at], end));
        // A CR alone is known to end lines once another byte has followed it: only that may differ.
        const bytewise = stream === '' ? true : (bordersIn(stream).at(-1) ?? true);
        const piecewise = atEnd(...pieces);
        if (!stream.endsWith('\r')) expect(piecewise).toBe(bytewise);
        else if (piecewise) expect(bytewise).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('has no comment put between data that belongs together', () => {
    const text = fc
      .array(fc.constantFrom('data: a', 'id: 1', ':c', '', ''), { maxLength: 12 })
      .chain((lines) =>
        fc.constantFrom('\n', '\r\n', '\r').map((ending) => lines.map((line) => line + ending)),
      );
    fc.assert(
      fc.property(text, (lines) => {
        const stream = lines.join('');
        const plain = eventsOf(stream);
        const spiked = bordersIn(stream)
          .map((isAtBorder, at) => (stream[at] ?? '') + (isAtBorder ? ':\n\n' : ''))
          .join('');
        expect(eventsOf(spiked)).toEqual(plain);
      }),
    );
  });
});

/** As a client reads them (HTML Living Standard 9.2.6). */
function eventsOf(stream: string): string[] {
  const events: string[] = [];
  let data = '';
  const lines = stream.split(/\r\n|\r|\n/);
  for (const line of lines.slice(0, -1)) {
    if (line.startsWith('data: ')) data += `${line.slice(6)}\n`;
    else if (line === '' && data !== '') {
      events.push(data);
      data = '';
    }
  }
  return events;
}

describe('the byte order mark', () => {
  const MARK = '\u00ef\u00bb\u00bf';

  function taken(...pieces: readonly string[]): string {
    const remover = new MarkRemover();
    const out = pieces.map((piece) => remover.take(Buffer.from(piece, 'latin1')));
    return Buffer.concat([...out, remover.rest()]).toString('latin1');
  }

  it('is taken out, however it is cut', () => {
    const text = `${MARK}data: a\n\n`;
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second++) {
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        expect(taken(...pieces)).toBe('data: a\n\n');
      }
    }
  });

  it.each(['data', '\u00ef\u00bbdata', '\u00efdata', '\u00ef\u00bb', '\u00ef', ''])(
    'is none in %j',
    (text) => {
      for (let at = 0; at <= text.length; at++) {
        expect(taken(text.slice(0, at), text.slice(at))).toBe(text);
      }
    },
  );

  it('is text further behind', () => {
    expect(taken('a', MARK)).toBe(`a${MARK}`);
    expect(taken(MARK + MARK)).toBe(MARK);
  });
});
