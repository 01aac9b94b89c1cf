/**
 * Spellings of a path that others have collected to get around access rules: whatever reaches the
 * target without credentials, the target must not read as the protected path.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JWT_SECRET } from '../support/configs.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { rawExchange } from '../support/raw-exchange.js';
import { RawOrigin } from '../support/raw-origin.js';
import { describeWithData, sharedLines } from '../support/shared-data.js';

const BATCH_SIZE = 50;

function lines(file: string): string[] {
  return sharedLines(`acl-bypass/${file}`, 'latin1');
}

function targets(): string[] {
  const ends = lines('endpaths.txt').map((end) => `/admin${end}`);
  const middles = lines('midpaths.txt').flatMap((middle) => [
    `/${middle}/admin`,
    `/${middle}admin`,
    `/admin/${middle}`,
    `/public/${middle}/admin`,
    `/public/${middle}/../admin`,
  ]);
  return [...ends, ...middles, '/Admin/../admin', '/%61dmin', '/adm%69n', '/%2561dmin'];
}

/** As a target reads a path: decoded once, dots resolved, slashes merged, no slash at the end. */
function readAsTarget(target: string): string {
  const path = target.split(/[?#]/)[0] ?? '';
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const segments: string[] = [];
  for (const segment of decoded.split(/[/\\]+/)) {
    if (segment === '..') segments.pop();
    else if (segment !== '.' && segment !== '') segments.push(segment);
  }
  return `/${segments.join('/')}`;
}

describeWithData(['acl-bypass'], 'path vectors of another project', () => {
  let origin: RawOrigin;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    origin = await RawOrigin.start();
    gateway = await GatewayProcess.start({
      workers: 1,
      logging: { accessLog: false },
      authenticators: { users: { type: 'jwt', algorithms: ['HS256'], secret: JWT_SECRET } },
      upstreams: { api: { targets: [{ url: origin.url }] } },
      routes: [
        { name: 'admin', match: { path: '/admin/*' }, upstream: 'api', authenticate: ['users'] },
        { name: 'rest', match: { path: '/*' }, upstream: 'api' },
      ],
    });
  });

  afterAll(async () => {
    await gateway.stop();
    await origin.close();
  });

  it('do not reach what is protected', async () => {
    const all = targets();
    const statuses = new Map<number, number>();
    for (let at = 0; at < all.length; at += BATCH_SIZE) {
      const replies = all.slice(at, at + BATCH_SIZE).map((target) => {
        const request = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
        return rawExchange(gateway.port, [request], { waitMsMax: 2000 });
      });
      for (const { status } of await Promise.all(replies)) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
    const arrived = origin.requests.map(({ target }) => target);
    const reached = arrived.filter((target) => /^\/admin(?:\/|$)/.test(readAsTarget(target)));
    console.info(
      `${all.length} spellings: ${arrived.length} forwarded, ${reached.length} reached; ` +
        [...statuses].map(([status, count]) => `${count} × ${status}`).join(', '),
    );
    expect(reached).toEqual([]);
    // It was not simply deaf, and it did protect.
    expect(arrived.length).toBeGreaterThan(20);
    expect(statuses.get(401) ?? 0).toBeGreaterThan(20);
  });
});
