/**
 * The samples of examples/ as gateways that run: what their tables expect is what clients get.
 */

import { execFileSync } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { createServer, type Http2Server } from 'node:http2';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { grpcStatusName } from '../../src/base/grpc-status.js';
import { listedTargets } from '../../src/config/references/listed-targets.js';
import { loadConfigFile } from '../../src/config/source/load-config.js';
import { type Expectation, loadExpectations } from '../../src/explain/expectation-file.js';
import { eventually } from '../support/eventually.js';
import {
  EXAMPLE_NAMES,
  EXAMPLE_VARIABLES,
  EXAMPLES_FOLDER,
  exampleFile,
  exampleTests,
} from '../support/examples.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';

const TARGETS_MAX = 3;

const PASSWORD = EXAMPLE_VARIABLES.STORE_PASSWORD;
const NOBODY = 'http://127.0.0.1:9/';

let origins: readonly FakeUpstream[] = [];
/** Over HTTP/2, as calls of gRPC need it. */
const callOrigin = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'application/grpc' });
  response.addTrailers({ 'grpc-status': '0' });
  request.resume().on('end', () => response.end(JSON.stringify({ path: request.url })));
});

beforeAll(async () => {
  const starts = Array.from({ length: TARGETS_MAX }, () =>
    FakeUpstream.start((request, response) => {
      response.setHeader('content-type', 'application/json');
      request.resume().on('end', () => response.end(JSON.stringify({ path: request.url })));
    }),
  );
  origins = await Promise.all(starts);
  await new Promise<void>((resolve) => void callOrigin.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  callOrigin.close();
  await Promise.all(origins.map((origin) => origin.close()));
});

const load = (name: string) => loadConfigFile(exampleFile(name), EXAMPLE_VARIABLES);
const hasStore = (name: string): boolean => load(name).store !== undefined;

for (const name of EXAMPLE_NAMES) {
  const missing = hasStore(name) ? redisMissing() : '';
  describeUnless(missing, `the example ${name}`, () => checkTable(name));
}

function checkTable(name: string): void {
  const table = loadExpectations(exampleTests(name), {});
  // Who calls, from where, and what targets have said before is what a client cannot simply say.
  const real = table.filter(
    ({ request, earlier }) =>
      request.consumer === null && isLocal(request.from) && earlier.length === 0,
  );
  const once = real.filter(({ request }) => request.repeat === 1);
  const repeated = real.filter(({ request }) => request.repeat > 1);

  it('answers as its table says', async () => {
    for (const expectations of [once, ...repeated.map((one) => [one])]) {
      if (expectations.length === 0) continue;
      const redis = hasStore(name) ? await RedisServer.start(['--requirepass', PASSWORD]) : null;
      const gateway = await startExample(name, redis);
      try {
        for (const expectation of expectations) await check(gateway.url, expectation);
      } finally {
        await gateway.kill();
        await redis?.stop();
      }
    }
    expect(real.length).toBeGreaterThan(0);
  });
}

it('the library example prints what its comment says', () => {
  const file = join(EXAMPLES_FOLDER, 'library.mjs');
  const said = execFileSync(process.execPath, [file], { encoding: 'utf8' });
  expect(said).toBe('200 Hello Ada\n');
});

it('the example of a plugin of the program prints what its comments say', () => {
  const file = join(EXAMPLES_FOLDER, 'program-plugins.mjs');
  const said = execFileSync(process.execPath, [file], { encoding: 'utf8' });
  expect(said).toBe('403 unknown tenant\n1\n');
});

function isLocal(address: string): boolean {
  return address === '127.0.0.1';
}

/** The example on free ports, with origins of this test in place of its targets. */
async function startExample(name: string, redis: RedisServer | null): Promise<GatewayProcess> {
  // There is no agent on this machine: in its place clients and targets show no certificates.
  const { spiffe, ...written } = load(name);
  const config = spiffe === undefined ? written : { ...written, listen: {} };
  const isOfCalls = config.routes.some(({ match }) => match.grpc !== undefined);
  const upstreams = Object.entries(config.upstreams ?? {}).map(([upstream, options]) => {
    const listed = listedTargets(options.targets);
    const known = listed.length > 0 ? listed : [{ url: 'http://127.0.0.1:80' }];
    const targets = known.map((target, at) => {
      const host = new URL(target.url).hostname === 'localhost' ? 'localhost' : '127.0.0.1';
      return { ...target, url: `http://${host}:${origins[at]?.port}` };
    });
    if (isOfCalls) {
      const url = `http://127.0.0.1:${portOf(callOrigin)}`;
      return [upstream, { ...options, targets: [{ url }] }] as const;
    }
    // Those origins speak HTTP/1.1.
    const { protocol: _protocol, http2: _http2, tls, ...others } = options;
    const ownTls = spiffe === undefined && tls !== undefined && { tls };
    return [upstream, { ...others, ...ownTls, targets }] as const;
  });
  const authenticators = Object.entries(config.authenticators ?? {}).map(([id, options]) => {
    // A service that is asked who calls: nobody answers there, and nothing leaves this machine.
    return [id, options.type === 'forwardAuth' ? { ...options, url: NOBODY } : options] as const;
  });
  const gateway = await GatewayProcess.start(
    {
      ...config,
      ...(redis !== null && { store: { ...config.store, url: redis.url } }),
      upstreams: Object.fromEntries(upstreams),
      ...(authenticators.length > 0 && { authenticators: Object.fromEntries(authenticators) }),
    },
    { GATEWAY_HOST: '127.0.0.1', GATEWAY_PORT: '0', GATEWAY_ADMIN_PORT: '0', GATEWAY_WORKERS: '1' },
  );
  if (redis !== null) {
    await eventually('the store is up', async () => {
      const { state } = (await gateway.stats())['store'] as { readonly state: string };
      return state === 'up';
    });
  }
  return gateway;
}

async function check(url: string, { name, request, expect: expected }: Expectation) {
  const { method, target, fields, repeat } = request;
  const headers = fields.filter(([field]) => field !== 'host') as [string, string][];
  let reply = { status: 0, body: '', proxyStatus: '', grpcStatus: '' };
  for (let sent = 0; sent < repeat; sent += 1) {
    reply = await ask(url, method, target, headers);
  }
  const { body } = reply;
  const { status, code, path, grpcStatus } = expected;
  // A refused call has 200, and its own status behind that.
  const isCall = grpcStatus !== undefined;
  const found = {
    status: isForwarded(body) ? 0 : reply.status,
    code: codeOf(isForwarded(body) ? '' : `${body} ${reply.proxyStatus}`),
    path: isForwarded(body) ? pathOf(body) : '',
  };
  const wanted = {
    status: isCall ? 200 : (status ?? found.status),
    code: code ?? found.code,
    path: path ?? found.path,
  };
  expect({ name, ...found }).toEqual({ name, ...wanted });
  if (isCall) expect(grpcStatusName(Number(reply.grpcStatus))).toBe(grpcStatus);
}

function portOf(server: Http2Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly proxyStatus: string;
  readonly grpcStatus: string;
}

/** As it is written: fetch would tidy the path up, and add an Accept of its own. */
function ask(url: string, method: string, path: string, headers: readonly [string, string][]) {
  return new Promise<Reply>((resolve, reject) => {
    const request = httpRequest(url, { method, path, agent: false }, (reply) => {
      let body = '';
      reply.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      reply.on('end', () => {
        const { statusCode: status = 0, headers: fields } = reply;
        const [proxyStatus, grpcStatus] = ['proxy-status', 'grpc-status'].map((field) =>
          String(fields[field] ?? ''),
        ) as [string, string];
        resolve({ status, body, proxyStatus, grpcStatus });
      });
    });
    for (const [name, value] of headers) request.appendHeader(name, value);
    request.on('error', reject).end();
  });
}

/** Whether an origin of this test has answered. */
function isForwarded(body: string): boolean {
  return body.startsWith('{"path":');
}

function pathOf(body: string): string {
  return (JSON.parse(body) as { path: string }).path;
}

/** The code in a reply of the gateway's own; a page of the operator's has it in Proxy-Status. */
function codeOf(body: string): string {
  return /\b(GW_\w+)/.exec(body)?.[1] ?? '';
}
