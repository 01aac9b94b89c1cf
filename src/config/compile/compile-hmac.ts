/**
 * Compiles senders of webhooks.
 *
 * Thread: loader. A part of compile-authenticators.ts.
 */
import { durationMs, sizeBytes } from '../../base/quantities.js';
import type { CompiledHmacAuthenticator } from '../../filters/authentication/options.js';
import type { HmacAuthenticatorConfig } from '../gateway-config.js';
import { DEFAULTS } from '../schema/defaults.js';

const { hmac: defaults } = DEFAULTS;

type Own = Omit<
  CompiledHmacAuthenticator,
  'index' | 'name' | 'claimHeaders' | 'forwardCredentials'
>;
type Place = Pick<Own, 'header' | 'prefix' | 'encoding' | 'timestampHeader' | 'algorithm'>;

const HEX = { encoding: 'hex', algorithm: 'sha256' } as const;

/** Where well-known senders have their signatures. */
const PLACES: Readonly<Record<Exclude<Own['format'], 'plain'>, Place>> = {
  github: { ...HEX, header: 'x-hub-signature-256', prefix: 'sha256=', timestampHeader: '' },
  stripe: { ...HEX, header: 'stripe-signature', prefix: '', timestampHeader: '' },
  slack: {
    ...HEX,
    header: 'x-slack-signature',
    prefix: 'v0=',
    timestampHeader: 'x-slack-request-timestamp',
  },
  standard: {
    encoding: 'base64',
    algorithm: 'sha256',
    header: 'webhook-signature',
    prefix: 'v1,',
    timestampHeader: 'webhook-timestamp',
  },
};

export function compileHmac(config: HmacAuthenticatorConfig, name: string): Own {
  return {
    type: 'hmac',
    format: config.format,
    secrets: [...config.secrets],
    consumer: config.consumer ?? name,
    scopes: [...(config.scopes ?? [])],
    toleranceMs: durationMs(config.tolerance ?? defaults.tolerance),
    bodyBytesMax: sizeBytes(config.bodyBytes ?? defaults.bodyBytes),
    ...(config.format === 'plain' ? plainPlace(config) : PLACES[config.format]),
  };
}

function plainPlace(config: HmacAuthenticatorConfig): Place {
  return {
    header: (config.header ?? 'x-signature').toLowerCase(),
    prefix: config.prefix ?? '',
    encoding: config.encoding ?? 'hex',
    algorithm: config.algorithm ?? 'sha256',
    timestampHeader: (config.timestampHeader ?? '').toLowerCase(),
  };
}
