/**
 * A connection whose target closes while the client is still busy with what came before: TLS hands
 * on data, and the end of it, to a socket that was told to stop.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { expect, it } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { LeanConnection } from '../../../../src/worker/upstream/lean-connection.js';
import { TargetTls } from '../../../../src/worker/upstream/target-tls.js';
import { WorkloadIdentity } from '../../../../src/worker/upstream/workload-identity.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { makeReadMemory } from '../../../support/read-memory.js';
import { certificateFor, SENT_PLAINLY } from '../../../support/transport-rig.js';

const BODY = Buffer.alloc(48_000, 'x');
const certificate = defined(certificateFor('lean over TLS'), 'a certificate');

it.each([
  ['a length', `Content-Length: ${BODY.length}\r\n`, 'complete'],
  ['no end but that of the connection', '', 'complete'],
  [
    'a length that it does not reach',
    `Content-Length: ${BODY.length + 1}\r\n`,
    'other side closed',
  ],
])('a reply over TLS with %s comes as it was to a client that reads late', async (_, line, end) => {
  const server = createServer(certificate, (socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\n${line}\r\n`);
      socket.end(BODY);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const settings = { ca: certificate.cert, cert: '', key: '', verifies: true, pins: [] };
  const tls = new TargetTls(
    { ...settings, minVersion: 'TLSv1.2', spiffe: null, digest: '' },
    'localhost',
    ['http/1.1'],
    new WorkloadIdentity(),
  );
  const connection = new LeanConnection(
    { host: '127.0.0.1', port, tls, replyHeadBytes: 32_768 },
    makeReadMemory(),
    { nowMs: () => performance.now(), onConnected: () => {} },
  );
  const pieces: Buffer[] = [];
  let goOn = (): void => {};
  let wasStopped = false;
  const over = new Promise<string>((resolve) => {
    const request = { exchange: makeExchange(), path: '/', authority: 'a', body: null };
    connection.send(
      { ...request, ...SENT_PLAINLY },
      {
        onConnect: () => {},
        onResponseStarted: () => {},
        onReplyInterim: () => {},
        onReplyHead: (_status, _head, resume) => {
          goOn = resume;
        },
        onReplyData: (bytes) => {
          pieces.push(Buffer.from(bytes));
          if (wasStopped) setImmediate(goOn);
          wasStopped = true;
          return false;
        },
        onComplete: () => resolve('complete'),
        onError: (error) => resolve(error.message),
        onUnsent: (error) => resolve(error.message),
      },
    );
  });
  // The target's side is closed only when the gateway's socket has seen its end, and is closed.
  const [accepted] = (await once(server, 'secureConnection')) as [TLSSocket];
  await once(accepted, 'close');
  expect(pieces).toHaveLength(1);
  goOn();
  expect(await over).toBe(end);
  expect(Buffer.concat(pieces).equals(BODY)).toBe(true);
  expect(connection.isClosed).toBe(true);
  server.close();
});
