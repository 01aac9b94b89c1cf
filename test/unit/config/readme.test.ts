import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { compileConfig } from '../../../src/config/compile-config.js';
import { loadConfigText } from '../../../src/config/load-config.js';
import { differencesFrom } from '../../../src/explain/expectation.js';
import { readExpectations } from '../../../src/explain/expectation-file.js';
import { explainRequest } from '../../../src/explain/explain-request.js';
import { WorkerEpoch } from '../../../src/worker/worker-epoch.js';

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const samples = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
const environment = { JWT_SECRET: 'a secret of at least thirty-two bytes' };

describe('the samples in the README', () => {
  it('are nine', () => {
    expect(samples).toHaveLength(9);
  });

  it('begin with a whole configuration that is valid', () => {
    const config = loadConfigText(samples[0] ?? '', { file: 'README.md', environment });
    expect(compileConfig(config).routes.map((route) => route.name)).toEqual(['users', 'products']);
  });

  it('have a table of expectations that the first of them meets', async () => {
    const table = samples.find((sample) => sample.includes('tests:')) ?? '';
    const config = compileConfig(
      loadConfigText(samples[0] ?? '', { file: 'README.md', environment }),
    );
    const epoch = await WorkerEpoch.create(config);
    const context = { config, epoch, memory: null, nowMs: 1e6, unixSeconds: 1e9 };
    for (const { request, expect: expected } of readExpectations(table, 'README.md', {})) {
      const explanation = await explainRequest(request, { ...context, hashKey: [1, 2] as const });
      expect(differencesFrom(expected, explanation)).toEqual([]);
    }
  });

  it('are valid as parts of one', () => {
    const [whole = '', filters = '', _openapi, limits = '', targets = ''] = samples;
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
});
