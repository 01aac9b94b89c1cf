/**
 * Options of guards: how large and how slow the requests of a route may be.
 *
 * Thread: any (pure).
 */
import { durationMs, sizeBytes } from '../../base/quantities.js';
import {
  durationNode,
  integerNode,
  objectNode,
  sizeNode,
  type TypeOf,
} from '../../schema/schema-node.js';
import type { UploadBounds } from '../filter.js';
import { type CompileContext, filterOptions } from '../filter-options.js';

const DEFAULTS = { grace: '5s' } as const;

const GUARDS_NODE = objectNode(
  'GuardsConfig',
  'How large and how slow the requests of a route may be, within the bounds of `limits`.',
  {
    headerBytes: sizeNode('Largest head. A larger one is refused with 431.', ['256', '64KiB'], {
      'x-absent': '`limits.headerBytes`',
    }),
    headerCount: integerNode(
      'Largest number of header fields. More are refused with 431.',
      [1, 1000],
      { 'x-absent': '`limits.headerFields`' },
    ),
    bodyBytes: sizeNode(
      'Largest body, at most `limits.bodyBytes`. A larger one is refused with 413.',
      ['0', '1024MiB'],
      { 'x-absent': '`limits.bodyBytes`' },
    ),
    bodyTimeout: durationNode(
      'How long the body may take as a whole. Time in which the target holds it up does not ' +
        'count. A body that takes longer is refused with 408.',
      ['100ms', '1h'],
      { 'x-absent': 'no such limit' },
    ),
    minBodyRate: objectNode(
      'MinBodyRateConfig',
      'Slowest body, on the average from the end of `grace` on. A slower one is refused with 408.',
      {
        bytesPerSecond: integerNode('Least bytes a second.', [1, 1_073_741_824]),
        grace: durationNode('How long a body may be slower at first.', ['100ms', '10m'], {
          default: DEFAULTS.grace,
        }),
      },
      'bytesPerSecond',
    ),
  },
);

type GuardsConfig = TypeOf<typeof GUARDS_NODE>;

export interface CompiledGuards extends UploadBounds {
  readonly headerBytes: number;
  readonly headerCount: number;
}

export const GUARDS = filterOptions({
  name: 'guards',
  route: { guards: GUARDS_NODE },
  gateway: {},
  places: ['enter', 'upload'],
  compile: ({ guards }, context) => (guards === undefined ? null : compileGuards(guards, context)),
});

function compileGuards(
  { headerBytes, headerCount, bodyBytes, bodyTimeout, minBodyRate }: GuardsConfig,
  gateway: CompileContext,
): CompiledGuards {
  return {
    headerBytes: smaller(headerBytes, gateway.headerBytes),
    headerCount: Math.min(headerCount ?? gateway.headerFields, gateway.headerFields),
    bodyBytes: smaller(bodyBytes, gateway.bodyBytes),
    bodyTimeoutMs: bodyTimeout === undefined ? 0 : durationMs(bodyTimeout),
    minBytesPerSecond: minBodyRate?.bytesPerSecond ?? 0,
    graceMs: durationMs(minBodyRate?.grace ?? DEFAULTS.grace),
  };
}

function smaller(own: string | number | undefined, ofGateway: number): number {
  return own === undefined ? ofGateway : Math.min(sizeBytes(own), ofGateway);
}
