import { Writable } from 'node:stream';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { type AccessRecord, createAccessLog } from '../../../src/observability/access-log.js';

/** What one write to a pipe takes without mixing with those of other threads. */
const PIPE_BYTES = 4096;

function lineOf(wish: Partial<AccessRecord>): string {
  let line = '';
  const stream = new Writable({
    write(chunk, _encoding, callback) {
      line += chunk;
      callback();
    },
  });
  createAccessLog(
    pino(stream),
    true,
  )({
    requestId: 'r'.repeat(128),
    clientIp: '2001:db8:1111:2222:3333:4444:5555:6666',
    consumer: 'alice',
    method: 'OPTIONS',
    target: '/x',
    route: 'r'.repeat(64),
    upstreamTarget: `${'h'.repeat(253)}:65535`,
    status: 200,
    bytes: 1,
    durationMs: 1.23456,
    code: 'GW_UPSTREAM_CONNECT_FAILED',
    tries: 3,
    ...wish,
  });
  return line;
}

describe('access record', () => {
  it('stays within one write, however long its target and its consumer are', () => {
    const line = lineOf({ target: `/${'t'.repeat(8000)}`, consumer: '\u0001'.repeat(8000) });
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(PIPE_BYTES);
    const record = JSON.parse(line) as AccessRecord;
    expect(record.target.length).toBe(1024);
    expect(record.consumer).toBe('\u0001'.repeat(256));
  });

  it('shows what fits as it is', () => {
    const record = JSON.parse(lineOf({})) as AccessRecord;
    expect(record).toMatchObject({ target: '/x', consumer: 'alice', durationMs: 1.235 });
  });
});
