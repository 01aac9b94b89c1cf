/**
 * Compiles TLS towards targets: reads what was checked, and makes each kind once.
 *
 * Thread: loader. A part of compile-config.ts. Invariant: certificate and key of a kind belong
 * together, even where files were replaced after the check.
 */
import { createHash } from 'node:crypto';
import { defined } from '../../base/assert.js';
import type { CompiledConfig } from '../compiled-config.js';
import type { CompiledTargetTls } from '../compiled-target-tls.js';
import type { TargetTlsConfig, UpstreamConfig } from '../gateway-config.js';
import type { TargetUrl } from '../references/target-url.js';
import { contextProblem, readMaterial } from '../references/tls-material.js';
import { DEFAULTS } from '../schema/defaults.js';

import { compileTargetSpiffe } from './compile-spiffe.js';

const { tls: defaults } = DEFAULTS.upstream;

/** The kinds of TLS that the targets of one upstream have. */
export interface TargetTlsKinds {
  readonly list: readonly CompiledTargetTls[];
  /** The place in the list of what holds for a target with `own` settings. */
  placeOf(target: TargetUrl, own: TargetTlsConfig | undefined): number;
}

/** Gives the kinds of an upstream. */
export type TargetTlsSource = (name: string, config: UpstreamConfig) => TargetTlsKinds;

/** Reads files. */
export function readTargetTls(_name: string, { tls: shared }: UpstreamConfig): TargetTlsKinds {
  const list: CompiledTargetTls[] = [];
  return {
    list,
    placeOf(_target, own) {
      const compiled = compileTls({ ...shared, ...own });
      const known = list.findIndex(({ digest }) => digest === compiled.digest);
      return known === -1 ? list.push(compiled) - 1 : known;
    },
  };
}

/** Reads nothing: gives what `compiled` has of the same targets, whatever their addresses. */
export function keptTargetTls({
  upstreams,
  targets,
}: Pick<CompiledConfig, 'upstreams' | 'targets'>): TargetTlsSource {
  return (name) => {
    const upstream = defined(
      upstreams.find((one) => one.name === name),
      'the upstream as it was compiled',
    );
    const own = targets.filter(({ upstreamIndex }) => upstreamIndex === upstream.index);
    return {
      list: upstream.tls,
      placeOf: ({ authority, tls }) => {
        const isSame = (one: TargetUrl): boolean => one.authority === authority && one.tls === tls;
        return defined(own.find(isSame), 'the target as it was compiled').tlsPlace;
      },
    };
  };
}

function compileTls(config: TargetTlsConfig): CompiledTargetTls {
  const settings = {
    ca: textOf(config.ca),
    cert: textOf(config.cert),
    key: textOf(config.key),
    verifies: config.verify ?? defaults.verify,
    pins: config.pins ?? [],
    minVersion: config.minVersion ?? defaults.minVersion,
    spiffe: compileTargetSpiffe(config.spiffe),
  };
  const { ca, cert, key } = settings;
  const problem = contextProblem({
    ...(ca !== '' && { ca }),
    ...(cert !== '' && { cert, key }),
  });
  if (problem !== undefined) throw replacedMeanwhile(problem);
  const digest = createHash('sha256').update(JSON.stringify(settings)).digest('base64');
  return { ...settings, digest };
}

function textOf(value: string | undefined): string {
  if (value === undefined) return '';
  const read = readMaterial(value);
  if ('text' in read) return read.text;
  throw replacedMeanwhile(read.problem);
}

function replacedMeanwhile(problem: string): Error {
  return new Error(`files of upstreams.*.tls were replaced while they were read: ${problem}`);
}
