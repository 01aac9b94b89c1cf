/**
 * Pages in Chromium that call methods of gRPC by gRPC-Web: @connectrpc/connect-web before the
 * gateway, @grpc/grpc-js behind it. The page has another origin, so that CORS judges every call.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../support/browser.js';
import { eventually } from '../support/eventually.js';
import { PROTO_FILE } from '../support/grpc-origin.js';
import { InProcessGateway } from '../support/in-process-gateway.js';
import { PageServer } from '../support/page-server.js';
import { bytesField, statusDetails } from '../support/status-details.js';
import { makeCertificate } from '../support/test-certificate.js';

const PROTOS = dirname(PROTO_FILE);
const SERVICE = 'sluice.library.Library';
const DETAILS = statusDetails(5, 'no such book: ☺', [
  { type: 'sluice.library.Book', value: bytesField(2, Buffer.from('of the details')) },
]);
const ESM = 'dist/esm';
const IMPORTS = {
  '@bufbuild/protobuf': `@bufbuild/protobuf/${ESM}/index.js`,
  '@bufbuild/protobuf/codegenv2': `@bufbuild/protobuf/${ESM}/codegenv2/index.js`,
  '@bufbuild/protobuf/wire': `@bufbuild/protobuf/${ESM}/wire/index.js`,
  '@bufbuild/protobuf/wkt': `@bufbuild/protobuf/${ESM}/wkt/index.js`,
  '@connectrpc/connect': `@connectrpc/connect/${ESM}/index.js`,
  '@connectrpc/connect/protocol': `@connectrpc/connect/${ESM}/protocol/index.js`,
  '@connectrpc/connect/protocol-connect': `@connectrpc/connect/${ESM}/protocol-connect/index.js`,
  '@connectrpc/connect/protocol-grpc-web': `@connectrpc/connect/${ESM}/protocol-grpc-web/index.js`,
  '@connectrpc/connect-web': `@connectrpc/connect-web/${ESM}/index.js`,
};

const folder = mkdtempSync(join(tmpdir(), 'sluice-grpc-web-'));
let browser: Browser;
let pages: PageServer;
let server: Server;
let targetPort = 0;
let tenant: unknown;
let isCancelled = false;

beforeAll(async () => {
  const { cert, key } = makeCertificate();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  pages = await PageServer.start({
    module: 'grpc-web.js',
    imports: IMPORTS,
    files: { '/descriptors': join(PROTOS, 'library.binpb') },
  });
  server = libraryServer();
  targetPort = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  server?.forceShutdown();
  pages?.stop();
  rmSync(folder, { recursive: true });
});

interface ListRequest {
  readonly shelf: string;
  readonly count: number;
}

function libraryServer(): Server {
  const described = loadSync(join(PROTOS, 'library.proto'), { includeDirs: [PROTOS] });
  const { sluice } = loadPackageDefinition(described) as unknown as {
    sluice: { library: { Library: ServiceClientConstructor } };
  };
  const made = new Server();
  made.addService(sluice.library.Library.service, {
    getBook: (call: ServerUnaryCall<{ name: string }, object>, reply: sendUnaryData<object>) => {
      tenant = call.metadata.get('x-tenant')[0];
      if (call.request.name === 'none') {
        DETAILS.set('x-note', 'of an error');
        reply({ code: 5, details: 'no such book: ☺', metadata: DETAILS });
        return;
      }
      const [initial, trailing] = [new Metadata(), new Metadata()];
      initial.set('x-note', 'before');
      call.sendMetadata(initial);
      trailing.set('x-note', 'behind');
      trailing.set('x-note-bin', Buffer.from([0xff, 0]));
      reply(null, { title: `about ${call.request.name}` }, trailing);
    },
    createBook: () => {},
    putBook: () => {},
    listBooks: (call: ServerWritableStream<ListRequest, object>) => {
      const { shelf, count } = call.request;
      call.on('cancelled', () => {
        isCancelled = true;
      });
      for (let at = 0; at < count; at += 1) call.write({ name: `${shelf}/${at}` });
      if (shelf === 'broken') call.emit('error', { code: 8, details: 'too many' });
      else if (shelf !== 'open') call.end();
    },
    upload: () => {},
  });
  return made;
}

type Call = (...args: readonly unknown[]) => Promise<unknown>;

describe.each([
  ['HTTP/1.1', false],
  ['HTTP/2 with TLS', true],
])('over %s', (_name, isSecure) => {
  let gateway: InProcessGateway;
  let page: Page;
  let stranger: Page;

  beforeAll(async () => {
    const certificates = [{ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }];
    const cors = {
      origins: [`http://localhost:${pages.port}`],
      headers: ['x-tenant'],
      exposeHeaders: ['x-note'],
    };
    const common = { upstream: 'library', grpcWeb: true, cors };
    gateway = await InProcessGateway.start({
      workers: 1,
      listen: {
        port: 0,
        engine: 'wire',
        halfCloseTimeout: '1s',
        ...(isSecure && { tls: { certificates } }),
      },
      upstreams: {
        library: { targets: [{ url: `http://127.0.0.1:${targetPort}` }], protocol: 'h2c' },
      },
      routes: [
        { name: 'library', match: { grpc: { service: SERVICE } }, ...common },
        {
          name: 'limited',
          match: {
            grpc: { service: SERVICE, method: 'ListBooks' },
            headers: { 'x-tenant': 'seven' },
          },
          ...common,
          rateLimit: { limit: 3, window: '1h' },
        },
      ],
    });
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    [page, stranger] = await Promise.all([context.newPage(), context.newPage()]);
    await page.goto(`http://localhost:${pages.port}/`);
    // The same page, and another origin.
    await stranger.goto(`http://127.0.0.1:${pages.port}/`);
    for (const one of [page, stranger]) await one.waitForFunction('globalThis.calls');
  });

  afterAll(async () => {
    await page?.context().close();
    await gateway?.stop();
  });

  /** What the page gets of a call. */
  function call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    const url = `${isSecure ? 'https' : 'http'}://localhost:${gateway.port}`;
    return callOf(page, name, url, args);
  }

  function callOf(of: Page, name: string, url: string, args: readonly unknown[]): Promise<unknown> {
    return of.evaluate(
      ([made, ...given]) => {
        const { calls } = globalThis as unknown as { calls: Record<string, Call> };
        return calls[String(made)]?.(...given);
      },
      [name, url, ...args],
    );
  }

  it('a reply comes with metadata before and behind it', async () => {
    expect(await call('getBook', 'x')).toEqual({
      title: 'about x',
      before: { 'x-note': 'before' },
      behind: { 'x-note': 'behind', 'x-note-bin': '/wA=' },
    });
    expect(tenant).toBe('seven');
  });

  it('an error comes with its details and its metadata', async () => {
    expect(await call('getBook', 'none')).toEqual({
      code: 'NotFound',
      message: 'no such book: ☺',
      titles: ['of the details'],
      metadata: { 'x-note': 'of an error' },
    });
  });

  it('messages come one by one, and an error behind them; a refusal has a status', async () => {
    expect(await call('listBooks', 's', 3)).toEqual({ names: ['s/0', 's/1', 's/2'] });
    expect(await call('listBooks', 'broken', 1)).toMatchObject({
      names: ['broken/0'],
      code: 'ResourceExhausted',
      message: 'too many',
    });
    isCancelled = false;
    expect(await call('listBooks', 'open', 2, 2)).toMatchObject({
      names: ['open/0', 'open/1'],
      code: 'Canceled',
    });
    await eventually('the target knows that the page has left', () => isCancelled);
    expect(await call('listBooks', 's', 1)).toMatchObject({
      names: [],
      code: 'ResourceExhausted',
      message: expect.stringContaining('limit'),
    });
  });

  it('a page of another origin gets nothing', async () => {
    tenant = 'nobody';
    const url = `${isSecure ? 'https' : 'http'}://localhost:${gateway.port}`;
    expect(await callOf(stranger, 'getBook', url, ['x'])).toMatchObject({
      code: 'Unknown',
      message: 'Failed to fetch',
    });
    expect(tenant).toBe('nobody');
  });
});
