/**
 * Options of the IP filter.
 *
 * Thread: any (pure).
 */
import { defined } from '../../base/assert.js';
import type { SoundPart } from '../../schema/finding.js';
import { lengthNode, listNode, objectNode, type TypeOf } from '../../schema/schema-node.js';
import { addressRangeProblem, normalizeAddressRange } from '../address-list.js';
import { type CheckPlace, filterOptions } from '../filter-options.js';

const RANGES = { minItems: 1, maxItems: 10_000, uniqueItems: true };

const IP_FILTER_NODE = objectNode(
  'IpFilterConfig',
  'Which client addresses may call. Behind `trustedProxies` the client is the address that they ' +
    'tell, else the peer of the connection. The `ipFilter` of the whole gateway holds for every ' +
    'request, beside that of its route.',
  {
    allow: listNode(
      'Addresses and CIDR ranges that may call. All others may not.',
      lengthNode(1, 64),
      { 'x-absent': 'everybody', ...RANGES },
    ),
    deny: listNode(
      'Addresses and CIDR ranges that may not call, whatever `allow` says.',
      lengthNode(1, 64),
      RANGES,
    ),
  },
);

type IpFilterConfig = TypeOf<typeof IP_FILTER_NODE>;

/** Ranges in CIDR notation. */
export interface CompiledIpFilter {
  /** Empty: everybody. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export const IP_FILTER = filterOptions({
  name: 'ipFilter',
  route: { ipFilter: IP_FILTER_NODE },
  gateway: { ipFilter: IP_FILTER_NODE },
  gatewayMeans: 'always',
  places: ['enter'],
  check: ({ ipFilter = {} }, place) => checkIpFilter(ipFilter, place),
  compile: ({ ipFilter }) => (ipFilter === undefined ? null : compileIpFilter(ipFilter)),
});

function checkIpFilter(
  { allow = [], deny = [] }: SoundPart<IpFilterConfig>,
  { pointer, findings }: CheckPlace,
): void {
  for (const [key, list] of Object.entries({ allow, deny })) {
    for (const [index, range] of list.entries()) {
      if (range === undefined) continue;
      const at = `${pointer}/ipFilter/${key}/${index}`;
      const problem = addressRangeProblem(range, findings.quote(at, range));
      if (problem !== undefined) findings.addValue(at, problem);
      else if (/^::ffff:/i.test(range)) {
        findings.addValue(at, 'IPv4 in IPv6 is compared as IPv4: write it so');
      }
    }
  }
}

function compileIpFilter({ allow = [], deny = [] }: IpFilterConfig): CompiledIpFilter {
  const ranges = (list: readonly string[]) =>
    list.map((range) => defined(normalizeAddressRange(range), 'a checked range'));
  return { allow: ranges(allow), deny: ranges(deny) };
}
