/** What lines of access logs say, whoever wrote them. */
import { describe, expect, it } from 'vitest';
import { readLogLine } from '../../../src/replay/log-formats.js';

const own = (changed: object = {}): string =>
  JSON.stringify({
    level: 'info',
    time: '2026-11-28T10:00:01.500Z',
    thread: 'worker-0',
    requestId: 'a',
    clientIp: '192.0.2.7',
    consumer: 'ada',
    method: 'GET',
    protocol: 'HTTP/1.1',
    target: '/api/users/7?x=1',
    route: 'users',
    upstreamTarget: '10.0.0.5:80',
    tries: 1,
    status: 200,
    bytes: 5,
    durationMs: 1500,
    upstreamMs: 3,
    code: '',
    end: 'complete',
    headers: { 'user-agent': 'curl', host: 'api.example' },
    msg: 'request',
    ...changed,
  });

const caddy = (changed: object = {}): string =>
  JSON.stringify({
    level: 'info',
    ts: 1795687200.25,
    logger: 'http.log.access',
    msg: 'handled request',
    request: {
      remote_ip: '10.9.9.9',
      client_ip: '192.0.2.7',
      proto: 'HTTP/2.0',
      method: 'GET',
      host: 'api.example',
      uri: '/a?b',
      headers: { Accept: ['a', 'b'], 'X-Tenant': ['t'] },
    },
    user_id: '',
    duration: 0.25,
    status: 200,
    ...changed,
  });

const request = (line: string) => {
  const read = readLogLine(line);
  if (read.kind !== 'request') throw new Error(`${read.kind}: ${line}`);
  return read.request;
};

describe('our own records', () => {
  it('are read, with the time at which the request began', () => {
    expect(request(own())).toEqual({
      beganUnixMs: Date.UTC(2026, 10, 28, 10, 0, 0),
      durationMs: 1500,
      method: 'GET',
      target: '/api/users/7?x=1',
      host: 'api.example',
      clientIp: '192.0.2.7',
      consumer: 'ada',
      status: 200,
      code: '',
      route: 'users',
      fields: [['user-agent', 'curl']],
    });
  });

  it('say what a call of gRPC is', () => {
    const { fields } = request(own({ grpcService: 's', grpcMethod: 'm', grpcStatus: 0 }));
    expect(fields).toContainEqual(['content-type', 'application/grpc']);
  });

  it('are one request where a WebSocket has two records', () => {
    const webSocket = { code: 1000 };
    expect(readLogLine(own({ end: 'opened', status: 101 })).kind).toBe('request');
    expect(readLogLine(own({ webSocket, end: 'opened' })).kind).toBe('request');
    expect(readLogLine(own({ webSocket, end: 'complete' })).kind).toBe('other');
  });
});

describe('records of Caddy', () => {
  it('are read', () => {
    expect(request(caddy())).toMatchObject({
      beganUnixMs: 1795687200000,
      durationMs: 250,
      target: '/a?b',
      host: 'api.example',
      clientIp: '192.0.2.7',
      fields: [
        ['accept', 'a'],
        ['accept', 'b'],
        ['x-tenant', 't'],
      ],
    });
    expect(request(caddy({ ts: '2026-11-28T10:00:00Z' })).beganUnixMs).toBe(
      Date.UTC(2026, 10, 28, 10) - 250,
    );
  });
});

describe('the combined format', () => {
  const line =
    '192.0.2.7 - ada [28/Nov/2026:10:00:00 +0100] "GET /a%20b?c HTTP/1.1" 404 5 "-" "cu\\"rl \\x41"';

  it('is read, of nginx and of Apache', () => {
    expect(request(line)).toMatchObject({
      beganUnixMs: Date.UTC(2026, 10, 28, 9),
      method: 'GET',
      target: '/a%20b?c',
      clientIp: '192.0.2.7',
      consumer: 'ada',
      status: 404,
      fields: [['user-agent', 'cu"rl A']],
    });
    expect(request(`api.example:443 ${line}`).clientIp).toBe('192.0.2.7');
    expect(request(line.replace(/ "-" .*$/, '')).fields).toEqual([]);
    expect(request(`${line} 0.003 "more"`).status).toBe(404);
    expect(request(line.replace('192.0.2.7', '2001:db8::1')).clientIp).toBe('2001:db8::1');
    expect(request(line.replace(' ada ', ' - ')).consumer).toBe('');
  });

  it.each([
    '192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] "-" 400 0 "-" "-"',
    '192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] "\\x16\\x03\\x01" 400 0 "-" "-"',
    '192.0.2.7 - - [28/Foo/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 0 "-" "-"',
    'somewhere - - [28/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1" 200 0 "-" "-"',
    '192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] "GET / HTTP/1.1" 200',
    'a line of a program',
  ])('%s is no request', (text) => {
    expect(readLogLine(text).kind).toBe('unreadable');
  });
});

describe('other lines', () => {
  it.each([
    ['', 'other'],
    ['{"level":"info","msg":"listening"}', 'other'],
    ['{"msg":"request"}', 'other'],
    ['{}', 'other'],
    ['{"level":"info"', 'unreadable'],
    ['[1]', 'unreadable'],
    [own({ target: '' }), 'unreadable'],
    [own({ target: '/a b' }), 'unreadable'],
    [own({ target: '/a\r\nx: y' }), 'unreadable'],
    [own({ method: '' }), 'unreadable'],
    [own({ method: 'G T' }), 'unreadable'],
    [own({ clientIp: '' }), 'unreadable'],
    [own({ clientIp: 7 }), 'unreadable'],
    [own({ status: 0 }), 'unreadable'],
    [own({ time: 'noon' }), 'unreadable'],
    [caddy({ ts: null }), 'unreadable'],
    [caddy({ request: { uri: 7 } }), 'other'],
  ])('%s', (line, kind) => {
    expect(readLogLine(line).kind).toBe(kind);
  });

  it('bring no field that no client can send', () => {
    const headers = { 'a b': '1', 'x-a': 'b\r\nx-b: c', 'x-ok': 'd', host: 'h.example' };
    expect(request(own({ headers })).fields).toEqual([['x-ok', 'd']]);
  });
});
