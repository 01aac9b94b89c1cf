/**
 * Options of the collecting of bodies whose length nobody tells.
 *
 * Thread: any (pure).
 */
import { sizeBytes } from '../../base/quantities.js';
import { objectNode, sizeNode, switchNode, type TypeOf } from '../../schema/schema-node.js';
import { filterOptions } from '../filter-options.js';

const DEFAULTS = { maxBytes: '1MiB' } as const;

const REQUEST_BUFFERING_NODE = objectNode(
  'RequestBufferingConfig',
  'How bodies are collected whose length the client does not tell.',
  {
    maxBytes: sizeNode(
      'Largest body that is collected, at most `limits.bodyBytes`. A larger one is refused with ' +
        '413. Each request may take that much memory.',
      ['1KiB', '64MiB'],
      { default: DEFAULTS.maxBytes },
    ),
  },
);

const SWITCH_NODE = switchNode(
  'Whether a body whose length the client does not tell (chunks of HTTP/1.1, a stream of HTTP/2) ' +
    'is collected before the target gets it, with `Content-Length`: for targets that cannot read ' +
    'chunks. Bodies with a length and calls of gRPC go on as they come. true, or an object that ' +
    'says how much is collected.',
  REQUEST_BUFFERING_NODE,
);

type RequestBufferingConfig = TypeOf<typeof REQUEST_BUFFERING_NODE>;

export interface CompiledRequestBuffering {
  readonly maxBytes: number;
}

export const REQUEST_BUFFERING = filterOptions({
  name: 'requestBuffering',
  route: { requestBuffering: SWITCH_NODE },
  gateway: { requestBuffering: SWITCH_NODE },
  places: ['requestBody'],
  compile: ({ requestBuffering = false }, { bodyBytes }) => {
    if (requestBuffering === false) return null;
    return compileBuffering(requestBuffering === true ? {} : requestBuffering, bodyBytes);
  },
});

function compileBuffering(
  { maxBytes = DEFAULTS.maxBytes }: RequestBufferingConfig,
  ofGateway: number,
): CompiledRequestBuffering {
  return { maxBytes: Math.min(sizeBytes(maxBytes), ofGateway) };
}
