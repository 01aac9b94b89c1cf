/**
 * Compiles logs and traces.
 *
 * Thread: loader. A part of compile-config.ts; runs on a configuration that was checked.
 */
import { durationMs } from '../../base/quantities.js';
import type { CredentialPlace } from '../../filters/authentication/options.js';
import type { CompiledConfig } from '../compiled-config.js';
import type { CompiledAccessLog, CompiledTracing } from '../compiled-observability.js';
import type {
  AccessLogConfig,
  AuthenticatorConfig,
  GatewayConfig,
  TracingConfig,
} from '../gateway-config.js';
import { credentialPlace } from '../references/credential-place.js';
import { DEFAULTS } from '../schema/defaults.js';
import { statusRange } from './compile-targets.js';

/** The parts of a compiled configuration that say what operators get to see. */
export function compileObservability({
  admin: { replay = false } = {},
  logging = {},
  tracing,
  authenticators = {},
}: GatewayConfig): Pick<CompiledConfig, 'logging' | 'tracing'> {
  const { level = DEFAULTS.logging.level, format = DEFAULTS.logging.format } = logging;
  const names: readonly string[] = logging.redactQuery ?? DEFAULTS.logging.redactQuery;
  const places = Object.values(authenticators).flatMap(placesOf);
  const namesIn = (wanted: CredentialPlace['kind']): string[] =>
    places.filter(({ kind }) => kind === wanted).map(({ name }) => name.toLowerCase());
  const redactQuery = [
    ...new Set([...names.map((name) => name.toLowerCase()), ...namesIn('query')]),
  ];
  const secretHeaders = namesIn('header').filter((name) => name !== 'authorization');
  const hidden = { redactQuery, secretHeaders };
  const accessLog = compileAccessLog(logging.accessLog ?? DEFAULTS.logging.accessLog, hidden);
  const { headers = [] } = typeof replay === 'object' ? replay : {};
  return {
    logging: { level, format, accessLog, keptRecords: keptRecords(headers, hidden) },
    tracing: tracing === undefined ? null : compileTracing(tracing, redactQuery),
  };
}

const OF_CALLBACKS: CredentialPlace[] = (['query:code', 'query:state'] as const).map(
  credentialPlace,
);

/** Where a request may have secrets of this authenticator, beside Authorization and Cookie. */
function placesOf(config: AuthenticatorConfig): CredentialPlace[] {
  if ('from' in config && config.from !== undefined) return config.from.map(credentialPlace);
  // What a provider sends browsers back with.
  if (config.type === 'oidc') return OF_CALLBACKS;
  if (config.type !== 'apiKey') return [];
  return [credentialPlace(`header:${config.header ?? DEFAULTS.authenticator.apiKeyHeader}`)];
}

function compileAccessLog(
  config: boolean | AccessLogConfig,
  hidden: Pick<CompiledAccessLog, 'redactQuery' | 'secretHeaders'>,
): CompiledAccessLog | null {
  if (config === false) return null;
  const { status = [], slowerThan, headers = [], samplePercent } = config === true ? {} : config;
  const hasFilter = status.length > 0 || slowerThan !== undefined;
  return {
    samplePercent: samplePercent ?? (hasFilter ? 0 : 100),
    statuses: status.map(statusRange),
    slowerThanMs: slowerThan === undefined ? -1 : durationMs(slowerThan),
    headers: headers.map((name) => name.toLowerCase()),
    showsBodies: true,
    ...hidden,
  };
}

/** Of every request. Without its host a route by host cannot be found again. */
function keptRecords(
  headers: readonly string[],
  hidden: Pick<CompiledAccessLog, 'redactQuery' | 'secretHeaders'>,
): CompiledAccessLog {
  const names = ['host', ...headers.map((name) => name.toLowerCase())];
  return {
    samplePercent: 100,
    statuses: [],
    slowerThanMs: -1,
    headers: [...new Set(names)],
    showsBodies: false,
    ...hidden,
  };
}

function compileTracing(config: TracingConfig, redactQuery: readonly string[]): CompiledTracing {
  return {
    endpoint: config.endpoint,
    samplePercent: config.samplePercent ?? DEFAULTS.tracing.samplePercent,
    propagation: [...(config.propagation ?? DEFAULTS.tracing.propagation)],
    serviceName: config.serviceName ?? DEFAULTS.tracing.serviceName,
    headers: Object.entries(config.headers ?? {}),
    redactQuery,
  };
}
