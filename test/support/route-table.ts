/** A route table of patterns, as worker threads have it. */
import { linearPatterns } from '../../src/filters/validation/linear-pattern.js';
import type { RoutePattern } from '../../src/routing/route-pattern.js';
import { RouteTable } from '../../src/routing/route-table.js';
import { writeRouteTable } from '../../src/routing/route-table-writer.js';

export function routeTableOf(patterns: readonly RoutePattern[]): RouteTable {
  return new RouteTable(writeRouteTable(patterns), linearPatterns);
}
