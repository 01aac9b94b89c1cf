import { describe, expect, it } from 'vitest';
import { type FieldBlock, field, NO_FIELDS } from '../../../../src/base/field-block.js';
import {
  BODY_UNTIL_CLOSE,
  interimHead,
  REPLY_BODILESS,
  REPLY_CLOSES,
  REPLY_DATED,
  ReplyWriter,
} from '../../../../src/wire/http1/reply-writer.js';

const TEXT = Buffer.from(`id-1${field('Content-Type', 'text/plain')}`, 'latin1');
const UNIX_MS = Date.UTC(2026, 10, 29, 12, 0, 1, 999);
const DATE = 'Date: Sun, 29 Nov 2026 12:00:01 GMT\r\n';
const START = `X-Request-Id: id-1\r\nContent-Type: text/plain\r\n${DATE}`;

interface Written {
  readonly version?: 10 | 11;
  readonly status?: number;
  readonly bodyBytes?: number;
  readonly flags?: number;
  readonly body?: readonly string[];
  readonly trailers?: FieldBlock;
}

const writer = new ReplyWriter();

function write({
  version = 11,
  status = 200,
  bodyBytes = -1,
  flags = 0,
  ...rest
}: Written): string {
  const out = Buffer.alloc(4096, 0x7e);
  writer.begin(version, status, bodyBytes, flags);
  let at = writer.writeHead(out, 0, TEXT, UNIX_MS);
  for (const piece of rest.body ?? []) at = writer.writeBody(out, at, Buffer.from(piece));
  at = writer.writeEnd(out, at, rest.trailers ?? NO_FIELDS);
  expect(out.toString('latin1', at)).toBe('~'.repeat(4096 - at));
  return out.toString('latin1', 0, at);
}

describe('a reply', () => {
  it('has a length where it is known', () => {
    expect(write({ bodyBytes: 7, body: ['abc', 'defg'] })).toBe(
      `HTTP/1.1 200 OK\r\n${START}Content-Length: 7\r\n\r\nabcdefg`,
    );
    expect(writer.left).toBe(0);
    expect(write({ bodyBytes: 0, status: 599 })).toBe(
      `HTTP/1.1 599 Unknown\r\n${START}Content-Length: 0\r\n\r\n`,
    );
  });

  it('is chunked where its length is not known, with fields behind it', () => {
    const body = ['abc', 'x'.repeat(26)];
    expect(write({ body, trailers: field('X-Sum', '1') })).toBe(
      `HTTP/1.1 200 OK\r\n${START}Transfer-Encoding: chunked\r\n\r\n` +
        `3\r\nabc\r\n1a\r\n${'x'.repeat(26)}\r\n0\r\nX-Sum: 1\r\n\r\n`,
    );
    expect(writer.closes).toBe(false);
  });

  it('ends with the connection for a client of HTTP/1.0', () => {
    expect(write({ version: 10, body: ['abc', 'd'], trailers: field('X-Sum', '1') })).toBe(
      `HTTP/1.1 200 OK\r\n${START}Connection: close\r\n\r\nabcd`,
    );
    expect(writer.framing).toBe(BODY_UNTIL_CLOSE);
    expect(writer.closes).toBe(true);
  });

  it('keeps the connection of such a client only where it says so', () => {
    expect(write({ version: 10, bodyBytes: 1, body: ['a'] })).toBe(
      `HTTP/1.1 200 OK\r\n${START}Content-Length: 1\r\nConnection: keep-alive\r\n\r\na`,
    );
    expect(write({ version: 10, bodyBytes: 1, flags: REPLY_CLOSES, body: ['a'] })).toBe(
      `HTTP/1.1 200 OK\r\n${START}Content-Length: 1\r\nConnection: close\r\n\r\na`,
    );
  });

  it.each([
    [200, REPLY_BODILESS, 12, 'Content-Length: 12\r\n'],
    [200, REPLY_BODILESS, -1, ''],
    [204, 0, -1, ''],
    [204, REPLY_BODILESS, 5, ''],
    [304, 0, 5, 'Content-Length: 5\r\n'],
    [101, 0, -1, 'Connection: Upgrade\r\nUpgrade: websocket\r\n'],
  ])('with status %i and flags %i has no body', (status, flags, bodyBytes, framing) => {
    const reply = write({ status, flags, bodyBytes });
    expect(reply.endsWith(`${DATE}${framing}\r\n`)).toBe(true);
  });

  it('has one Date', () => {
    expect(write({ bodyBytes: 0, flags: REPLY_DATED })).not.toContain('Date');
  });

  it('is never longer than its head says', () => {
    writer.begin(11, 200, 2, 0);
    expect(() => writer.writeBody(Buffer.alloc(9), 0, Buffer.from('abc'))).toThrow('as long as');
  });
});

it('writes interim heads', () => {
  expect(interimHead(103, field('Link', '</a>'))).toBe(
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  );
});
