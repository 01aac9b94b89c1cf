/**
 * Requests that others have collected to find parsers that differ. `__HOST__` stands for a host.
 */
import { readShared } from './shared-data.js';

export const VECTOR_FILES = [
  'llhttp-vectors.json',
  'smuggler-default.json',
  'hrs-permutations.json',
];

export interface Vector {
  readonly name: string;
  readonly bytes: string;
  /** True: the source of the vector says that it must be refused as a whole. */
  readonly isRefused?: boolean;
}

export function requestVectors(): Vector[] {
  return [...llhttpVectors(), ...smugglerVectors(), ...permutationVectors()];
}

function readJson<T>(file: string): T {
  return JSON.parse(readShared(file)) as T;
}

interface LlhttpFile {
  readonly vectors: readonly {
    readonly file: string;
    readonly title: string;
    readonly type: string;
    readonly b64: string;
    readonly accept: boolean;
  }[];
}

/** What only a switched-off check would accept must be refused like what is refused always. */
function llhttpVectors(): Vector[] {
  const { vectors } = readJson<LlhttpFile>('llhttp-vectors.json');
  return vectors
    .filter(({ type }) => type.startsWith('request'))
    .map(({ file, title, type, b64, accept }) => ({
      name: `llhttp ${file}: ${title}${type === 'request' ? '' : ` (${type})`}`,
      bytes: withHost(Buffer.from(b64, 'base64').toString('latin1')),
      isRefused: type === 'request' && !accept,
    }));
}

/** Puts `__HOST__` where the vector names a host, or in a field of its own after the first line. */
function withHost(bytes: string): string {
  if (/^host:[^\r\n]*/im.test(bytes)) {
    return bytes.replace(/^(host:)[^\r\n]*/im, '$1 __HOST__');
  }
  return bytes.replace('\r\n', '\r\nHost: __HOST__\r\n');
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: __HOST__\r\n\r\n';
/** Content-Length and body: each is read to another end by the length and by the chunks. */
const ATTACKS: Readonly<Record<string, readonly [length: number, body: string]>> = {
  'TE.CL': [6, '0\r\n\r\nX'],
  'CL.TE': [4, '1\r\nZ\r\n0\r\n\r\n'],
  'CL.TE broken': [4, '1\r\nZ\r\nQ'],
  'CL.TE request': [5 + SMUGGLED.length, `0\r\n\r\n${SMUGGLED}`],
};

function smugglerVectors(): Vector[] {
  const { mutations } = readJson<{ mutations: { name: string; header_latin1: string }[] }>(
    'smuggler-default.json',
  );
  return mutations.flatMap(({ name, header_latin1: template }) =>
    Object.entries(ATTACKS).map(([attack, [length, body]]) => ({
      name: `smuggler ${name} ${attack}`,
      bytes: `${template
        .replace('__METHOD__', 'POST')
        .replace('__ENDPOINT__', '/')
        .replace('__RANDOM__', '1')
        .replace('__REPLACE_CL__', String(length))}\r\n${body}`,
    })),
  );
}

function permutationVectors(): Vector[] {
  const file = readJson<Record<string, Record<string, string>>>('hrs-permutations.json');
  const start = 'POST /hrs HTTP/1.1\r\nHost: __HOST__\r\n';
  const attacks = Object.entries(ATTACKS);
  const decode = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1');
  const codings = Object.entries(file['transfer_encoding'] ?? {}).flatMap(([name, hex]) => [
    ...attacks.map(([attack, [length, body]]) => ({
      name: `hrs ${name} ${attack}`,
      bytes: `${start}Content-Length: ${length}\r\n${decode(hex)}\r\n\r\n${body}`,
    })),
    { name: `hrs ${name} alone`, bytes: `${start}${decode(hex)}\r\n\r\n0\r\n\r\n` },
    {
      name: `hrs ${name} alone, request`,
      bytes: `${start}${decode(hex)}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    },
  ]);
  const lengths = Object.entries(file['content_length'] ?? {}).flatMap(([name, hex]) => [
    ...attacks.map(([attack, [length, body]]) => ({
      name: `hrs ${name} ${attack}`,
      bytes:
        `${start}${decode(hex).replace('%CL%', String(length))}\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${body}`,
    })),
    {
      name: `hrs ${name} alone`,
      bytes: `${start}${decode(hex).replace('%CL%', '5')}\r\n\r\nhello`,
    },
  ]);
  return [...codings, ...lengths];
}

/** NUL, bare CR or LF, two framing fields, or a Transfer-Encoding that is not plainly chunked. */
export function isHostileHead(bytes: string): boolean {
  const headEnd = bytes.indexOf('\r\n\r\n');
  const head = headEnd === -1 ? bytes : bytes.slice(0, headEnd);
  if (/\0|\r(?!\n)|(?<!\r)\n/.test(head)) return true;
  const framing = head.match(/^(?:content-length|transfer-encoding)[^\r\n]*/gim) ?? [];
  if (framing.length > 1) return true;
  return framing.some(
    (field) => /^transfer-encoding/i.test(field) && !/^[^:]{17}:[ \t]*chunked[ \t]*$/i.test(field),
  );
}
