/**
 * Trailers and interim heads through a whole gateway, from the client to the target and back.
 */
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { RawOrigin } from '../support/raw-origin.js';

let origin: RawOrigin;
let gateway: GatewayProcess;

beforeEach(async () => {
  origin = await RawOrigin.start();
});

afterEach(async () => {
  await gateway.stop();
  await origin.close();
});

/** Everything that a raw client gets until the text is there. */
async function exchange(request: string, until: string): Promise<string> {
  const socket = connect(gateway.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  socket.write(request);
  await eventually('the reply is whole', () => text.includes(until));
  socket.destroy();
  return text;
}

it('go both ways, less what a filter or the gateway keeps to itself', async () => {
  gateway = await GatewayProcess.start(
    {
      upstreams: { api: { targets: [{ url: origin.url }] } },
      routes: [
        {
          ...{ name: 'all', match: { path: '/*' }, upstream: 'api' },
          rewriteReply: { headers: { remove: ['x-inner'] } },
        },
      ],
    },
    { GATEWAY_ENGINE: 'wire' },
  );
  origin.script = (socket) =>
    socket.write(
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Inner: 1\r\n\r\n' +
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n' +
        'X-Check: 1\r\nX-Inner: 2\r\nSet-Cookie: a=b\r\n\r\n',
    );
  const head = 'POST /a HTTP/1.1\r\nHost: gateway.example\r\nTE: trailers\r\n';
  const body = 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n';
  const sent = 'X-Sum: 7\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n';
  const text = await exchange(head + body + sent, 'X-Check: 1\r\n\r\n');
  expect(text).toMatch(
    /^HTTP\/1\.1 103 [^\r\n]*\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200/,
  );
  expect(text).toContain('\r\n0\r\nX-Check: 1\r\n\r\n');
  expect(text).not.toMatch(/x-inner|set-cookie/i);
  const [connection] = origin.connections;
  expect(connection?.bytes).toContain('\r\n0\r\nX-Sum: 7\r\n\r\n');
  expect(connection?.bytes).not.toContain('203.0.113.9');
});
