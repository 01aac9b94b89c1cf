/**
 * Targets that break every rule: the client gets the documented answer, nothing of one exchange
 * leaks into another, and the gateway is as well afterwards as it was before.
 */
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { INTERIM_REPLIES_MAX } from '../../src/wire/http1/reply-reader.js';
import { byEngine } from '../support/engine-under-test.js';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { type RawReply, rawExchange } from '../support/raw-exchange.js';
import { RawOrigin, type RawScript } from '../support/raw-origin.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const answerOk: RawScript = (socket) => socket.write(OK);

let origin: RawOrigin;
let gateway: GatewayProcess;

beforeAll(async () => {
  origin = await RawOrigin.start();
  const target = (url: string) => ({
    targets: [{ url }],
    timeouts: { connect: '500ms', response: '700ms', idle: '700ms' },
    circuitBreaker: { failureThreshold: 1000 },
  });
  gateway = await GatewayProcess.start({
    workers: 1,
    upstreams: {
      raw: target(origin.url),
      refused: target(`http://127.0.0.1:${await aClosedPort()}`),
      unroutable: target('http://192.0.2.1:9'),
      nameless: target('http://does-not-exist.invalid:80'),
    },
    routes: ['raw', 'refused', 'unroutable', 'nameless'].map((name) => {
      return { name, match: { path: `/${name}/*` }, upstream: name };
    }),
  });
});

afterAll(async () => {
  await gateway.stop();
  await origin.close();
});

/** The target behaves. */
function calm(): void {
  origin.script = answerOk;
  origin.onConnection = () => {};
  origin.onBytes = () => {};
}

beforeEach(() => origin.forget());

afterEach(async () => {
  calm();
  await eventually('nothing is in flight', async () => (await gateway.stats())['in_flight'] === 0);
  for (let round = 0; round < 3; round++) expect(await call('/raw/after')).toBe('200 ok');
  expect(gateway.exitCode).toBeNull();
  const errors = gateway.records().filter(({ level }) => level === 'error' || level === 'fatal');
  expect(errors).toEqual([]);
});

async function aClosedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Status and problem code, or status and body. */
async function call(path: string, init: RequestInit = {}): Promise<string> {
  const reply = await fetch(`${gateway.url}${path}`, init);
  const body = await reply.text();
  const isProblem = reply.headers.get('content-type') === 'application/problem+json';
  return `${reply.status} ${isProblem ? (JSON.parse(body) as { code: string }).code : body}`;
}

/** The raw reply to a GET that keeps its connection, up to what `until` says. */
function getRaw(until: RegExp): Promise<RawReply> {
  const request = 'GET /raw/x HTTP/1.1\r\nHost: a\r\n\r\n';
  return rawExchange(gateway.port, [request], { until, waitMsMax: 8000 });
}

/** The target sends these bytes, and closes or not. */
function answer(bytes: string, isClosed = false): void {
  origin.script = (socket) => {
    socket.write(bytes, 'latin1', () => {
      if (isClosed) socket.end();
    });
  };
}

describe('a target that cannot be reached', () => {
  it('because it refuses is answered with 502', async () => {
    expect(await call('/refused/x')).toBe('502 GW_UPSTREAM_CONNECT_FAILED');
    expect(await call('/refused/x', { method: 'POST', body: 'x' })).toBe(
      '502 GW_UPSTREAM_CONNECT_FAILED',
    );
  });

  it('because its name is unknown is answered with 502', async () => {
    expect(await call('/nameless/x')).toBe('502 GW_UPSTREAM_DNS_FAILED');
  });

  it('because no way leads there is answered with 502, or 504 when that takes too long', async () => {
    expect(await call('/unroutable/x')).toMatch(
      /^(?:502 GW_UPSTREAM_CONNECT_FAILED|504 GW_UPSTREAM_(?:CONNECT_)?TIMEOUT)$/,
    );
  });
});

describe('a target that goes away', () => {
  it.each(['GET', 'POST'])(
    'as soon as it is connected is answered with 502: %s',
    async (method) => {
      origin.connections.splice(0).forEach(({ socket }) => void socket.destroy());
      origin.onConnection = (socket) => void socket.destroy();
      const body = method === 'POST' ? { body: 'x' } : {};
      expect(await call('/raw/x', { method, ...body })).toBe('502 GW_UPSTREAM_RESET');
    },
  );

  it.each(['GET', 'POST'])('by a reset is answered with 502: %s', async (method) => {
    origin.script = (socket) => void socket.resetAndDestroy();
    const body = method === 'POST' ? { body: 'x' } : {};
    expect(await call('/raw/x', { method, ...body })).toBe('502 GW_UPSTREAM_RESET');
  });

  it('in the middle of its head is answered with 502', async () => {
    answer('HTTP/1.1 200 OK\r\nContent-Le', true);
    expect(await call('/raw/x')).toBe('502 GW_UPSTREAM_RESET');
  });

  it.each([
    ['with a length', 'Content-Length: 10\r\n\r\nhello'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
    ['in a chunk', 'Transfer-Encoding: chunked\r\n\r\n9\r\nhello'],
    ['before the last chunk has ended', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n'],
    ['with nonsense in the place of a chunk', 'Transfer-Encoding: chunked\r\n\r\nzz\r\nhello'],
  ])('in the middle of its body is never taken for complete: %s', async (_name, rest) => {
    answer(`HTTP/1.1 200 OK\r\n${rest}`, true);
    const result = await call('/raw/x').catch(() => 'cut');
    expect(['cut', '502 GW_UPSTREAM_RESET', '502 GW_UPSTREAM_PROTOCOL']).toContain(result);
  });
});

describe('a target that speaks nonsense is answered with 502', () => {
  it.each([
    'garbage\r\n\r\n',
    '\0\0\0\0',
    'HTTP/1.1\r\n\r\n',
    'HTTP/1.1 abc OK\r\n\r\n',
    'HTTP/9.9 200 OK\r\n\r\n',
    'ICY 200 OK\r\n\r\n',
    '<html>hello</html>',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX-A: a\x01\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX A: a\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ])('%j', async (bytes) => {
    answer(bytes);
    expect(await call('/raw/x')).toMatch(/^502 GW_UPSTREAM_(?:PROTOCOL|RESET)$/);
  });

  it('a head that never ends', async () => {
    let isCut = false;
    origin.script = (socket) => {
      const more = (error?: Error | null): void => {
        if (!error) socket.write(`X-A: ${'x'.repeat(1000)}\r\n`, more);
      };
      socket.once('close', () => {
        isCut = true;
      });
      socket.write('HTTP/1.1 200 OK\r\n', more);
    };
    expect(await call('/raw/x')).toBe('502 GW_UPSTREAM_HEAD_TOO_LARGE');
    await eventually('the target is cut off', () => isCut);
  });
});

describe('a reply that is strange, but can be read', () => {
  it('comes after interim replies, of which wire sends early hints on', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(INTERIM_REPLIES_MAX - 1);
    answer(`HTTP/1.1 100 Continue\r\n\r\n${hints}${OK}`);
    const reply = await rawExchange(
      gateway.port,
      ['GET /raw/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
      { waitMsMax: 8000 },
    );
    const interim = reply.text.slice(0, reply.text.indexOf('HTTP/1.1 200 OK\r\n'));
    expect(interim).toBe(byEngine({ wire: hints, uws: '' }));
  });

  it('that early hints never end is answered with 502', async () => {
    let isCut = false;
    origin.script = (socket) => {
      const more = (error?: Error | null): void => {
        if (!error) socket.write('HTTP/1.1 103 Early Hints\r\n\r\n', more);
      };
      socket.once('close', () => {
        isCut = true;
      });
      more();
    };
    expect(await call('/raw/x')).toBe('502 GW_UPSTREAM_PROTOCOL');
    await eventually('the target is cut off', () => isCut);
  });

  it.each([
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ])('has no body with 204: %j', async (bytes) => {
    answer(bytes);
    const reply = await getRaw(/\r\n\r\n/);
    expect(reply.status).toBe(204);
    expect(reply.text).toMatch(/\r\n\r\n$/);
    expect(reply.text).not.toMatch(/content-length|transfer-encoding/i);
  });

  it.each([
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: "x"\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nhello',
  ])('has no body with 304: %j', async (bytes) => {
    answer(bytes);
    const reply = await getRaw(/\r\n\r\n/);
    expect(reply.status).toBe(304);
    expect(reply.text).toMatch(/\r\n\r\n$/);
    expect(reply.text).toContain('ETag: "x"');
  });

  it('has no body for HEAD, whatever follows', async () => {
    answer('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
    const reply = await fetch(`${gateway.url}/raw/x`, { method: 'HEAD' });
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-length')).toBe('5');
  });

  it.each(['HTTP/1.0', 'HTTP/1.1'])('ends with its connection: %s without a length', async (v) => {
    answer(`${v} 200 OK\r\nX-A: 1\r\n\r\nall that there is`, true);
    expect(await call('/raw/x')).toBe('200 all that there is');
  });

  it.each([299, 418, 599, 600, 999])('may have the status %i', async (status) => {
    answer(`HTTP/1.1 ${status} \r\nContent-Length: 2\r\n\r\nok`);
    const reply = await getRaw(/ok$/);
    expect(reply.status).toBe(status);
  });

  it('keeps its fields apart from the request id when Connection names some', async () => {
    answer(
      'HTTP/1.1 200 OK\r\nX-First: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok',
    );
    const reply = await fetch(`${gateway.url}/raw/x`, { headers: { 'x-request-id': 'id-1' } });
    expect(reply.headers.get('x-request-id')).toBe('id-1');
    expect(reply.headers.get('x-first')).toBe('1');
    expect(reply.headers.get('x-hop')).toBeNull();
  });

  it('comes before the request body has been read, and the connection is not used again', async () => {
    origin.onBytes = ({ socket, bytes }) => {
      if (bytes.includes('/raw/early')) {
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nstop');
        origin.onBytes = () => {};
      }
    };
    const head = 'POST /raw/early HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n';
    const reply = await rawExchange(gateway.port, [head, 'x'.repeat(100_000)], {
      pauseMs: 20,
      waitMsMax: 8000,
    });
    expect(reply.text).toMatch(/^HTTP\/1\.1 403 /);
    expect(reply.text).toContain('stop');
    expect(reply.isClosed).toBe(true);
  });
});

describe('a reply that nobody asked for', () => {
  const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';

  it.each([
    ['another reply', `${OK}${EVIL}`],
    ['a longer body than was announced', `${OK}!!!!`],
    ['a reply behind one without a body', `HTTP/1.1 204 No Content\r\n\r\n${EVIL}`],
    [
      'a reply as the body of 304',
      `HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n${EVIL}`,
    ],
  ])('is not given to the next request: %s', async (_name, bytes) => {
    for (let round = 0; round < 5; round++) {
      answer(bytes);
      expect(await call('/raw/x')).toMatch(/^(?:200 ok|204 |304 )$/);
      origin.script = answerOk;
      expect(await call('/raw/next')).toBe('200 ok');
    }
  });

  it('is not given to the next request when it comes later', async () => {
    for (let round = 0; round < 5; round++) {
      expect(await call('/raw/x')).toBe('200 ok');
      for (const { socket } of origin.connections) if (!socket.destroyed) socket.write(EVIL);
      // Bytes that come at the very moment of the next request are its reply, for all one can know.
      await eventually('the gateway has seen it', () => {
        return origin.connections.every(({ socket }) => socket.destroyed);
      });
      expect(await call('/raw/next')).toBe('200 ok');
    }
  });
});

describe('a kept connection that is closed under a request', () => {
  /** Answers one request; whatever comes next on the connection finds it closed. */
  const closeUnderSecond: RawScript = (socket, _request, connection) => {
    if (connection.requests.length === 1) socket.write(OK);
    else socket.destroy();
  };

  async function warmUp(): Promise<void> {
    // Whatever is kept from before is closed, and the gateway has noticed.
    for (const { socket } of origin.connections) socket.end();
    await eventually('all are closed', () => {
      return origin.connections.every(({ socket }) => socket.destroyed);
    });
    origin.forget();
    origin.script = closeUnderSecond;
    expect(await call('/raw/warm')).toBe('200 ok');
    expect(origin.connections).toHaveLength(1);
  }

  it.each(['GET', 'PUT', 'DELETE', 'OPTIONS'])('is replaced silently: %s', async (method) => {
    await warmUp();
    const body = method === 'PUT' ? { body: 'x' } : {};
    expect(await call('/raw/x', { method, ...body })).toBe('200 ok');
    expect(origin.requests.filter(({ target }) => target === '/raw/x')).toHaveLength(2);
  });

  it.each(['POST', 'PATCH'])(
    'is an error where the request may count twice: %s',
    async (method) => {
      await warmUp();
      expect(await call('/raw/x', { method, body: 'x' })).toBe('502 GW_UPSTREAM_RESET');
      expect(origin.requests.filter(({ target }) => target === '/raw/x')).toHaveLength(1);
    },
  );

  it('is replaced once only', async () => {
    await warmUp();
    origin.script = (socket) => void socket.destroy();
    expect(await call('/raw/x')).toBe('502 GW_UPSTREAM_RESET');
    expect(origin.requests.filter(({ target }) => target === '/raw/x')).toHaveLength(2);
  });

  it('is not replaced when a part of the reply was there', async () => {
    await warmUp();
    origin.script = (socket) => {
      socket.write('HTTP/1.1 2', () => void socket.destroy());
    };
    expect(await call('/raw/x')).toBe('502 GW_UPSTREAM_RESET');
    expect(origin.requests.filter(({ target }) => target === '/raw/x')).toHaveLength(1);
  });
});

describe('a target that does nothing', () => {
  it('is answered with 504 when its time is over', async () => {
    origin.script = () => {};
    expect(await call('/raw/x')).toBe('504 GW_UPSTREAM_TIMEOUT');
    expect(await call('/raw/x', { method: 'POST', body: 'x' })).toBe('504 GW_UPSTREAM_TIMEOUT');
  });

  it('in the middle of its head is answered with 504', async () => {
    answer('HTTP/1.1 200 OK\r\nX-A: 1\r\n');
    expect(await call('/raw/x')).toBe('504 GW_UPSTREAM_TIMEOUT');
  });

  it('in the middle of its body is cut off', async () => {
    answer('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
    const result = await call('/raw/x').catch(() => 'cut');
    expect(['cut', '504 GW_UPSTREAM_TIMEOUT']).toContain(result);
  });

  it('is forgotten when its client leaves', async () => {
    origin.script = () => {};
    const leaving = rawExchange(gateway.port, ['GET /raw/left HTTP/1.1\r\nHost: a\r\n\r\n'], {
      waitMsMax: 200,
    });
    await eventually('the target has it', () => {
      return origin.requests.some(({ target }) => target === '/raw/left');
    });
    await leaving;
    await eventually('its connection is closed', () => {
      return origin.connections.every((one) => {
        return one.socket.destroyed || !one.bytes.includes('/raw/left');
      });
    });
  });
});
