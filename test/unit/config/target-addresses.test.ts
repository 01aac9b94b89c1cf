import { describe, expect, it } from 'vitest';
import { compileConfig } from '../../../src/config/compile-config.js';
import { expandTarget, nameOfTarget } from '../../../src/config/target-addresses.js';
import { parseTargetUrl, type TargetUrl } from '../../../src/config/target-url.js';

function target(url: string): TargetUrl {
  const parsed = parseTargetUrl(url);
  if (!parsed.isValid) throw new Error(parsed.problem);
  return parsed.target;
}

describe('the name of a target', () => {
  it.each([
    ['http://a.test:80', 'a.test'],
    ['https://A.test', 'a.test'],
    ['http://127.0.0.1:1', ''],
    ['http://[::1]:1', ''],
  ])('of %s is %j', (url, name) => {
    expect(nameOfTarget(target(url))).toBe(name);
  });
});

describe('a target', () => {
  it('becomes one for each address, and keeps its Host field', () => {
    const addresses = new Map([['a.test', ['10.0.0.1', 'fd00::1']]]);
    expect(expandTarget(target('https://a.test'), addresses)).toEqual([
      {
        origin: 'https://10.0.0.1:443',
        hostPort: '10.0.0.1:443',
        authority: 'a.test',
        tls: true,
      },
      {
        origin: 'https://[fd00::1]:443',
        hostPort: '[fd00::1]:443',
        authority: 'a.test',
        tls: true,
      },
    ]);
  });

  it('stays as it is while nothing is known of its name', () => {
    const plain = target('http://a.test:8080');
    expect(expandTarget(plain, new Map([['b.test', ['10.0.0.1']]]))).toEqual([plain]);
    expect(expandTarget(plain, new Map([['a.test', []]]))).toEqual([plain]);
  });
});

describe('an upstream with resolve', () => {
  const addresses = new Map([
    ['a.test', ['10.0.0.1', '10.0.0.2']],
    ['b.test', ['10.0.0.2', '10.0.0.3']],
  ]);
  const upstream = {
    targets: [{ url: 'http://a.test:80' as const }, { url: 'http://b.test:80' as const }],
  };
  const routes = [{ name: 'all', match: { path: '/*' }, upstream: 'api' }];
  const compile = (api: object) =>
    compileConfig({ upstreams: { api: { ...upstream, ...api } }, routes }, { addresses });

  it('has each address once, and may retry at the others', () => {
    const { targets, upstreams } = compile({ resolve: {} });
    expect(targets.map(({ hostPort }) => hostPort)).toEqual([
      '10.0.0.1:80',
      '10.0.0.2:80',
      '10.0.0.3:80',
    ]);
    expect(upstreams[0]).toMatchObject({ targetIndexes: [0, 1, 2], resolveMs: 30_000 });
    expect(upstreams[0]?.names).toEqual(['a.test', 'b.test']);
  });

  it('is the only kind whose names are looked up', () => {
    const { targets, upstreams } = compile({});
    expect(targets.map(({ hostPort }) => hostPort)).toEqual(['a.test:80', 'b.test:80']);
    expect(upstreams[0]).toMatchObject({ resolveMs: 0, names: [] });
  });
});
