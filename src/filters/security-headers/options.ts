/**
 * Options of the fields that tell browsers to be careful.
 *
 * Thread: any (pure). The values follow the OWASP Secure Headers Project.
 */
import {
  booleanNode,
  objectNode,
  stringNode,
  switchNode,
  type TypeOf,
} from '../../schema/schema-node.js';
import { HEADER_VALUE_TEXT } from '../../schema/text-shapes.js';
import { filterOptions } from '../filter-options.js';

/** Leaves a field out. */
const OFF = 'off';

/** By key: the name of the field, and its value by default. */
const FIELDS = {
  strictTransportSecurity: ['Strict-Transport-Security', 'max-age=31536000; includeSubDomains'],
  contentTypeOptions: ['X-Content-Type-Options', 'nosniff'],
  frameOptions: ['X-Frame-Options', 'DENY'],
  referrerPolicy: ['Referrer-Policy', 'no-referrer'],
  permittedCrossDomainPolicies: ['X-Permitted-Cross-Domain-Policies', 'none'],
} as const;

const POLICY_FIELD = 'Content-Security-Policy';
const LOCAL_POLICY = "default-src 'none'; frame-ancestors 'none'";

const SWITCHES = { override: false, hideServer: true } as const;

function fieldNode(key: keyof typeof FIELDS, more = '') {
  const [name, byDefault] = FIELDS[key];
  const description = `Value of \`${name}\`, or \`off\`.${more}`;
  return stringNode(description, { default: byDefault, maxLength: 4096, ...HEADER_VALUE_TEXT });
}

const SECURITY_HEADERS_NODE = objectNode(
  'SecurityHeadersConfig',
  'Fields of replies that make browsers stricter. Each has a value by default; `off` leaves a ' +
    'field to the target. What the target says itself is kept, unless `override` is set.',
  {
    strictTransportSecurity: fieldNode(
      'strictTransportSecurity',
      ' Browsers heed it over TLS only.',
    ),
    contentSecurityPolicy: stringNode(`Value of \`${POLICY_FIELD}\`, or \`off\`.`, {
      'x-absent': `\`${LOCAL_POLICY}\` on the gateway's own replies`,
      maxLength: 4096,
      ...HEADER_VALUE_TEXT,
    }),
    contentTypeOptions: fieldNode('contentTypeOptions'),
    frameOptions: fieldNode('frameOptions'),
    referrerPolicy: fieldNode('referrerPolicy'),
    permittedCrossDomainPolicies: fieldNode('permittedCrossDomainPolicies'),
    override: booleanNode('Whether these replace what the target says.', SWITCHES.override),
    hideServer: booleanNode(
      'Whether `Server` and `X-Powered-By` of the target are removed.',
      SWITCHES.hideServer,
    ),
  },
);

const SWITCH_NODE = switchNode(
  'Fields of replies that make browsers stricter: true for the preset, or an object that ' +
    'changes it.',
  SECURITY_HEADERS_NODE,
);

type SecurityHeadersConfig = TypeOf<typeof SECURITY_HEADERS_NODE>;

export interface CompiledSecurityHeaders {
  /** Names and values. */
  readonly fields: readonly (readonly [string, string])[];
  /** Names and values for the gateway's own replies only. */
  readonly localFields: readonly (readonly [string, string])[];
  readonly override: boolean;
  readonly hideServer: boolean;
}

export const SECURITY_HEADERS = filterOptions({
  name: 'securityHeaders',
  route: { securityHeaders: SWITCH_NODE },
  gateway: { securityHeaders: SWITCH_NODE },
  places: ['replyHead'],
  compile: ({ securityHeaders = false }) => {
    if (securityHeaders === false) return null;
    return compileSecurityHeaders(securityHeaders === true ? {} : securityHeaders);
  },
});

function compileSecurityHeaders(config: SecurityHeadersConfig): CompiledSecurityHeaders {
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
    override: config.override ?? SWITCHES.override,
    hideServer: config.hideServer ?? SWITCHES.hideServer,
  };
}
