/**
 * The engines that the suites about HTTP run over, and what the older one cannot do.
 */
import { createRequire } from 'node:module';
import type { CreateEngine } from '../../src/acceptor/client-engine.js';
import { wireEngine } from '../../src/acceptor/net/wire-engine.js';
import { loadNativeBinary, NativeBinaryError } from '../../src/acceptor/uws/native-binary.js';
import { uwsEngine } from '../../src/acceptor/uws/uws-engine.js';
import type { TlsMaterial } from '../../src/channel/tls-material.js';
import type { ListenerSettings } from '../../src/config/listener-settings.js';
import type { TlsSettings } from '../../src/config/tls-settings.js';
import { makeCertificate } from './test-certificate.js';
import { certificateOf, materialOf } from './tls-door-rig.js';

export type EngineUnderTest = 'wire' | 'wire with TLS' | 'uws';

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
  expectRefused: 'a refusal in place of 100, which the library sends at once',
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

/** Settings with which a listener speaks TLS; what it shows comes from its materials. */
export const A_TLS_LISTENER: TlsSettings = {
  certificates: [],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: '',
  strictSni: false,
  clientCertificates: null,
  tickets: { file: '', rotateMs: 3_600_000 },
  spiffe: null,
  acme: null,
};

/** How an engine is made, and what its listener goes by. */
export interface EngineMaker {
  /** Not empty: why the engine cannot run on this machine. */
  readonly missing: string;
  create(): CreateEngine;
  readonly settings: Partial<ListenerSettings>;
  material(): TlsMaterial | null;
}

function aMaterial(): TlsMaterial {
  return materialOf([certificateOf(['localhost'], [makeCertificate()])]);
}

const PLAIN = { missing: '', settings: {}, material: () => null };
const SECURE = { missing: '', settings: { tls: A_TLS_LISTENER }, material: aMaterial };

/**
 * Why the engine `uws` cannot run here; '': it can. Node 20 has a binary everywhere, so that one
 * which is installed and does not load is a mistake; those of later versions need a newer C library.
 */
export function missingBinary(): string {
  if (process.versions.node.startsWith('20.') && isInstalled()) return '';
  try {
    loadNativeBinary();
    return '';
  } catch (error) {
    if (!(error instanceof NativeBinaryError)) throw error;
    return `a binary of uWebSockets.js that loads under Node ${process.versions.node}`;
  }
}

/** The package is optional; and another release may be named in its place. */
function isInstalled(): boolean {
  if (process.env['GATEWAY_UWS_PATH'] !== undefined) return false;
  try {
    createRequire(import.meta.url).resolve('uWebSockets.js');
    return true;
  } catch {
    return false;
  }
}

export const ENGINES: readonly (readonly [EngineUnderTest, EngineMaker])[] = [
  ['wire', { create: wireEngine, ...PLAIN }],
  ['wire with TLS', { create: wireEngine, ...SECURE }],
  ['uws', { create: () => uwsEngine(loadNativeBinary()), ...PLAIN, missing: missingBinary() }],
];
