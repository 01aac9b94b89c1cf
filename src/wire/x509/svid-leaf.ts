/**
 * Reads the name of a workload from its certificate (X.509-SVID), and judges whether it is one.
 *
 * Thread: any (pure). By https://spiffe.io/docs/latest/spiffe-specs/x509-svid/ sections 2 to 5. The
 * bytes are read as they are in the certificate, not as some library writes them in words: what a
 * name could be taken for is no question then. Who signed it is judged elsewhere.
 */
import { spiffeIdProblem } from '../../base/spiffe-id.js';
import {
  type DerElement,
  DerError,
  derElements,
  derInside,
  TAG_BIT_STRING,
  TAG_BOOLEAN,
  TAG_OCTET_STRING,
  TAG_OID,
  TAG_SEQUENCE,
} from './der-reader.js';

/** A name of the kind URI (RFC 5280 4.2.1.6). */
const TAG_URI = 0x86;
/** The extensions in a certificate (RFC 5280 4.1). */
const TAG_EXTENSIONS = 0xa3;
const OID_KEY_USAGE = '551d0f';
const OID_ALTERNATIVE_NAMES = '551d11';
const OID_BASIC_CONSTRAINTS = '551d13';
const KEY_USAGE_BITS = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 } as const;

export type SvidReading = { readonly id: string } | { readonly problem: string };

/** The ID in a certificate (DER), or why it has none that may be used: a part of a sentence. */
export function readSvidLeaf(certificate: Buffer): SvidReading {
  try {
    return judge(extensionsOf(certificate));
  } catch (error) {
    if (error instanceof DerError) return { problem: `is not a certificate: ${error.message}` };
    throw error;
  }
}

/** Certificates that stand one behind the other. @throws DerError */
export function splitCertificates(bytes: Buffer): Buffer[] {
  return derElements(bytes).map(({ tag, whole }) => {
    if (tag !== TAG_SEQUENCE) throw new DerError('something that is no certificate');
    return whole;
  });
}

/** The contents of the extensions by their OIDs, in hexadecimal. */
function extensionsOf(certificate: Buffer): ReadonlyMap<string, Buffer> {
  const [whole, ...rest] = derElements(certificate);
  if (rest.length > 0) throw new DerError('more than one certificate');
  const [body] = derInside(whole, TAG_SEQUENCE);
  const found = new Map<string, Buffer>();
  const holder = derInside(body, TAG_SEQUENCE).find(({ tag }) => tag === TAG_EXTENSIONS);
  if (holder === undefined) return found;
  for (const extension of derInside(derElements(holder.body)[0], TAG_SEQUENCE)) {
    const parts = derInside(extension, TAG_SEQUENCE);
    const [oid] = parts;
    const content = parts.at(-1);
    if (oid?.tag !== TAG_OID || content?.tag !== TAG_OCTET_STRING) {
      throw new DerError('an extension that is none');
    }
    const name = oid.body.toString('hex');
    // Which of the two counts is a question that only an attacker asks.
    if (found.has(name)) throw new DerError('an extension that is there twice');
    found.set(name, content.body);
  }
  return found;
}

function judge(extensions: ReadonlyMap<string, Buffer>): SvidReading {
  const uris = urisOf(extensions.get(OID_ALTERNATIVE_NAMES));
  const [id = ''] = uris;
  if (uris.length !== 1) return { problem: `has ${uris.length} URIs for names, and not one` };
  const ofId = spiffeIdProblem(id);
  if (ofId !== '') return { problem: `has a name that is no SPIFFE ID: it ${ofId}` };
  if (isAuthority(extensions.get(OID_BASIC_CONSTRAINTS))) {
    return { problem: 'is one of an authority (CA), which names no workload' };
  }
  const usage = keyUsageOf(extensions.get(OID_KEY_USAGE));
  if (usage === null) return { problem: 'does not say what its key is for (key usage)' };
  const { digitalSignature, keyCertSign, crlSign } = KEY_USAGE_BITS;
  if ((usage & digitalSignature) === 0) {
    return { problem: 'has a key that is not for signatures (key usage digitalSignature)' };
  }
  if ((usage & (keyCertSign | crlSign)) !== 0) {
    return { problem: 'has a key that may sign certificates (key usage keyCertSign or cRLSign)' };
  }
  return { id };
}

function urisOf(names: Buffer | undefined): string[] {
  if (names === undefined) return [];
  const list = derInside(only(names), TAG_SEQUENCE);
  return list.filter(({ tag }) => tag === TAG_URI).map(({ body }) => body.toString('latin1'));
}

function isAuthority(constraints: Buffer | undefined): boolean {
  if (constraints === undefined) return false;
  const [flag] = derInside(only(constraints), TAG_SEQUENCE);
  return flag?.tag === TAG_BOOLEAN && flag.body.some((byte) => byte !== 0);
}

/** The first byte of the bits; null: the certificate does not say. */
function keyUsageOf(usage: Buffer | undefined): number | null {
  if (usage === undefined) return null;
  const bits = only(usage);
  if (bits.tag !== TAG_BIT_STRING) throw new DerError('a key usage that is none');
  return bits.body[1] ?? 0;
}

function only(bytes: Buffer): DerElement {
  const [element, ...more] = derElements(bytes);
  if (element === undefined || more.length > 0) throw new DerError('an extension that is none');
  return element;
}
