import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CompiledConfig } from '../../../../src/config/compiled-config.js';
import type { GatewayConfig } from '../../../../src/config/gateway-config.js';
import {
  NoRowsLeftError,
  ROW_KINDS,
  type RowsByName,
} from '../../../../src/config/shared/place-config.js';
import { compileConfig } from '../../../support/compile-config.js';
import { placed, rowsOfCompiled } from '../../../support/served-config.js';

interface Wish {
  /** Ports of the targets of each upstream, by its name. */
  readonly upstreams: Readonly<Record<string, readonly number[]>>;
  /** Limits of each route, by its name; all go to the first upstream. */
  readonly routes: Readonly<Record<string, readonly number[]>>;
}

function compile({ upstreams, routes }: Wish): CompiledConfig {
  const [first = ''] = Object.keys(upstreams);
  const config: GatewayConfig = {
    upstreams: Object.fromEntries(
      Object.entries(upstreams).map(([name, ports]) => {
        return [name, { targets: ports.map((port) => ({ url: `http://127.0.0.1:${port}` })) }];
      }),
    ),
    routes: Object.entries(routes).map(([name, limits]) => ({
      name,
      match: { path: `/${name}` },
      upstream: first,
      rateLimit: limits.map((limit, at) => ({ name: `l${at}`, limit, window: '1m' })),
    })),
  };
  const withLimits = config.routes.map(({ rateLimit, ...route }) => {
    return Array.isArray(rateLimit) && rateLimit.length === 0 ? route : { ...route, rateLimit };
  });
  return compileConfig({ ...config, routes: withLimits as GatewayConfig['routes'] });
}

function place(next: CompiledConfig, before: CompiledConfig): CompiledConfig {
  const { epoch, capacity } = before;
  return placed(next, rowsOfCompiled(before), { epoch: epoch + 1, capacity, nextKeySpace: 100 });
}

const targetRow = (config: CompiledConfig, port: number): number | undefined =>
  config.targets.find(({ hostPort }) => hostPort.endsWith(`:${port}`))?.index;
const routeRow = (config: CompiledConfig, name: string): number | undefined =>
  config.routes.find((route) => route.name === name)?.index;

const FIRST = compile({ upstreams: { a: [1, 2], b: [1] }, routes: { r: [5], s: [5, 7], t: [] } });

describe('the rows of a configuration that follows another', () => {
  it('are the same for what is the same, whatever its place in the file', () => {
    const next = place(
      compile({ upstreams: { n: [9], b: [1], a: [1, 2] }, routes: { t: [], new: [], s: [5, 7] } }),
      FIRST,
    );
    const row = (config: CompiledConfig, name: string) =>
      config.upstreams.find((upstream) => upstream.name === name)?.index;
    expect([row(next, 'a'), row(next, 'b')]).toEqual([row(FIRST, 'a'), row(FIRST, 'b')]);
    expect(targetRow(next, 2)).toBe(targetRow(FIRST, 2));
    expect(['s', 't'].map((name) => routeRow(next, name))).toEqual(
      ['s', 't'].map((name) => routeRow(FIRST, name)),
    );
    const limiterOf = (config: CompiledConfig, name: string) =>
      config.limiters.find((one) => one.name === name && one.limit !== 5);
    expect(limiterOf(next, 'l1')).toEqual(limiterOf(FIRST, 'l1'));
    expect(next.epoch).toBe(2);
  });

  it('are new for what is new: a limit that changes, a target that moves, an order of targets', () => {
    const next = place(
      compile({ upstreams: { a: [2, 1], b: [3] }, routes: { r: [6], s: [5, 7], t: [] } }),
      FIRST,
    );
    const used = new Set(FIRST.limiters.map(({ index }) => index));
    const changed = next.limiters.find(({ limit }) => limit === 6);
    expect(used.has(changed?.index ?? -1)).toBe(false);
    expect(changed?.keySpace).toBe(100);
    expect(FIRST.targets.map(({ index }) => index)).not.toContain(targetRow(next, 3));
    const [a] = next.upstreams;
    expect(FIRST.upstreams.map(({ index }) => index)).not.toContain(a?.index);
    expect(targetRow(next, 2)).toBe(targetRow(FIRST, 2));
  });

  it('do not depend on the mode of a limit, nor on the timeout of its route', () => {
    const written: GatewayConfig = {
      upstreams: { a: { targets: [{ url: 'http://127.0.0.1:1' }] } },
      routes: [
        {
          name: 'r',
          match: { path: '/r' },
          upstream: 'a',
          rateLimit: { limit: 5, window: '1m', mode: 'shadow' },
        },
      ],
    };
    const [route] = written.routes;
    const before = compileConfig(written);
    const enforced = { limit: 5, window: '1m', mode: 'enforce' } as const;
    const next = place(
      compileConfig({
        ...written,
        routes: [{ ...route, timeout: '9s', rateLimit: enforced } as GatewayConfig['routes'][0]],
      }),
      before,
    );
    expect(next.limiters[0]).toEqual({ ...before.limiters[0], mode: 'enforce' });
  });

  it('say so when there are not enough of them', () => {
    const capacity = { ...FIRST.capacity, targets: 3 };
    const next = compile({ upstreams: { c: [7, 8] }, routes: { r: [] } });
    const place3 = () =>
      placed(next, rowsOfCompiled(FIRST), { epoch: 2, capacity, nextKeySpace: 9 });
    expect(place3).toThrow(NoRowsLeftError);
    expect(place3).toThrow(/more targets .*\(3\)/);
  });

  it('belong to one part at a time and keep every reference, for random configurations', () => {
    const ports = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
    const limits = fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
    const names = fc.constantFrom('a', 'b', 'c', 'd');
    const wishes = fc.record({
      upstreams: fc.dictionary(names, ports, { minKeys: 1 }),
      routes: fc.dictionary(names, limits, { minKeys: 1 }),
    });
    fc.assert(
      fc.property(wishes, wishes, (one, other) => {
        const before = compile(one);
        const plain = compile(other);
        const next = place(plain, before);
        for (const kind of ROW_KINDS) {
          const rows = [...new Set([...next[kind], ...before[kind]].map(({ index }) => index))];
          expect(new Set(rows).size).toBe(rows.length);
          expect(new Set([...namesIn(before, kind), ...namesIn(next, kind)]).size).toBe(
            rows.length,
          );
        }
        expect(describeConfig(next)).toEqual(describeConfig(plain));
        expect(place(before, next).targets.length).toBe(before.targets.length);
      }),
    );
  });
});

function namesIn(config: CompiledConfig, kind: keyof RowsByName): string[] {
  return [...rowsOfCompiled(config)[kind].keys()];
}

/** What a configuration says, with every index followed. */
function describeConfig(config: CompiledConfig): unknown {
  const at = <T extends { index: number }>(items: readonly T[], index: number) =>
    items.find((item) => item.index === index);
  return config.routes.map((route) => {
    const { answer } = route;
    const row = answer.kind === 'upstream' ? answer.upstreamIndex : -1;
    const upstream = at(config.upstreams, row);
    return {
      route: route.name,
      upstream: upstream?.name,
      targets: upstream?.targetIndexes.map((index) => at(config.targets, index)?.hostPort),
      backwards: upstream?.targetIndexes.every(
        (index) => at(config.targets, index)?.upstreamIndex === upstream.index,
      ),
      limits: route.limiterIndexes.map((index) => at(config.limiters, index)?.limit),
    };
  });
}
