/**
 * Question: what does finding the route of one request cost in a large table, against find-my-way
 * and a list of regular expressions that is walked until one fits?
 */

import { linearPatterns } from '../../../src/filters/validation/linear-pattern.js';
import { seededRandom } from '../../../src/policy/load-balancing/seeded-random.js';
import type { RoutePattern } from '../../../src/routing/route-pattern.js';
import { ROUTE_NOT_FOUND, RouteTable } from '../../../src/routing/route-table.js';
import { writeRouteTable } from '../../../src/routing/route-table-writer.js';
import { FindMyWayTable } from '../../alternatives/find-my-way-table.js';
import { type Bench, fold } from '../../support/bench-harness.js';

const SEED = 4;
const MISS_SHARE = 0.05;

interface Lookup {
  readonly method: string;
  readonly path: string;
}

export const bench: Bench = {
  question: 'what does finding the route of one request cost?',

  run(context) {
    const serviceCount = context.parameter('services (4 routes each)', 3, 100);
    const operations = context.parameter('lookups', 32, 4096);
    const patterns = makePatterns(serviceCount);
    const lookups = makeLookups(operations, serviceCount);
    return context.measure([
      {
        name: 'route-table: find',
        role: 'subject',
        operations,
        run: findInTable(new RouteTable(writeRouteTable(patterns), linearPatterns), lookups),
      },
      {
        name: 'route-table: find-my-way',
        role: 'alternative',
        operations,
        run: findInTable(new FindMyWayTable(patterns), lookups),
      },
      {
        name: 'route-table: walk over regular expressions',
        role: 'alternative',
        operations,
        run: findByExpressions(patterns, lookups),
      },
    ]);
  },
};

function makePatterns(serviceCount: number): RoutePattern[] {
  const patterns: RoutePattern[] = [];
  const add = (path: string, methods: string[]) => {
    patterns.push({ index: patterns.length, path, methods });
  };
  for (let service = 0; service < serviceCount; service += 1) {
    const base = `/api/v1/service-${service}`;
    add(`${base}/items`, ['GET', 'POST']);
    add(`${base}/items/:id`, ['GET', 'DELETE']);
    add(`${base}/items/:id/parts/:part`, ['GET']);
    add(`${base}/files/*`, ['GET']);
  }
  return patterns;
}

function makeLookups(count: number, serviceCount: number): Lookup[] {
  const random = seededRandom(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  return Array.from({ length: count }, () => {
    const base = `/api/v1/service-${below(serviceCount)}`;
    if (random() < MISS_SHARE) return { method: 'GET', path: `${base}/nothing/here` };
    const id = 1000 + below(9000);
    const choices: Lookup[] = [
      { method: 'POST', path: `${base}/items` },
      { method: 'GET', path: `${base}/items/${id}` },
      { method: 'GET', path: `${base}/items/${id}/parts/${below(100)}` },
      { method: 'GET', path: `${base}/files/2024/report-${id}.pdf` },
    ];
    return choices[below(choices.length)] as Lookup;
  });
}

interface Table {
  find(method: string, path: string): number;
}

function findInTable(table: Table, lookups: readonly Lookup[]): () => number {
  return () => {
    let checksum = 0;
    for (const { method, path } of lookups) checksum = fold(checksum, table.find(method, path));
    return checksum;
  };
}

function findByExpressions(
  patterns: readonly RoutePattern[],
  lookups: readonly Lookup[],
): () => number {
  const routes = patterns.map(({ index, path, methods }) => ({
    index,
    methods: new Set(methods),
    expression: new RegExp(`^${path.replace(/:\w+/g, '[^/]+').replace('*', '.*')}$`),
  }));
  return () => {
    let checksum = 0;
    for (const { method, path } of lookups) {
      const found = routes.find((one) => one.methods.has(method) && one.expression.test(path));
      checksum = fold(checksum, found?.index ?? ROUTE_NOT_FOUND);
    }
    return checksum;
  };
}
