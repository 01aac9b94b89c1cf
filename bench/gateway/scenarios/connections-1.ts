/**
 * Question: how much later does a reply come because a gateway is in between, when nothing else
 * is going on?
 *
 * With one connection every thread sleeps between requests: this shows what waking them costs.
 */
import { closedLoop } from '../closed-loop.js';
import { measure } from '../scenario.js';
import { PLAIN_GET } from './plain-get.js';

export const connections1 = closedLoop({
  name: 'connections-1',
  title: 'GET on a single connection, 131 bytes of JSON back',
  request: PLAIN_GET,
  connections: 1,
  extraMeasures: [
    measure({
      key: 'addedUs',
      title: 'added p50 µs',
      short: 'added',
      unit: 'µs',
      meaning: 'p50 minus the p50 of asking the origin directly, in the same round',
      isMain: true,
      isOfDirect: false,
    }),
  ],
  relate(own, direct) {
    const added = (own.values['p50Ms'] ?? Number.NaN) - (direct?.values['p50Ms'] ?? Number.NaN);
    return { ...own, values: { ...own.values, addedUs: added * 1000 } };
  },
});
