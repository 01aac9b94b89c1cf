/** The configuration of a soak: everything by which a change is tried, at once. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashPassword } from '../../../src/filters/authentication/password-hash.js';
import type { Origins } from './origins.js';

export const ADMIN_TOKEN = 'a-token-for-orders-during-a-soak';
export const LOGIN = `Basic ${Buffer.from('ada:secret').toString('base64')}`;

const PLUGINS = {
  edits: (version: number) => `
export default {
  name: 'edits', counters: ['edited'],
  options: { type: 'object', properties: { text: { type: 'string' } } },
  setup({ text }, context) {
    const timer = setInterval(() => {}, 1000);
    return {
      onRequest(request) { context.count('edited'); request.setHeader('x-edited', text); },
      onReply(reply) { reply.setHeader('x-code', '${version}'); },
      onFinish(result, request) { request.log('status', result.status); },
      onUnload() { clearInterval(timer); },
    };
  },
};`,
  counts: (version: number) => `
// Version ${version}.
export default {
  name: 'counts',
  setup(_, context) {
    return {
      async onRequest(request) {
        request.state.set('count', await context.store.increment('visits'));
      },
      async onRequestBody(body) { await null; return body.toString().toUpperCase(); },
      onReply(reply, request) { reply.setHeader('x-count', String(request.state.get('count'))); },
      onReplyBody(body) { return body + ' and more'; },
    };
  },
};`,
  fails: () => `
let calls = 0;
export default {
  name: 'fails',
  setup: () => ({ onRequest() { calls += 1; if (calls % 10 === 0) throw new Error('injected'); } }),
};`,
};

export interface SoakFacts {
  readonly origins: Origins;
  readonly folder: string;
  readonly acceptors: number;
  readonly tls: { readonly cert: string; readonly key: string };
}

export class SoakConfiguration {
  private passwordHash = '';

  private constructor(private readonly facts: SoakFacts) {}

  static async make(facts: SoakFacts): Promise<SoakConfiguration> {
    const made = new SoakConfiguration(facts);
    made.passwordHash = await hashPassword('secret');
    return made;
  }

  /** Each version has other options, and each third one other code. */
  version(version: number): Record<string, unknown> {
    const { origins, tls, acceptors } = this.facts;
    const target = (side: 'v1' | 'v2' | 'shadow') => ({ targets: [{ url: origins.urlOf(side) }] });
    const canary = { workers: 1, for: '3s', rollback: { errors: '3x', p99: '20x' } };
    return {
      listen: { port: 0, engine: 'wire', tls: { certificates: [tls] } },
      admin: { port: 0, token: ADMIN_TOKEN, replay: { memory: '1MiB' } },
      ...(acceptors > 1 ? { acceptors } : {}),
      workers: 2,
      stateDir: this.facts.folder,
      cache: { memory: '16MiB' },
      logging: { level: 'info', accessLog: false },
      reload: { watch: false, ...(version % 4 === 3 ? { canary } : {}) },
      keys: { file: join(this.facts.folder, 'keys.json') },
      tokenService: { issuer: 'sluice', audience: 'api' },
      authenticators: {
        people: { type: 'basic', users: [{ id: 'ada', passwordHash: this.passwordHash }] },
        own: {
          ...{ type: 'jwt', algorithms: ['ES256'], tokenService: true },
          ...{ issuer: 'sluice', audience: 'api' },
        },
        partners: { type: 'apiKey', header: 'x-key', managed: true },
      },
      upstreams: { v1: target('v1'), v2: target('v2'), shadow: target('shadow') },
      plugins: this.plugins(version),
      routes: routesOf(version),
    };
  }

  private plugins(version: number): object[] {
    const { folder } = this.facts;
    const code = Math.floor(version / 3);
    // A machine that is busy is no fault of a plugin.
    const patience = { budget: { cpu: '1s', wait: '10s' }, strikes: 1000 };
    const file = (name: keyof typeof PLUGINS): string => {
      const path = join(folder, `${name}.mjs`);
      writeFileSync(path, PLUGINS[name](code));
      return path;
    };
    return [
      { name: 'edits', file: file('edits'), options: { text: `version-${version}` }, ...patience },
      { name: 'counts', file: file('counts'), ...patience },
      { name: 'fails', file: file('fails'), onFailure: 'skip', ...patience },
    ];
  }
}

function routesOf(version: number): object[] {
  const post = (name: string, path: string, rest: object) => ({
    ...{ name, match: { path, methods: ['POST'] } },
    ...rest,
  });
  const to = (name: string, rest: object = {}) => ({
    ...{ name, match: { path: `/${name}/*` }, upstream: 'v1' },
    ...rest,
  });
  return [
    {
      ...{ name: 'split', match: { path: '/split/*' } },
      upstreams: [{ name: 'v1' }, { name: 'v2' }],
      split: {
        ...{ key: 'header:x-tenant', header: 'x-side' },
        ramp: { from: 5, to: 50, over: '10m' },
        guard: { errors: '3x', p99: '20x', minRequests: 200 },
      },
    },
    to('mirror', {
      mirror: {
        ...{ upstream: 'shadow', percent: version % 2 === 0 ? 100 : 50, maxInFlight: 20 },
        compare: ['status', 'fields', 'body'],
      },
    }),
    to('plugins', { plugins: ['edits', 'counts', 'fails'] }),
    to('keys', { authenticate: ['partners'] }),
    post('login', '/auth/token', { tokenService: 'issue', authenticate: ['people'] }),
    post('refresh', '/auth/refresh', { tokenService: 'refresh' }),
    to('own', { authenticate: ['own'] }),
    to('cost', {
      rateLimit: {
        ...{ limit: 1_000_000, window: '1h', key: 'header:x-caller' },
        cost: { reply: '/usage/total_tokens', reserve: 100 },
      },
    }),
    to('cache', { cache: {} }),
    to('limited', { rateLimit: { limit: 5, window: '1s', key: 'route' } }),
    { name: 'rest', match: { path: '/*' }, upstream: 'v1' },
  ];
}
