import { describe, expect, it } from 'vitest';
import { withAddresses } from '../../../../src/config/compile/compile-config.js';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import {
  chooseAddresses,
  expandTarget,
  nameOfTarget,
  usableAddresses,
} from '../../../../src/config/references/target-addresses.js';
import { parseTargetUrl, type TargetUrl } from '../../../../src/config/references/target-url.js';
import { hasSameTargets } from '../../../../src/config/shared/place-config.js';
import { compileConfig } from '../../../support/compile-config.js';
import { placed as placedConfig, rowsOfCompiled } from '../../../support/served-config.js';

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
    expect(expandTarget(target('https://a.test'), addresses, 9)).toEqual([
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
    expect(expandTarget(plain, new Map([['b.test', ['10.0.0.1']]]), 9)).toEqual([plain]);
    expect(expandTarget(plain, new Map([['a.test', []]]), 9)).toEqual([plain]);
  });
});

describe('what a look-up found', () => {
  it('counts once whatever its spelling and order', () => {
    const found = ['fd00:0::1', '10.0.0.2', 'FD00::1', '10.0.0.1', '10.0.0.2'];
    expect(usableAddresses(found)).toEqual(['10.0.0.1', '10.0.0.2', 'fd00::1']);
    expect(usableAddresses([...found].reverse())).toEqual(usableAddresses(found));
  });

  it('is left out where no URL has room for it', () => {
    const found = ['fe80::1%eth0', 'a.test', '', '10.0.0.1:80', '999.1.1.1', '::ffff:10.0.0.1'];
    const usable = usableAddresses(found);
    expect(usable).toEqual(['::ffff:a00:1']);
    const [made] = expandTarget(target('http://a.test'), new Map([['a.test', usable]]), 9);
    expect(new URL(made?.origin ?? '').hostname).toBe('[::ffff:a00:1]');
  });

  it('is cut to the most that are used, and moves nobody who is among them', () => {
    const many = Array.from({ length: 10_000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
    const usable = usableAddresses(many);
    const inUse = ['10.0.39.1', '10.0.39.2', '192.0.2.1'];
    const chosen = chooseAddresses(usable, inUse, 64);
    expect(chosen).toHaveLength(64);
    expect(chosen).toEqual(expect.arrayContaining(['10.0.39.1', '10.0.39.2']));
    expect(chosen).not.toContain('192.0.2.1');
    expect(chooseAddresses(usable.slice(100), chosen, 64)).toHaveLength(64);
    expect(chooseAddresses(usable, chosen, 64)).toEqual(chosen);
  });
});

describe('an upstream with resolve', () => {
  const addresses = new Map([
    ['a.test', ['10.0.0.1', '10.0.0.2']],
    ['b.test', ['10.0.0.2', '10.0.0.3']],
  ]);
  const config = (api: object): GatewayConfig => ({
    upstreams: {
      first: { targets: [{ url: 'http://127.0.0.1:1' }] },
      api: { targets: [{ url: 'http://a.test:80' }, { url: 'http://b.test:80' }], ...api },
      last: { targets: [{ url: 'http://127.0.0.1:2' }] },
    },
    routes: [
      { name: 'all', match: { path: '/*' }, upstream: 'api' },
      { name: 'last', match: { path: '/last' }, upstream: 'last' },
    ],
  });
  const compile = (api: object, found: ReadonlyMap<string, readonly string[]> = addresses) =>
    withAddresses(config(api).upstreams, compileConfig(config(api)), found);
  const hosts = ({ targets }: { targets: readonly { hostPort: string }[] }): string[] =>
    targets.map(({ hostPort }) => hostPort);

  it('has each address once, and leaves other upstreams alone', () => {
    const { targets, upstreams } = compile({ resolve: {} });
    expect(hosts({ targets })).toEqual([
      '127.0.0.1:1',
      '10.0.0.1:80',
      '10.0.0.2:80',
      '10.0.0.3:80',
      '127.0.0.1:2',
    ]);
    expect(upstreams.map(({ targetIndexes }) => targetIndexes)).toEqual([[0], [1, 2, 3], [4]]);
    expect(upstreams[1]?.resolve).toEqual({
      intervalMs: 30_000,
      names: ['a.test', 'b.test'],
      addressesMax: 64,
    });
  });

  it('is the only kind whose names are looked up', () => {
    const compiled = compile({});
    expect(hosts(compiled)).toEqual(['127.0.0.1:1', 'a.test:80', 'b.test:80', '127.0.0.1:2']);
    expect(compiled.upstreams[1]?.resolve).toBeNull();
  });

  it('is tried again elsewhere once there is an elsewhere', () => {
    const targets = [{ url: 'http://a.test:80' }];
    const attempts = (found: string[]) =>
      compile({ targets, resolve: {} }, new Map([['a.test', found]])).upstreams[1]?.retry.attempts;
    expect([attempts([]), attempts(['10.0.0.1']), attempts(['10.0.0.1', '10.0.0.2'])]).toEqual([
      0, 0, 1,
    ]);
  });

  it('has no more targets than an upstream may have, each name its part', () => {
    const targets = Array.from({ length: 200 }, (_, at) => ({ url: `http://n${at}.test:80` }));
    const many = Array.from({ length: 64 }, (_, at) => `10.0.0.${at}`);
    const found = new Map(
      targets.map((_, at) => [`n${at}.test`, many.map((a) => a.replace('10.0.', `10.${at}.`))]),
    );
    const { upstreams } = compile({ targets, resolve: {} }, found);
    expect(upstreams[1]?.targetIndexes).toHaveLength(200);
    const few = compile({ targets: targets.slice(0, 8), resolve: {} }, found);
    expect(few.upstreams[1]?.targetIndexes).toHaveLength(256);
    expect(few.capacity.targets).toBeGreaterThanOrEqual(1024);
  });

  it('keeps the rows of addresses that stay, whatever comes and goes beside them', () => {
    const before = compile({ resolve: {} });
    const next = compile({ resolve: {} }, new Map([['b.test', ['10.0.0.3', '10.0.0.9']]]));
    const { capacity } = before;
    const placed = placedConfig(next, rowsOfCompiled(before), {
      epoch: 2,
      capacity,
      nextKeySpace: 9,
    });
    const row = (of: typeof before, hostPort: string) =>
      of.targets.find((one) => one.hostPort === hostPort)?.index;
    expect(row(placed, '10.0.0.3:80')).toBe(row(before, '10.0.0.3:80'));
    expect(row(placed, '127.0.0.1:2')).toBe(row(before, '127.0.0.1:2'));
    const used = before.targets.map(({ index }) => index);
    expect(used).not.toContain(row(placed, '10.0.0.9:80'));
    expect(hasSameTargets(placed, next)).toBe(true);
    expect(hasSameTargets(placed, before)).toBe(false);
  });

  it('takes an address of another name for another target', () => {
    const at = (name: string) =>
      compile(
        { targets: [{ url: `https://${name}` }], resolve: {} },
        new Map([[name, ['10.0.0.1']]]),
      );
    const before = at('a.test');
    const { capacity } = before;
    const next = placedConfig(at('b.test'), rowsOfCompiled(before), {
      epoch: 2,
      capacity,
      nextKeySpace: 9,
    });
    // Connections are kept by row: theirs are to the certificate of the other name.
    expect(next.targets[1]?.index).not.toBe(before.targets[1]?.index);
    expect(hasSameTargets(next, before)).toBe(false);
  });
});
