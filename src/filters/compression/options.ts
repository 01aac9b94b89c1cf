/**
 * Options of the compression of replies.
 *
 * Thread: any (pure).
 */

import { CODINGS } from '../../base/content-codings.js';
import { sizeBytes } from '../../base/quantities.js';
import {
  integerNode,
  listNode,
  objectNode,
  sizeNode,
  stringNode,
  switchNode,
  type TypeOf,
  textNode,
} from '../../schema/schema-node.js';
import { textShape } from '../../schema/text-shapes.js';
import { hasCoding } from '../content-codings.js';
import type { CompressionPlan } from '../filter.js';
import { filterOptions } from '../filter-options.js';

/** Types of text as they are served. Event streams are compressed where they are listed only. */
const TYPES_BY_DEFAULT = [
  'text/plain',
  'text/html',
  'text/css',
  'text/csv',
  'text/xml',
  'text/javascript',
  'text/markdown',
  'application/json',
  'application/*+json',
  'application/x-ndjson',
  'application/javascript',
  'application/xml',
  'application/*+xml',
  'application/yaml',
  'application/wasm',
  'image/svg+xml',
] as const;

const MIN_BYTES_BY_DEFAULT = '1KiB';
const LEVELS = { gzip: 5, br: 4, zstd: 3 } as const;

const MEDIA_TYPE_TEXT = textShape(
  '^[a-z0-9!#$&^_.+-]+/(?=.)[a-z0-9!#$&^_.+-]*[*]?[a-z0-9!#$&^_.+-]*$',
  'a media type in lower case, with at most one star, after the slash',
);

const COMPRESSION_NODE = objectNode(
  'CompressionConfig',
  'Compresses replies that are not compressed already, for clients that accept it.',
  {
    encodings: listNode(
      'Codings that clients are offered, the preferred one first. zstd needs Node.js 22.15 or ' +
        'later.',
      stringNode('A content coding.', { enum: CODINGS }),
      {
        'x-absent': 'all that this Node.js has: zstd, br, gzip',
        minItems: 1,
        maxItems: CODINGS.length,
        uniqueItems: true,
      },
    ),
    minBytes: sizeNode('Shorter replies are not compressed.', ['1', '16MiB'], {
      default: MIN_BYTES_BY_DEFAULT,
    }),
    types: listNode(
      'Media types that are compressed; a star stands for any characters. Event streams are ' +
        'compressed where `text/event-stream` is listed.',
      textNode(MEDIA_TYPE_TEXT),
      { default: TYPES_BY_DEFAULT, minItems: 1, maxItems: 64, uniqueItems: true },
    ),
    level: objectNode('CompressionLevels', 'How hard each coding tries, at the cost of CPU.', {
      gzip: integerNode('Level of gzip.', [1, 9], { default: LEVELS.gzip }),
      br: integerNode('Quality of Brotli.', [0, 11], { default: LEVELS.br }),
      zstd: integerNode('Level of Zstandard.', [1, 19], { default: LEVELS.zstd }),
    }),
  },
);

const SWITCH_NODE = switchNode(
  'Compresses replies: true for the preset, an object that changes it, or false. Replies that ' +
    'hold a secret beside text of a client should stay as they are: see docs/security.md.',
  COMPRESSION_NODE,
);

type CompressionConfig = TypeOf<typeof COMPRESSION_NODE>;

export const COMPRESSION = filterOptions({
  name: 'compression',
  route: { compression: SWITCH_NODE },
  gateway: { compression: SWITCH_NODE },
  places: ['replyCoding'],
  check: ({ compression }, { pointer, findings }) => {
    if (typeof compression !== 'object') return;
    for (const [at, coding] of (compression.encodings ?? []).entries()) {
      if (coding === undefined || hasCoding(coding)) continue;
      const message = `Node.js ${process.version} has no ${coding}: it comes with 22.15`;
      findings.addValue(`${pointer}/compression/encodings/${at}`, message);
    }
  },
  compile: ({ compression = false }) => {
    if (compression === false) return null;
    return compileCompression(compression === true ? {} : compression);
  },
});

function compileCompression(config: CompressionConfig): CompressionPlan {
  const { encodings = CODINGS, types = TYPES_BY_DEFAULT, level = {} } = config;
  return {
    codings: encodings.filter(hasCoding),
    minBytes: sizeBytes(config.minBytes ?? MIN_BYTES_BY_DEFAULT),
    types,
    levels: { ...LEVELS, ...level },
  };
}
