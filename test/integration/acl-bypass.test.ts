/**
 * A protected route is reached under no other spelling of its path, method or fields: spellings
 * that others have collected (shared/data), each sent as it is, and what of it came to the target.
 */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { JWT_SECRET } from '../support/configs.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { describeWithData, sharedLines } from '../support/shared-data.js';

const read = (file: string) => sharedLines(`acl-bypass/${file}`, 'latin1');

const AT_ONCE = 16;

let upstream: FakeUpstream;
let gateway: GatewayProcess;

async function sendAll(requests: readonly string[]): Promise<void> {
  const waiting = [...requests];
  const send = async (): Promise<void> => {
    for (let request = waiting.pop(); request !== undefined; request = waiting.pop()) {
      await rawExchange(gateway.port, [request], { until: /\r\n\r\n/ });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, send));
}

const get = (path: string, fields = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${fields}Connection: close\r\n\r\n`;

/** What a target makes of a path that cuts parameters off, decodes, and resolves. */
function segmentsOf(url: string): string[] {
  const [path = ''] = url.split('?');
  const seen: string[] = [];
  // A target that decodes bytes of any kind: not every path is UTF-8.
  const decoded = path
    .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll('\\', '/');
  for (const segment of decoded.split('/')) {
    const [name = ''] = segment.split(';');
    if (name === '..') seen.pop();
    else if (name !== '.' && name !== '') seen.push(name);
  }
  return seen;
}

describeWithData(['acl-bypass'], 'a protected route', () => {
  beforeAll(async () => {
    upstream = await FakeUpstream.start();
    gateway = await GatewayProcess.start({
      authenticators: { users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET } },
      upstreams: { api: { targets: [{ url: upstream.url }] } },
      logging: { accessLog: false },
      routes: [
        { name: 'public', match: { path: '/*' }, upstream: 'api' },
        {
          name: 'admin',
          match: { path: '/admin', methods: ['GET'] },
          upstream: 'api',
          authenticate: ['users'],
        },
        { name: 'tree', match: { path: '/tree/*' }, upstream: 'api', authenticate: ['users'] },
        {
          name: 'office',
          match: { path: '/office' },
          upstream: 'api',
          ipFilter: { allow: ['10.0.0.1'] },
        },
      ],
    });
  });

  afterAll(async () => {
    await gateway.stop();
    await upstream.close();
  });

  beforeEach(() => {
    upstream.received.length = 0;
  });

  it('is reached by no other spelling of its path', async () => {
    const names = ['admin', 'tree', 'office'];
    const paths = names.flatMap((name) => [
      ...read('endpaths.txt').flatMap((end) => [`/${name}${end}`, `/${name}/${end}`]),
      ...read('midpaths.txt').flatMap((middle) => [
        `/${middle}${name}`,
        `/${middle}/${name}`,
        `/x/${middle}/${name}`,
        `/${middle}${name}/`,
      ]),
    ]);
    await sendAll(paths.map((path) => get(path)));
    // Most are refused; some are names of something else, as they stand.
    expect(upstream.received.length).toBeGreaterThan(100);
    expect(paths.length).toBeGreaterThan(2000);
    for (const { url } of upstream.received) {
      const segments = segmentsOf(url);
      const isProtected =
        segments[0] === 'tree' || (segments.length === 1 && names.includes(segments[0] ?? ''));
      expect([url, isProtected]).toEqual([url, false]);
    }
  });

  it('is reached by no method', async () => {
    const methods = [...read('httpmethods.txt'), 'get', 'Get', 'QUERY', 'G\u00c9T'];
    const paths = ['/admin', '/admin/', '/tree', '/tree/', '/tree/x', '/office'];
    await sendAll(
      methods.flatMap((method) =>
        paths.map((path) => `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      ),
    );
    expect(upstream.received).toEqual([]);
  });

  it('is reached by no field, and no target is told another path or method', async () => {
    const fields = read('simpleheaders.txt').map((line) => {
      const [name = '', value = ''] = line.split(' ');
      return [name, value] as const;
    });
    await sendAll(fields.map(([name, value]) => get('/admin', `${name}: ${value}\r\n`)));
    expect(upstream.received).toEqual([]);
    await sendAll(fields.map(([name, value]) => get('/open', `${name}: ${value}\r\n`)));
    expect(upstream.received).toHaveLength(fields.length);
    for (const { headers } of upstream.received) {
      const names = Object.keys(headers).filter((name) => {
        return /override|original|rewrite|x-http-method|forwarded-port/.test(name);
      });
      expect(names).toEqual([]);
    }
  });
});
