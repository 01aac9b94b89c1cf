/** JSON for methods of gRPC: requests of HTTP as google.api.http says, against a server of gRPC. */
import { dirname, join } from 'node:path';
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.js';
import { PROTO_FILE } from '../support/grpc-origin.js';
import { bytesField, detailsOf, statusDetails } from '../support/status-details.js';

const FOLDER = dirname(PROTO_FILE);
const BOOK = { name: 'a', copies: '9007199254740993', lent: true, tags: ['x'] };

const DETAILS = statusDetails(9, 'told', [
  { type: 'sluice.library.Book', value: bytesField(2, Buffer.from('T')) },
  { type: 'nobody.knows.It', value: Buffer.from([8, 1]) },
]);
const BROKEN = detailsOf(Buffer.from([0x1a, 0xff]));

let server: Server;
let gateway: GatewayProcess;
let asked: unknown;

beforeAll(async () => {
  const described = loadSync(join(FOLDER, 'library.proto'), { includeDirs: [FOLDER] });
  const { sluice } = loadPackageDefinition(described) as unknown as {
    sluice: { library: { Library: ServiceClientConstructor } };
  };
  server = new Server();
  server.addService(sluice.library.Library.service, {
    getBook: (call: ServerUnaryCall<{ name: string }, object>, reply: sendUnaryData<object>) => {
      asked = call.request;
      const { name } = call.request;
      if (name.endsWith('none')) reply({ code: 5, details: 'no such book: ☺' });
      else if (name.endsWith('told')) reply({ code: 9, details: 'told', metadata: DETAILS });
      else if (name.endsWith('broken')) reply({ code: 9, details: 'told', metadata: BROKEN });
      else reply(null, { ...BOOK, name, title: 'T' });
    },
    createBook: (call: ServerUnaryCall<object, object>, reply: sendUnaryData<object>) => {
      asked = call.request;
      reply(null, BOOK);
    },
    putBook: (call: ServerUnaryCall<object, object>, reply: sendUnaryData<object>) => {
      asked = call.request;
      reply(null, call.request);
    },
    listBooks: (call: ServerWritableStream<{ shelf: string; count: number }, object>) => {
      asked = call.request;
      const { shelf, count } = call.request;
      for (let at = 0; at < count; at += 1) call.write({ name: `${shelf}/${at}` });
      if (shelf === 'broken')
        call.emit('error', { code: 8, details: 'too many', metadata: DETAILS });
      else call.end();
    },
    upload: () => {},
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  gateway = await GatewayProcess.start({
    workers: 1,
    listen: { port: 0, engine: 'wire', protocols: ['http1', 'h2c'] },
    logging: { accessLog: true },
    upstreams: { library: { targets: [{ url: `http://127.0.0.1:${port}` }], protocol: 'h2c' } },
    routes: [
      {
        name: 'library',
        match: { grpc: { service: 'sluice.library.Library' } },
        upstream: 'library',
        grpcJson: { descriptors: join(FOLDER, 'library.binpb') },
      },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  server?.forceShutdown();
});

async function ask(method: string, path: string, body?: string, type = 'application/json') {
  const reply = await fetch(gateway.url + path, {
    method,
    ...(body !== undefined && { body, headers: { 'content-type': type } }),
  });
  return {
    status: reply.status,
    type: reply.headers.get('content-type'),
    text: await reply.text(),
  };
}

describe('a request with JSON', () => {
  it('takes a part of its path for a field, and gets the message of the reply', async () => {
    const { status, type, text } = await ask('GET', '/v1/shelves/s%20x/books/b');
    expect([status, type]).toEqual([200, 'application/json']);
    expect(JSON.parse(text)).toMatchObject({ ...BOOK, name: 'shelves/s x/books/b', title: 'T' });
    expect(asked).toEqual({ name: 'shelves/s x/books/b' });
  });

  it('gets one field of it where the rule says that, behind a verb', async () => {
    expect(await ask('GET', '/v1/books/b:title')).toMatchObject({ status: 200, text: '"T"' });
  });

  it('has its body in a field, or as the whole message', async () => {
    const body = JSON.stringify({ title: 'T', copies: '3', made: '2026-01-02T03:04:05Z' });
    expect((await ask('POST', '/v1/shelves/s/books', body)).status).toBe(200);
    expect(asked).toMatchObject({
      shelf: 's',
      book: { title: 'T', made: { seconds: { low: 1_767_323_045 } } },
    });
    const whole = await ask('PUT', '/v1/books', body);
    expect(JSON.parse(whole.text)).toMatchObject({ title: 'T', copies: '3' });
  });

  it('has its query in other fields, each as its type wants it', async () => {
    const path = '/v1/shelves/s/books?count=2&lent=true&tags=a&tags=b&place.shelf=7';
    const { status, type, text } = await ask('GET', path);
    expect([status, type]).toEqual([200, 'application/x-ndjson']);
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).name),
    ).toEqual(['s/0', 's/1']);
    expect(asked).toMatchObject({ count: 2, lent: true, tags: ['a', 'b'], place: { shelf: 7 } });
  });

  it('gets an error as google.rpc.Status with the status of HTTP that stands for it', async () => {
    const { status, type, text } = await ask('GET', '/v1/shelves/s/books/none');
    expect([status, type]).toEqual([404, 'application/json']);
    expect(JSON.parse(text)).toMatchObject({ code: 5, message: 'no such book: ☺' });
  });

  it('gets the details of an error, as far as they can be read', async () => {
    const { status, text } = await ask('GET', '/v1/shelves/s/books/told');
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      status: 'FAILED_PRECONDITION',
      message: 'told',
      details: [
        { '@type': 'type.example/sluice.library.Book', title: 'T', copies: '0' },
        { '@type': 'type.example/nobody.knows.It', value: 'CAE=' },
      ],
    });
    const broken = await ask('GET', '/v1/shelves/s/books/broken');
    expect(JSON.parse(broken.text)).toMatchObject({ message: 'told', details: [] });
  });

  it('gets an error behind a stream as its last line, and before it as a status', async () => {
    const late = await ask('GET', '/v1/shelves/broken/books?count=1');
    expect(late.status).toBe(200);
    const lines = late.text.trimEnd().split('\n');
    const last = JSON.parse(lines.at(-1) ?? '');
    expect(last).toMatchObject({
      error: { code: 8, details: [{ title: 'T' }, { value: 'CAE=' }] },
    });
    expect(await ask('GET', '/v1/shelves/broken/books')).toMatchObject({ status: 429 });
    expect(await ask('GET', '/v1/shelves/empty/books')).toMatchObject({ status: 200, text: '' });
  });

  it.each([
    ['PUT', '/v1/books', '{"title":7}', 400],
    ['PUT', '/v1/books', '{"nonsense":1}', 400],
    ['PUT', '/v1/books', '{', 400],
    ['PUT', '/v1/books', '[]', 400],
    ['PUT', '/v1/books?title=x', '{}', 400],
    ['GET', '/v1/shelves/s/books?nonsense=1', undefined, 400],
    ['GET', '/v1/shelves/s/books?count=many', undefined, 400],
    ['GET', '/v1/shelves/s/books?shelf=other', undefined, 400],
    ['DELETE', '/v1/books', undefined, 405],
  ])('%s %s with %s is refused', async (method, path, body, status) => {
    asked = null;
    expect(await ask(method, path, body)).toMatchObject({ status });
    expect(asked).toBeNull();
  });

  it('has to be JSON', async () => {
    expect(await ask('PUT', '/v1/books', 'title=x', 'text/plain')).toMatchObject({ status: 415 });
  });

  it('leaves the calls of the service as they are', async () => {
    const reply = await fetch(`${gateway.url}/sluice.library.Library/GetBook`, { method: 'POST' });
    expect(reply.status).toBe(415);
  });
});
