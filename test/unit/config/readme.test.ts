import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { compileConfig } from '../../../src/config/compile-config.js';
import { loadConfigText } from '../../../src/config/load-config.js';
import { differencesFrom } from '../../../src/explain/expectation.js';
import { readExpectations } from '../../../src/explain/expectation-file.js';
import { explainRequest } from '../../../src/explain/explain-request.js';
import { OFFLINE_AUTHENTICATORS } from '../../../src/explain/offline-authenticators.js';
import { WorkerEpoch } from '../../../src/worker/worker-epoch.js';

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const samples = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
const environment = { JWT_SECRET: 'a secret of at least thirty-two bytes' };

describe('the samples in the README', () => {
  it('are twelve', () => {
    expect(samples).toHaveLength(12);
  });

  it('begin with a whole configuration that is valid', () => {
    const config = loadConfigText(samples[0] ?? '', { file: 'README.md', environment });
    expect(compileConfig(config).routes.map((route) => route.name)).toEqual(['users', 'products']);
  });

  it('about overload are a whole configuration too', () => {
    const { limits, routes } = compileConfig(
      parse(samples.find((one) => one.includes('adaptiveConcurrency')) ?? ''),
    );
    expect(limits).toMatchObject({ laneDepth: 2048, workerHeapBytes: 512 * 2 ** 20 });
    expect(routes.map(({ shareMax }) => shareMax)).toEqual([1000, 700]);
  });

  it('have a table of expectations that the first of them meets', async () => {
    const table = samples.find((sample) => sample.includes('tests:')) ?? '';
    const config = compileConfig(
      loadConfigText(samples[0] ?? '', { file: 'README.md', environment }),
    );
    const epoch = await WorkerEpoch.create(config, OFFLINE_AUTHENTICATORS);
    const context = { config, epoch, memory: null, nowMs: 1e6 };
    for (const { request, expect: expected } of readExpectations(table, 'README.md', {})) {
      const explanation = await explainRequest(request, { ...context, hashKey: [1, 2] as const });
      expect(differencesFrom(expected, explanation)).toEqual([]);
    }
  });

  it('are valid as parts of one', () => {
    const [whole = '', filters = '', _openapi, limits = ''] = samples;
    const targets = samples.find((text) => text.includes('outlierDetection:')) ?? '';
    const seen = samples
      .filter((sample) => /^(logging|tracing):/.test(sample))
      .map((one) => parse(one));
    expect(seen).toHaveLength(2);
    const config = Object.assign({}, parse(whole), parse(targets), ...seen);
    config.authenticators.users.secret = environment.JWT_SECRET;
    config.upstreams.users = config.upstreams.products;
    Object.assign(config.routes[0], parse(limits));
    expect(compileConfig(config).limiters).toHaveLength(4);
    const { routes } = compileConfig({ ...config, ...parse(filters) });
    expect(routes.map((route) => Object.keys(route.filters).length)).toEqual([7, 1, 1]);
  });

  it('of authentication are valid together', () => {
    const [whole = ''] = samples;
    const [authentication = '', ownTokens = ''] = samples.filter(
      (text) => text.includes('authenticators:\n  staff') || text.startsWith('tokenService:'),
    );
    const parts = [whole, authentication, ownTokens].map((text) => parse(text));
    const config = Object.assign({}, ...parts);
    config.authenticators = Object.assign({}, ...parts.map((part) => part.authenticators));
    config.routes = parts.flatMap((part) => part.routes);
    config.authenticators.users.secret = environment.JWT_SECRET;
    config.authenticators.partners.keys[0].sha256 = 'ab'.repeat(32);
    const hash = `$scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
    config.authenticators.people.users[0].passwordHash = hash;
    const compiled = compileConfig(config);
    expect(compiled.authenticators).toHaveLength(5);
    expect(compiled.routes.map((route) => route.tokenEndpoint)).toContain('issue');
  });
});
