/**
 * What a target sends beside its reply reaches the client: heads before it (102, 103, 104), and
 * fields behind its body.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';

const LINK = '</a.css>; rel=preload';
let origin: Server;
let gateway: GatewayProcess;

beforeAll(async () => {
  origin = createServer((_request, response) => {
    response.writeProcessing();
    response.writeEarlyHints({ link: LINK });
    // Of the draft for resumable uploads: one that Node does not know.
    response.socket?.write('HTTP/1.1 104 Upload Resumption Supported\r\nUpload-Offset: 5\r\n\r\n');
    response.writeHead(200, { trailer: 'X-Sum' });
    response.write('hello');
    response.addTrailers({ 'X-Sum': '5', 'Set-Cookie': 'a=b' });
    response.end();
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const { port } = origin.address() as AddressInfo;
  gateway = await GatewayProcess.start(
    aConfig([`http://127.0.0.1:${port}`], {
      top: { listen: { port: 0, engine: 'wire' }, workers: 1, logging: { accessLog: false } },
    }),
  );
});

afterAll(async () => {
  await gateway.stop();
  await new Promise((resolve) => origin.close(resolve));
});

it('reach a client of HTTP/1.1', async () => {
  const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const { text } = await rawExchange(gateway.port, [request]);
  const [processing, hints, resumption, head = '', body] = text.split('\r\n\r\n', 5);
  expect(processing).toBe('HTTP/1.1 102 Processing');
  expect(hints).toBe(`HTTP/1.1 103 Early Hints\r\nLink: ${LINK}`);
  expect(resumption).toBe('HTTP/1.1 104 Upload Resumption Supported\r\nUpload-Offset: 5');
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(head).toContain('Transfer-Encoding: chunked');
  expect(body).toBe('5\r\nhello\r\n0\r\nX-Sum: 5');
});

it('do not reach a client of HTTP/1.0', async () => {
  const { text } = await rawExchange(gateway.port, ['GET / HTTP/1.0\r\n\r\n']);
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(text).not.toContain('Transfer-Encoding');
  expect(text.split('\r\n\r\n')[1]).toBe('hello');
});
