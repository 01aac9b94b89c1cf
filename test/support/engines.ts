/**
 * The engines that the suites about HTTP run over, and what the older one cannot do.
 */
import type { CreateEngine } from '../../src/acceptor/client-engine.js';
import { wireEngine } from '../../src/acceptor/net/wire-engine.js';
import { loadNativeBinary } from '../../src/acceptor/uws/native-binary.js';
import { uwsEngine } from '../../src/acceptor/uws/uws-engine.js';

export type EngineUnderTest = 'wire' | 'uws';

/**
 * What `uws` cannot do: the only list of it. Each entry has tests that hold on `wire` and fail on
 * `uws`, so an entry that is not true any more shows. The list may shrink, and not grow.
 */
export const UWS_GAPS = {
  splitRequestLine: 'a request line that comes in two pieces',
  http10: 'HTTP/1.0',
  pipelining: 'requests that are sent ahead',
  emptyLine: 'an empty line before a request',
  absoluteForm: 'targets in absolute form, and *',
  underscores: 'names of fields with an underscore',
  obsText: 'bytes above 0x7f at the ends of a value',
  chunkExtensions: 'chunk extensions',
  requestTrailers: 'fields behind the body of a request',
  replyTrailers: 'fields behind the body of a reply',
  interimHeads: 'heads before that of the reply',
  expectTooLong: 'a refusal in place of 100 where Content-Length is over the limit',
  closeTold: 'Connection: close in the reply to a request that has it',
  expectCase: 'Expect in other letters than lower case',
  headAtOnce: 'the head of a reply of unknown length before its first byte',
  halfClosed: 'clients that close their side and wait for the reply',
  refusals: 'an answer to each malformed request',
  timers: 'time-outs that the configuration says',
  requestsPerConnection: 'a bound on the requests of a connection',
  tunnels: 'tunnels',
  exactCounts: 'knowing which connection has closed',
  drain: 'closing connections that are idle',
} as const;

export type UwsGap = keyof typeof UWS_GAPS;

export const ENGINES: readonly (readonly [EngineUnderTest, () => CreateEngine])[] = [
  ['wire', () => wireEngine()],
  ['uws', () => uwsEngine(loadNativeBinary())],
];
