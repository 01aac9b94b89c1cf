/**
 * How senders of webhooks sign: where the signatures stand, and what text they are of.
 *
 * Thread: any (pure). GitHub, Stripe and Slack as they document it; `standard` is Standard Webhooks
 * 1.0; `plain` is whatever else is an HMAC of the body.
 */
import type { AuthenticationRequest } from '../authenticator.js';
import type { CompiledHmacAuthenticator } from '../options.js';

/** More than any sender has while it changes its secret. */
const SIGNATURES_MAX = 8;
const SECONDS = /^[0-9]{1,12}$/;

/** What a request brings to be verified. */
export interface SignedBody {
  /** What stands in front of the body in the signed text. */
  readonly prefix: string;
  /** Decoded: one that is right is enough. */
  readonly signatures: readonly Buffer[];
  /** In seconds since 1970; null: the format has none. */
  readonly sentAt: number | null;
}

/** null: there is no signature; undefined: what is there is none. */
export type FoundSignature = SignedBody | null | undefined;

type Format = Pick<
  CompiledHmacAuthenticator,
  'format' | 'header' | 'prefix' | 'encoding' | 'timestampHeader'
>;

export function signatureOf(request: AuthenticationRequest, format: Format): FoundSignature {
  const values = request.fields.values(format.header);
  const [text = '', another] = values;
  if (values.length === 0) return null;
  if (another !== undefined || text === '') return undefined;
  switch (format.format) {
    case 'stripe':
      return stripeSignature(text);
    case 'slack':
      return timed(request, format, { text: text, before: (sentAt) => `v0:${sentAt}:` });
    case 'standard':
      return standardSignature(request, format, text);
    default:
      return timed(request, format, { text, before: (sentAt) => `${sentAt}.` });
  }
}

/** The field by which a request is known to be one of this format. */
export function hasSignature(request: AuthenticationRequest, { header }: Format): boolean {
  return request.fields.values(header).length > 0;
}

/** One signature, with the time in a field of its own where the format has one. */
function timed(
  request: AuthenticationRequest,
  { prefix, encoding, timestampHeader }: Format,
  { text, before }: { readonly text: string; readonly before: (sentAt: string) => string },
): SignedBody | undefined {
  if (!text.startsWith(prefix)) return undefined;
  const signature = decoded(text.slice(prefix.length), encoding);
  if (signature === undefined) return undefined;
  if (timestampHeader === '') return { prefix: '', signatures: [signature], sentAt: null };
  const sentAt = onlyValue(request, timestampHeader);
  if (!SECONDS.test(sentAt)) return undefined;
  return { prefix: before(sentAt), signatures: [signature], sentAt: Number(sentAt) };
}

/** `t=1492774577,v1=5257a8…,v1=…`: of the schemes only v1 is safe. */
function stripeSignature(text: string): SignedBody | undefined {
  const pairs = text.split(',').map((pair) => pair.trim().split('=', 2));
  const times = pairs.filter(([name]) => name === 't').map(([, value = '']) => value);
  const [sentAt = '', another] = times;
  if (another !== undefined || !SECONDS.test(sentAt)) return undefined;
  const found = pairs.filter(([name]) => name === 'v1').map(([, value = '']) => value);
  return several(found, 'hex', { prefix: `${sentAt}.`, sentAt: Number(sentAt) });
}

/** `v1,BASE64 v1,BASE64`, of id, time and body. */
function standardSignature(
  request: AuthenticationRequest,
  { timestampHeader }: Format,
  text: string,
): SignedBody | undefined {
  const id = onlyValue(request, 'webhook-id');
  const sentAt = onlyValue(request, timestampHeader);
  if (id === '' || id.includes('.') || !SECONDS.test(sentAt)) return undefined;
  const found = text.split(' ').filter((one) => one.startsWith('v1,'));
  const values = found.map((one) => one.slice('v1,'.length));
  return several(values, 'base64', { prefix: `${id}.${sentAt}.`, sentAt: Number(sentAt) });
}

function several(
  texts: readonly string[],
  encoding: Format['encoding'],
  rest: { readonly prefix: string; readonly sentAt: number },
): SignedBody | undefined {
  if (texts.length === 0 || texts.length > SIGNATURES_MAX) return undefined;
  const signatures = texts.map((text) => decoded(text, encoding));
  if (signatures.some((one) => one === undefined)) return undefined;
  return { ...rest, signatures: signatures.filter((one) => one !== undefined) };
}

/** '': there is none, or several. */
function onlyValue({ fields }: AuthenticationRequest, name: string): string {
  const values = fields.values(name);
  return values.length === 1 ? (values[0] ?? '') : '';
}

/** undefined: it is not in this encoding, to the last character. */
function decoded(text: string, encoding: Format['encoding']): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  const spelled = bytes.toString(encoding);
  return bytes.length > 0 && spelled === (encoding === 'hex' ? text.toLowerCase() : text)
    ? bytes
    : undefined;
}
