/**
 * Options of the fields that tell browsers to be careful.
 *
 * Thread: any (pure). The values follow the OWASP Secure Headers Project.
 */

/**
 * Fields of replies that make browsers stricter. Each has a value by default; `off` leaves a field
 * to the target. What the target says itself is kept, unless `override` is set.
 */
export interface SecurityHeadersConfig {
  /** Default: `max-age=31536000; includeSubDomains`. Browsers heed it over TLS only. */
  readonly strictTransportSecurity?: string;
  /** Default: `default-src 'none'; frame-ancestors 'none'` on the gateway's own replies. */
  readonly contentSecurityPolicy?: string;
  /** Default: `nosniff`. */
  readonly contentTypeOptions?: string;
  /** Default: `DENY`. */
  readonly frameOptions?: string;
  /** Default: `no-referrer`. */
  readonly referrerPolicy?: string;
  /** Default: `none`. */
  readonly permittedCrossDomainPolicies?: string;
  /** Whether these replace what the target says. Default: false. */
  readonly override?: boolean;
  /** Whether `Server` and `X-Powered-By` of the target are removed. Default: true. */
  readonly hideServer?: boolean;
}

export interface CompiledSecurityHeaders {
  /** Names and values. */
  readonly fields: readonly (readonly [string, string])[];
  /** Names and values for the gateway's own replies only. */
  readonly localFields: readonly (readonly [string, string])[];
  readonly override: boolean;
  readonly hideServer: boolean;
}

/** Leaves a field out. */
export const OFF = 'off';

const FIELDS = {
  strictTransportSecurity: ['Strict-Transport-Security', 'max-age=31536000; includeSubDomains'],
  contentTypeOptions: ['X-Content-Type-Options', 'nosniff'],
  frameOptions: ['X-Frame-Options', 'DENY'],
  referrerPolicy: ['Referrer-Policy', 'no-referrer'],
  permittedCrossDomainPolicies: ['X-Permitted-Cross-Domain-Policies', 'none'],
} as const;

const POLICY_FIELD = 'Content-Security-Policy';
const LOCAL_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Fills in the defaults. */
export function compileSecurityHeaders(config: SecurityHeadersConfig): CompiledSecurityHeaders {
  const fields: [string, string][] = [];
  for (const key of Object.keys(FIELDS) as (keyof typeof FIELDS)[]) {
    const [name, byDefault] = FIELDS[key];
    const value = config[key] ?? byDefault;
    if (value !== OFF) fields.push([name, value]);
  }
  const { contentSecurityPolicy: policy } = config;
  if (policy !== undefined && policy !== OFF) fields.push([POLICY_FIELD, policy]);
  return {
    fields,
    localFields: policy === undefined ? [[POLICY_FIELD, LOCAL_POLICY]] : [],
    override: config.override ?? false,
    hideServer: config.hideServer ?? true,
  };
}
