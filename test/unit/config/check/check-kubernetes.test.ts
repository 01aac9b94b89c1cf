/** What of a cluster can be read: what is refused, and how much room is made. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import { compileConfig } from '../../../support/compile-config.js';

const CONFIG = {
  listen: [{ name: 'plain', port: 8080 }],
  upstreams: { api: { targets: [{ url: 'http://10.0.0.1' }] } },
  routes: [{ name: 'api', match: { path: '/*' }, upstream: 'api' }],
};

function problemsOf(kubernetes: object): string[] {
  try {
    compileConfig({ ...CONFIG, kubernetes });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('kubernetes', () => {
  it.each<[object, string]>([
    [{}, 'kubernetes: needs "ingress", "gatewayApi" or both: nothing is read of the cluster'],
    [{ gatewayApi: { ports: { '80': 'plane' } } }, 'unknown listener "plane"'],
    [{ gatewayApi: { ports: { '70000': 'plain' } } }, 'is no port'],
    [{ gatewayApi: { ports: { http: 'plain' } } }, 'the number of a port'],
    [{ gatewayApi: { controller: 'sluice' } }, 'a domain, a slash and a path'],
    [{ gatewayApi: { publish: ['http://a'] } }, 'publish'],
  ])('%j is refused', (kubernetes, said) => {
    const problems = problemsOf(kubernetes);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(said);
  });

  it.each([
    [{ ingress: {} }],
    [{ gatewayApi: {} }],
    [{ ingress: {}, gatewayApi: { ports: { '80': 'plain', '8080': 'plain' } } }],
  ])('%j is sound', (kubernetes) => {
    expect(problemsOf(kubernetes)).toEqual([]);
  });

  it('has room for the services of both', () => {
    const roomOf = (kubernetes: object): number =>
      compileConfig({ ...CONFIG, kubernetes }).capacity.upstreams;
    const [ingress, gatewayApi] = [{ maxServices: 10 }, { maxServices: 7 }];
    const one = roomOf({ ingress });
    expect(roomOf({ ingress, gatewayApi }) - one).toBe(14);
    expect(roomOf({ gatewayApi })).toBe(one - 6);
  });
});
