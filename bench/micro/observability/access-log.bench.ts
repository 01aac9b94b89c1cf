/**
 * Question: what does one access record cost the thread that writes it?
 *
 * The subject is a whole record, with header fields and a query parameter to hide, to an output
 * that throws the line away. Alternatives: the default's figures through pino, which all other
 * lines go through; and a request that a filter leaves out.
 */
import pino from 'pino';
import type { CompiledAccessLog } from '../../../src/config/compiled-observability.js';
import { AccessLog, type AccessRecord } from '../../../src/observability/access-log.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const OPTIONS: CompiledAccessLog = {
  samplePercent: 100,
  statuses: [],
  slowerThanMs: -1,
  showsBodies: false,
  headers: [],
  secretHeaders: [],
  redactQuery: ['token', 'api_key', 'password'],
};
const FIELDS: Readonly<Record<string, string>> = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0',
  authorization: 'Bearer abc',
};
const SOURCE = { value: (name: string): string => FIELDS[name] ?? '' };

export const bench: Bench = {
  question: 'what does an access record cost?',

  run(context) {
    const operations = context.parameter('records', 64, 4096);
    const full = { ...OPTIONS, headers: ['user-agent', 'authorization'] };
    return context.measureEach([
      {
        name: 'access-log: fields and a hidden parameter',
        role: 'subject',
        operations,
        run: writeRecords(full, '/api/products?id=7&token=abc', operations),
      },
      {
        name: 'access-log: the default',
        role: 'subject',
        operations,
        run: writeRecords(OPTIONS, '/api/products/7', operations),
      },
      {
        name: 'access-log: the default, through pino',
        role: 'alternative',
        operations,
        run: writeThroughPino(operations),
      },
      {
        name: 'access-log: left out by a filter',
        role: 'alternative',
        operations,
        run: filterRecords({ ...OPTIONS, samplePercent: 0, slowerThanMs: 500 }, operations),
      },
    ]);
  },
};

function recordOf(at: number, target: string): AccessRecord {
  return {
    requestId: `0123456789ab-${at.toString(16).padStart(8, '0')}`,
    clientIp: '203.0.113.7',
    consumer: 'alice',
    method: 'GET',
    protocol: 11,
    target,
    route: 'products',
    upstreamTarget: '10.0.0.6:8001',
    tries: 1,
    status: 200,
    bytes: 131,
    coding: '',
    durationMs: 1 + at / 7,
    upstreamMs: 0.5 + at / 9,
    code: '',
    cause: '',
    end: 'complete',
    fields: SOURCE,
    call: null,
    cache: '',
    traceId: '',
  };
}

function writeRecords(
  options: CompiledAccessLog,
  target: string,
  operations: number,
): () => number {
  let bytes = 0;
  const sink = {
    thread: 'worker-0',
    time: () => '2026-01-01T00:00:00.000Z',
    write: (line: string): void => {
      // As the logger does: a string that is made of pieces becomes one by this.
      bytes += Buffer.byteLength(line);
    },
  };
  const log = new AccessLog(sink, options, Math.random);
  return () => {
    bytes = 0;
    for (let at = 0; at < operations; at += 1) {
      if (log.wants(200, 1)) log.write(recordOf(at, target));
    }
    return fold(0, bytes > 0 ? operations : 0);
  };
}

function writeThroughPino(operations: number): () => number {
  let bytes = 0;
  const sink = {
    write: (line: string): void => {
      // As the logger does: a string that is made of pieces becomes one by this.
      bytes += Buffer.byteLength(line);
    },
  };
  const logger = pino({ base: { thread: 'worker-0' } }, sink);
  return () => {
    bytes = 0;
    for (let at = 0; at < operations; at += 1) {
      const { fields: _, traceId: __, ...shown } = recordOf(at, '/api/products/7');
      logger.info(shown, 'request');
    }
    return fold(0, bytes > 0 ? operations : 0);
  };
}

function filterRecords(options: CompiledAccessLog, operations: number): () => number {
  const output = { thread: '', time: () => '', write: () => {} };
  const log = new AccessLog(output, options, Math.random);
  return () => {
    let wanted = 0;
    for (let at = 0; at < operations; at += 1) if (log.wants(200, at % 400)) wanted += 1;
    return fold(1, wanted);
  };
}
