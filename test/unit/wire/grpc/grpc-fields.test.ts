import { describe, expect, it } from 'vitest';
import { entriesOf, field, joinFields } from '../../../../src/base/field-block.js';
import {
  GRPC_STATUS_NAMES,
  grpcStatusName,
  grpcStatusOfRefusal,
  grpcStatusOfTarget,
  httpStatusOfGrpc,
  parseGrpcStatus,
} from '../../../../src/base/grpc-status.js';
import {
  DIALECT_GRPC,
  DIALECT_WEB,
  DIALECT_WEB_TEXT,
  grpcDialectOf,
  grpcTypeOf,
  webTypeOf,
} from '../../../../src/wire/grpc/content-type.js';
import { decodeGrpcMessage, encodeGrpcMessage } from '../../../../src/wire/grpc/grpc-message.js';
import { formatGrpcTimeout, parseGrpcTimeout } from '../../../../src/wire/grpc/grpc-timeout.js';
import { trailersOnlyFields } from '../../../../src/wire/grpc/trailers-only.js';

describe('the content types of gRPC', () => {
  it.each([
    ['application/grpc', DIALECT_GRPC],
    ['application/grpc+proto', DIALECT_GRPC],
    ['Application/gRPC;charset=utf-8', DIALECT_GRPC],
    ['application/grpc-web', DIALECT_WEB],
    ['application/grpc-web+proto', DIALECT_WEB],
    ['application/grpc-web-text', DIALECT_WEB_TEXT],
    ['application/grpc-web-text+proto', DIALECT_WEB_TEXT],
    ['application/grpcx', 0],
    ['application/grpc-webx', 0],
    ['application/json', 0],
    ['', 0],
  ])('%s', (type, dialect) => {
    expect(grpcDialectOf(type)).toBe(dialect);
  });

  it('keep their suffix from one dialect to the other', () => {
    expect(grpcTypeOf('application/grpc-web-text+proto')).toBe('application/grpc+proto');
    expect(grpcTypeOf('application/grpc-web')).toBe('application/grpc');
    expect(webTypeOf('application/grpc', DIALECT_WEB)).toBe('application/grpc-web+proto');
    expect(webTypeOf('application/grpc+json', DIALECT_WEB_TEXT)).toBe(
      'application/grpc-web-text+json',
    );
  });
});

describe('grpc-timeout', () => {
  it.each([
    ['1S', 1000],
    ['2M', 120_000],
    ['1H', 3_600_000],
    ['250m', 250],
    ['1500u', 1.5],
    ['99999999n', 99.999999],
    ['0S', 0],
  ])('%s', (text, ms) => {
    expect(parseGrpcTimeout(text)).toBeCloseTo(ms, 9);
  });

  it.each(['', '1', 'S', '123456789S', '1s', '-1S', '1.5S', ' 1S'])('refuses %j', (text) => {
    expect(parseGrpcTimeout(text)).toBeNaN();
  });

  it('is written in the finest unit that has room, never longer, never nothing', () => {
    expect(formatGrpcTimeout(1500.0004)).toBe('1500000u');
    expect(formatGrpcTimeout(200_000.9)).toBe('200000m');
    expect(formatGrpcTimeout(200_000_000)).toBe('200000S');
    expect(formatGrpcTimeout(0)).toBe('1u');
    expect(formatGrpcTimeout(-5)).toBe('1u');
    for (const ms of [0.5, 17, 99_999, 123_456_789, 5e9]) {
      expect(parseGrpcTimeout(formatGrpcTimeout(ms))).toBeLessThanOrEqual(ms);
    }
  });
});

describe('grpc-message', () => {
  const special = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

  it('survives what interop tests send', () => {
    const encoded = encodeGrpcMessage(special);
    expect(encoded).toBe(
      '%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A',
    );
    expect(decodeGrpcMessage(encoded)).toBe(special);
  });

  it('escapes the percent sign, and blanks at its ends', () => {
    expect(encodeGrpcMessage('100% sure')).toBe('100%25 sure');
    expect(encodeGrpcMessage(' a ')).toBe('%20a%20');
    expect(encodeGrpcMessage('plain: text')).toBe('plain: text');
  });

  it('stays as it came where it is not well encoded', () => {
    expect(decodeGrpcMessage('50%')).toBe('50%');
    expect(decodeGrpcMessage('%zz')).toBe('%zz');
  });

  it('is bounded', () => {
    expect(encodeGrpcMessage('x'.repeat(5000))).toHaveLength(1024);
  });
});

describe('statuses', () => {
  it('have a name each', () => {
    expect(GRPC_STATUS_NAMES).toHaveLength(17);
    expect(grpcStatusName(16)).toBe('UNAUTHENTICATED');
    expect(grpcStatusName(99)).toBe('UNKNOWN');
  });

  it('are numbers of codes and nothing else', () => {
    expect(parseGrpcStatus('0')).toBe(0);
    expect(parseGrpcStatus('16')).toBe(16);
    for (const text of ['', '17', '00', '-1', '1.0', ' 1', '1e0']) {
      expect(parseGrpcStatus(text)).toBe(-1);
    }
  });

  it.each([
    [400, 3],
    [401, 16],
    [403, 7],
    [404, 12],
    [413, 8],
    [415, 13],
    [429, 8],
    [500, 13],
    [502, 14],
    [503, 14],
    [504, 4],
    [308, 2],
  ])('a refusal with %i is %i', (http, grpc) => {
    expect(grpcStatusOfRefusal(http)).toBe(grpc);
  });

  it.each([
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [429, 14],
    [502, 14],
    [503, 14],
    [504, 14],
    [200, 2],
    [500, 2],
  ])("a target's %i is %i", (http, grpc) => {
    expect(grpcStatusOfTarget(http)).toBe(grpc);
  });

  it('stand for statuses of HTTP as google.rpc.Code says', () => {
    expect(
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16].map(httpStatusOfGrpc),
    ).toEqual([
      200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
    ]);
  });
});

describe('a reply without a message', () => {
  it('has status, message and the wait, and nothing that describes a body', () => {
    const fields = joinFields(
      joinFields(field('Content-Type', 'application/problem+json'), field('Retry-After', '2')),
      field('RateLimit', '"a";r=0;t=2'),
    );
    const block = trailersOnlyFields('application/grpc+proto', {
      status: 429,
      fields,
      message: 'Wait 2 s: 100%',
    });
    expect([...entriesOf(block)]).toEqual([
      ['content-type', 'application/grpc+proto'],
      ['grpc-status', '8'],
      ['grpc-message', 'Wait 2 s: 100%25'],
      ['grpc-retry-pushback-ms', '2000'],
      ['RateLimit', '"a";r=0;t=2'],
    ]);
  });
});
