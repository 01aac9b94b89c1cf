import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { compileConfig } from '../../../src/config/compile/compile-config.js';
import { loadConfigFile, loadConfigText } from '../../../src/config/source/load-config.js';
import { differencesFrom } from '../../../src/explain/expectation.js';
import { readExpectations } from '../../../src/explain/expectation-file.js';
import { explainRequest } from '../../../src/explain/explain-request.js';
import { OFFLINE_AUTHENTICATORS } from '../../../src/explain/offline-authenticators.js';
import { WorkerEpoch } from '../../../src/worker/worker-epoch.js';
import { configFolder } from '../cli/config-folder.js';

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const samples = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
const environment = { JWT_SECRET: 'a secret of at least thirty-two bytes' };

const file = configFolder();

describe('the samples in the README', () => {
  it('are twelve', () => {
    expect(samples).toHaveLength(12);
  });

  it('begin with a whole configuration that is valid', () => {
    const config = loadConfigText(samples[0] ?? '', { file: 'README.md', environment });
    expect(compileConfig(config).routes.map((route) => route.name)).toEqual(['users', 'products']);
  });

  it('have the mistake that is shown where it says', () => {
    const [, said = ''] = /\n(routes\[0\]\.rateLimit: unknown key .*)\n/.exec(readme) ?? [];
    const mistyped = (samples[0] ?? '').replace('window:', 'windw:');
    expect(() => loadConfigText(mistyped, { file: 'sluice.yaml', environment })).toThrow(said);
    expect(said).toContain('sluice.yaml:');
  });

  it('about retries are a whole configuration too', () => {
    const { routes } = compileConfig(parse(samples.find((one) => one.includes('hedge:')) ?? ''));
    expect(routes.map(({ timeoutMs }) => timeoutMs)).toEqual([5000]);
  });

  it('about a document make a route of each operation of it', () => {
    const { upstreams } = parse(samples[0] ?? '');
    const text = samples.find((one) => one.includes('openapi:')) ?? '';
    const config = JSON.stringify({ upstreams, ...parse(text) });
    const responses = { 200: { description: 'ok' } };
    const paths = { '/pets': { get: { responses }, post: { responses } } };
    const info = { title: 'pets', version: '1' };
    file(JSON.stringify({ openapi: '3.1.0', info, paths }), 'pets.yaml');
    const loaded = loadConfigFile(file(config), environment);
    expect(compileConfig(loaded).routes.map(({ path }) => path)).toEqual(['/v1/pets', '/v1/pets']);
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
