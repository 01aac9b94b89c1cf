import { describe, expect, it } from 'vitest';
import { field } from '../../../../src/base/field-block.js';
import { memoryReply } from '../../../../src/worker/cache/memory-reply.js';

const NOW = { nowMs: 10, unixMs: 1.7e12 };
const STORED = {
  key: '/a',
  variant: '',
  status: 200,
  fields: field('content-type', 'text/plain'),
  date: '',
  bornMs: 0,
  bornUnixMs: 1.7e12,
  freshMs: 60_000,
  whileRevalidateMs: 0,
  ifErrorMs: 0,
  isAlwaysValidated: false,
  serials: [],
};
const ASKED = { method: 'GET', ifRange: '', ifNoneMatch: '', ifModifiedSince: '' };

const replyTo = (range: string, text: string) => {
  const body = Buffer.from(text);
  return memoryReply({ ...ASKED, range }, STORED, { body, bodyBytes: body.length }, NOW);
};
/** A body that holds the first boundaries. */
const boundaries = (count: number) =>
  Array.from({ length: count }, (_, at) => `--sluice-part-${at} `).join('');

describe('several parts of a stored body', () => {
  it.each([0, 1, 3])('stand between boundaries that it does not hold (it holds %i)', (count) => {
    const text = `0123456789 ${boundaries(count)}`;
    const { status, fields, body } = replyTo('bytes=0-1,4-5', text);
    expect(status).toBe(206);
    const boundary = /boundary=(\S+)/.exec(fields)?.[1] ?? '';
    expect(text).not.toContain(`--${boundary}`);
    const parts = body.toString().split(`\r\n--${boundary}`);
    expect(parts.map((part) => part.split('\r\n\r\n')[1])).toEqual([
      undefined,
      '01',
      '45',
      undefined,
    ]);
  });

  it('are the whole where it holds one boundary behind the other', () => {
    const text = `0123456789 ${boundaries(4)}`;
    const { status, fields, body, bodyBytes } = replyTo('bytes=0-1,4-5', text);
    expect(status).toBe(200);
    expect(body.toString()).toBe(text);
    expect(bodyBytes).toBe(text.length);
    expect(fields).toContain('text/plain');
    expect(replyTo('bytes=0-1', text)).toMatchObject({ status: 206, bodyBytes: 2 });
  });
});
